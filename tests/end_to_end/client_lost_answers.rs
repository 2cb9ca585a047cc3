//! Answers that are lost on the way: the client asks again under the same name, so everything counts once; and what is
//! still not known at the deadline is called unknown, with what to repeat.

use std::time::Duration;

use runledger_client::domain::Outcome;
use runledger_client::{Client, Creation, Error, Intent, Operation};

use crate::client::{add, clients, connect, key, run, succeeded};
use crate::cutting_proxy::CuttingProxy;
use crate::program::Place;

#[tokio::test]
async fn whatever_is_done_again_after_a_lost_answer_counts_once() {
    let place = Place::new();
    let server = place.serve();
    let proxy = CuttingProxy::before(&server.address);
    let client = connect(&proxy.url);

    proxy.lose(2);
    let job = client.create_job(run().into()).await.unwrap();
    assert!(matches!(job, Creation::Replayed(_)), "{job:?}");
    assert_eq!(proxy.requests(), 3);
    proxy.lose(1);
    let made = client
        .create_clients(clients(&["Guy-Wilson", "Dean-Hobin"]))
        .await
        .unwrap();
    assert!(made.is_replayed());
    let guy = key("Guy-Wilson");
    proxy.lose(2);
    let changed = client.report(&guy, add("leads", "47")).await.unwrap();
    assert!(changed.replayed);
    assert_eq!(changed.record.metrics.get("leads"), Some("47".parse().unwrap()));
    proxy.lose(1);
    assert_eq!(
        client
            .note(&guy, "once".parse().unwrap())
            .await
            .unwrap()
            .record
            .notes
            .len(),
        1
    );
    let stage = "lead_scoring".parse().unwrap();
    proxy.lose(1);
    assert!(client.start_stage(&guy, &stage).await.unwrap().replayed);
    proxy.lose(1);
    let finished = client
        .finish_stage(&guy, &stage, Outcome::Succeeded, &add("cost", "0.18"))
        .await
        .unwrap();
    assert_eq!(finished.record.metrics.get("cost"), Some("0.18".parse().unwrap()));
    proxy.lose(1);
    assert!(client.complete(&guy, &succeeded()).await.unwrap().replayed);
    // Created 1, then one version each: leads, note, stage start and finish, end.
    assert_eq!(client.get(&guy).await.unwrap().version, 6);
    assert_eq!(place.records().len(), 3);
    place.verify();
}

#[tokio::test]
async fn a_deadline_that_ends_in_doubt_says_unknown_and_the_intent_settles_it() {
    let place = Place::new();
    let server = place.serve();
    let proxy = CuttingProxy::before(&server.address);
    let hasty = Client::builder(&proxy.url)
        .source("orchestrator".parse().unwrap())
        .deadline(Duration::from_millis(300))
        .build()
        .unwrap();
    proxy.lose(1_000_000);
    let mut intents = Vec::new();
    for error in [
        hasty.create_job(run().into()).await.unwrap_err(),
        hasty.report(&key(""), add("leads", "47")).await.unwrap_err(),
        hasty.complete(&key(""), &succeeded()).await.unwrap_err(),
    ] {
        let Error::Unknown(unknown) = error else {
            panic!("{error:?}");
        };
        assert!(unknown.unanswered >= 1);
        let said = unknown.to_string();
        assert!(
            said.contains("not known") && said.contains("repeat the intent"),
            "{said}"
        );
        intents.push(serde_json::to_string(&unknown.intent).unwrap());
    }
    // What only reads leaves no doubt behind.
    assert!(matches!(hasty.get(&key("")).await, Err(Error::Unavailable(_))));

    // Later, elsewhere: from what was stored.
    proxy.lose(0);
    let client = connect(&proxy.url);
    for (stored, operation) in intents
        .iter()
        .zip([Operation::CreateJob, Operation::Change, Operation::Complete])
    {
        let intent: Intent = serde_json::from_str(stored).unwrap();
        assert_eq!(intent.operation(), operation);
        for _ in 0..2 {
            let settled = client.repeat(&intent).await.unwrap();
            assert!(settled.replayed);
            assert_eq!(settled.records[0].version, 3);
        }
    }
    let record = client.get(&key("")).await.unwrap();
    assert_eq!(record.metrics.get("leads"), Some("47".parse().unwrap()));
    assert_eq!(place.records().len(), 1);
    place.verify();
}

/// The answer is lost, and the next try comes to a ledger that lacks the record: a back-up, or simply another one. What it
/// says is no word about the first try (I10).
#[tokio::test]
async fn where_there_is_no_such_record_a_change_without_an_answer_stays_unknown() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let (server, other) = (place.serve(), elsewhere.serve());
    let knowing = connect(&format!("http://{}", server.address));
    knowing.create_job(run().into()).await.unwrap();
    for ends in [false, true] {
        let proxy = CuttingProxy::before(&server.address);
        let client = connect(&proxy.url);
        proxy.lose_and_lead_to(&other.address);
        let asked = if ends {
            client.complete(&key(""), &succeeded()).await
        } else {
            client.report(&key(""), add("leads", "47")).await
        };
        let Err(Error::Unknown(unknown)) = asked else {
            panic!("{asked:?}");
        };
        assert_eq!((unknown.problem.code.as_str(), unknown.unanswered), ("not_found", 1));
        assert!(
            unknown.to_string().contains("It is not known whether it took effect"),
            "{unknown}"
        );
        // Asked anew, of which nothing is in doubt, that is the answer; and the ledger that has it knows better.
        let anew = client.repeat(&unknown.intent).await;
        assert!(matches!(anew, Err(Error::NotFound(_))), "{anew:?}");
        let settled = knowing.repeat(&unknown.intent).await.unwrap();
        assert!(settled.replayed, "{settled:?}");
    }
    assert_eq!(knowing.get(&key("")).await.unwrap().version, 3);
    assert_eq!(elsewhere.records().len(), 0);
    place.verify();
}
