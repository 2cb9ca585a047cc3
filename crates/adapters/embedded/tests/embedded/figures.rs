//! What the store says about its own work.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use runledger_domain::Timestamp;
use runledger_embedded::{EmbeddedOptions, EmbeddedStore};
use runledger_ports::{Clock, RunCreator, StoreMeter};

use crate::verify::permit;

/// A clock that goes on by a millisecond each time it is looked at.
#[derive(Default)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1_000, Ordering::Relaxed)).unwrap()
    }
}

#[tokio::test]
async fn commits_are_counted_with_their_size_and_time() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), EmbeddedOptions::default()).unwrap();
    let _ = store.create(vec![permit("250925-231841")]).await.unwrap();
    let untimed = store.figures();
    assert_eq!((untimed.group_size.count(), untimed.commit_micros.count()), (1, 0));
    store.time_commits_by(Arc::new(Ticking::default()));
    for key in ["250925-231841-acme", "250925-231841-zen"] {
        let _ = store.create(vec![permit(key)]).await.unwrap();
    }
    let figures = store.figures();
    assert_eq!((figures.group_size.count(), figures.group_size.sum), (3, 3));
    assert_eq!(
        (figures.commit_micros.count(), figures.commit_micros.sum),
        (2, 2_000),
        "each commit took one tick"
    );
    assert_eq!(
        (figures.queue, figures.commits_failed, figures.is_stopped),
        (0, 0, false)
    );
    assert_eq!(figures.queue_max, 8_192);
    assert!(figures.bytes_used.is_some_and(|bytes| bytes > 4_096), "{figures:?}");
    assert!(figures.bytes_free.is_some_and(|bytes| bytes > 0), "{figures:?}");
    store.close();
    assert!(store.figures().is_stopped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_left_in_the_count_of_what_waits() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), EmbeddedOptions::default()).unwrap();
    let store = Arc::new(store);
    let _ = store.create(vec![permit("250925-231841")]).await.unwrap();
    let callers: Vec<_> = (0..64)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.create(vec![permit(&format!("250925-231841-c{number}"))]).await })
        })
        .collect();
    for caller in callers {
        let _ = caller.await.unwrap().unwrap();
    }
    let figures = store.figures();
    assert_eq!((figures.queue, figures.group_size.sum), (0, 65));
}
