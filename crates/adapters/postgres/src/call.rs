//! One call of the write statement: its columns, and what the database answers.

use std::sync::Arc;

use runledger_domain::{RunRecord, Timestamp};
use runledger_ports::{DeliveryState, WebhookName};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use crate::columns::{big, text_column};

/// The only statement that writes, as long as no delivery is kept.
pub(crate) const WRITE: &str = "SELECT stale, last_seq, first_record FROM ledger_write_v1(
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26,
  $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50)";

/// The same, with deliveries.
pub(crate) const WRITE_DELIVERIES: &str = "SELECT stale, last_seq, first_record FROM ledger_write_v2(
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26,
  $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50,
  $51, $52, $53, $54, $55, $56, $57, $58)";

/// The same, with something that goes with a duty.
pub(crate) const WRITE_FENCED: &str = "SELECT stale, last_seq, first_record FROM ledger_write_v3(
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26,
  $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50,
  $51, $52, $53, $54, $55, $56, $57, $58, $59, $60, $61)";

/// The statement that says what became of a call.
pub(crate) const SETTLE: &str = "SELECT stale, last_seq, first_record, known, done FROM ledger_settle_v1($1, $2)";

/// What one call writes, in the columns of the statement.
#[derive(Debug, Default)]
pub(crate) struct Call {
    pub(crate) guards: Guards,
    pub(crate) inserts: Inserts,
    pub(crate) updates: Updates,
    pub(crate) references: References,
    pub(crate) loads: Loads,
    pub(crate) tokens: Tokens,
    pub(crate) lines: Lines,
    pub(crate) deliveries: Deliveries,
    pub(crate) fences: Fences,
    /// The records that it writes: first those that it inserts, in their order.
    pub(crate) written: Vec<Written>,
}

/// A record that a call writes.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) group: i32,
    /// Its number; `None` while it has none.
    pub(crate) stored: Option<i64>,
    pub(crate) record: Arc<RunRecord>,
}

#[derive(Debug, Default)]
pub(crate) struct Guards {
    group: Vec<i32>,
    what: Vec<i16>,
    name: Vec<String>,
    more: Vec<Option<String>>,
    first: Vec<i64>,
    second: Vec<i64>,
}

#[derive(Debug, Default)]
pub(crate) struct Inserts {
    pub(crate) group: Vec<i32>,
    pub(crate) run: Vec<String>,
    pub(crate) client: Vec<String>,
    pub(crate) status: Vec<i16>,
    pub(crate) version: Vec<i64>,
    pub(crate) deadline: Vec<i64>,
    pub(crate) batch: Vec<Option<String>>,
    pub(crate) body: Vec<String>,
    pub(crate) source: Vec<Option<String>>,
    pub(crate) attempt: Vec<Option<String>>,
}

#[derive(Debug, Default)]
pub(crate) struct Updates {
    pub(crate) group: Vec<i32>,
    pub(crate) id: Vec<i64>,
    pub(crate) version_was: Vec<i64>,
    pub(crate) status_was: Vec<i16>,
    pub(crate) status: Vec<i16>,
    pub(crate) version: Vec<i64>,
    pub(crate) deadline: Vec<i64>,
    pub(crate) body: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct References {
    pub(crate) group: Vec<i32>,
    pub(crate) run: Vec<String>,
    pub(crate) client: Vec<String>,
    pub(crate) system: Vec<String>,
    pub(crate) external: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Loads {
    pub(crate) group: Vec<i32>,
    pub(crate) client: Vec<String>,
    pub(crate) records: Vec<i64>,
    pub(crate) notes: Vec<i64>,
}

#[derive(Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) group: Vec<i32>,
    pub(crate) new: Vec<bool>,
    pub(crate) id: Vec<String>,
    pub(crate) body: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) group: Vec<i32>,
    pub(crate) at: Vec<i64>,
    pub(crate) action: Vec<&'static str>,
    pub(crate) source: Vec<String>,
    pub(crate) run: Vec<String>,
    pub(crate) client: Vec<String>,
    pub(crate) verdict: Vec<&'static str>,
    pub(crate) code: Vec<String>,
    pub(crate) version: Vec<Option<i64>>,
    pub(crate) detail: Vec<String>,
    pub(crate) bytes: Vec<Vec<u8>>,
}

#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    group: Vec<i32>,
    name: Vec<String>,
    version_was: Vec<i64>,
    position: Vec<i64>,
    failures: Vec<i64>,
    failing_since: Vec<Option<i64>>,
    disabled_at: Vec<Option<i64>>,
    last_error: Vec<Option<String>>,
}

/// Of what goes with a duty, which taking of it that has to be yet.
#[derive(Debug, Default)]
pub(crate) struct Fences {
    pub(crate) group: Vec<i32>,
    pub(crate) duty: Vec<String>,
    pub(crate) epoch: Vec<i64>,
}

/// By which of the write statements a call goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WrittenBy {
    /// [`WRITE`].
    Plain,
    /// [`WRITE_DELIVERIES`].
    Deliveries,
    /// [`WRITE_FENCED`].
    Fenced,
}

impl Deliveries {
    /// Adds the state of one webhook, decided on this version of it, 0 for none.
    pub(crate) fn push(&mut self, group: i32, name: &WebhookName, version_was: i64, state: DeliveryState) {
        self.group.push(group);
        self.name.push(name.as_str().to_owned());
        self.version_was.push(version_was);
        self.position.push(big(state.position));
        self.failures.push(big(state.failures));
        self.failing_since.push(state.failing_since.map(Timestamp::as_micros));
        self.disabled_at.push(state.disabled_at.map(Timestamp::as_micros));
        self.last_error.push(state.last_error.map(text_column));
    }
}

/// What a call that was done came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Done {
    /// The groups of which nothing was written, because what they were decided on no longer holds.
    pub(crate) stale: Vec<i32>,
    /// The number of the last line.
    pub(crate) last_seq: u64,
    /// The number of the first record that it inserted.
    pub(crate) first_record: i64,
}

impl Done {
    pub(crate) fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let last_seq: i64 = row.try_get(1)?;
        Ok(Self {
            stale: row.try_get(0)?,
            last_seq: last_seq.unsigned_abs(),
            first_record: row.try_get(2)?,
        })
    }
}

impl Call {
    /// Adds a guard; what `what` means is said in the schema.
    pub(crate) fn guard(&mut self, group: i32, what: i16, name: &str, more: Option<String>, expected: (i64, i64)) {
        self.guards.group.push(group);
        self.guards.what.push(what);
        self.guards.name.push(name.to_owned());
        self.guards.more.push(more);
        self.guards.first.push(expected.0);
        self.guards.second.push(expected.1);
    }

    /// Whether there is anything to write. Whatever is done leaves a line, save for a delivery, and for a token that is
    /// taken over, whose lines came before it.
    pub(crate) const fn is_empty(&self) -> bool {
        self.lines.group.is_empty() && self.deliveries.group.is_empty() && self.tokens.group.is_empty()
    }

    /// By which statement it goes.
    pub(crate) const fn written_by(&self) -> WrittenBy {
        if !self.fences.group.is_empty() {
            WrittenBy::Fenced
        } else if !self.deliveries.group.is_empty() {
            WrittenBy::Deliveries
        } else {
            WrittenBy::Plain
        }
    }

    /// Sends the call by its statement, as this one of this server. What comes back was committed.
    pub(crate) async fn send(
        &self,
        client: &Client,
        write: &Statement,
        server: i64,
        number: i64,
    ) -> Result<Done, tokio_postgres::Error> {
        let mut columns = self.columns(&server, &number).to_vec();
        let written_by = self.written_by();
        if written_by != WrittenBy::Plain {
            columns.extend(self.delivery_columns());
        }
        if written_by == WrittenBy::Fenced {
            let Fences { group, duty, epoch } = &self.fences;
            columns.extend([group as &(dyn ToSql + Sync), duty, epoch]);
        }
        let rows = client.query(write, &columns).await?;
        // A function with OUT parameters gives one row.
        rows.first().map_or_else(
            || {
                Ok(Done {
                    stale: Vec::new(),
                    last_seq: 0,
                    first_record: 0,
                })
            },
            Done::read,
        )
    }

    fn delivery_columns(&self) -> [&(dyn ToSql + Sync); 8] {
        let deliveries = &self.deliveries;
        [
            &deliveries.group,
            &deliveries.name,
            &deliveries.version_was,
            &deliveries.position,
            &deliveries.failures,
            &deliveries.failing_since,
            &deliveries.disabled_at,
            &deliveries.last_error,
        ]
    }

    fn columns<'c>(&'c self, server: &'c i64, number: &'c i64) -> [&'c (dyn ToSql + Sync); 50] {
        let Self {
            guards,
            inserts,
            updates,
            references,
            loads,
            tokens,
            lines,
            deliveries: _,
            fences: _,
            written: _,
        } = self;
        [
            server,
            number,
            &guards.group,
            &guards.what,
            &guards.name,
            &guards.more,
            &guards.first,
            &guards.second,
            &inserts.group,
            &inserts.run,
            &inserts.client,
            &inserts.status,
            &inserts.version,
            &inserts.deadline,
            &inserts.batch,
            &inserts.body,
            &inserts.source,
            &inserts.attempt,
            &updates.group,
            &updates.id,
            &updates.version_was,
            &updates.status_was,
            &updates.status,
            &updates.version,
            &updates.deadline,
            &updates.body,
            &references.group,
            &references.run,
            &references.client,
            &references.system,
            &references.external,
            &loads.group,
            &loads.client,
            &loads.records,
            &loads.notes,
            &tokens.group,
            &tokens.new,
            &tokens.id,
            &tokens.body,
            &lines.group,
            &lines.at,
            &lines.action,
            &lines.source,
            &lines.run,
            &lines.client,
            &lines.verdict,
            &lines.code,
            &lines.version,
            &lines.detail,
            &lines.bytes,
        ]
    }
}
