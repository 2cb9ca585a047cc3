//! The names, times and requests that the rules are written with.

use runledger_domain::{
    ChangeContext, ClientId, Command, Completion, CreationContent, CreationIntent, Initial, MetricChange, Outcome,
    RunId, RunKey, Source, Timestamp, Update,
};
use runledger_ports::ChangeRequest;

/// The run that most rules are about.
pub(crate) const JOB: &str = "250925-231841";
/// A client of it.
pub(crate) const ACME: &str = "250925-231841-acme";
/// Another client of it.
pub(crate) const ZEN: &str = "250925-231841-zen";
/// Another run.
pub(crate) const OTHER_JOB: &str = "250926-010203";
/// The same client in the other run.
pub(crate) const OTHER_ACME: &str = "250926-010203-acme";

/// 2025-09-25T23:18:41Z: when the rules begin.
const BEGINNING_MICROS: i64 = 1_758_842_321_000_000;

/// The point `seconds` after the beginning (before it when negative).
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(BEGINNING_MICROS + seconds * 1_000_000).expect("the rules stay within the century")
}

pub(crate) fn key(text: &str) -> RunKey {
    text.parse().expect("the rules name real keys")
}

pub(crate) fn run(text: &str) -> RunId {
    text.parse().expect("the rules name real runs")
}

pub(crate) fn client(text: &str) -> ClientId {
    text.parse().expect("the rules name real clients")
}

pub(crate) fn source(text: &str) -> Source {
    text.parse().expect("the rules name real sources")
}

/// Reads a text that is known to fit its type: a note, a name, a label.
pub(crate) fn text<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("the rules write real texts")
}

/// An intent of `orchestrator`, at the beginning, with nothing in it.
pub(crate) fn intent(of: &str, attempt: &str) -> CreationIntent {
    CreationIntent::new(key(of), source("orchestrator"), text(attempt), at(0))
}

/// An intent to start a run under an id that the ledger chose.
pub(crate) fn minted(candidate: &str, attempt: &str) -> CreationIntent {
    CreationIntent {
        minted: true,
        ..intent(candidate, attempt)
    }
}

/// An intent like this one, for a record that is queued at first.
pub(crate) fn queued(intent: CreationIntent) -> CreationIntent {
    CreationIntent {
        content: CreationContent {
            initial: Initial::Queued,
            ..intent.content
        },
        ..intent
    }
}

/// Content with this first note.
pub(crate) fn noted(note: &str) -> CreationContent {
    CreationContent {
        note: Some(text(note)),
        ..CreationContent::default()
    }
}

/// A request of `batch_process`, `seconds` after the beginning, on whatever version there is.
pub(crate) fn request(of: &str, seconds: i64, command: Command) -> ChangeRequest {
    ChangeRequest::new(
        key(of),
        ChangeContext::new(source("batch_process"), at(seconds)),
        command,
    )
}

/// A request like this one, for the record at this version only.
pub(crate) fn expecting(request: ChangeRequest, version: u64) -> ChangeRequest {
    ChangeRequest {
        context: ChangeContext {
            expected: Some(version),
            ..request.context
        },
        ..request
    }
}

/// Adds to one metric.
pub(crate) fn delta(metric: &str, by: &str) -> MetricChange {
    MetricChange {
        add: [(text(metric), text(by))].into(),
        ..MetricChange::default()
    }
}

/// Adds to one metric, with or without an update id.
pub(crate) fn add(metric: &str, by: &str, update_id: Option<&str>) -> Command {
    Command::Update(Update {
        metrics: delta(metric, by),
        update_id: update_id.map(text),
        ..Update::default()
    })
}

pub(crate) fn note(note: &str) -> Command {
    Command::Update(Update {
        note: Some(text(note)),
        ..Update::default()
    })
}

pub(crate) fn start_stage(name: &str) -> Command {
    Command::StartStage { name: text(name) }
}

pub(crate) fn finish_stage(name: &str, outcome: Outcome) -> Command {
    Command::FinishStage {
        name: text(name),
        outcome,
        metrics: MetricChange::default(),
    }
}

/// Ends a record, with nothing open.
pub(crate) fn complete(outcome: Outcome) -> Command {
    Command::Complete(Completion {
        outcome,
        note: None,
        close_open: false,
    })
}

/// Ends a record and what is open in it.
pub(crate) fn complete_and_close(outcome: Outcome) -> Command {
    Command::Complete(Completion {
        outcome,
        note: None,
        close_open: true,
    })
}

/// One command of every kind that a running record accepts, with a name for messages. The completion comes last.
pub(crate) fn every_command() -> Vec<Command> {
    vec![
        add("items", "2", Some("update-1")),
        note("so far, so good"),
        start_stage("scoring"),
        Command::FinishStage {
            name: text("scoring"),
            outcome: Outcome::Succeeded,
            metrics: delta("scored", "7"),
        },
        Command::Heartbeat,
        complete(Outcome::Succeeded),
    ]
}
