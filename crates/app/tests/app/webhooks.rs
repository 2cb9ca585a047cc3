//! Webhooks over the memory store: what fails for a day is given up, what is new begins now, one does not disturb another.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use runledger_app::{EventFilter, Ledger, Refused, StartJob, Terms, Webhook, WebhookError};
use runledger_domain::Activity;
use runledger_memory::MemoryStore;
use runledger_ports::{
    ActivityFilter, DeliveryState, DeliveryStore as _, Duty, EventSender, LeaseStore as _, PageSize, SendError, Taken,
};
use tokio::sync::watch;

use super::{Stopped, ledger, source};

/// A receiver that fails, an hour each time, until it is mended.
struct Failing {
    clock: Arc<Stopped>,
    is_mended: AtomicBool,
    tries: Mutex<Vec<u64>>,
}

#[async_trait]
impl EventSender for Failing {
    fn wants(&self, _: &Activity) -> bool {
        true
    }

    async fn send(&self, activity: &Activity) -> Result<(), SendError> {
        self.tries.lock().unwrap().push(activity.seq);
        if self.is_mended.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.clock.go_on(3_600);
        Err(SendError::Failed {
            reason: "answered 500".into(),
            retry_after: None,
        })
    }

    async fn test(&self) -> Result<String, SendError> {
        if self.is_mended.load(Ordering::Relaxed) {
            return Ok("answered 204".into());
        }
        Err(SendError::Failed {
            reason: "answered 500".into(),
            retry_after: None,
        })
    }
}

/// A receiver that never answers.
struct Hanging;

#[async_trait]
impl EventSender for Hanging {
    fn wants(&self, _: &Activity) -> bool {
        true
    }

    async fn send(&self, _: &Activity) -> Result<(), SendError> {
        std::future::pending().await
    }

    async fn test(&self) -> Result<String, SendError> {
        std::future::pending().await
    }
}

fn webhook(name: &str, sender: Arc<dyn EventSender>) -> Webhook {
    let filter = EventFilter {
        refused: Refused::With,
        ..EventFilter::default()
    };
    Webhook {
        name: name.parse().unwrap(),
        filter,
        sender,
    }
}

/// A receiver that says once that it is gone, and takes what comes afterwards.
#[derive(Default)]
struct Back {
    tries: Mutex<Vec<u64>>,
}

#[async_trait]
impl EventSender for Back {
    fn wants(&self, _: &Activity) -> bool {
        true
    }

    async fn send(&self, activity: &Activity) -> Result<(), SendError> {
        let mut tries = self.tries.lock().unwrap();
        tries.push(activity.seq);
        if tries.len() == 1 { Err(SendError::Gone) } else { Ok(()) }
    }

    async fn test(&self) -> Result<String, SendError> {
        Ok("answered 204".into())
    }
}

async fn deliver(ledger: &Ledger, webhook: Webhook, stop: watch::Receiver<bool>) {
    let terms = Terms {
        holder: source("this_server"),
        time: Duration::from_secs(15),
    };
    ledger.webhooks.deliver(&ledger.duties, &terms, webhook, stop).await;
}

async fn start_job(ledger: &Ledger) {
    let source = source("orchestrator");
    let started = ledger.creation.start_job(&source, StartJob::default());
    started.await.unwrap();
}

/// Time passes by itself here, so nobody waits for a day.
#[tokio::test(start_paused = true)]
async fn a_day_of_failures_disables_a_webhook_and_enabling_it_goes_on_where_it_was() {
    let clock = Stopped::at("2025-09-25T23:18:41Z");
    let ledger = Arc::new(ledger(&Arc::new(MemoryStore::new()), &clock));
    // Before there was a webhook: nobody asked for it.
    start_job(&ledger).await;
    let failing = Arc::new(Failing {
        clock: clock.clone(),
        is_mended: AtomicBool::new(false),
        tries: Mutex::default(),
    });
    let (stop, stopped) = watch::channel(false);
    let mut tasks = tokio::task::JoinSet::new();
    for (name, sender) in [
        ("failing", failing.clone() as Arc<dyn EventSender>),
        ("hanging", Arc::new(Hanging)),
    ] {
        let (ledger, stopped) = (ledger.clone(), stopped.clone());
        tasks.spawn(async move { deliver(&ledger, webhook(name, sender), stopped).await });
    }
    while ledger.webhooks.list().await.unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    start_job(&ledger).await;
    start_job(&ledger).await;
    let state = async || ledger.webhooks.list().await.unwrap().swap_remove(0).state;
    while state().await.disabled_at.is_none() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let given_up = state().await;
    assert_eq!(
        (given_up.position, given_up.last_error.as_deref()),
        (1, Some("answered 500"))
    );
    assert!((24..=26).contains(&given_up.failures), "{given_up:?}");
    let tries = failing.tries.lock().unwrap().clone();
    assert!(tries.iter().all(|seq| *seq == 2), "in order: {tries:?}");

    failing.is_mended.store(true, Ordering::Relaxed);
    let by = source("operator");
    let enable = async |name: &str| ledger.webhooks.enable(&by, &name.parse().unwrap()).await;
    let missing = enable("nowhere").await.unwrap_err();
    assert!(matches!(missing, WebhookError::Missing { .. }));
    enable("failing").await.unwrap();
    while state().await.position < 5 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let tries = failing.tries.lock().unwrap()[tries.len()..].to_vec();
    // Who enabled it is in the log too, and so is who tried in vain.
    assert_eq!(tries, [2, 3, 4, 5]);
    let filter = ActivityFilter::default();
    let log = ledger.runs.activity(&filter, None, PageSize::default()).await.unwrap();
    let words = log.lines.iter().map(|line| {
        let line = &line.line;
        (line.action.as_str(), line.source.as_str(), line.verdict.as_str())
    });
    assert_eq!(
        words.skip(3).collect::<Vec<_>>(),
        [
            ("enable_webhook", "operator", "refused"),
            ("enable_webhook", "operator", "changed")
        ]
    );
    assert_eq!(state().await.failures, 0);
    // Who hangs does not hold up the end.
    stop.send(true).unwrap();
    while tasks.join_next().await.is_some() {}
}

/// Servers over one store tell each other nothing.
#[tokio::test(start_paused = true)]
async fn a_webhook_that_is_enabled_at_another_server_goes_on_here() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at("2025-09-25T23:18:41Z"));
    let (here, elsewhere) = (Arc::new(ledger(&store, &clock)), ledger(&store, &clock));
    let (back, (stop, stopped)) = (Arc::new(Back::default()), watch::channel(false));
    let delivering = tokio::spawn({
        let (here, back) = (here.clone(), back.clone());
        async move { deliver(&here, webhook("back", back), stopped).await }
    });
    while here.webhooks.list().await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    start_job(&here).await;
    let state = async || here.webhooks.list().await.unwrap().swap_remove(0).state;
    while state().await.disabled_at.is_none() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (by, name) = (source("operator"), "back".parse().unwrap());
    let enabled = elsewhere.webhooks.enable(&by, &name).await.unwrap();
    assert!(enabled.was_disabled);
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // The job, again, and the line of whoever enabled it.
    assert_eq!(*back.tries.lock().unwrap(), [1, 1, 2]);
    assert_eq!(state().await.position, 2);
    stop.send(true).unwrap();
    delivering.await.unwrap();
}

/// Whoever delivered before may have kept a place that is further on.
#[tokio::test(start_paused = true)]
async fn a_delivery_goes_on_behind_that_of_another_server() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at("2025-09-25T23:18:41Z"));
    let (here, name) = (Arc::new(ledger(&store, &clock)), "back".parse().unwrap());
    let (back, (stop, stopped)) = (Arc::new(Back::default()), watch::channel(false));
    back.tries.lock().unwrap().push(0);
    let delivering = tokio::spawn({
        let (here, back) = (here.clone(), back.clone());
        async move { deliver(&here, webhook("back", back), stopped).await }
    });
    while store.deliveries().await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let further = DeliveryState {
        position: 3,
        ..DeliveryState::default()
    };
    let fence = store.leases().await.unwrap().swap_remove(0).fence;
    store.keep_delivery(&fence, &name, further.clone()).await.unwrap();
    for _ in 0..4 {
        start_job(&here).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(*back.tries.lock().unwrap(), [0, 1, 2, 3, 4]);
    stop.send(true).unwrap();
    delivering.await.unwrap();
    let working = DeliveryState { position: 4, ..further };
    assert_eq!(store.deliveries().await.unwrap(), [(name, working)]);
}

/// What a server that had the duty before does with lines that come.
#[tokio::test(start_paused = true)]
async fn a_server_whose_duty_was_taken_notes_nothing_and_delivers_nothing_more() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at("2025-09-25T23:18:41Z"));
    let here = Arc::new(ledger(&store, &clock));
    let (back, (stop, stopped)) = (Arc::new(Back::default()), watch::channel(false));
    back.tries.lock().unwrap().push(0);
    let delivering = tokio::spawn({
        let (here, back) = (here.clone(), back.clone());
        async move { deliver(&here, webhook("back", back), stopped).await }
    });
    while store.deliveries().await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    start_job(&here).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(*back.tries.lock().unwrap(), [0, 1]);
    let before = store.deliveries().await.unwrap();
    // As if it had been away for long, and another server had come.
    let (duty, figures) = here.duties.here().swap_remove(0);
    assert_eq!(duty, Duty::Deliver("back".parse().unwrap()));
    store.end_lease(&figures.held.unwrap()).await.unwrap();
    let hour = Duration::from_hours(1);
    let taken = store.take_lease(&duty, &source("other_server"), hour).await.unwrap();
    assert!(matches!(taken, Taken::Held(_)), "{taken:?}");
    for _ in 0..3 {
        start_job(&here).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    assert_eq!(store.deliveries().await.unwrap(), before, "nothing is noted");
    assert_eq!(
        *back.tries.lock().unwrap(),
        [0, 1, 2],
        "the one that it did not know better of"
    );
    assert_eq!(here.duties.here()[0].1.held, None);
    stop.send(true).unwrap();
    delivering.await.unwrap();
    assert_eq!(store.deliveries().await.unwrap(), before);
}
