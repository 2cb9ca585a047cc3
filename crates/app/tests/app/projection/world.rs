//! A ledger, its outbox, two tables, and whoever keeps them in step.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use runledger_app::{HeldLease, Ledger, Projection, ProjectionOptions, ProjectionStatus, StartClient, StartJob};
use runledger_domain::{
    Action, Command, Completion, CreationContent, NewActivity, Outcome, RunKey, Subject, Update, Verdict,
};
use runledger_memory::MemoryStore;
use runledger_ports::{
    ActivityLog as _, Clock as _, Duty, Fence, LeaseStore as _, ListFilter, OutboxStore, PageSize, RunReader as _,
    Taken,
};
use tokio::sync::watch;
use tokio::time::sleep;

use super::table::{Asked, Table, shown};
use crate::{Stopped, ledger, source};

pub(super) struct World {
    pub(super) store: Arc<MemoryStore>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) clock: Arc<Stopped>,
    pub(super) table: Arc<Table>,
    pub(super) options: ProjectionOptions,
    /// What the projection keeps its outbox in.
    pub(super) outbox: Arc<dyn OutboxStore>,
}

impl World {
    pub(super) fn new(table: Arc<Table>) -> Self {
        let store = Arc::new(MemoryStore::new());
        let clock = Stopped::at("2025-09-25T23:18:41Z");
        Self {
            ledger: Arc::new(ledger(&store, &clock)),
            outbox: store.clone(),
            store,
            clock,
            table,
            options: ProjectionOptions::default(),
        }
    }

    pub(super) fn projection(&self) -> Projection {
        let (outbox, table) = (Arc::clone(&self.outbox), self.table.clone());
        Projection::new(&self.ledger, outbox, table, self.options.clone())
    }

    /// The duty, whoever had it.
    pub(super) async fn fence(&self) -> Fence {
        let before = self.store.leases().await.unwrap();
        for lease in before {
            self.store.end_lease(&lease.fence).await.unwrap();
        }
        let day = Duration::from_hours(24 * 365);
        match self.store.take_lease(&Duty::Project, &source("server_1"), day).await {
            Ok(Taken::Held(fence)) => fence,
            taken => panic!("{taken:?}"),
        }
    }

    /// Works for so long, then ends as a server does that is told to.
    pub(super) async fn work_for(&self, projection: &Projection, how_long: Duration) {
        let (stop, stopped) = watch::channel(false);
        let lease = HeldLease {
            fence: self.fence().await,
            stop: stopped,
        };
        let told = async {
            sleep(how_long).await;
            stop.send(true).unwrap();
        };
        tokio::join!(projection.work(lease), told);
    }

    /// Works until it was looked at so often, or for so long, and ends as a server does that is killed.
    pub(super) async fn work_until_killed(&self, projection: &Projection, looks: usize, at_most: Duration) {
        let (_stop, stopped) = watch::channel(false);
        let lease = HeldLease {
            fence: self.fence().await,
            stop: stopped,
        };
        let mut looks = looks;
        let mut working = pin!(projection.work(lease));
        let limited = poll_fn(|context| {
            if looks == 0 {
                return Poll::Ready(());
            }
            looks -= 1;
            working.as_mut().poll(context)
        });
        tokio::select! {
            () = limited => {}
            () = sleep(at_most) => {}
        }
    }

    /// A session without faults that lasts until there is nothing left to do.
    pub(super) async fn come_to_rest(&self) -> ProjectionStatus {
        let projection = self.projection();
        let by = source("operator");
        self.table.clear_faults();
        self.work_for(&projection, Duration::from_mins(10)).await;
        // What was stopped, or set aside for what is no more, is let go on by somebody.
        projection.resume(&by).await.unwrap();
        projection.retry(&by, None).await.unwrap();
        self.work_for(&projection, Duration::from_mins(30)).await;
        projection.status().await.unwrap()
    }

    pub(super) async fn start_job(&self) -> RunKey {
        let by = source("orchestrator");
        let started = self.ledger.creation.start_job(&by, StartJob::default());
        started.await.unwrap().record.key().clone()
    }

    pub(super) async fn start_clients(&self, job: &RunKey, clients: &[String]) -> Vec<RunKey> {
        let started = self.try_start_clients(job, clients).await;
        assert_eq!(started.len(), clients.len());
        started
    }

    /// None of them when the job has ended.
    pub(super) async fn try_start_clients(&self, job: &RunKey, clients: &[String]) -> Vec<RunKey> {
        let clients = clients.iter().map(|client| StartClient {
            client: client.parse().unwrap(),
            content: CreationContent::default(),
        });
        let creation = &self.ledger.creation;
        let started = creation
            .start_clients(&source("orchestrator"), job.run(), None, clients.collect())
            .await;
        let started = started.unwrap_or_default();
        started.into_iter().map(|one| one.record.key().clone()).collect()
    }

    pub(super) async fn is_open(&self, key: &RunKey) -> bool {
        let record = self.store.get(key).await.unwrap();
        record.is_some_and(|record| record.status().is_open())
    }

    pub(super) async fn note(&self, key: &RunKey) {
        let update = Update {
            note: Some("half done".parse().unwrap()),
            ..Update::default()
        };
        let (change, by) = (Command::Update(update), source("lead_scoring"));
        let changed = self.ledger.runs.change(&by, key.clone(), None, change);
        // It may have ended.
        drop(changed.await);
    }

    /// Somebody wants the row of a record to be put right.
    pub(super) async fn want_repair(&self, key: &RunKey) {
        let line = NewActivity {
            at: self.clock.now(),
            action: Action::RepairRow,
            source: "operator".into(),
            subject: Subject::of(key),
            verdict: Verdict::Unchanged,
            version: None,
            detail: "it has no row".into(),
        };
        self.store.record(line).await.unwrap();
    }

    pub(super) async fn complete(&self, key: &RunKey) {
        let completion = Completion {
            outcome: Outcome::Succeeded,
            close_open: true,
            note: None,
        };
        let change = Command::Complete(completion);
        drop(
            self.ledger
                .runs
                .change(&source("orchestrator"), key.clone(), None, change)
                .await,
        );
    }

    /// What differs between the ledger and the tables; nothing when each record has exactly one row, which shows it.
    pub(super) async fn differences(&self) -> Vec<String> {
        let all = ListFilter::default();
        let size = PageSize::new(1_000).unwrap();
        let records = self.store.list(&all, None, size).await.unwrap().records;
        let mut differences = Vec::new();
        for record in &records {
            let key = record.key();
            let summary = match key.client() {
                None => self.store.summary(key.run()).await.unwrap(),
                Some(_) => None,
            };
            let rows = self.table.rows_of(key);
            let found: Vec<_> = rows.iter().map(|row| row.cells.text.as_str()).collect();
            let wanted = shown(record, summary.as_ref());
            if found != [wanted.as_str()] {
                differences.push(format!("{key} is {wanted:?} and shown as {found:?}"));
            }
        }
        let rows = self.table.rows();
        for row in rows
            .iter()
            .filter(|row| !records.iter().any(|record| *record.key() == row.key))
        {
            differences.push(format!("{} has a row and no record", row.key));
        }
        differences
    }

    /// Keys that were made again on a guess: after a try that may have had an effect, and without a look in between.
    pub(super) fn blind_tries(&self) -> Vec<RunKey> {
        let asked = self.table.asked();
        let mut in_doubt = BTreeSet::new();
        let mut blind = Vec::new();
        for asked in asked {
            match asked {
                Asked::LookUp(keys) => in_doubt.retain(|key| !keys.contains(key)),
                Asked::Make {
                    keys,
                    is_certainly_not_done,
                } => {
                    blind.extend(keys.iter().filter(|key| in_doubt.contains(*key)).cloned());
                    if !is_certainly_not_done {
                        in_doubt.extend(keys);
                    }
                }
                Asked::Change(_) | Asked::List | Asked::Remove(_) => {}
            }
        }
        blind
    }
}
