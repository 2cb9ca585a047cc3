//! How the database goes about each read: the plan of the very statement that the store sends, with the settings of its
//! sessions, and what it looked at. For whoever wants to know whether a large ledger is still read along its indexes.

use runledger_domain::{AttemptId, RunId, RunKey, Source, Timestamp};
use runledger_ports::{ActivityFilter, Cursor, ListFilter, PageSize, STALLED_COUNTED_MAX, StalledFilter};
use serde_json::Value;

use crate::columns::{big, key_columns};
use crate::connect::{Connection, Connector, Session};
use crate::error::OpenError;
use crate::options::PostgresOptions;
use crate::statement::Statement;
use crate::{listing, read, schema};

/// A read of the store.
#[derive(Clone, Debug)]
pub enum Read {
    /// The record under a key.
    Get(RunKey),
    /// The record of an attempt under an id that the ledger chose.
    Minted(Source, AttemptId),
    /// A page of records.
    List(ListFilter),
    /// A page of stalled records.
    Stalled(StalledFilter),
    /// All records of a run.
    Summary(RunId),
    /// A page of the log.
    Activity(ActivityFilter),
    /// How many records and lines there are.
    Counts(Timestamp),
}

/// What a plan is made for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MadeFor {
    /// These values, as on the first runs of a statement on a connection.
    TheseValues,
    /// Any values, as the database may choose once a statement was run a few times.
    AnyValues,
}

/// How the database went about one statement, which it ran for that.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The statement.
    pub sql: String,
    root: Value,
    milliseconds: f64,
}

/// One way by which a plan comes to rows of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// What it is, such as `Index Scan`.
    pub kind: String,
    /// The table, or its partition.
    pub table: String,
    /// The index, if it goes by one.
    pub index: Option<String>,
    /// How many rows it looked at, also those that it did not want.
    pub rows: f64,
}

/// A connection on which plans are made.
pub struct Plans {
    connection: Connection,
}

impl Plans {
    /// Connects, with the settings of a session that reads.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn connect(options: &PostgresOptions) -> Result<Self, OpenError> {
        let connector = Connector::new(options)?;
        let connection = connector.connect(Session::Read, options.read_time).await;
        let connection = connection.map_err(|error| OpenError::Database {
            reason: error.to_string(),
        })?;
        schema::check(&connection.client).await?;
        Ok(Self { connection })
    }

    /// Runs a read from `after` on, and answers how the database went about each of its statements.
    ///
    /// # Errors
    /// [`OpenError::Database`] with what the database said.
    pub async fn of(
        &self,
        read: &Read,
        after: Option<Cursor>,
        size: PageSize,
        made_for: MadeFor,
    ) -> Result<Vec<Plan>, OpenError> {
        let mut plans = Vec::new();
        for statement in statements(read, after, size) {
            plans.push(self.explain(&statement, made_for).await?);
        }
        Ok(plans)
    }

    async fn explain(&self, statement: &Statement, made_for: MadeFor) -> Result<Plan, OpenError> {
        let client = &self.connection.client;
        let mode = match made_for {
            MadeFor::TheseValues => "force_custom_plan",
            MadeFor::AnyValues => "force_generic_plan",
        };
        client
            .batch_execute(&format!(
                "SET plan_cache_mode = {mode}; PREPARE explained AS {}",
                statement.sql
            ))
            .await?;
        let explain = format!(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE explained({})",
            statement.literals()
        );
        let rows = client.query(&explain, &[]).await?;
        client
            .batch_execute("DEALLOCATE explained; RESET plan_cache_mode")
            .await?;
        let unreadable = || OpenError::Database {
            reason: "the plan cannot be read".into(),
        };
        let said: Value = rows.first().ok_or_else(unreadable)?.try_get(0)?;
        Ok(Plan {
            sql: statement.sql.clone(),
            root: said.pointer("/0/Plan").cloned().ok_or_else(unreadable)?,
            milliseconds: said.pointer("/0/Execution Time").and_then(Value::as_f64).unwrap_or(0.0),
        })
    }
}

impl std::fmt::Debug for Plans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plans").finish_non_exhaustive()
    }
}

fn statements(read: &Read, after: Option<Cursor>, size: PageSize) -> Vec<Statement> {
    let one = |sql: &str, values| vec![Statement::new(sql, values)];
    match read {
        Read::Get(key) => {
            let (run, client) = key_columns(key);
            one(read::GET, vec![run.to_owned().into(), client.to_owned().into()])
        }
        Read::Minted(source, attempt) => one(
            read::MINTED,
            vec![source.to_string().into(), attempt.to_string().into()],
        ),
        Read::List(filter) => listing::list_statements(filter, after, size),
        Read::Stalled(filter) => vec![listing::stalled_statement(filter, after, size)],
        Read::Summary(run) => one(read::RUN, vec![run.to_string().into()]),
        Read::Activity(filter) => {
            let after = after.map_or(0, |cursor| big(cursor.id));
            vec![listing::activity_statement(filter, after, size)]
        }
        Read::Counts(stalled_before) => one(
            read::COUNTS,
            vec![stalled_before.as_micros().into(), big(STALLED_COUNTED_MAX).into()],
        ),
    }
}

impl Plan {
    /// The ways by which it comes to rows, leaving out what was never run.
    pub fn scans(&self) -> Vec<Scan> {
        let mut scans = Vec::new();
        visit(&self.root, None, &mut |node, table| {
            let kind = text(node, "Node Type");
            if !kind.contains("Scan") || kind == "Subquery Scan" || number(node, "Actual Loops") < 1.0 {
                return;
            }
            let removed = number(node, "Rows Removed by Filter") + number(node, "Rows Removed by Index Recheck");
            scans.push(Scan {
                table: table.unwrap_or_default().to_owned(),
                index: node.get("Index Name").and_then(Value::as_str).map(str::to_owned),
                rows: (number(node, "Actual Rows") + removed) * number(node, "Actual Loops"),
                kind,
            });
        });
        scans
    }

    /// How many rows of tables it looked at.
    pub fn rows_read(&self) -> f64 {
        let scans = self.scans();
        // A bitmap of an index names rows that another node then reads.
        let read = scans.iter().filter(|scan| scan.kind != "Bitmap Index Scan");
        read.map(|scan| scan.rows).sum()
    }

    /// How many rows it sorted, all sorts together.
    pub fn rows_sorted(&self) -> f64 {
        let mut sorted = 0.0;
        visit(&self.root, None, &mut |node, _| {
            if text(node, "Node Type").contains("Sort") {
                let below = node.pointer("/Plans/0").unwrap_or(&Value::Null);
                sorted += number(below, "Actual Rows") * number(below, "Actual Loops");
            }
        });
        sorted
    }

    /// How many pages of 8 KiB it looked at.
    pub fn pages(&self) -> f64 {
        number(&self.root, "Shared Hit Blocks") + number(&self.root, "Shared Read Blocks")
    }

    /// How long the database took to run it, without making the plan.
    pub const fn milliseconds(&self) -> f64 {
        self.milliseconds
    }
}

/// Every node of a plan, with the table that it or the one above it is about.
fn visit<'p>(node: &'p Value, above: Option<&'p str>, see: &mut impl FnMut(&'p Value, Option<&'p str>)) {
    let table = node.get("Relation Name").and_then(Value::as_str).or(above);
    see(node, table);
    for below in node.get("Plans").and_then(Value::as_array).into_iter().flatten() {
        visit(below, table, see);
    }
}

fn number(node: &Value, name: &str) -> f64 {
    node.get(name).and_then(Value::as_f64).unwrap_or(0.0)
}

fn text(node: &Value, name: &str) -> String {
    node.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
