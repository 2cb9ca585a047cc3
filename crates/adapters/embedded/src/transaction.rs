//! What happens inside one transaction of the writer: creating, changing, keeping lines.
//!
//! The decisions are the domain's; this module loads what they need, writes what they say, and counts the rows. The
//! statement that inserts a record and the one that updates it are two, and neither does the other's work (I3).

use std::collections::HashMap;
use std::sync::Arc;

use runledger_domain::change::{apply, close_with_job};
use runledger_domain::creation::{CreateDecision, JobEvidence, NewRecord};
use runledger_domain::{
    Action, BatchLabel, ChainHead, Change, ChangeContext, CreationIntent, CreationPermit, ExternalId, NewActivity,
    RecordKind, RunKey, RunRecord, Source, Timestamp, Verdict,
};
use runledger_ports::{ChangeError, ChangeRequest, Changed, CreateOutcome};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::columns::{decode, encode, is_open, key_columns, status_code, version_column};
use crate::error::StoreError;

const INSERT_RUN: &str = "INSERT INTO run(run_id, client_id, status, version, deadline, batch, body)
     VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
const UPDATE_RUN: &str =
    "UPDATE run SET status = ?3, version = ?4, deadline = ?5, body = ?6 WHERE id = ?1 AND version = ?2";
const INSERT_ACTIVITY: &str =
    "INSERT INTO activity(seq, at, action, source, run_id, client_id, verdict, code, version, detail, hash)
     VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
const SELECT_RUN: &str = "SELECT id, body FROM run WHERE run_id = ?1 AND client_id = ?2";
const SELECT_JOB_STATUS: &str = "SELECT status FROM run WHERE run_id = ?1 AND client_id = ''";
const SELECT_MINTED: &str =
    "SELECT run.id, run.body FROM minted JOIN run ON run.id = minted.run WHERE source = ?1 AND attempt = ?2";
const INSERT_MINTED: &str = "INSERT INTO minted(source, attempt, run) VALUES(?1, ?2, ?3)";
const INSERT_REFERENCE: &str = "INSERT INTO reference(system, external, run) VALUES(?1, ?2, ?3)";
const COUNT_OPEN_CLIENTS: &str =
    "SELECT count(*) FROM run INDEXED BY run_key WHERE run_id = ?1 AND client_id <> '' AND status < 2";
const SELECT_OPEN_CLIENTS: &str =
    "SELECT id, body FROM run INDEXED BY run_key WHERE run_id = ?1 AND client_id <> '' AND status < 2 ORDER BY id";

/// A permit whose record is written as JSON already, by the caller, so that the writer need not.
pub(crate) struct Prepared {
    permit: CreationPermit,
    body: String,
}

impl Prepared {
    pub(crate) fn new(permit: CreationPermit) -> Result<Self, StoreError> {
        let body = encode(permit.record())?;
        Ok(Self { permit, body })
    }
}

/// One transaction under way.
pub(crate) struct Transaction<'a> {
    connection: &'a Connection,
    head: &'a mut ChainHead,
    /// Lines of attempts without an effect; they may wait for the next transaction that writes.
    deferred: &'a mut Vec<NewActivity>,
    wrote: bool,
}

struct Stored {
    id: i64,
    record: RunRecord,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(connection: &'a Connection, head: &'a mut ChainHead, deferred: &'a mut Vec<NewActivity>) -> Self {
        Self {
            connection,
            head,
            deferred,
            wrote: false,
        }
    }

    /// Whether anything was written, so that the commit has to reach the disk before anybody is answered.
    pub(crate) const fn wrote(&self) -> bool {
        self.wrote
    }

    /// Writes the lines that were waiting.
    pub(crate) fn write_deferred(&mut self) -> Result<(), StoreError> {
        for line in std::mem::take(self.deferred) {
            self.line(line)?;
        }
        Ok(())
    }

    /// Numbers, chains and writes a line (I6).
    pub(crate) fn line(&mut self, line: NewActivity) -> Result<(), StoreError> {
        let entry = self.head.append(line);
        let line = &entry.line;
        let version = line.version.map(version_column).transpose()?;
        let rows = self.connection.prepare_cached(INSERT_ACTIVITY)?.execute(params![
            version_column(entry.seq)?,
            line.at.as_micros(),
            line.action.as_str(),
            line.source,
            line.subject.run,
            line.subject.client,
            line.verdict.as_str(),
            line.verdict.code(),
            version,
            line.detail,
            entry.hash.as_bytes().as_slice(),
        ])?;
        check_rows(rows, "a line of the log")?;
        self.wrote = true;
        Ok(())
    }

    /// Creates all of these records, or none (I1, I2, I7, I9).
    pub(crate) fn create(&mut self, mut permits: Vec<Prepared>) -> Result<Vec<CreateOutcome>, StoreError> {
        if permits.len() == 1
            && let Some(permit) = permits.pop()
        {
            return Ok(vec![self.create_one(permit)?]);
        }
        self.create_batch(permits)
    }

    /// The usual case: insert, and let the unique key say whether the record was absent.
    fn create_one(&mut self, Prepared { permit, body }: Prepared) -> Result<CreateOutcome, StoreError> {
        let job = self.job_evidence(&permit)?;
        let existing = if permit.intent().minted || permit.check(job).is_err() {
            self.existing(&permit)?
        } else {
            None
        };
        // What the log says when the record turns out to be there; the permit is gone by then.
        let attempt = AttemptLine::of(permit.intent());
        match permit.decide(existing.as_ref().map(|stored| &stored.record), job) {
            CreateDecision::Insert(new) => {
                if self.insert(&new, &body)? {
                    return Ok(CreateOutcome::Created(Arc::new(new.into_record())));
                }
                let stored = self.load(new.record().key())?.ok_or_else(|| {
                    StoreError::Inconsistent(format!("the key {} is taken by no record", new.record().key()))
                })?;
                let decision = new.against(&stored.record);
                self.taken(attempt, decision, stored)
            }
            CreateDecision::Refuse(refusal) => {
                self.line(attempt.line(Verdict::Refused(refusal.code().into()), refusal.to_string()))?;
                Ok(CreateOutcome::Refused(refusal))
            }
            decision @ (CreateDecision::Replay | CreateDecision::Conflict { .. }) => match existing {
                Some(stored) => self.taken(attempt, decision, stored),
                None => Err(StoreError::Inconsistent(
                    "a creation was compared with no record".into(),
                )),
            },
        }
    }

    /// Decides all of a batch first; writes records only if nothing stands against any of them.
    fn create_batch(&mut self, permits: Vec<Prepared>) -> Result<Vec<CreateOutcome>, StoreError> {
        let mut decided: Vec<(AttemptLine, BatchItem)> = Vec::with_capacity(permits.len());
        let mut in_batch: HashMap<RunKey, usize> = HashMap::new();
        for Prepared { permit, body } in permits {
            let attempt = AttemptLine::of(permit.intent());
            let job = match in_batch.get(&permit.key().job()).map(|at| &decided[*at].1) {
                Some(BatchItem::Insert(new, _)) => JobEvidence::of(Some(new.record())),
                _ => self.job_evidence(&permit)?,
            };
            let earlier = match in_batch.get(permit.key()).map(|at| &decided[*at].1) {
                Some(BatchItem::Insert(new, _)) => Some(new.record().clone()),
                _ => None,
            };
            let stored = if earlier.is_none() {
                self.existing(&permit)?
            } else {
                None
            };
            let key = permit.key().clone();
            let existing = earlier.or_else(|| stored.map(|stored| stored.record));
            let item = match permit.decide(existing.as_ref(), job) {
                CreateDecision::Insert(new) => {
                    in_batch.insert(key, decided.len());
                    BatchItem::Insert(new, body)
                }
                CreateDecision::Refuse(refusal) => BatchItem::Outcome(CreateOutcome::Refused(refusal)),
                CreateDecision::Replay => BatchItem::Outcome(CreateOutcome::Replayed(held(existing)?)),
                CreateDecision::Conflict { differs_in } => BatchItem::Outcome(CreateOutcome::Conflict {
                    existing: held(existing)?,
                    differs_in,
                }),
            };
            decided.push((attempt, item));
        }
        let stands = |item: &BatchItem| {
            !matches!(
                item,
                BatchItem::Outcome(
                    CreateOutcome::Refused(_) | CreateOutcome::Conflict { .. } | CreateOutcome::Withheld
                )
            )
        };
        let all = decided.iter().all(|(_, item)| stands(item));
        decided
            .into_iter()
            .map(|(attempt, item)| self.finish_batch_item(attempt, item, all))
            .collect()
    }

    fn finish_batch_item(
        &mut self,
        attempt: AttemptLine,
        item: BatchItem,
        all: bool,
    ) -> Result<CreateOutcome, StoreError> {
        match item {
            BatchItem::Insert(new, body) if all => {
                if !self.insert(&new, &body)? {
                    return Err(StoreError::Inconsistent(format!(
                        "{} came into being unseen",
                        new.record().key()
                    )));
                }
                Ok(CreateOutcome::Created(Arc::new(new.into_record())))
            }
            BatchItem::Insert(..) => {
                let detail = "another record of the same call was refused".to_owned();
                self.line(attempt.line(Verdict::Refused("withheld".into()), detail))?;
                Ok(CreateOutcome::Withheld)
            }
            BatchItem::Outcome(outcome) => {
                match &outcome {
                    CreateOutcome::Refused(refusal) => {
                        self.line(attempt.line(Verdict::Refused(refusal.code().into()), refusal.to_string()))?;
                    }
                    CreateOutcome::Conflict { existing, differs_in } => {
                        self.line(attempt.line(
                            Verdict::Refused("conflict".into()),
                            conflict_detail(existing, differs_in),
                        ))?;
                    }
                    CreateOutcome::Replayed(_) | CreateOutcome::Created(_) | CreateOutcome::Withheld => {
                        self.deferred.push(attempt.line(Verdict::Replayed, String::new()));
                    }
                }
                Ok(outcome)
            }
        }
    }

    /// Answers for a key that is taken: the same creation again, or another one.
    fn taken(
        &mut self,
        attempt: AttemptLine,
        decision: CreateDecision,
        stored: Stored,
    ) -> Result<CreateOutcome, StoreError> {
        let existing = Arc::new(stored.record);
        match decision {
            CreateDecision::Conflict { differs_in } => {
                self.line(attempt.line(
                    Verdict::Refused("conflict".into()),
                    conflict_detail(&existing, &differs_in),
                ))?;
                Ok(CreateOutcome::Conflict { existing, differs_in })
            }
            CreateDecision::Replay => {
                self.deferred.push(attempt.line(Verdict::Replayed, String::new()));
                Ok(CreateOutcome::Replayed(existing))
            }
            CreateDecision::Insert(_) | CreateDecision::Refuse(_) => {
                Err(StoreError::Inconsistent("a taken key was not compared".into()))
            }
        }
    }

    /// Inserts a record with its line; `false` when its key is taken, and then nothing is written.
    fn insert(&mut self, new: &NewRecord, body: &str) -> Result<bool, StoreError> {
        let record = new.record();
        let (run, client) = key_columns(record.key());
        let rows = self.connection.prepare_cached(INSERT_RUN)?.execute(params![
            run,
            client,
            status_code(record.status()),
            version_column(record.version())?,
            record.deadline().as_micros(),
            record.batch().map(BatchLabel::as_str),
            body,
        ])?;
        if rows == 0 {
            return Ok(false);
        }
        check_rows(rows, "a new record")?;
        self.wrote = true;
        let id = self.connection.last_insert_rowid();
        if record.creation().minted {
            let creation = record.creation();
            let rows = self.connection.prepare_cached(INSERT_MINTED)?.execute(params![
                creation.source.as_str(),
                creation.attempt.as_str(),
                id
            ])?;
            check_rows(rows, "a minted attempt")?;
        }
        self.add_references(id, record.external_ids())?;
        self.line(new.activity())?;
        Ok(true)
    }

    fn add_references(&mut self, id: i64, references: &[ExternalId]) -> Result<(), StoreError> {
        for reference in references {
            let rows = self.connection.prepare_cached(INSERT_REFERENCE)?.execute(params![
                reference.system(),
                reference.id(),
                id
            ])?;
            check_rows(rows, "a reference")?;
        }
        Ok(())
    }

    /// Changes a record that exists (I3, I5, I8).
    pub(crate) fn change(&mut self, request: &ChangeRequest) -> Result<Result<Changed, ChangeError>, StoreError> {
        let ChangeRequest { key, context, command } = request;
        let action = command.action();
        let Some(stored) = self.load(key)? else {
            let detail = "there is no such record; a change never creates one".to_owned();
            self.line(context.line(action, key, Verdict::Refused("not_found".into()), None, detail))?;
            return Ok(Err(ChangeError::NotFound { key: key.clone() }));
        };
        let open_clients = if command.ends_record() && key.kind() == RecordKind::Job {
            let count: i64 = self
                .connection
                .prepare_cached(COUNT_OPEN_CLIENTS)?
                .query_row([key.run().as_str()], |row| row.get(0))?;
            usize::try_from(count).unwrap_or(usize::MAX)
        } else {
            0
        };
        match apply(&stored.record, context, command, open_clients) {
            Ok(Change::Applied {
                record,
                detail,
                close_clients,
            }) => {
                self.update(&stored, &record)?;
                self.line(context.line(action, key, Verdict::Changed, Some(record.version()), detail))?;
                let closed = if close_clients {
                    self.close_clients(key, context)?
                } else {
                    Vec::new()
                };
                Ok(Ok(Changed::Applied {
                    record: Arc::from(record),
                    closed,
                }))
            }
            Ok(Change::Unchanged) => {
                let version = Some(stored.record.version());
                self.deferred
                    .push(context.line(action, key, Verdict::Unchanged, version, String::new()));
                Ok(Ok(Changed::Unchanged(Arc::new(stored.record))))
            }
            Err(refusal) => {
                let version = Some(stored.record.version());
                let verdict = Verdict::Refused(refusal.code().into());
                self.line(context.line(action, key, verdict, version, refusal.to_string()))?;
                Ok(Err(ChangeError::Refused {
                    refusal,
                    current: Arc::new(stored.record),
                }))
            }
        }
    }

    fn close_clients(&mut self, job: &RunKey, context: &ChangeContext) -> Result<Vec<RunKey>, StoreError> {
        let mut open = Vec::new();
        {
            let mut statement = self.connection.prepare_cached(SELECT_OPEN_CLIENTS)?;
            let mut rows = statement.query([job.run().as_str()])?;
            while let Some(row) = rows.next()? {
                open.push(stored(row, || format!("of a client of {job}"))?);
            }
        }
        let mut closed = Vec::with_capacity(open.len());
        for client in open {
            let Some(next) = close_with_job(&client.record, context) else {
                continue;
            };
            self.update(&client, &next)?;
            let detail = "cancelled: closed with its job".to_owned();
            self.line(context.line(
                Action::Complete,
                next.key(),
                Verdict::Changed,
                Some(next.version()),
                detail,
            ))?;
            closed.push(next.key().clone());
        }
        Ok(closed)
    }

    /// Writes the next version over the one that was read, and over no other (I8).
    fn update(&mut self, stored: &Stored, next: &RunRecord) -> Result<(), StoreError> {
        let rows = self.connection.prepare_cached(UPDATE_RUN)?.execute(params![
            stored.id,
            version_column(stored.record.version())?,
            status_code(next.status()),
            version_column(next.version())?,
            next.deadline().as_micros(),
            encode(next)?,
        ])?;
        check_rows(rows, "a changed record")?;
        self.wrote = true;
        let known = stored.record.external_ids();
        let added: Vec<_> = next
            .external_ids()
            .iter()
            .filter(|id| !known.contains(id))
            .cloned()
            .collect();
        self.add_references(stored.id, &added)
    }

    fn job_evidence(&self, permit: &CreationPermit) -> Result<JobEvidence, StoreError> {
        if permit.key().kind() == RecordKind::Job {
            return Ok(JobEvidence::Missing);
        }
        let run = permit.key().run().as_str();
        let status: Option<i64> = self
            .connection
            .prepare_cached(SELECT_JOB_STATUS)?
            .query_row([run], |row| row.get(0))
            .optional()?;
        Ok(match status {
            None => JobEvidence::Missing,
            Some(code) if is_open(code) => JobEvidence::Open,
            Some(_) => JobEvidence::Ended,
        })
    }

    /// What the permit has to be compared with: the record of its minted attempt, or the one under its key.
    fn existing(&self, permit: &CreationPermit) -> Result<Option<Stored>, StoreError> {
        let intent = permit.intent();
        if intent.minted {
            let mut statement = self.connection.prepare_cached(SELECT_MINTED)?;
            let mut rows = statement.query(params![intent.source.as_str(), intent.attempt.as_str()])?;
            if let Some(row) = rows.next()? {
                return Ok(Some(stored(row, || format!("of attempt {}", intent.attempt))?));
            }
        }
        self.load(permit.key())
    }

    fn load(&self, key: &RunKey) -> Result<Option<Stored>, StoreError> {
        let (run, client) = key_columns(key);
        let mut statement = self.connection.prepare_cached(SELECT_RUN)?;
        let mut rows = statement.query([run, client])?;
        rows.next()?.map(|row| stored(row, || key.to_string())).transpose()
    }
}

enum BatchItem {
    Insert(NewRecord, String),
    Outcome(CreateOutcome),
}

/// Enough of an intent to write the line of its attempt after its permit is spent.
struct AttemptLine {
    at: Timestamp,
    action: Action,
    source: Source,
    key: RunKey,
}

impl AttemptLine {
    fn of(intent: &CreationIntent) -> Self {
        Self {
            at: intent.at,
            action: intent.action(),
            source: intent.source.clone(),
            key: intent.key.clone(),
        }
    }

    fn line(self, verdict: Verdict, detail: String) -> NewActivity {
        let context = ChangeContext {
            source: self.source,
            at: self.at,
            expected: None,
        };
        context.line(self.action, &self.key, verdict, None, detail)
    }
}

fn held(existing: Option<RunRecord>) -> Result<Arc<RunRecord>, StoreError> {
    existing
        .map(Arc::new)
        .ok_or_else(|| StoreError::Inconsistent("a creation was compared with no record".into()))
}

fn conflict_detail(existing: &RunRecord, differs_in: &[runledger_domain::CreationField]) -> String {
    let fields: Vec<_> = differs_in.iter().map(|field| field.as_str()).collect();
    let creation = existing.creation();
    format!(
        "held by {} since {} (attempt {}); differs in {}",
        creation.source,
        creation.at,
        creation.attempt,
        fields.join(", ")
    )
}

fn stored(row: &rusqlite::Row<'_>, key: impl FnOnce() -> String) -> Result<Stored, StoreError> {
    let body = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Stored {
        id: row.get(0)?,
        record: decode(body, key)?,
    })
}

fn check_rows(rows: usize, what: &str) -> Result<(), StoreError> {
    if rows == 1 {
        Ok(())
    } else {
        Err(StoreError::Inconsistent(format!(
            "{what} took {rows} rows instead of 1"
        )))
    }
}
