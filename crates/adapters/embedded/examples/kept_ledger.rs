//! Makes the ledgers that `tests/embedded/kept` holds, one for each schema version, with what is read from them:
//! `cargo run -p runledger-embedded --example kept_ledger -- DIRECTORY`.
//!
//! A ledger that is there already is never made anew: what an older version wrote is what a newer one must read. A new
//! schema version adds its own.

use std::error::Error;
use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use runledger_domain::access::{Grant, Scope, TokenChange, TokenRecord, TokenText};
use runledger_domain::{
    ChangeContext, Command, Completion, CreationContent, CreationIntent, CreationPolicy, MetricChange, Outcome, Source,
    Timestamp, Update,
};
use runledger_embedded::{DATABASE_FILE, EmbeddedOptions, EmbeddedStore};
use runledger_ports::{
    ChangeRequest, DeliveryState, DeliveryStore as _, Duty, LeaseStore as _, Mark, OutboxStop, OutboxStore as _,
    RemovedRow, RowState, RunChanger as _, RunCreator as _, Step, Taken, TokenStore as _, WebhookName,
};
use rusqlite::Connection;

type Outcomes<T> = Result<T, Box<dyn Error>>;

/// The first schema version that knows deliveries.
const SCHEMA_WITH_DELIVERIES: i64 = 5;
/// The first schema version that knows duties and the outbox; the newest.
const SCHEMA_WITH_DUTIES: i64 = 6;
/// Which version brought which table.
const SINCE: [(i64, &str); 8] = [
    (2, "token"),
    (3, "tally"),
    (4, "client_load"),
    (SCHEMA_WITH_DELIVERIES, "delivery"),
    (SCHEMA_WITH_DUTIES, "lease"),
    (SCHEMA_WITH_DUTIES, "outbox"),
    (SCHEMA_WITH_DUTIES, "outbox_entry"),
    (SCHEMA_WITH_DUTIES, "removed_row"),
];
const JOB: &str = "250925-231841";
const CLIENT: &str = "250925-231841-Guy-Wilson";

fn main() -> Outcomes<()> {
    let directory = env::args_os().nth(1).ok_or("name the directory")?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(make_all(Path::new(&directory)))
}

async fn make_all(directory: &Path) -> Outcomes<()> {
    for schema in [1, 2, 3, 4, SCHEMA_WITH_DELIVERIES, SCHEMA_WITH_DUTIES] {
        let kept = directory.join(format!("ledger-schema-{schema}.db"));
        if kept.exists() {
            println!("{} is there already", kept.display());
            continue;
        }
        let work = directory.join("work");
        fs::create_dir_all(&work)?;
        let store = EmbeddedStore::open(&work, EmbeddedOptions::default())?;
        write_records(&store).await?;
        if schema > 1 {
            write_tokens(&store).await?;
        }
        if schema >= SCHEMA_WITH_DELIVERIES {
            write_deliveries(&store).await?;
        }
        if schema >= SCHEMA_WITH_DUTIES {
            write_outbox(&store).await?;
        }
        store.close();
        drop(store);
        let file = work.join(DATABASE_FILE);
        let connection = Connection::open(&file)?;
        // What that version did not have yet.
        for (since, table) in SINCE {
            if schema < since {
                connection.execute_batch(&format!("DROP TABLE {table};"))?;
            }
        }
        connection.pragma_update(None, "user_version", schema)?;
        connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?;
        drop(connection);
        fs::copy(&file, &kept)?;
        fs::remove_dir_all(&work)?;
        println!("made {}", kept.display());
    }
    Ok(())
}

fn second(second: i64) -> Outcomes<Timestamp> {
    Ok(Timestamp::from_micros(1_758_842_321_000_000 + second * 1_000_000)?)
}

/// A job and clients with something in every field, a replay, a conflict and a change of nothing.
async fn write_records(store: &EmbeddedStore) -> Outcomes<()> {
    let content = CreationContent {
        batch: Some("stream-1".parse()?),
        external_ids: vec!["apify:8MSTBAfqMzuXPvgB3".parse()?],
        note: Some("first\n\"second\"".parse()?),
        ..CreationContent::default()
    };
    let named = CreationContent {
        client_name: Some("Guy Wilson 🚀".parse()?),
        ..content.clone()
    };
    create(store, JOB, "attempt-1", 0, content.clone(), true).await?;
    create(store, CLIENT, "attempt-1", 1, named.clone(), false).await?;
    create(store, CLIENT, "attempt-1", 2, named, false).await?;
    create(store, CLIENT, "attempt-2", 3, CreationContent::default(), false).await?;
    create(store, "nightly", "attempt-1", 4, CreationContent::default(), false).await?;
    create(store, "nightly/acme", "attempt-1", 5, CreationContent::default(), false).await?;
    let metrics = MetricChange {
        add: [("cost".parse()?, "0.18".parse()?)].into(),
        max: [("peak".parse()?, "7".parse()?)].into(),
        set: [("size".parse()?, "999999999999999999".parse()?)].into(),
    };
    let update = Update {
        metrics: metrics.clone(),
        note: Some("more".parse()?),
        update_id: Some("chunk-1".parse()?),
        ..Update::default()
    };
    let stage = "lead_scoring".parse()?;
    change(store, CLIENT, 6, Command::Update(update)).await?;
    change(store, CLIENT, 7, Command::StartStage { name: stage }).await?;
    let finish = Command::FinishStage {
        name: "lead_scoring".parse()?,
        outcome: Outcome::Succeeded,
        metrics,
    };
    change(store, CLIENT, 8, finish).await?;
    let end = Completion {
        outcome: Outcome::SucceededWithErrors,
        note: Some("two posts failed".parse()?),
        close_open: false,
    };
    change(store, CLIENT, 9, Command::Complete(end)).await?;
    change(store, CLIENT, 10, Command::Heartbeat).await?;
    change(store, "elsewhere", 11, Command::Heartbeat).await?;
    change(store, JOB, 12, Command::Heartbeat).await
}

#[expect(
    clippy::disallowed_methods,
    reason = "stands in for the creation point, for a ledger of tests"
)]
async fn create(
    store: &EmbeddedStore,
    key: &str,
    attempt: &str,
    at: i64,
    content: CreationContent,
    minted: bool,
) -> Outcomes<()> {
    let mut intent = CreationIntent::new(key.parse()?, "orchestrator".parse()?, attempt.parse()?, second(at)?);
    intent.minted = minted;
    let permit = CreationPolicy::default().authorise(intent.with_content(content));
    let permit = permit.map_err(|not| not.reason.to_string())?;
    let _outcome = store.create(vec![permit]).await?;
    Ok(())
}

async fn change(store: &EmbeddedStore, key: &str, at: i64, command: Command) -> Outcomes<()> {
    let context = ChangeContext::new("batch_process".parse()?, second(at)?);
    let key = key.parse()?;
    // Some are refused, so that the log holds refusals.
    let _outcome = store.change(ChangeRequest::new(key, context, command)).await;
    Ok(())
}

async fn write_tokens(store: &EmbeddedStore) -> Outcomes<()> {
    let by: Source = "token_desk".parse()?;
    let sources = ["lead_scoring".parse()?];
    let limited = Grant::new(sources, [Scope::Change, Scope::Read])?.limited_to(["acme".parse()?])?;
    for (seed, grant) in [(1, limited), (2, Grant::new([], [Scope::Read])?)] {
        let text = TokenText::from_seed(&[seed; 52]);
        let token = TokenRecord::new(
            &text,
            "nightly batch".parse()?,
            grant,
            by.clone(),
            second(20)?,
            Some(second(900)?),
        );
        store.add_token(token).await?;
    }
    let ended = TokenText::from_seed(&[2; 52]).id();
    let change = TokenChange::Revoke { at: second(21)? };
    store.end_token(&ended, change, &by, second(21)?).await?;
    Ok(())
}

/// One webhook that works, one that was given up.
async fn write_deliveries(store: &EmbeddedStore) -> Outcomes<()> {
    let working = DeliveryState {
        position: 7,
        ..DeliveryState::default()
    };
    let disabled = DeliveryState {
        position: 3,
        failures: 300,
        failing_since: Some(second(30)?),
        disabled_at: Some(second(86_430)?),
        last_error: Some("answered 500".into()),
    };
    for (name, state) in [("billing", working), ("lineage", disabled)] {
        let name: WebhookName = name.parse()?;
        let (duty, holder) = (Duty::Deliver(name.clone()), "first_server".parse()?);
        let Taken::Held(fence) = store.take_lease(&duty, &holder, Duration::from_mins(1)).await? else {
            return Err(format!("{duty} is not free").into());
        };
        store.keep_delivery(&fence, &name, state).await?;
    }
    Ok(())
}

/// A duty that was taken twice, an outbox with a row that is shown and one in doubt, and a row that was removed.
async fn write_outbox(store: &EmbeddedStore) -> Outcomes<()> {
    let holder: Source = "first_server".parse()?;
    let mut last = None;
    for _ in 0..2 {
        if let Taken::Held(fence) = store
            .take_lease(&Duty::Project, &holder, Duration::from_mins(1))
            .await?
        {
            store.end_lease(&fence).await?;
            last = Some(fence);
        }
    }
    let Taken::Held(fence) = store
        .take_lease(&Duty::Project, &holder, Duration::from_mins(1))
        .await?
    else {
        return Err(format!("the duty is not free after {last:?}").into());
    };
    store.begin_outbox(&fence, "airtable appAAAAAAAAAAAAAA", 2).await?;
    let mark = |key: &str, line| -> Outcomes<Mark> {
        Ok(Mark {
            key: key.parse()?,
            line,
            due: second(40)?,
        })
    };
    store
        .mark_outbox(&fence, 9, vec![mark(JOB, 1)?, mark(CLIENT, 9)?])
        .await?;
    let in_doubt = Step::Unknown {
        at: second(41)?,
        line: 8,
        why: "the answer was cut".into(),
    };
    let row = |id: &str, shown, step| -> Outcomes<RowState> {
        Ok(RowState {
            id: Some(id.parse()?),
            shown,
            digest: Some([7; 32]),
            step,
            failures: 1,
        })
    };
    let rows = vec![
        (JOB.parse()?, second(40)?, row("recAAAAAAAAAAAAAA", 1, Step::Idle)?),
        (CLIENT.parse()?, second(50)?, row("recBBBBBBBBBBBBBB", 2, in_doubt)?),
    ];
    store.keep_rows(&fence, rows).await?;
    let stop = OutboxStop {
        at: second(42)?,
        until: Some(second(72)?),
        reason: "asked to wait".into(),
    };
    store.stop_outbox(&fence, Some(stop)).await?;
    let removed = RemovedRow {
        key: JOB.parse()?,
        id: "recCCCCCCCCCCCCCC".parse()?,
        at: second(43)?,
        by: "operator".into(),
        cells: "{\"Run ID\":\"250925-231841\"}".into(),
    };
    store.keep_removed(&fence, vec![removed]).await?;
    Ok(())
}
