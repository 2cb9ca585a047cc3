//! `db`: the ledger in a PostgreSQL database, as whoever administers it sees it.

use runledger_domain::{Action, ChainHead, ClientId, NewActivity, Verdict};
use runledger_ports::{ActivityFilter, Cursor, PAGE_MAX, PageSize, RunReader as _};
use runledger_postgres::{PostgresStore, schema};
use serde_json::json;

use super::Context;
use crate::cli::DbCommand;
use crate::failure::{Exit, Failure, Outcome};
use crate::ledger::failure_of_database;

/// Administers the database. `store.kind` may still be another: a ledger is made before it is used.
///
/// # Errors
/// No address is given, the database is not reached, or it does not allow it.
pub(crate) async fn db(context: &Context<'_>, command: &DbCommand) -> Outcome {
    if let DbCommand::Roles { client } = command {
        return roles(context, client.as_deref());
    }
    let postgres = &context.settings.postgres;
    if postgres.url.0.is_empty() {
        return Err(Failure::usage("postgres.url is not given")
            .advise("give the address of the database, best as RUNLEDGER_POSTGRES__URL, which no file holds"));
    }
    let (options, output) = (postgres.options()?, context.output);
    match command {
        DbCommand::Migrate { months } => {
            let done = schema::migrate(&options, *months)
                .await
                .map_err(|error| failure_of_database(&error))?;
            if output.is_json() {
                return output.value(&json!({
                    "from": done.from, "to": done.to, "months": done.months, "months_late": done.months_late,
                }));
            }
            output.line(&match done.from {
                0 => format!("the ledger was made, with schema {}", done.to),
                from if from == done.to => format!("the ledger has schema {}, which is the newest", done.to),
                from => format!("the ledger had schema {from} and has schema {} now", done.to),
            })?;
            if (1..done.to).contains(&done.from) {
                output.line("grant the roles of the servers what is new: runledger db roles | psql ...")?;
            }
            for month in &done.months {
                output.line(&format!("the log has a partition for {month} now"))?;
            }
            for month in &done.months_late {
                output.line(&format!(
                    "the log has lines of {month} already; they, and those to come, stay in the last partition"
                ))?;
            }
            Ok(())
        }
        DbCommand::Check => {
            let found = schema::inspect(&options)
                .await
                .map_err(|error| failure_of_database(&error))?;
            if output.is_json() {
                output.value(&json!({"schema": found}))
            } else {
                output.line(&format!(
                    "the database holds a ledger with schema {found}; it can be used"
                ))
            }
        }
        DbCommand::Roles { .. } => Ok(()),
    }
}

fn roles(context: &Context<'_>, client: Option<&str>) -> Outcome {
    let Some(client) = client else {
        return context.output.write(schema::ROLES.as_bytes());
    };
    let client: ClientId = client.parse().map_err(Failure::usage)?;
    let statements = schema::role_of_client(&client).map_err(Failure::usage)?;
    context.output.write(statements.as_bytes())
}

fn is_creation(line: &NewActivity) -> bool {
    line.verdict == Verdict::Created && matches!(line.action, Action::Create | Action::Import)
}

/// Reads the whole log: its chain must be unbroken, and there must be a record for each creation in it.
///
/// # Errors
/// Something is wrong with the ledger, or it cannot be read.
pub(crate) async fn verify(context: &Context<'_>) -> Outcome {
    let store = PostgresStore::open(context.settings.postgres.options()?)
        .await
        .map_err(|error| failure_of_database(&error))?;
    let size = PageSize::new(PAGE_MAX).unwrap_or_default();
    let (mut head, mut created, mut after) = (ChainHead::EMPTY, 0_u64, None::<Cursor>);
    let mut broken = None;
    // Lines that come while it reads are read as well; the records are counted after the last of them.
    while broken.is_none() {
        let page = store.activity(&ActivityFilter::default(), after, size).await;
        let page = page.map_err(Failure::unavailable)?;
        for line in &page.lines {
            if !head.accepts(line) {
                broken = Some(format!("line {} does not follow line {}", line.seq, head.seq));
                break;
            }
            created += u64::from(is_creation(&line.line));
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let counts = store.counts(runledger_domain::Timestamp::EPOCH).await;
    let counts = counts.map_err(Failure::unavailable)?;
    let records: u64 = counts.records.values().sum();
    // Somebody may write meanwhile: then there are more lines than were read.
    if broken.is_none() && counts.lines == head.seq && records != created {
        broken = Some(format!(
            "there are {records} records, and {created} creations in the log"
        ));
    }
    store.close().await;
    let output = context.output;
    if output.is_json() {
        let findings: Vec<_> = broken.iter().map(|problem| json!({"problem": problem})).collect();
        output.value(&json!({
            "clean": broken.is_none(), "records": records, "lines": head.seq, "count": findings.len(),
            "findings": findings,
        }))?;
    } else {
        output.line(&format!("{records} records and {} lines of activity checked", head.seq))?;
        output.line(broken.as_deref().unwrap_or("nothing is wrong"))?;
    }
    if broken.is_none() {
        return Ok(());
    }
    output.flush()?;
    Err(
        Failure::new(Exit::Fault, "something is wrong with the ledger in the database")
            .advise("keep a backup of the database as it is before doing anything else"),
    )
}
