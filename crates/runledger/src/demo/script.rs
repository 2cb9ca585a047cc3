//! What happens in the night of the demo.

use std::time::Duration;

use axum::http::Method;
use runledger_app::Sweeper;
use runledger_embedded::EmbeddedStore;
use serde_json::{Value, json};

use super::stage::{Ask, Stage};
use crate::commands::sweep;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Table;
use crate::transport::Request;
use crate::view::{RecordView, SummaryView};

const CLIENTS: [&str; 12] = [
    "acme",
    "aperture",
    "cyberdyne",
    "globex",
    "hooli",
    "initech",
    "massive",
    "oscorp",
    "soylent",
    "stark",
    "tyrell",
    "umbrella",
];
/// The client that is never heard of again.
const SILENT: &str = "umbrella";
/// The client whose work fails.
const FAILING: &str = "soylent";
const HOUR: Duration = Duration::from_hours(1);

/// Plays the night.
///
/// # Errors
/// Something did not go as it is written here.
pub(super) async fn play(stage: &Stage<'_>, store: &EmbeddedStore) -> Outcome {
    stage
        .say("A night's batch of 12 clients against a throw-away ledger. The store and the API are real, the clock is not.")
        .await?;
    let run = begin(stage).await?;
    work(stage, &run).await?;
    mistakes(stage, &run).await?;
    finish(stage, &run).await?;
    silence(stage, &run).await?;
    morning(stage, &run, store).await
}

fn ask<'a>(source: &'a str, what: impl Into<String>, method: Method, parts: &'a [&'a str]) -> Ask<'a> {
    Ask {
        source,
        what: what.into(),
        method,
        parts,
        body: None,
        attempt: None,
    }
}

fn with(ask: Ask<'_>, body: Value) -> Ask<'_> {
    Ask {
        body: Some(body),
        ..ask
    }
}

async fn begin(stage: &Stage<'_>) -> Outcome<String> {
    stage
        .chapter("The run begins. Its record is created once, on purpose.")
        .await?;
    let start = || Ask {
        attempt: Some("nightly-1"),
        ..with(
            ask(
                "orchestrator",
                "starts a run; the ledger chooses its id",
                Method::POST,
                &["runs"],
            ),
            json!({"batch": "nightly"}),
        )
    };
    let record: RecordView = stage.ask(start(), 201).await?.read()?;
    let run = record.run_id;
    stage
        .say(&format!(
            "                     the run is {run}; the answer got lost, so it asks again:"
        ))
        .await?;
    stage.ask(start(), 200).await?;
    let clients: Vec<_> = CLIENTS.iter().map(|client| json!({"client_id": client})).collect();
    let parts = ["runs", &run, "clients"];
    let create = with(
        ask(
            "batch_process",
            "creates 12 client records, all or none",
            Method::POST,
            &parts,
        ),
        json!({"clients": clients}),
    );
    stage.ask(create, 201).await?;
    Ok(run)
}

async fn work(stage: &Stage<'_>, run: &str) -> Outcome {
    stage.clock.pass(Duration::from_secs(40));
    stage
        .chapter("The clients are worked on: a stage each, numbers as deltas.")
        .await?;
    for (index, client) in (0_u64..).zip(CLIENTS) {
        let begin = ["runs", run, "clients", client, "stages", "lead_scoring", "start"];
        let what = format!("starts lead_scoring of {client}");
        stage.ask(ask("lead_scoring", what, Method::POST, &begin), 200).await?;
        stage.clock.pass(Duration::from_secs(50 + 13 * index));
        if client == SILENT {
            stage
                .say(&format!("                     ... and {SILENT} is not heard of again."))
                .await?;
            continue;
        }
        let end = ["runs", run, "clients", client, "stages", "lead_scoring", "finish"];
        let leads = 7 + 5 * index;
        let what = format!("finishes it with {leads} leads, cost 0.{:02}", 12 + index);
        let metrics = json!({"add": {"leads": leads, "cost": format!("0.{:02}", 12 + index)}});
        let body = json!({"status": "succeeded", "metrics": metrics});
        stage
            .ask(with(ask("lead_scoring", what, Method::POST, &end), body), 200)
            .await?;
    }
    stage
        .chapter("A delta is sent twice, since its answer got lost. It counts once.")
        .await?;
    let parts = ["runs", run, "clients", "acme"];
    for _ in 0..2 {
        let what = "adds 1500 tokens to acme (update id post-1)";
        let body = json!({"metrics": {"add": {"tokens": 1500}}, "update_id": "post-1"});
        stage
            .ask(with(ask("post_scoring", what, Method::PATCH, &parts), body), 200)
            .await?;
    }
    Ok(())
}

async fn mistakes(stage: &Stage<'_>, run: &str) -> Outcome {
    stage
        .chapter("Mistakes are made. None of them creates anything; all of them are recorded.")
        .await?;
    let parts = ["runs", run, "clients"];
    let create = with(
        ask(
            "post_scoring",
            "creates a record of its own for wonka",
            Method::POST,
            &parts,
        ),
        json!({"client_id": "wonka"}),
    );
    stage.ask(create, 403).await?;
    let again = with(
        ask(
            "master_process",
            "creates the same run once more",
            Method::POST,
            &["runs"],
        ),
        json!({"run_id": run}),
    );
    stage.ask(again, 409).await?;
    let wrong = ["runs", run, "clients", "acmee"];
    let update = with(
        ask(
            "lead_scoring",
            "adds 3 leads to acmee, which is no client",
            Method::PATCH,
            &wrong,
        ),
        json!({"metrics": {"add": {"leads": 3}}}),
    );
    stage.ask(update, 404).await?;
    Ok(())
}

async fn finish(stage: &Stage<'_>, run: &str) -> Outcome {
    stage.chapter("The clients end, each on its own.").await?;
    for client in CLIENTS.into_iter().filter(|client| *client != SILENT) {
        let parts = ["runs", run, "clients", client, "complete"];
        let (status, what) = match client {
            FAILING => ("failed", format!("ends {client} as failed: its feed is empty")),
            _ => ("succeeded", format!("ends {client} as succeeded")),
        };
        let body = json!({"status": status});
        stage
            .ask(with(ask("batch_process", what, Method::POST, &parts), body), 200)
            .await?;
        stage.clock.pass(Duration::from_secs(3));
    }
    let parts = ["runs", run, "complete"];
    let end = with(
        ask("orchestrator", "wants to end the run", Method::POST, &parts),
        json!({"status": "succeeded"}),
    );
    stage.ask(end, 409).await?;
    Ok(())
}

async fn silence(stage: &Stage<'_>, run: &str) -> Outcome {
    stage.clock.pass(4 * HOUR);
    stage
        .chapter("Four hours later. The run itself is still looked after.")
        .await?;
    let beat = ["runs", run, "heartbeat"];
    stage
        .ask(
            ask("orchestrator", "says that the run goes on", Method::POST, &beat),
            200,
        )
        .await?;
    stage.clock.pass(4 * HOUR);
    stage
        .chapter(&format!(
            "Four more hours. {SILENT} is past its deadline and the grace period: it is swept."
        ))
        .await?;
    let report = Sweeper::new(sweep::source()?, HOUR).sweep(&stage.ledger.runs).await;
    let report = report.map_err(Failure::unavailable)?;
    for key in &report.lost {
        stage
            .say(&format!(
                "  {:<18} {:<50} lost",
                sweep::SWEEPER,
                format!("closes {key}")
            ))
            .await?;
    }
    if report.lost.len() != 1 {
        return Err(Failure::new(
            Exit::Fault,
            format_args!("the demo expected one lost record, not {report:?}"),
        ));
    }
    let late = ["runs", run, "clients", SILENT, "heartbeat"];
    let what = format!("is back with a heartbeat for {SILENT}");
    stage.ask(ask("lead_scoring", what, Method::POST, &late), 409).await?;
    let parts = ["runs", run, "complete"];
    let end = with(
        ask("orchestrator", "ends the run", Method::POST, &parts),
        json!({"status": "succeeded_with_errors"}),
    );
    stage.ask(end, 200).await?;
    Ok(())
}

async fn morning(stage: &Stage<'_>, run: &str, store: &EmbeddedStore) -> Outcome {
    stage
        .chapter("In the morning: what the run came to (runledger summary).")
        .await?;
    let answer = stage
        .transport
        .request(&Request::get(&["runs", run, "summary"])?)
        .await?;
    answer.read::<SummaryView>()?.print(stage.output)?;
    stage
        .chapter("What was refused, and why (runledger activity --refused).")
        .await?;
    let request = Request::get(&["activity"])?.query("refused", Some(true));
    let page: Value = stage.transport.request(&request).await?.read()?;
    let mut table = Table::new(&["SOURCE", "ACTION", "CLIENT", "REASON"], "nothing was refused");
    for line in page.get("activity").and_then(Value::as_array).into_iter().flatten() {
        let word = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
        table.row([word("source"), word("action"), word("client_id"), word("reason")]);
    }
    stage.say(&table.text()).await?;
    let report = store.verify().await.map_err(Failure::unavailable)?;
    let verdict = if report.is_clean() {
        "nothing is wrong"
    } else {
        "DAMAGED"
    };
    stage
        .say(&format!(
            "\n{} records and {} lines of activity checked, {verdict} (runledger verify). The throw-away ledger is gone.",
            report.records, report.lines
        ))
        .await?;
    stage
        .say("Your own:  runledger job create --source orchestrator   or   runledger serve")
        .await
}
