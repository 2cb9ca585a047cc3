//! What can happen in a history. Everything is drawn from small sets, so that operations meet.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

/// The runs; the first three are chosen by callers as well, the others only by the ledger.
pub(super) const RUNS: [&str; 4] = [
    "250925-231841",
    "nightly",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "250925-231842",
];
/// The clients.
pub(super) const CLIENTS: [&str; 3] = ["Guy-Wilson", "3Peaks", "acme"];
/// Who asks.
pub(super) const SOURCES: [&str; 6] = [
    "orchestrator",
    "batch_process",
    "job_maker",
    "client_maker",
    "post_scoring",
    "Orchestrator",
];
/// The metrics.
pub(super) const METRICS: [&str; 2] = ["items", "cost"];
/// The stages.
pub(super) const STAGES: [&str; 2] = ["scoring", "mailing"];
/// How records and stages end.
pub(super) const OUTCOMES: [&str; 5] = ["succeeded", "succeeded_with_errors", "failed", "skipped", "cancelled"];

/// The key of a record: the place of its run, and of its client if it has one.
pub(super) type Key = (usize, Option<usize>);

/// One step of a history.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    /// Somebody asks for records: one, or a batch.
    Create { by: usize, wanted: Vec<Wanted> },
    /// Somebody starts a run, and the ledger proposes this one.
    Start {
        by: usize,
        candidate: usize,
        attempt: u8,
        content: Content,
    },
    /// Somebody changes a record, or tries to.
    Change {
        by: usize,
        key: Key,
        order: Order,
        expects: Expects,
    },
    /// The last creation or change is sent once more, by whoever sent it.
    Again,
    /// Somebody reads whatever can be read about a key.
    Read { key: Key },
    /// The clock jumps by so many seconds.
    Jump { seconds: i64 },
    /// The store is closed and opened again.
    Restart,
}

/// One record that a creation asks for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) key: Key,
    pub(super) attempt: u8,
    pub(super) content: Content,
}

/// What a record is created with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Content {
    Plain,
    Queued,
    Noted,
    /// With a client's name, which no job has.
    Named,
    /// With a deadline of 30 s instead of the policy's 100 s.
    Hurried,
}

/// Which version a change expects.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expects {
    Whatever,
    /// The one that there is.
    Current,
    /// One that there is not.
    Another,
}

/// What a change asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Order {
    /// Values are in thousandths.
    Add {
        metric: usize,
        thousandths: u16,
        update_id: Option<u8>,
    },
    Raise {
        metric: usize,
        thousandths: u16,
    },
    Set {
        metric: usize,
        thousandths: u16,
    },
    /// Adds to and sets the same metric, which is refused.
    AddAndSet,
    Note,
    Begin,
    Nothing,
    StartStage {
        stage: usize,
    },
    FinishStage {
        stage: usize,
        outcome: usize,
        thousandths: Option<u16>,
    },
    Heartbeat,
    Complete {
        outcome: usize,
        noted: bool,
        close_open: bool,
    },
    DeclareLost {
        grace_seconds: u8,
    },
}

/// Histories of up to 40 steps. Most begin with a few records, so that there is something to change.
pub(super) fn history() -> impl Strategy<Value = Vec<Operation>> {
    let beginning = prop_oneof![1 => Just(Vec::new()), 5 => Just(first_records())];
    (beginning, vec(operation(), 1..40)).prop_map(|(mut history, operations)| {
        history.extend(operations);
        history
    })
}

/// Two jobs, and two clients of the first.
fn first_records() -> Vec<Operation> {
    let wanted = |key| Wanted {
        key,
        attempt: 0,
        content: Content::Plain,
    };
    vec![Operation::Create {
        by: 0,
        wanted: [(0, None), (1, None), (0, Some(0)), (0, Some(1))].map(wanted).to_vec(),
    }]
}

fn operation() -> impl Strategy<Value = Operation> {
    let several = prop_oneof![3 => vec(wanted(), 1), 1 => vec(wanted(), 2..=4)];
    let create = (source(), several).prop_map(|(by, wanted)| Operation::Create { by, wanted });
    let start = (source(), 0..RUNS.len(), attempt(), content()).prop_map(|(by, candidate, attempt, content)| {
        Operation::Start {
            by,
            candidate,
            attempt,
            content,
        }
    });
    let change = (source(), key(), order(), expects()).prop_map(|(by, key, order, expects)| Operation::Change {
        by,
        key,
        order,
        expects,
    });
    prop_oneof![
        // The first one is what a failing step shrinks to.
        2 => key().prop_map(|key| Operation::Read { key }),
        6 => create,
        2 => start,
        20 => change,
        6 => Just(Operation::Again),
        3 => (-100i64..=200).prop_map(|seconds| Operation::Jump { seconds }),
        // Just past the deadlines, where a grace matters.
        1 => (101i64..=140).prop_map(|seconds| Operation::Jump { seconds }),
        1 => Just(Operation::Restart),
    ]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    (key(), attempt(), content()).prop_map(|(key, attempt, content)| Wanted { key, attempt, content })
}

fn order() -> impl Strategy<Value = Order> {
    let metric = || 0..METRICS.len();
    // Few values, so that an update is repeated under its id, and now and then another one comes under it.
    let value = || prop_oneof![6 => Just(250u16), 1 => Just(1), 1 => any::<u16>()];
    prop_oneof![
        2 => Just(Order::Heartbeat),
        6 => (metric(), value(), option::of(0u8..2)).prop_map(|(metric, thousandths, update_id)| Order::Add {
            metric,
            thousandths,
            update_id,
        }),
        1 => (metric(), value()).prop_map(|(metric, thousandths)| Order::Raise { metric, thousandths }),
        1 => (metric(), value()).prop_map(|(metric, thousandths)| Order::Set { metric, thousandths }),
        1 => Just(Order::AddAndSet),
        1 => Just(Order::Note),
        1 => Just(Order::Begin),
        1 => Just(Order::Nothing),
        3 => (0..STAGES.len()).prop_map(|stage| Order::StartStage { stage }),
        3 => (0..STAGES.len(), 0..OUTCOMES.len(), option::of(0u16..2)).prop_map(|(stage, outcome, thousandths)| {
            Order::FinishStage { stage, outcome, thousandths }
        }),
        3 => (0..OUTCOMES.len(), option::weighted(0.2, Just(())).prop_map(|note| note.is_some()), any::<bool>()).prop_map(|(outcome, noted, close_open)| {
            Order::Complete { outcome, noted, close_open }
        }),
        2 => (0u8..60).prop_map(|grace_seconds| Order::DeclareLost { grace_seconds }),
    ]
}

fn key() -> impl Strategy<Value = Key> {
    // Callers name all runs but the last one; the first one is where most happens.
    let run = prop_oneof![10 => Just(0usize), 2 => Just(1), 1 => Just(2)];
    let client = prop_oneof![4 => 0..2usize, 1 => Just(2)];
    (run, option::weighted(0.7, client))
}

fn source() -> impl Strategy<Value = usize> {
    prop_oneof![9 => Just(0usize), 2 => 1..SOURCES.len()]
}

fn attempt() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0u8), 1 => 1u8..3]
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        8 => Just(Content::Plain),
        2 => Just(Content::Queued),
        1 => Just(Content::Noted),
        1 => Just(Content::Named),
        2 => Just(Content::Hurried),
    ]
}

fn expects() -> impl Strategy<Value = Expects> {
    prop_oneof![6 => Just(Expects::Whatever), 2 => Just(Expects::Current), 1 => Just(Expects::Another)]
}
