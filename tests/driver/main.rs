//! Writes to an embedded ledger from a few tasks at once and notes each acknowledgement in a file, line by line, as
//! soon as it has it. The power-loss tests run it under a shim that records what it asks of the disk.
//!
//! `ledger-driver ledger DIR ACKS COUNT` uses the store; `ledger-driver control DIR ACKS COUNT` writes rows of its own
//! with a sync level that is too low, so that the test can show that it notices lost rows.
#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use runledger_domain::{
    ChangeContext, Command, CreationIntent, CreationPermit, CreationPolicy, MetricChange, RunKey, Timestamp, Update,
};
use runledger_embedded::{EmbeddedOptions, EmbeddedStore};
use runledger_ports::{ChangeRequest, CreateOutcome, RunChanger as _, RunCreator as _};
use rusqlite::Connection;

const TASKS: usize = 4;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, mode, directory, acks, count] = &arguments[..] else {
        eprintln!("usage: ledger-driver ledger|control DIR ACKS COUNT");
        return ExitCode::from(2);
    };
    let acks = OpenOptions::new()
        .create(true)
        .append(true)
        .open(acks)
        .expect("the file of acknowledgements opens");
    let count = count.parse().expect("a number");
    let done = if mode == "ledger" {
        drive(Path::new(directory), acks, count)
    } else {
        control(Path::new(directory), acks, count)
    };
    done.map_or_else(
        |problem| {
            eprintln!("{problem}");
            ExitCode::from(6)
        },
        |()| ExitCode::SUCCESS,
    )
}

fn drive(directory: &Path, acks: File, count: usize) -> Result<(), String> {
    let store =
        Arc::new(EmbeddedStore::open(directory, EmbeddedOptions::default()).map_err(|error| error.to_string())?);
    let acks = Arc::new(Mutex::new(acks));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .map_err(|e| e.to_string())?;
    let refused = runtime.block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| tokio::spawn(one_task(task, Arc::clone(&store), Arc::clone(&acks), count)))
            .collect();
        let mut refused = None;
        for task in tasks {
            refused = task.await.expect("a task does not panic").err().or(refused);
        }
        refused
    });
    store.close();
    refused.map_or(Ok(()), Err)
}

async fn one_task(task: usize, store: Arc<EmbeddedStore>, acks: Arc<Mutex<File>>, count: usize) -> Result<(), String> {
    let acknowledge = |text: String| {
        acks.lock()
            .expect("nobody panics")
            .write_all(text.as_bytes())
            .expect("an acknowledgement is noted");
    };
    let mut refused = None;
    for number in 0..count {
        let key: RunKey = format!("run_{task}_{number:04}").parse().expect("a run id");
        match store.create(vec![permit(&key)]).await {
            Ok(outcomes) if matches!(outcomes[..], [CreateOutcome::Created(_)]) => acknowledge(format!("{key} 1\n")),
            Ok(outcomes) => return Err(format!("{outcomes:?}")),
            Err(error) => {
                refused = Some(error.to_string());
                continue;
            }
        }
        match store.change(delta(&key)).await {
            Ok(changed) => acknowledge(format!("{key} {}\n", changed.record().version())),
            Err(error) => refused = Some(error.to_string()),
        }
    }
    refused.map_or(Ok(()), Err)
}

#[expect(clippy::disallowed_methods, reason = "the driver stands in for the creation point")]
fn permit(key: &RunKey) -> CreationPermit {
    let source = "orchestrator".parse().expect("a source");
    let attempt = format!("attempt-{key}").parse().expect("an attempt id");
    let intent = CreationIntent::new(key.clone(), source, attempt, Timestamp::EPOCH);
    CreationPolicy::default()
        .authorise(intent)
        .expect("the policy allows it")
}

fn delta(key: &RunKey) -> ChangeRequest {
    let one = [("posts".parse().expect("a name"), "1".parse().expect("a number"))].into();
    let metrics = MetricChange {
        add: one,
        ..MetricChange::default()
    };
    ChangeRequest::new(
        key.clone(),
        ChangeContext::new("post_scoring".parse().expect("a source"), Timestamp::EPOCH),
        Command::Update(Update {
            metrics,
            ..Update::default()
        }),
    )
}

fn control(directory: &Path, mut acks: File, count: usize) -> Result<(), String> {
    let failed = |error: rusqlite::Error| error.to_string();
    let connection = Connection::open(directory.join(runledger_embedded::DATABASE_FILE)).map_err(failed)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection
        .pragma_update(None, "synchronous", "NORMAL")
        .map_err(failed)?;
    connection
        .execute_batch("CREATE TABLE control(name TEXT PRIMARY KEY)")
        .map_err(failed)?;
    for number in 0..count * TASKS {
        connection
            .execute("INSERT INTO control VALUES(?1)", [format!("row_{number:04}")])
            .map_err(failed)?;
        acks.write_all(format!("row_{number:04} 1\n").as_bytes())
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}
