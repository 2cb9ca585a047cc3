//! The projection under random work, faults, kills and an outbox that fails: once all that ends, each record has exactly
//! one row, which shows it; nothing was made again on a guess; nothing was asked too often (I14).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner, contextualize_config};
use runledger_domain::{RecordKind, RunKey, Timestamp};
use runledger_memory::MemoryStore;
use runledger_ports::{
    Fence, FencedError, Mark, OutboxCounts, OutboxEntry, OutboxHead, OutboxStop, OutboxStore, PageSize, RemovedRow,
    RowState, StepKind, Unavailable,
};
use tokio::task::yield_now;

use super::table::{Fault, Table};
use super::world::World;
use crate::source;

const CLIENTS: usize = 14;

/// An outbox where each call can end before it has an effect, after it, and in between.
pub(super) struct Unsteady {
    pub(super) inner: Arc<MemoryStore>,
    /// How many calls until one fails, and whether it has its effect; 0 fails none.
    pub(super) countdown: AtomicU32,
    pub(super) with_effect: bool,
}

impl Unsteady {
    fn fails_now(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.countdown.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) == Ok(1)
    }

    async fn read<T>(&self, call: impl Future<Output = Result<T, Unavailable>>) -> Result<T, Unavailable> {
        yield_now().await;
        if self.fails_now() {
            return Err(failed());
        }
        call.await
    }

    async fn write(&self, call: impl Future<Output = Result<(), FencedError>>) -> Result<(), FencedError> {
        yield_now().await;
        if self.fails_now() {
            if self.with_effect {
                call.await?;
            }
            return Err(failed().into());
        }
        call.await?;
        yield_now().await;
        Ok(())
    }
}

fn failed() -> Unavailable {
    Unavailable::Failed {
        reason: "the disk is away".into(),
    }
}

#[async_trait]
impl OutboxStore for Unsteady {
    async fn outbox(&self) -> Result<Option<OutboxHead>, Unavailable> {
        self.read(self.inner.outbox()).await
    }

    async fn begin_outbox(&self, fence: &Fence, target: &str, position: u64) -> Result<(), FencedError> {
        self.write(self.inner.begin_outbox(fence, target, position)).await
    }

    async fn mark_outbox(&self, fence: &Fence, position: u64, marks: Vec<Mark>) -> Result<(), FencedError> {
        self.write(self.inner.mark_outbox(fence, position, marks)).await
    }

    async fn keep_rows(&self, fence: &Fence, rows: Vec<(RunKey, Timestamp, RowState)>) -> Result<(), FencedError> {
        self.write(self.inner.keep_rows(fence, rows)).await
    }

    async fn stop_outbox(&self, fence: &Fence, stop: Option<OutboxStop>) -> Result<(), FencedError> {
        self.write(self.inner.stop_outbox(fence, stop)).await
    }

    async fn due_entries(
        &self,
        kind: RecordKind,
        now: Timestamp,
        size: PageSize,
    ) -> Result<Vec<OutboxEntry>, Unavailable> {
        self.read(self.inner.due_entries(kind, now, size)).await
    }

    async fn entries(&self, keys: &[RunKey]) -> Result<Vec<Option<OutboxEntry>>, Unavailable> {
        self.read(self.inner.entries(keys)).await
    }

    async fn entries_in(
        &self,
        step: StepKind,
        after: Option<&RunKey>,
        size: PageSize,
    ) -> Result<Vec<OutboxEntry>, Unavailable> {
        self.read(self.inner.entries_in(step, after, size)).await
    }

    async fn outbox_counts(&self) -> Result<OutboxCounts, Unavailable> {
        self.read(self.inner.outbox_counts()).await
    }

    async fn keep_removed(&self, fence: &Fence, rows: Vec<RemovedRow>) -> Result<(), FencedError> {
        self.write(self.inner.keep_removed(fence, rows)).await
    }

    async fn removed_rows(&self, after: u64, size: PageSize) -> Result<Vec<RemovedRow>, Unavailable> {
        self.read(self.inner.removed_rows(after, size)).await
    }
}

/// What happens. Clients are named by a number.
#[derive(Clone, Debug)]
enum Event {
    /// Clients come into being.
    Start(usize),
    Note(usize),
    NoteJob,
    Complete(usize),
    CompleteJob,
    Fault(Fault),
    Lag(u64),
    /// The table refuses a client's row; nothing more, or another.
    Unfit(Option<usize>),
    SchemaChange,
    /// A person deletes a client's row, while there is something left to show.
    Delete(usize),
    Retry,
    Resume,
    /// A server works for so many tenths of a second, and is told to end.
    Work(u64),
    /// A server works until it was looked at so often, and is killed.
    Kill(usize),
    /// As before, and the outbox fails so many calls later, with or without an effect.
    StoreFails {
        calls: u32,
        with_effect: bool,
    },
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::AnswerLost),
        (0..10_usize).prop_map(Fault::HalfWay),
        (1..55_u64).prop_map(|seconds| Fault::Late(Duration::from_secs(seconds))),
        Just(Fault::Later),
        Just(Fault::Stopped),
        (1..25_u64).prop_map(|seconds| Fault::Slow(Duration::from_secs(seconds))),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let client = 0..CLIENTS;
    prop_oneof![
        2 => (1..=CLIENTS).prop_map(Event::Start),
        4 => client.clone().prop_map(Event::Note),
        1 => Just(Event::NoteJob),
        2 => client.clone().prop_map(Event::Complete),
        1 => Just(Event::CompleteJob),
        5 => fault().prop_map(Event::Fault),
        1 => (0..4_u64).prop_map(Event::Lag),
        1 => prop::option::of(client.clone()).prop_map(Event::Unfit),
        1 => Just(Event::SchemaChange),
        1 => client.prop_map(Event::Delete),
        1 => Just(Event::Retry),
        1 => Just(Event::Resume),
        4 => (1..900_u64).prop_map(Event::Work),
        4 => (0..400_usize).prop_map(Event::Kill),
        3 => (1..60_u32, any::<bool>()).prop_map(|(calls, with_effect)| Event::StoreFails { calls, with_effect }),
    ]
}

async fn play(is_atomic: bool, events: &[Event]) -> Result<(), TestCaseError> {
    let mut world = World::new(Table::new(is_atomic));
    let steady = Arc::clone(&world.store);
    world.outbox = steady_as(&steady, 0, false);
    let job = world.start_job().await;
    let mut clients: Vec<RunKey> = Vec::new();
    let by = source("operator");
    for event in events {
        let client = |number: &usize| clients.get(*number).cloned();
        match event {
            Event::Start(count) => {
                let names: Vec<_> = (clients.len()..*count).map(|number| format!("c{number}")).collect();
                if !names.is_empty() {
                    let started = world.try_start_clients(&job, &names).await;
                    clients.extend(started);
                }
            }
            Event::Note(number) => {
                if let Some(key) = client(number) {
                    world.note(&key).await;
                }
            }
            Event::NoteJob => world.note(&job).await,
            Event::Complete(number) => {
                if let Some(key) = client(number) {
                    world.complete(&key).await;
                }
            }
            Event::CompleteJob => world.complete(&job).await,
            Event::Fault(fault) => world.table.fault(fault.clone()),
            Event::Lag(seconds) => world.table.set_lag(Duration::from_secs(*seconds)),
            Event::Unfit(number) => {
                let unfit: Vec<_> = number.and_then(|number| client(&number)).into_iter().collect();
                world.table.set_unfit(&unfit);
            }
            Event::SchemaChange => world.table.change_schema(),
            Event::Delete(number) => {
                // That the row of a record which changes no more is gone, a comparison finds.
                if let Some(key) = client(number)
                    && world.is_open(&key).await
                {
                    world.table.delete_rows(&key);
                }
            }
            Event::Retry => drop(world.projection().retry(&by, None).await),
            Event::Resume => drop(world.projection().resume(&by).await),
            Event::Work(tenths) => {
                world
                    .work_for(&world.projection(), Duration::from_millis(tenths * 100))
                    .await;
            }
            Event::Kill(looks) => {
                let day = Duration::from_hours(24);
                world.work_until_killed(&world.projection(), *looks, day).await;
            }
            Event::StoreFails { calls, with_effect } => {
                world.outbox = steady_as(&steady, *calls, *with_effect);
                world.work_for(&world.projection(), Duration::from_secs(90)).await;
                world.outbox = steady_as(&steady, 0, false);
            }
        }
    }
    world.table.set_unfit(&[]);
    // A row that was deleted is missed when there is something to show.
    for key in clients.iter().chain([&job]) {
        world.note(key).await;
    }
    let status = world.come_to_rest().await;
    prop_assert_eq!(world.differences().await, Vec::<String>::new(), "{:?}", status);
    prop_assert_eq!(world.blind_tries(), Vec::<RunKey>::new());
    prop_assert_eq!(world.table.too_near(), 0);
    let counts = status.counts;
    prop_assert_eq!(
        (counts.waiting, counts.sending, counts.unknown, counts.set_aside),
        (0, 0, 0, 0)
    );
    Ok(())
}

fn steady_as(inner: &Arc<MemoryStore>, countdown: u32, with_effect: bool) -> Arc<dyn OutboxStore> {
    Arc::new(Unsteady {
        inner: Arc::clone(inner),
        countdown: AtomicU32::new(countdown),
        with_effect,
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

#[test]
fn whatever_happens_each_record_comes_to_have_one_row_that_shows_it() {
    // More cases where PROPTEST_CASES says so.
    let config = contextualize_config(Config {
        cases: 100,
        failure_persistence: None,
        ..Config::default()
    });
    let events = (any::<bool>(), prop::collection::vec(event(), 1..40));
    let played = TestRunner::new(config).run(&events, |(is_atomic, events)| {
        runtime().block_on(play(is_atomic, &events))
    });
    if let Err(error) = played {
        panic!("{error}");
    }
}
