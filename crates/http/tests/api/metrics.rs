//! Metrics: what was done is counted under names that are documented, and nothing can make them grow without bound.

use axum::http::header::CONTENT_TYPE;
use runledger_app::SOURCES_NAMED;
use runledger_domain::CreationPolicy;
use runledger_http::Options;

use crate::support::World;
use crate::support::broken::{Broken, Mode};

/// The sample with this name and these labels, as they are written.
fn value(page: &str, sample: &str) -> Option<u64> {
    let rest = page
        .lines()
        .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
    rest.parse().ok()
}

async fn page(world: &World) -> String {
    let answer = world.get("/metrics").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(
        answer.header(CONTENT_TYPE.as_str()),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    answer.text
}

#[tokio::test]
async fn what_came_of_creations_and_changes_is_counted_by_source_and_reason() {
    let world = World::new();
    let post = async |source: &str, path: &str, key: &str, body: &str| {
        let headers = [("runledger-source", source), ("idempotency-key", key)];
        world.send("POST", path, &headers, body.to_owned()).await.status
    };
    let run = r#"{"run_id":"r1"}"#;
    assert_eq!(post("orchestrator", "/v1/runs", "k1", run).await, 201);
    assert_eq!(post("orchestrator", "/v1/runs", "k1", run).await, 200);
    assert_eq!(post("orchestrator", "/v1/runs", "k2", run).await, 409);
    assert_eq!(post("mailer", "/v1/runs", "k3", r#"{"run_id":"r2"}"#).await, 403);
    assert_eq!(post("orchestrator", "/v1/runs", "k4", "[").await, 400);
    assert_eq!(
        post("mailer", "/v1/runs/r1/complete", "", r#"{"status":"fine"}"#).await,
        422
    );
    let send = async |path: &str| {
        world
            .send("POST", path, &[("runledger-source", "mailer")], "")
            .await
            .status
    };
    assert_eq!(send("/v1/runs/r1/heartbeat").await, 200);
    assert_eq!(send("/v1/runs/r9/heartbeat").await, 404);
    let page = page(&world).await;
    let creates = |source: &str, outcome: &str, reason: &str| {
        let labels = format!("source=\"{source}\",outcome=\"{outcome}\",reason=\"{reason}\"");
        value(&page, &format!("runledger_creates_total{{{labels}}}"))
    };
    assert_eq!(creates("orchestrator", "created", ""), Some(1));
    assert_eq!(creates("orchestrator", "replayed", ""), Some(1));
    assert_eq!(creates("orchestrator", "conflict", ""), Some(1));
    assert_eq!(creates("orchestrator", "refused", "body_not_json"), Some(1));
    assert_eq!(creates("mailer", "refused", "source_not_authorised"), Some(1));
    assert_eq!(creates("batch_process", "created", ""), Some(0), "shown from the start");
    let changes = |outcome: &str| {
        let labels = format!("source=\"mailer\",outcome=\"{outcome}\",reason=\"\"");
        value(&page, &format!("runledger_changes_total{{{labels}}}"))
    };
    assert_eq!((changes("changed"), changes("not_found")), (Some(1), Some(1)));
    assert_eq!(value(&page, "runledger_attempted_implicit_creations_total"), Some(1));
    assert_eq!(value(&page, "runledger_records{status=\"running\"}"), Some(1));
    assert_eq!(value(&page, "runledger_store_readable"), Some(1));
    assert_eq!(value(&page, "process_start_time_seconds"), Some(1_758_842_321));
}

#[tokio::test]
async fn invented_sources_are_counted_together() {
    let world = World::new();
    for number in 0..3 * SOURCES_NAMED {
        let source = format!("invented_{number}");
        let headers = [("runledger-source", source.as_str())];
        let answer = world.send("POST", "/v1/runs/r9/heartbeat", &headers, "").await;
        answer.check(404, "not_found");
    }
    // No source at all, but a text that stands where one should: it is nobody's name.
    let headers = [("runledger-source", "no source")];
    assert!(world.send("POST", "/v1/runs/r9/heartbeat", &headers, "").await.status >= 400);
    let page = page(&world).await;
    let named = page.lines().filter(|line| {
        line.starts_with("runledger_changes_total{source=\"invented_") && line.contains("outcome=\"not_found\"")
    });
    assert_eq!(named.count(), SOURCES_NAMED);
    let others = "runledger_changes_total{source=\"other\",outcome=\"not_found\",reason=\"\"}";
    assert_eq!(value(&page, others), Some(2 * u64::try_from(SOURCES_NAMED).unwrap()));
    let refused = "runledger_changes_total{source=\"other\",outcome=\"refused\",reason=\"source_invalid\"}";
    assert_eq!(value(&page, refused), Some(1));
    assert!(!page.contains("no source"), "{page}");
}

#[tokio::test]
async fn doubt_and_unavailability_are_told_apart_and_metrics_outlive_the_store() {
    let store = Broken::new();
    let world = World::over(store.clone(), Options::default(), CreationPolicy::default());
    for mode in [Mode::Doubts, Mode::Stopped, Mode::Busy] {
        store.set(mode);
        let headers = [("runledger-source", "orchestrator")];
        let answer = world.send("POST", "/v1/runs", &headers, r#"{"run_id":"r1"}"#).await;
        assert_eq!(answer.status, 503);
    }
    let page = page(&world).await;
    for (outcome, reason) in [("in_doubt", ""), ("unavailable", "stopped"), ("unavailable", "busy")] {
        let labels = format!("source=\"orchestrator\",outcome=\"{outcome}\",reason=\"{reason}\"");
        let sample = format!("runledger_creates_total{{{labels}}}");
        assert_eq!(value(&page, &sample), Some(1), "{sample}");
    }
    assert_eq!(value(&page, "runledger_store_readable"), Some(0));
    assert!(!page.contains("runledger_records{"), "what is not known is not said");
}

#[tokio::test]
async fn every_sample_belongs_to_a_metric_and_none_is_there_twice() {
    let world = World::new();
    world.run("r1", &["a"]).await;
    let page = page(&world).await;
    let (mut family, mut seen) = ("", std::collections::BTreeSet::new());
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split_once(' ').unwrap().0;
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        let (sample, number) = line.rsplit_once(' ').unwrap();
        assert!(sample.starts_with(family), "{line}");
        assert!(number.parse::<f64>().is_ok(), "{line}");
        assert!(seen.insert(sample.to_owned()), "{sample} is there twice");
    }
}
