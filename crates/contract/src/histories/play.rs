//! Plays a history on a store and on the model, and compares them after every step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use runledger_domain::creation::{AttemptLine, conflict_code};
use runledger_domain::{
    ChangeContext, Command, Completion, CreationContent, CreationIntent, CreationPolicy, DeadlineAfter, Initial,
    MetricChange, RecordKind, RunKey, RunRecord, Update,
};
use runledger_ports::{ChangeError, ChangeRequest, Changed, CreateOutcome, ListFilter, PageSize, StalledFilter};

use super::HISTORIES;
use super::model::{HURRIED_SECONDS, Model, Record, SPAN_SECONDS, is_client_of, may_create};
use super::operations::{
    CLIENTS, Content, Expects, Key, METRICS, OUTCOMES, Operation, Order, RUNS, SOURCES, STAGES, Wanted,
};
use crate::bench::{Bench, allowed, verdicts};
use crate::fixture::{at, client, run, source, text};
use crate::rules::Held;
use crate::store::StoreUnderTest;

pub(super) async fn play(store: &dyn StoreUnderTest, history: &[Operation]) -> Held {
    let mut bench = Bench::open(HISTORIES, store).await;
    let mut model = Model::default();
    let mut last_sent = None;
    for (step, operation) in history.iter().enumerate() {
        let before = model.verdicts.len();
        match operation {
            // A store that does not keep its data goes on as it is.
            Operation::Restart => bench = bench.reopen().await.unwrap_or_else(|same| same),
            Operation::Jump { seconds } => model.now += seconds,
            Operation::Read { key } => read(&bench, *key).await?,
            Operation::Again => {
                if let Some(last) = last_sent {
                    send(&bench, &mut model, last).await?;
                }
            }
            Operation::Create { .. } | Operation::Start { .. } | Operation::Change { .. } => {
                send(&bench, &mut model, operation).await?;
                last_sent = Some(operation);
            }
        }
        let told = &model.verdicts[before..];
        compare(&bench, &model).await.map_err(|mut violation| {
            let step = step + 1;
            violation.detail = format!(
                "after step {step} ({operation:?}, in the model {told:?}): {}",
                violation.detail
            );
            violation
        })?;
    }
    Ok(())
}

/// Sends a creation or a change.
async fn send(bench: &Bench, model: &mut Model, operation: &Operation) -> Held {
    match operation {
        Operation::Create { by, wanted } => create(bench, model, *by, wanted, false).await,
        Operation::Start {
            by,
            candidate,
            attempt,
            content,
        } => {
            let wanted = Wanted {
                key: (*candidate, None),
                attempt: *attempt,
                content: *content,
            };
            create(bench, model, *by, &[wanted], true).await
        }
        Operation::Change {
            by,
            key,
            order,
            expects,
        } => {
            let version = model.find(*key).map_or(1, |record| record.version);
            let expected = match expects {
                Expects::Whatever => None,
                Expects::Current => Some(version),
                Expects::Another => Some(version + 1),
            };
            let request = ChangeRequest {
                key: run_key(*key),
                context: ChangeContext {
                    expected,
                    ..ChangeContext::new(source(SOURCES[*by]), at(model.now))
                },
                command: command(order),
                fence: None,
            };
            let before = model.verdicts.len();
            model.change(*key, order, expected);
            let answer = bench.change(request).await?;
            bench.same("the answer", &Some(&answered(&answer)), &model.verdicts.get(before))
        }
        Operation::Again | Operation::Read { .. } | Operation::Jump { .. } | Operation::Restart => Ok(()),
    }
}

/// Asks the policy for each, as the creation point does; only if all are allowed the store gets them.
async fn create(bench: &Bench, model: &mut Model, by: usize, wanted: &[Wanted], minted: bool) -> Held {
    let policy = policy();
    let mut intents = Vec::new();
    let mut refusals = Vec::new();
    for one in wanted {
        let intent = CreationIntent {
            key: run_key(one.key),
            source: source(SOURCES[by]),
            attempt: text(&format!("attempt-{}", one.attempt)),
            at: at(model.now),
            minted,
            content: content(one.content),
        };
        let allowed = allowed(&policy, &intent);
        bench.same(
            "who may create, by policy and model",
            &allowed.is_ok(),
            &may_create(by, one.key),
        )?;
        refusals.extend(allowed.err());
        intents.push(intent);
    }
    if refusals.is_empty() {
        let before = model.verdicts.len();
        model.create(by, wanted, minted);
        let outcomes = bench.create_under(&policy, &intents).await?;
        let answers: Vec<String> = outcomes.iter().map(outcome).collect();
        bench.same("the answers", &*answers, &model.verdicts[before..])?;
    }
    for refusal in refusals {
        model.refuse();
        let line = AttemptLine::of(&refusal.intent).refused(refusal.reason.code(), refusal.to_string());
        bench.keep(line).await?;
    }
    Ok(())
}

/// What a change was answered with, in the words of the log.
fn answered(answer: &Result<Changed, ChangeError>) -> String {
    match answer {
        Ok(Changed::Applied { .. }) => "changed".to_owned(),
        Ok(Changed::Unchanged(_)) => "unchanged".to_owned(),
        Err(ChangeError::NotFound { .. }) => "refused not_found".to_owned(),
        Err(ChangeError::Refused { refusal, .. }) => format!("refused {}", refusal.code()),
        Err(other) => other.to_string(),
    }
}

/// What a creation was answered with, in the words of the log.
fn outcome(outcome: &CreateOutcome) -> String {
    match outcome {
        CreateOutcome::Created(_) => "created".to_owned(),
        CreateOutcome::Replayed(_) => "replayed".to_owned(),
        CreateOutcome::Conflict { differs_in, .. } => format!("refused {}", conflict_code(differs_in)),
        CreateOutcome::Refused(refusal) => format!("refused {}", refusal.code()),
        CreateOutcome::Withheld => "refused withheld".to_owned(),
    }
}

/// Reads about the key in every way there is. What is read is compared afterwards; that nothing is written, too.
async fn read(bench: &Bench, key: Key) -> Held {
    let run_key = run_key(key);
    let _found = bench.get(&run_key).await?;
    let _summary = bench.summary(run_key.run()).await?;
    let filter = ListFilter {
        run: Some(run_key.run().clone()),
        client: run_key.client().cloned(),
        ..ListFilter::default()
    };
    let _listed = bench.listed(&filter, 1).await?;
    let minted = bench
        .store
        .reader
        .find_minted(&source(SOURCES[0]), &text("attempt-0"))
        .await;
    bench.holds(minted.is_ok(), || format!("find_minted of a healthy store: {minted:?}"))
}

async fn compare(bench: &Bench, model: &Model) -> Held {
    let everything = bench.everything().await?;
    let found: Vec<Seen> = everything.records.iter().map(seen).collect();
    let expected: Vec<Seen> = model.records.iter().map(told).collect();
    bench.same("the records", &found, &expected)?;
    bench.same("the lines", &verdicts(&everything.lines), &model.verdicts)?;
    for run in 0..RUNS.len() {
        for client in [None, Some(0), Some(1), Some(2)] {
            let key = run_key((run, client));
            let is_there = bench.get(&key).await?.is_some();
            bench.same(
                &format!("whether {key} is there"),
                &is_there,
                &model.find((run, client)).is_some(),
            )?;
        }
        compare_summary(bench, model, run).await?;
    }
    compare_stalled(bench, model).await
}

/// A record as far as the model tells it: key, version, status, metrics in thousandths, notes.
type Seen = (String, u64, String, BTreeMap<String, i128>, usize);

fn seen(record: &Arc<RunRecord>) -> Seen {
    let metrics = record
        .metrics()
        .iter()
        .map(|(name, value)| (name.to_string(), thousandths(&value.to_string())));
    (
        record.key().to_string(),
        record.version(),
        record.status().to_string(),
        metrics.collect(),
        record.notes().len(),
    )
}

fn told(record: &Record) -> Seen {
    let metrics = record
        .metrics
        .iter()
        .map(|(metric, value)| (METRICS[*metric].to_owned(), *value));
    (
        run_key(record.key).to_string(),
        record.version,
        record.status.to_owned(),
        metrics.collect(),
        record.notes,
    )
}

async fn compare_summary(bench: &Bench, model: &Model, of: usize) -> Held {
    let job = (of, None);
    let found = bench.summary(&run(RUNS[of])).await?.map(|summary| {
        let totals = summary
            .totals
            .iter()
            .map(|(name, value)| (name.to_string(), thousandths(&value.to_string())));
        let totals: BTreeMap<_, _> = totals.collect();
        let job = summary.job.map(|status| status.to_string());
        (job, summary.clients, summary.open, totals)
    });
    let clients: Vec<_> = model
        .records
        .iter()
        .filter(|record| is_client_of(record, job))
        .collect();
    let expected = (model.find(job).is_some() || !clients.is_empty()).then(|| {
        let mut totals = BTreeMap::new();
        for (metric, value) in clients.iter().flat_map(|record| &record.metrics) {
            *totals.entry(METRICS[*metric].to_owned()).or_default() += value;
        }
        let open = clients.iter().filter(|record| record.is_open()).count();
        let job = model.find(job).map(|record| record.status.to_owned());
        (job, clients.len() as u64, open as u64, totals)
    });
    bench.same(&format!("the summary of {}", RUNS[of]), &found, &expected)
}

async fn compare_stalled(bench: &Bench, model: &Model) -> Held {
    let filter = StalledFilter {
        deadline_before: at(model.now),
        within: None,
    };
    let page = match bench.store.reader.stalled(&filter, None, PageSize::default()).await {
        Ok(page) => page,
        Err(error) => return bench.broken(format!("stalled of a healthy store: {error}")),
    };
    let found: Vec<_> = page.records.iter().map(|record| record.key().to_string()).collect();
    let mut stalled: Vec<_> = model
        .records
        .iter()
        .filter(|record| record.is_open() && record.deadline() < model.now)
        .collect();
    // The sort is stable, so equals stay in the order of creation.
    stalled.sort_by_key(|record| record.deadline());
    let expected: Vec<_> = stalled.iter().map(|record| run_key(record.key).to_string()).collect();
    bench.same("what is stalled", &found, &expected)
}

/// The policy of which the model has its own table.
fn policy() -> CreationPolicy {
    let mut policy = CreationPolicy::closed().deadline_after(span(SPAN_SECONDS));
    for (name, kinds) in [
        ("orchestrator", &[RecordKind::Job, RecordKind::Client][..]),
        ("batch_process", &[RecordKind::Job, RecordKind::Client]),
        ("job_maker", &[RecordKind::Job]),
        ("client_maker", &[RecordKind::Client]),
    ] {
        for kind in kinds {
            policy = policy.allow(source(name), *kind);
        }
    }
    policy
}

fn run_key((of, by): Key) -> RunKey {
    match by {
        None => RunKey::Job(run(RUNS[of])),
        Some(by) => RunKey::Client(run(RUNS[of]), client(CLIENTS[by])),
    }
}

fn content(content: Content) -> CreationContent {
    let mut made = CreationContent::default();
    match content {
        Content::Plain => {}
        Content::Queued => made.initial = Initial::Queued,
        Content::Noted => made.note = Some(text("noted at the start")),
        Content::Named => made.client_name = Some(text("A client")),
        Content::Hurried => made.deadline_after = Some(span(HURRIED_SECONDS)),
    }
    made
}

fn span(seconds: i64) -> DeadlineAfter {
    DeadlineAfter::from_secs(seconds.unsigned_abs()).unwrap_or(DeadlineAfter::DEFAULT)
}

fn command(order: &Order) -> Command {
    let mut update = Update::default();
    let change = &mut update.metrics;
    match *order {
        Order::Add {
            metric,
            thousandths,
            update_id,
        } => {
            change
                .add
                .extend([(text(METRICS[metric]), text(&decimal(thousandths)))]);
            update.update_id = update_id.map(|id| text(&format!("update-{id}")));
        }
        Order::Raise { metric, thousandths } => {
            change
                .max
                .extend([(text(METRICS[metric]), text(&decimal(thousandths)))]);
        }
        Order::Set { metric, thousandths } => {
            change
                .set
                .extend([(text(METRICS[metric]), text(&decimal(thousandths)))]);
        }
        Order::AddAndSet => {
            change.add.extend([(text(METRICS[0]), text("1"))]);
            change.set.extend([(text(METRICS[0]), text("1"))]);
        }
        Order::Note => update.note = Some(text("a note")),
        Order::Begin => update.start = true,
        Order::Nothing => {}
        Order::StartStage { stage } => {
            return Command::StartStage {
                name: text(STAGES[stage]),
            };
        }
        Order::FinishStage {
            stage,
            outcome,
            thousandths,
        } => {
            let reported = thousandths.map(|value| (text(METRICS[0]), text(&decimal(value))));
            return Command::FinishStage {
                name: text(STAGES[stage]),
                outcome: text(OUTCOMES[outcome]),
                metrics: MetricChange {
                    add: reported.into_iter().collect(),
                    ..MetricChange::default()
                },
            };
        }
        Order::Heartbeat => return Command::Heartbeat,
        Order::Complete {
            outcome,
            noted,
            close_open,
        } => {
            return Command::Complete(Completion {
                outcome: text(OUTCOMES[outcome]),
                note: noted.then(|| text("the last word")),
                close_open,
            });
        }
        Order::DeclareLost { grace_seconds } => {
            return Command::DeclareLost {
                grace: Duration::from_secs(grace_seconds.into()),
            };
        }
    }
    Command::Update(update)
}

/// Writes thousandths as a decimal number.
fn decimal(thousandths: u16) -> String {
    format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}

/// Reads a decimal number as thousandths.
fn thousandths(decimal: &str) -> i128 {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    format!("{whole}{fraction:0<3}").parse().unwrap_or(-1)
}
