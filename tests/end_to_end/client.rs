//! The client for Rust against the real server: every operation, typed; refusals with what they carry; TLS.

use std::time::Duration;

use runledger_client::domain::{
    Completion, CreationContent, ExternalId, MetricChange, MetricValue, Outcome, RunId, RunKey, Status, Update,
};
use runledger_client::{ActivityFilter, Client, Creation, Error, NewClient, NewClients, NewJob, RecordFilter};

use crate::cutting_proxy::CuttingProxy;
use crate::program::Place;

pub(crate) fn run() -> RunId {
    "250925-231841".parse().unwrap()
}

/// The key of the job, or of a client in it.
pub(crate) fn key(client: &str) -> RunKey {
    match client {
        "" => RunKey::Job(run()),
        client => RunKey::Client(run(), client.parse().unwrap()),
    }
}

pub(crate) fn add(name: &str, value: &str) -> MetricChange {
    MetricChange {
        add: [(name.parse().unwrap(), value.parse().unwrap())].into(),
        ..MetricChange::default()
    }
}

pub(crate) fn clients(names: &[&str]) -> NewClients {
    NewClients {
        run: run(),
        clients: names
            .iter()
            .map(|name| NewClient::from(name.parse::<runledger_client::domain::ClientId>().unwrap()))
            .collect(),
        attempt: None,
    }
}

/// Ends quickly when it is in vain.
pub(crate) fn connect(url: &str) -> Client {
    Client::builder(url)
        .source("orchestrator".parse().unwrap())
        .deadline(Duration::from_secs(5))
        .build()
        .unwrap()
}

pub(crate) fn succeeded() -> Completion {
    Completion {
        outcome: Outcome::Succeeded,
        note: None,
        close_open: false,
    }
}

#[tokio::test]
async fn a_run_is_recorded_from_its_start_to_its_end() {
    let place = Place::new();
    let server = place.serve();
    let client = connect(&format!("http://{}", server.address));
    let job = NewJob {
        content: CreationContent {
            batch: Some("stream-1".parse().unwrap()),
            external_ids: vec!["airtable:rec1".parse::<ExternalId>().unwrap()],
            note: Some("nightly".parse().unwrap()),
            ..CreationContent::default()
        },
        attempt: Some("nightly-2025-09-25".parse().unwrap()),
        ..NewJob::from(run())
    };
    let created = client.create_job(job.clone()).await.unwrap();
    assert!(matches!(created, Creation::Created(_)));
    assert_eq!(created.get().notes[0].text, "nightly");
    assert_eq!(
        client.create_job(job).await.unwrap(),
        Creation::Replayed(created.into_inner())
    );
    let made = client
        .create_clients(clients(&["Guy-Wilson", "Dean-Hobin"]))
        .await
        .unwrap();
    assert_eq!(made.get().len(), 2);
    let one = "Ann-Other".parse::<runledger_client::domain::ClientId>().unwrap();
    assert!(!client.create_client(&run(), one).await.unwrap().is_replayed());

    let guy = key("Guy-Wilson");
    let stage = "lead_scoring".parse().unwrap();
    client.start_stage(&guy, &stage).await.unwrap();
    let finished = client
        .finish_stage(&guy, &stage, Outcome::Succeeded, &add("cost", "0.18"))
        .await;
    assert_eq!(finished.unwrap().record.stages[0].metrics, Some(add("cost", "0.18")));
    let changed = client.report(&guy, add("cost", "123456789.000000001")).await.unwrap();
    assert_eq!(
        changed.record.metrics.get("cost"),
        Some("123456789.180000001".parse().unwrap())
    );
    assert_eq!(
        client
            .note(&guy, "half way".parse().unwrap())
            .await
            .unwrap()
            .record
            .notes
            .len(),
        1
    );
    let version = client.heartbeat(&guy).await.unwrap().record.version;
    let late = client
        .change_version(
            &guy,
            version - 1,
            &Update {
                start: true,
                note: Some("late".parse().unwrap()),
                ..Update::default()
            },
        )
        .await;
    assert!(
        matches!(late, Err(Error::VersionMismatch(problem)) if problem.existing.as_ref().unwrap().version == version)
    );
    let ended = client.complete_version(&guy, version, &succeeded()).await.unwrap();
    assert_eq!(ended.record.status, Status::Ended(Outcome::Succeeded));
    assert!(client.complete(&guy, &succeeded()).await.unwrap().replayed);
    let job_end = Completion {
        close_open: true,
        ..succeeded()
    };
    assert_eq!(client.complete(&key(""), &job_end).await.unwrap().closed, 2);

    read_the_run(&client).await;
    place.verify();
}

/// What the readers say of the run of the test before.
async fn read_the_run(client: &Client) {
    assert_eq!(
        client
            .get_client(&run(), &"Ann-Other".parse().unwrap())
            .await
            .unwrap()
            .status,
        Status::Ended(Outcome::Cancelled)
    );
    assert_eq!(
        client.get_job(&run()).await.unwrap().batch.unwrap().as_str(),
        "stream-1"
    );
    let summary = client.summary(&run()).await.unwrap();
    assert_eq!((summary.clients, summary.open, summary.totals.len()), (3, 0, 1));
    assert_eq!(summary.totals.values().next().unwrap(), "123456789.180000001");
    assert_eq!(summary.by_status[&Status::Ended(Outcome::Cancelled)], 2);
    assert!(client.stalled(None).await.unwrap().items.is_empty());

    let filter = RecordFilter {
        run: Some(run()),
        limit: Some(3),
        ..RecordFilter::default()
    };
    let first = client.list(&filter, None).await.unwrap();
    let rest = client.list(&filter, first.next.as_ref()).await.unwrap();
    assert_eq!((first.items.len(), rest.items.len(), rest.next), (3, 1, None));
    let log = client
        .activity(
            &ActivityFilter {
                limit: Some(1000),
                ..ActivityFilter::default()
            },
            None,
        )
        .await
        .unwrap();
    assert_eq!(log.items.iter().filter(|line| line.outcome == "created").count(), 4);
}

#[tokio::test]
async fn refusals_say_what_they_know_and_are_not_tried_again() {
    let place = Place::new();
    let server = place.serve();
    let proxy = CuttingProxy::before(&server.address);
    let client = connect(&proxy.url);
    client.create_job(run().into()).await.unwrap();
    let before = proxy.requests();
    match client.create_job(run().into()).await.unwrap_err() {
        Error::Conflict(problem) => {
            assert_eq!(problem.existing.unwrap().key, key(""));
            assert_eq!(problem.differs_in, ["attempt"]);
        }
        other => panic!("{other:?}"),
    }
    let missing = client.report(&key("Nobody"), add("leads", "1")).await;
    assert!(matches!(missing, Err(Error::NotFound(_))), "{missing:?}");
    let missing = client.complete(&key("Nobody"), &succeeded()).await;
    assert!(matches!(missing, Err(Error::NotFound(_))), "{missing:?}");
    client.complete(&key(""), &succeeded()).await.unwrap();
    let over = client.note(&key(""), "late".parse().unwrap()).await.unwrap_err();
    assert_eq!(over.code(), Some("already_ended"));
    assert!(matches!(over, Error::Refused(_)));
    let other = Client::builder(&proxy.url)
        .source("lead_scoring".parse().unwrap())
        .build()
        .unwrap();
    let refused = other
        .create_job("nightly".parse::<RunId>().unwrap().into())
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::NotAllowed(_)), "{refused:?}");
    assert_eq!(refused.intent(), None);
    assert_eq!(proxy.requests() - before, 6);
    assert_eq!(place.records().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_nothing_was_done() {
    let place = Place::new();
    let server = place.serve();
    let url = format!("http://{}", server.address);
    server.kill();
    let client = Client::builder(&url)
        .source("orchestrator".parse().unwrap())
        .deadline(Duration::from_millis(300))
        .build()
        .unwrap();
    let error = client.create_job(run().into()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!(error.code(), Some("unreachable"));
}

#[tokio::test]
async fn a_server_with_tls_is_believed_by_the_certificate_that_was_given_alone() {
    let place = Place::new();
    let (_server, url) = crate::tls::serve(&place);
    let believing = |pem: &str| {
        let builder = Client::builder(&url).source("orchestrator".parse().unwrap());
        builder.ca_pem(pem).build().unwrap()
    };
    let metric = MetricValue::from_integer(1);
    let client = believing(crate::tls::CERTIFICATE);
    client.create_job(run().into()).await.unwrap();
    let changed = client.report(&key(""), add("leads", "1")).await.unwrap();
    assert_eq!(changed.record.metrics.get("leads"), Some(metric));
    // At once: another try would meet the same certificate.
    let stranger = believing(crate::tls::OTHER);
    let error = stranger.report(&key(""), add("leads", "1")).await.unwrap_err();
    assert_eq!(error.code(), Some("not_trusted"));
    assert!(matches!(error, Error::Unavailable(_)));
    assert_eq!(client.get(&key("")).await.unwrap().version, 2);
}
