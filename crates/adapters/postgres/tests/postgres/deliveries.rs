//! Deliveries of two servers that decide at the same moment.

use std::sync::Arc;
use std::time::Duration;

use runledger_domain::Timestamp;
use runledger_ports::{
    ActivityFilter, DeliveryState, DeliveryStore as _, Duty, Fence, FencedError, LeaseStore as _, PageSize,
    RunReader as _, Taken, Unavailable, WebhookName,
};
use runledger_postgres::PostgresStore;

use crate::bed::{Database, connect};
use crate::doubt::through;
use crate::proxy::Mode;
use crate::several::{chain, hold_the_head, open, until_waiting};

fn disabled(position: u64) -> DeliveryState {
    DeliveryState {
        position,
        failures: 3,
        disabled_at: Some(Timestamp::from_micros(1_758_842_321_000_000).unwrap()),
        ..DeliveryState::default()
    }
}

/// Takes the duty to deliver to this webhook.
async fn deliver(store: &PostgresStore, name: &WebhookName) -> Fence {
    let (duty, holder) = (Duty::Deliver(name.clone()), "first_server".parse().unwrap());
    match store.take_lease(&duty, &holder, Duration::from_hours(1)).await {
        Ok(Taken::Held(fence)) => fence,
        other => panic!("{other:?}"),
    }
}

/// Both decide while neither is written: the one that comes second decides again, by the state of that moment.
#[tokio::test(flavor = "multi_thread")]
async fn who_enables_a_webhook_that_another_server_delivers_to_goes_on_where_that_is() {
    let database = Database::fresh().await;
    let (one, other) = (open(&database.url()).await, open(&database.url()).await);
    let name: WebhookName = "billing".parse().unwrap();
    let fence = deliver(&one, &name).await;
    for store in [&one, &other] {
        store.keep_delivery(&fence, &name, disabled(4)).await.unwrap();
    }
    let admin = hold_the_head(&database).await;
    let kept = tokio::spawn({
        let (one, name) = (Arc::clone(&one), name.clone());
        async move { one.keep_delivery(&fence, &name, disabled(9)).await }
    });
    until_waiting(&admin, 1).await;
    let enabled = tokio::spawn({
        let (other, name) = (Arc::clone(&other), name.clone());
        let at = Timestamp::from_micros(1_758_842_322_000_000).unwrap();
        async move { other.enable_delivery(&name, &"operator".parse().unwrap(), at).await }
    });
    until_waiting(&admin, 2).await;
    admin.batch_execute("COMMIT").await.unwrap();
    assert_eq!(kept.await.unwrap(), Ok(disabled(9)));
    let working = DeliveryState {
        position: 9,
        ..DeliveryState::default()
    };
    assert_eq!(enabled.await.unwrap(), Ok(Some(disabled(9))));
    assert_eq!(one.deliveries().await.unwrap(), [(name, working)]);
    assert_eq!(chain(&one).await, 1);
    let page = one
        .activity(&ActivityFilter::default(), None, PageSize::default())
        .await;
    let lines = page.unwrap().lines;
    assert!(lines[0].line.detail.ends_with("goes on after line 9"), "{lines:?}");
}

/// What comes late, from whichever server, takes nothing back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_delivery_of_two_servers_only_goes_forward() {
    let database = Database::fresh().await;
    let stores = [open(&database.url()).await, open(&database.url()).await];
    let name: WebhookName = "billing".parse().unwrap();
    let fence = deliver(&stores[0], &name).await;
    let callers: Vec<_> = (1..=64_u64)
        .map(|position| {
            let store = Arc::clone(&stores[usize::from(position % 2 == 0)]);
            let (name, fence) = (name.clone(), fence.clone());
            tokio::spawn(async move {
                let kept = store.keep_delivery(&fence, &name, disabled(position)).await;
                (position, kept.unwrap())
            })
        })
        .collect();
    for caller in callers {
        let (position, kept) = caller.await.unwrap();
        assert!(kept.position >= position, "{position}: {kept:?}");
    }
    assert_eq!(stores[0].deliveries().await.unwrap(), [(name, disabled(64))]);
}

/// A connection that is lost in the middle of a write of deliveries: it is asked about, and done once.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_whose_connection_is_lost_is_kept_once() {
    let database = Database::fresh().await;
    let (proxy, store) = through(&database).await;
    let name: WebhookName = "billing".parse().unwrap();
    let fence = deliver(&store, &name).await;
    let admin = connect(&database.url()).await;
    let mut version = 0_i64;
    for mode in [Mode::LoseAnswer, Mode::LoseRequest, Mode::KeepRequest] {
        for position in [4, 9] {
            proxy.set(mode);
            let kept = store.keep_delivery(&fence, &name, disabled(position)).await.unwrap();
            assert!(kept.position >= position, "{mode:?}: {kept:?}");
            version += 1;
            // Each is one change of the row, whatever was lost.
            let rows = admin.query_one("SELECT version FROM delivery", &[]).await.unwrap();
            assert_eq!(rows.get::<_, i64>(0), version, "{mode:?}");
            if mode == Mode::KeepRequest {
                let said = proxy.deliver().await;
                assert!(said.contains("RL001"), "{said}");
            }
        }
        proxy.set(mode);
        let at = Timestamp::from_micros(1_758_842_322_000_000).unwrap();
        let enabled = store.enable_delivery(&name, &"operator".parse().unwrap(), at).await;
        let working = DeliveryState {
            position: 9,
            ..DeliveryState::default()
        };
        assert_eq!(enabled, Ok(Some(disabled(9))), "{mode:?}: how it stood");
        assert_eq!(store.deliveries().await.unwrap(), [(name.clone(), working)]);
        version += 1;
    }
    assert_eq!(chain(&store).await, 3, "one line for each time that it was enabled");
}

/// While nobody knows whether it was kept, it is not said to be; what is kept then is in the database, as it was sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_in_doubt_is_unavailable_until_it_is_known() {
    let database = Database::fresh().await;
    let (proxy, store) = through(&database).await;
    let name: WebhookName = "billing".parse().unwrap();
    let fence = deliver(&store, &name).await;
    store.keep_delivery(&fence, &name, disabled(4)).await.unwrap();
    proxy.set(Mode::LoseAnswerThenAway);
    let kept = store.keep_delivery(&fence, &name, disabled(9)).await;
    assert!(
        matches!(kept, Err(FencedError::Unavailable(Unavailable::Failed { .. }))),
        "{kept:?}"
    );
    proxy.set(Mode::Through);
    // The database had done it: an older state does not take it back.
    assert_eq!(store.keep_delivery(&fence, &name, disabled(5)).await, Ok(disabled(9)));
    assert_eq!(chain(&store).await, 0);
}
