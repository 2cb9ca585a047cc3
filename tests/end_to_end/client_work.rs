//! The scope of a run: its end is reported whatever happens inside, and nothing in it creates.

use std::time::Duration;

use runledger_client::domain::{Completion, CreationContent, Initial, Outcome, Status};
use runledger_client::{Error, NewClient, RunError};

use crate::client::{add, connect, key, run};
use crate::program::Place;

#[tokio::test]
async fn the_end_of_the_work_is_the_end_of_the_record() {
    let place = Place::new();
    let server = place.serve();
    let client = connect(&format!("http://{}", server.address));
    client.create_job(run().into()).await.unwrap();
    let queued = NewClient {
        client: "good".parse().unwrap(),
        content: CreationContent {
            initial: Initial::Queued,
            ..CreationContent::default()
        },
    };
    client.create_client(&run(), queued).await.unwrap();
    for name in ["bad", "panic", "skip"] {
        let id: runledger_client::domain::ClientId = name.parse().unwrap();
        client.create_client(&run(), id).await.unwrap();
    }

    let good = client.client_run(&run(), &"good".parse().unwrap());
    let value = good
        .heartbeat(Duration::from_millis(20))
        .run(|work| async move {
            assert_eq!(work.record().status, Status::Running);
            work.report(add("leads", "47")).await?;
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok::<_, Error>(47)
        })
        .await
        .unwrap();
    assert_eq!(value, 47);
    let record = client.get(&key("good")).await.unwrap();
    assert_eq!(record.status, Status::Ended(Outcome::Succeeded));
    // Created, started, reported, ended: the others are signs of life.
    assert!(record.version > 6, "{}", record.version);

    let bad = client.client_run(&run(), &"bad".parse().unwrap());
    let failed = bad
        .run(|work| async move {
            work.start_stage(&"scoring".parse().unwrap()).await.unwrap();
            Err::<(), _>("the pages did not load")
        })
        .await;
    assert!(matches!(
        failed,
        Err(RunError::Failed {
            error: "the pages did not load",
            unreported: None
        })
    ));
    let record = client.get(&key("bad")).await.unwrap();
    assert_eq!(record.status, Status::Ended(Outcome::Failed));
    assert_eq!(record.end_note.as_deref(), Some("the pages did not load"));

    let there = client.clone();
    let panicked = tokio::spawn(async move {
        let work = there.client_run(&run(), &"panic".parse().unwrap());
        work.run(|_| async {
            if true {
                panic!("out of pages")
            } else {
                Ok::<(), Error>(())
            }
        })
        .await
    });
    assert!(panicked.await.unwrap_err().is_panic());
    let record = client.get(&key("panic")).await.unwrap();
    assert_eq!(record.status, Status::Ended(Outcome::Failed));
    assert_eq!(record.end_note.as_deref(), Some("panic: out of pages"));

    let skip = client.client_run(&run(), &"skip".parse().unwrap());
    let skipped = skip.run(|work| async move {
        let completion = Completion {
            outcome: Outcome::Skipped,
            note: None,
            close_open: false,
        };
        work.complete(&completion).await.map(drop)
    });
    skipped.await.unwrap();
    assert_eq!(
        client.get(&key("skip")).await.unwrap().status,
        Status::Ended(Outcome::Skipped)
    );
}

#[tokio::test]
async fn work_on_what_is_not_there_or_over_does_not_begin_and_creates_nothing() {
    let place = Place::new();
    let server = place.serve();
    let client = connect(&format!("http://{}", server.address));
    client.create_job(run().into()).await.unwrap();
    let nobody = client.client_run(&run(), &"Nobody".parse().unwrap());
    let ended = nobody.run(|_| async { Err::<(), _>("it began") }).await;
    assert!(
        matches!(ended, Err(RunError::NotBegun(Error::NotFound(_)))),
        "{ended:?}"
    );
    client
        .job_run(&run())
        .run(|_| async { Ok::<(), Error>(()) })
        .await
        .unwrap();
    let over = client.job_run(&run()).run(|_| async { Err::<(), _>("it began") }).await;
    assert!(
        matches!(&over, Err(RunError::NotBegun(error)) if error.code() == Some("already_ended")),
        "{over:?}"
    );
    assert_eq!(place.records().len(), 1);
    place.verify();
}
