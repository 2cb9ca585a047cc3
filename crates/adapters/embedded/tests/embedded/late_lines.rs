//! Lines of attempts without an effect may be written late, but what was taken is written (I6).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use runledger_domain::{Action, NewActivity, Subject, Timestamp, Verdict};
use runledger_embedded::{EmbeddedOptions, EmbeddedStore};
use runledger_ports::{ActivityFilter, ActivityLog as _, PageSize, RunReader as _, Unavailable};

const CALLERS: usize = 8;
const LINES_BEFORE_THE_END: usize = 3_000;
/// More lines than any caller gets to hand in before the store is closed.
const LINES_MAX: usize = 100_000;

fn replayed(detail: String) -> NewActivity {
    NewActivity {
        at: Timestamp::EPOCH,
        action: Action::Create,
        source: "orchestrator".into(),
        subject: Subject::default(),
        verdict: Verdict::Replayed,
        version: Some(1),
        detail,
    }
}

async fn logged(store: &EmbeddedStore) -> Vec<String> {
    let (mut lines, mut after) = (Vec::new(), None);
    loop {
        let page = store
            .activity(&ActivityFilter::default(), after, PageSize::new(1_000).unwrap())
            .await
            .unwrap();
        lines.extend(page.lines.into_iter().map(|line| line.line.detail));
        after = page.next;
        if after.is_none() {
            return lines;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i6_every_line_that_was_taken_while_the_store_closed_is_there_afterwards_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(EmbeddedStore::open(directory.path(), EmbeddedOptions::default()).unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (store, count) = (Arc::clone(&store), Arc::clone(&count));
            tokio::spawn(async move {
                let mut taken = Vec::new();
                for number in 0..LINES_MAX {
                    let text = format!("{caller}-{number}");
                    match store.record(replayed(text.clone())).await {
                        Ok(()) => {
                            taken.push(text);
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(Unavailable::Busy) => tokio::task::yield_now().await,
                        Err(_) => return taken,
                    }
                }
                panic!("the store was never closed");
            })
        })
        .collect();
    while count.load(Ordering::Relaxed) < LINES_BEFORE_THE_END {
        tokio::task::yield_now().await;
    }
    let closing = Arc::clone(&store);
    tokio::task::spawn_blocking(move || closing.close()).await.unwrap();
    let mut taken = BTreeSet::new();
    for caller in callers {
        taken.extend(caller.await.unwrap());
    }
    let store = EmbeddedStore::open(directory.path(), EmbeddedOptions::default()).unwrap();
    let lines = logged(&store).await;
    assert_eq!(lines.len(), taken.len(), "each line once");
    assert_eq!(lines.into_iter().collect::<BTreeSet<_>>(), taken);
}
