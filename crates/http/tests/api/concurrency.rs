//! Many callers at once, and callers that leave.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use runledger_domain::CreationPolicy;
use runledger_http::Options;
use tower::ServiceExt as _;

use crate::support::World;
use crate::support::broken::Broken;

#[tokio::test(flavor = "multi_thread")]
async fn i9_of_many_creators_one_wins() {
    let world = Arc::new(World::new());
    let calls: Vec<_> = (0..32)
        .map(|caller| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                world
                    .attempt(&format!("a-{caller}"), "/v1/runs", r#"{"run_id":"r1"}"#)
                    .await
            })
        })
        .collect();
    let mut created = 0;
    for call in calls {
        let answer = call.await.unwrap();
        if answer.status == 201 {
            created += 1;
        } else {
            answer.check(409, "conflict");
        }
    }
    assert_eq!(
        (created, world.records().await.len(), world.lines().await.len()),
        (1, 1, 32)
    );
}

#[tokio::test]
async fn i7_a_repetition_waits_for_the_first_and_is_answered_after_it() {
    let store = Broken::gated();
    let world = Arc::new(World::over(
        Arc::clone(&store),
        Options::default(),
        CreationPolicy::default(),
    ));
    let send = || {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.attempt("a-1", "/v1/runs", r#"{"run_id":"r1"}"#).await })
    };
    let calls = [send(), send()];
    // Both have reached the store, so neither was told that another one is in progress.
    store.waiting.acquire_many(2).await.unwrap().forget();
    assert!(calls.iter().all(|call| !call.is_finished()));
    store.gate.add_permits(2);
    let mut answers = Vec::new();
    for call in calls {
        let answer = call.await.unwrap();
        answers.push((answer.status, answer.header("idempotency-replayed").to_owned()));
    }
    answers.sort();
    assert_eq!(answers, [(200, "true".to_owned()), (201, String::new())]);
    assert_eq!(world.records().await, ["r1 v1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_no_delta_is_lost() {
    let world = Arc::new(World::new());
    world.run("r1", &[]).await;
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.patch("/v1/runs/r1", r#"{"metrics":{"add":{"cost":0.1}}}"#).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().check(200, "");
    }
    world
        .get("/v1/runs/r1")
        .await
        .has("/metrics/cost", 5)
        .has("/version", 51);
}

#[tokio::test]
async fn i8_a_caller_that_leaves_does_not_stop_a_write_half_way() {
    let store = Broken::gated();
    let world = World::over(Arc::clone(&store), Options::default(), CreationPolicy::default());
    let request = Request::post("/v1/runs")
        .header("runledger-source", "orchestrator")
        .body(Body::from(r#"{"run_id":"r1"}"#))
        .unwrap();
    let call = tokio::spawn(world.router.clone().oneshot(request));
    store.waiting.acquire().await.unwrap().forget();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    world.get("/v1/runs/r1").await.check(404, "not_found");
    store.gate.add_permits(1);
    // The write ends in a task of its own: soon, and without its caller.
    for _ in 0..1_000 {
        if world.get("/v1/runs/r1").await.status == 200 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the write ended with its caller");
}
