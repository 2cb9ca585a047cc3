//! What whoever makes spans is told: of requests that are answered, and of those whose callers go away.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use futures_util::FutureExt as _;
use runledger_domain::CreationPolicy;
use runledger_http::{Answered, Asked, Options, RequestSpan, SpanCounts, Spans};
use runledger_memory::MemoryStore;
use runledger_ports::{DeliveryState, DeliveryStore as _, Duty, LeaseStore as _, Taken, WebhookName};
use tower::ServiceExt as _;

use crate::functions;
use crate::support::{START, World};

/// Keeps what it is told, and makes no span of reads.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

struct Open {
    told: Told,
    asked: String,
}

impl Spans for Told {
    fn begin(&self, asked: Asked<'_>) -> Option<Box<dyn RequestSpan>> {
        let operation = asked.operation.unwrap_or("nothing");
        (asked.method != "GET").then(|| {
            Box::new(Open {
                told: self.clone(),
                asked: format!("{operation} at {}", asked.route.unwrap_or_default()),
            }) as Box<dyn RequestSpan>
        })
    }

    fn counted(&self) -> SpanCounts {
        SpanCounts {
            sent: 3,
            dropped: 2,
            lost: 1,
        }
    }
}

impl RequestSpan for Open {
    fn end(self: Box<Self>, answered: &Answered<'_>) {
        let Answered {
            status,
            outcome,
            key,
            source,
            written,
            ..
        } = answered;
        let status = status.map(|status| status.as_u16());
        let line = format!(
            "{}: {status:?} {outcome} {key:?} {source:?} {}",
            self.asked,
            written.is_some()
        );
        self.told.0.lock().unwrap().push(line);
    }
}

fn world() -> (World, Told) {
    let told = Told::default();
    let options = Options {
        spans: Some(Arc::new(told.clone())),
        ..Options::default()
    };
    (World::with(options, CreationPolicy::default()), told)
}

#[tokio::test]
async fn each_request_is_told_with_what_came_of_it_and_counted_in_the_metrics() {
    let (world, told) = world();
    let created = r#"createJob at /v1/runs: Some(201) created Some("nightly") Some("orchestrator") true"#;
    let refused = r#"updateJob at /v1/runs/{run}: Some(404) not_found Some("unheard") Some("orchestrator") true"#;
    let answer = world.post("/v1/runs", r#"{"run_id":"nightly"}"#).await;
    assert_eq!(answer.status, 201);
    let answer = world.patch("/v1/runs/unheard", r#"{"status":"running"}"#).await;
    answer.check(404, "not_found");
    let page = world.get("/metrics").await.text;
    assert_eq!(*told.0.lock().unwrap(), [created, refused]);
    for (outcome, count) in [("sent", 3), ("dropped", 2), ("lost", 1)] {
        let sample = format!("runledger_spans_total{{outcome=\"{outcome}\"}} {count}\n");
        assert!(page.contains(&sample), "{page}");
    }
}

#[tokio::test]
async fn a_function_is_told_by_what_it_does_and_not_by_its_method() {
    let told = Told::default();
    let world = functions::world(Options {
        spans: Some(Arc::new(told.clone())),
        ..Options::default()
    });
    for (function, body) in [
        (
            "read",
            r#"{"run":"250925-231841","client":"acme","source":"post_scoring"}"#,
        ),
        ("write", r#"{"run":"nightly","client":"acme"}"#),
        ("write", r#"{"run":"bad"}"#),
    ] {
        world.post(&format!("/compat/v2/{function}"), body).await;
    }
    let expected = [
        r#"Some(200) read Some("250925-231841-acme") Some("orchestrator") false"#,
        r#"Some(200) changed Some("nightly/acme") Some("orchestrator") true"#,
        r#"Some(404) not_found Some("bad") Some("orchestrator") true"#,
    ];
    let expected = expected.map(|line| format!("callFunction at /compat/v2/{{function}}: {line}"));
    assert_eq!(*told.0.lock().unwrap(), expected);
}

#[tokio::test]
async fn enabling_a_webhook_is_told_counted_and_logged_as_what_came_of_it() {
    let store = Arc::new(MemoryStore::new());
    let disabled = DeliveryState {
        disabled_at: Some(START.parse().unwrap()),
        ..DeliveryState::default()
    };
    let billing: WebhookName = "billing".parse().unwrap();
    let (duty, holder) = (Duty::Deliver(billing.clone()), "first_server".parse().unwrap());
    let taken = store.take_lease(&duty, &holder, Duration::from_hours(1)).await;
    let Ok(Taken::Held(fence)) = taken else {
        panic!("{taken:?}")
    };
    store.keep_delivery(&fence, &billing, disabled).await.unwrap();
    let told = Told::default();
    let options = Options {
        spans: Some(Arc::new(told.clone())),
        ..Options::default()
    };
    let world = World::around(store, options, CreationPolicy::default());
    for (webhook, status) in [("billing", 200), ("billing", 200), ("billing", 200), ("nowhere", 404)] {
        let answer = world.post(&format!("/v1/webhooks/{webhook}/enable"), "{}").await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    let outcomes = ["changed", "unchanged", "unchanged", "refused"];
    let logged: Vec<_> = world.lines().await.iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(logged, outcomes);
    let spans = ["changed", "unchanged", "unchanged", "webhook_not_found"].map(|outcome| {
        let status = if outcome == "webhook_not_found" { 404 } else { 200 };
        let route = "enableWebhook at /v1/webhooks/{webhook}/enable";
        format!(r#"{route}: Some({status}) {outcome} None Some("orchestrator") false"#)
    });
    assert_eq!(*told.0.lock().unwrap(), spans);
    let page = world.get("/metrics").await.text;
    for (outcome, reason, count) in [
        ("changed", "", 1),
        ("unchanged", "", 2),
        ("refused", "webhook_not_found", 1),
    ] {
        let sample = format!(
            "runledger_webhook_changes_total{{source=\"orchestrator\",outcome=\"{outcome}\",reason=\"{reason}\"}} {count}\n"
        );
        assert!(page.contains(&sample), "{sample}{page}");
    }
}

#[tokio::test]
async fn whoever_asks_for_the_head_of_an_answer_reads() {
    let (world, told) = world();
    assert_eq!(world.send("HEAD", "/v1/records", &[], "").await.status, 200);
    assert_eq!(
        *told.0.lock().unwrap(),
        ["nothing at /v1/records: Some(200) read None None false"]
    );
}

#[tokio::test]
async fn a_caller_who_goes_away_is_told_as_gone() {
    let (world, told) = world();
    let request = Request::post("/v1/runs/nightly/heartbeat")
        .header("runledger-source", "orchestrator")
        .body(Body::from_stream(futures_util::stream::pending::<
            Result<Vec<u8>, std::io::Error>,
        >()))
        .unwrap();
    let mut waiting = Box::pin(world.router.clone().oneshot(request));
    assert!((&mut waiting).now_or_never().is_none(), "its body has not come");
    assert!(told.0.lock().unwrap().is_empty());
    drop(waiting);
    let gone = r#"heartbeatJob at /v1/runs/{run}/heartbeat: None caller_gone Some("nightly") None false"#;
    assert_eq!(*told.0.lock().unwrap(), [gone]);
}
