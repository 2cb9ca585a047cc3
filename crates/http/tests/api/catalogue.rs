//! Every problem of the table is met by a request, except the few of which the table says why not.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use runledger_app::PlanLimits;
use runledger_domain::{CreationPolicy, RunIdScheme};
use runledger_http::{Options, RateLimit, problems};
use runledger_ports::NotDone;
use serde_json::json;

use crate::identity::{bearing, closed_world, token};
use crate::quotas::bounded;
use crate::reconcile::Shown;
use crate::support::broken::{Broken, Mode};
use crate::support::{ORCHESTRATOR, World};

/// The codes that were met.
type Met = BTreeSet<String>;

/// Sends what must meet a problem of this code.
async fn meet(
    met: &mut Met,
    world: &World,
    code: &str,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) {
    let answer = world.send(method, path, headers, body).await;
    let status = answer.status;
    answer.check(status, code);
    met.insert(code.into());
}

/// The codes in a part of the page.
fn codes(part: &str) -> Met {
    part.lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned()))
        .collect()
}

#[tokio::test]
async fn every_problem_is_met_by_a_request_or_says_why_not() {
    let mut met = Met::new();
    of_requests(&mut met).await;
    of_records(&mut met).await;
    of_full_records(&mut met).await;
    of_policies(&mut met).await;
    of_tokens(&mut met).await;
    of_bodies_and_stores(&mut met).await;
    of_events(&mut met).await;
    of_quotas(&mut met).await;
    of_tables(&mut met).await;
    let page = problems();
    let (table, never) = page.split_once("\n## ").unwrap();
    let (all, never) = (codes(table), codes(never));
    assert!(all.len() > 60 && never.is_subset(&all), "{never:?}");
    let missing: Vec<_> = all.difference(&met).filter(|code| !never.contains(*code)).collect();
    assert!(missing.is_empty(), "no request here meets {missing:?}");
    let wrong: Vec<_> = met.intersection(&never).collect();
    assert!(wrong.is_empty(), "the table says that no request meets {wrong:?}");
}

async fn of_events(met: &mut Met) {
    let options = Options {
        streams_max: 0,
        ..Options::default()
    };
    let full = World::with(options, CreationPolicy::default());
    let events = ("GET", "/v1/events");
    meet(met, &full, "too_many_streams", events, &[], "").await;
    let last = [("last-event-id", "7")];
    meet(met, &World::new(), "event_id_unknown", events, &last, "").await;
}

async fn of_tables(met: &mut Met) {
    let begin = ("POST", "/v1/airtable/reconciliations");
    let shown = Shown::new(PlanLimits::default()).await;
    meet(met, &shown.world, "airtable_not_begun", begin, &ORCHESTRATOR, "").await;
    shown.begin().await;
    let page = ("POST", "/v1/airtable/reconciliations/1-1/pages/1");
    meet(met, &shown.world, "reconciliation_not_found", page, &ORCHESTRATOR, "").await;
    let why = "locked out".to_owned();
    for (code, trouble) in [
        ("airtable_unavailable", NotDone::Later { why: why.clone() }),
        ("airtable_stopped", NotDone::Stopped { why, until: None }),
    ] {
        shown.tables.fail(Some(trouble));
        meet(met, &shown.world, code, begin, &ORCHESTRATOR, "").await;
    }
    shown.tables.fail(None);
    shown.surplus().await;
    let remove = ("POST", "/v1/airtable/copies/remove");
    let body = r#"{"records":[{"run_id":"r1"}]}"#;
    meet(met, &shown.world, "airtable_elsewhere", remove, &ORCHESTRATOR, body).await;
}

async fn of_quotas(met: &mut Met) {
    let world = bounded(1, 1, 5);
    world.run("r1", &["acme"]).await;
    world.run("r2", &[]).await;
    let (record, clients) = (("PATCH", "/v1/runs/r1/clients/acme"), ("POST", "/v1/runs/r2/clients"));
    let note = r#"{"note":"n"}"#;
    world.patch(record.1, note).await.check(200, "");
    meet(met, &world, "notes_quota", record, &ORCHESTRATOR, note).await;
    let acme = r#"{"client_id":"acme"}"#;
    meet(met, &world, "open_records_quota", clients, &ORCHESTRATOR, acme).await;
    world.get(record.1).await.check(200, "");
    meet(met, &world, "client_rate_limited", record, &ORCHESTRATOR, note).await;
}

/// What is wrong with a request whatever the ledger holds.
async fn of_requests(met: &mut Met) {
    let world = World::new();
    let run = ("POST", "/v1/runs");
    let source = ORCHESTRATOR[0];
    let record = ("PATCH", "/v1/runs/r1");
    let clients = ("POST", "/v1/runs/r1/clients");
    world.run("r1", &[]).await;
    let resume = ("POST", "/v1/projection/resume");
    meet(met, &world, "projection_absent", resume, &[source], "").await;
    for (code, asked, header, body) in [
        ("path_invalid", ("GET", "/v1/runs/%FF"), source, ""),
        ("host_not_allowed", ("GET", "/v1/records"), ("host", "evil.example"), ""),
        ("origin_not_allowed", run, ("origin", "http://evil.example"), ""),
        ("route_not_found", ("GET", "/nowhere"), source, ""),
        ("method_not_allowed", ("DELETE", "/v1/runs/r1"), source, ""),
        ("source_missing", run, ("accept", "*/*"), ""),
        ("source_invalid", run, ("runledger-source", "system"), ""),
        ("source_not_authorised", run, ("runledger-source", "mailer"), ""),
        ("unknown_parameter", ("GET", "/v1/records?page=2"), source, ""),
        ("cursor_invalid", ("GET", "/v1/records?cursor=x"), source, ""),
        ("body_not_json", run, source, "{"),
        ("body_invalid", run, source, "[]"),
        ("unknown_field", run, source, r#"{"notes":"n"}"#),
        ("value_invalid", run, source, r#"{"status":"failed"}"#),
        ("run_id_invalid", run, source, r#"{"run_id":"undefined"}"#),
        ("batch_size", clients, source, r#"{"clients":[]}"#),
        ("client_id_invalid", clients, source, r#"{"client_id":"a b"}"#),
        ("contradiction", clients, source, r#"{"client_id":"a","run_id":"r2"}"#),
        (
            "client_named_twice",
            clients,
            source,
            r#"{"clients":[{"client_id":"a"},{"client_id":"a"}]}"#,
        ),
        ("nothing_to_change", record, source, "{}"),
        ("status_not_settable", record, source, r#"{"status":"queued"}"#),
        (
            "metric_named_twice",
            record,
            source,
            r#"{"metrics":{"add":{"n":1},"max":{"n":1}}}"#,
        ),
        ("stage_name_invalid", ("POST", "/v1/runs/r1/stages/-/start"), source, ""),
        (
            "token_not_found",
            ("POST", "/v1/tokens/7k3m9q2w5x8z/revoke"),
            source,
            "",
        ),
        ("webhook_not_found", ("POST", "/v1/webhooks/billing/enable"), source, ""),
        (
            "grant_invalid",
            ("POST", "/v1/tokens"),
            source,
            r#"{"name":"x","scopes":["create"]}"#,
        ),
    ] {
        let headers = if header.0 == "origin" {
            vec![source, header]
        } else {
            vec![header]
        };
        meet(met, &world, code, asked, &headers, body).await;
    }
    for (code, header) in [
        ("idempotency_key_invalid", ("idempotency-key", "a b")),
        ("content_type_unsupported", ("content-type", "text/plain")),
    ] {
        meet(met, &world, code, run, &[source, header], "{}").await;
    }
    let wrong_tag = [source, ("if-match", "3")];
    meet(met, &world, "if_match_invalid", record, &wrong_tag, r#"{"note":"n"}"#).await;
    let many: Vec<_> = (0..65).map(|id| format!("x:{id}")).collect();
    let many = json!({ "external_ids": many }).to_string();
    meet(met, &world, "too_many_external_ids", run, &[source], many).await;
}

/// What stands against a request because of what is there.
async fn of_records(met: &mut Met) {
    let world = World::new();
    world.run("open", &["a"]).await;
    world.run("ended", &[]).await;
    world.run("staged", &[]).await;
    let made = world
        .attempt("a-1", "/v1/runs", r#"{"run_id":"queued","status":"queued"}"#)
        .await;
    made.check(201, "");
    let ended = world.post("/v1/runs/ended/complete", r#"{"status":"failed"}"#).await;
    ended.check(200, "");
    for path in ["s/start", "t/start"] {
        world
            .post(&format!("/v1/runs/staged/stages/{path}"), "")
            .await
            .check(200, "");
    }
    let finished = world
        .post("/v1/runs/staged/stages/t/finish", r#"{"status":"failed"}"#)
        .await;
    finished.check(200, "");
    let named = r#"{"metrics":{"set":{"n":999999999999999999}},"update_id":"u-1"}"#;
    world.patch("/v1/runs/open", named).await.check(200, "");
    let succeeded = r#"{"status":"succeeded"}"#;
    for (code, method, path, body) in [
        ("not_found", "GET", "/v1/runs/elsewhere", ""),
        ("already_ended", "PATCH", "/v1/runs/ended", r#"{"note":"n"}"#),
        ("conflict", "POST", "/v1/runs", r#"{"run_id":"open"}"#),
        ("job_ended", "POST", "/v1/runs/ended/clients", r#"{"client_id":"a"}"#),
        (
            "job_missing",
            "POST",
            "/v1/runs/elsewhere/clients",
            r#"{"client_id":"a"}"#,
        ),
        (
            "metric_overflow",
            "PATCH",
            "/v1/runs/open",
            r#"{"metrics":{"add":{"n":1}}}"#,
        ),
        ("not_started", "POST", "/v1/runs/queued/complete", succeeded),
        ("open_clients", "POST", "/v1/runs/open/complete", succeeded),
        ("open_stages", "POST", "/v1/runs/staged/complete", succeeded),
        ("stage_ended", "POST", "/v1/runs/staged/stages/t/finish", succeeded),
        (
            "stage_not_started",
            "POST",
            "/v1/runs/staged/stages/u/finish",
            succeeded,
        ),
        (
            "update_id_reused",
            "PATCH",
            "/v1/runs/open",
            r#"{"note":"n","update_id":"u-1"}"#,
        ),
    ] {
        meet(met, &world, code, (method, path), &ORCHESTRATOR, body).await;
    }
    let old = [ORCHESTRATOR[0], ("if-match", "\"9\"")];
    meet(
        met,
        &world,
        "version_mismatch",
        ("PATCH", "/v1/runs/open"),
        &old,
        r#"{"note":"n"}"#,
    )
    .await;
    let same = [ORCHESTRATOR[0], ("idempotency-key", "a-1")];
    let other = r#"{"run_id":"queued"}"#;
    meet(
        met,
        &world,
        "idempotency_key_reused",
        ("POST", "/v1/runs"),
        &same,
        other,
    )
    .await;
}

/// Records that hold as much as they may.
async fn of_full_records(met: &mut Met) {
    let world = World::new();
    for run in ["metrics", "notes", "stages", "updates"] {
        world.run(run, &[]).await;
    }
    let numbers: serde_json::Map<_, _> = (0..129).map(|n| (format!("n{n}"), json!(1))).collect();
    let numbers = json!({"metrics": {"set": numbers}}).to_string();
    meet(
        met,
        &world,
        "too_many_metrics",
        ("PATCH", "/v1/runs/metrics"),
        &ORCHESTRATOR,
        numbers,
    )
    .await;
    let note = json!({"note": "n".repeat(100_000)}).to_string();
    for _ in 0..10 {
        world.patch("/v1/runs/notes", &note).await.check(200, "");
    }
    meet(
        met,
        &world,
        "notes_full",
        ("PATCH", "/v1/runs/notes"),
        &ORCHESTRATOR,
        note,
    )
    .await;
    let stage = |n: usize| format!("/v1/runs/stages/stages/s{n}/start");
    for n in 0..64 {
        world.post(&stage(n), "").await.check(200, "");
    }
    meet(met, &world, "too_many_stages", ("POST", &stage(64)), &ORCHESTRATOR, "").await;
    let update = |n: usize| format!(r#"{{"metrics":{{"add":{{"n":1}}}},"update_id":"u-{n}"}}"#);
    for n in 0..4_096 {
        world.patch("/v1/runs/updates", &update(n)).await.check(200, "");
    }
    let more = update(4_096);
    meet(
        met,
        &world,
        "too_many_updates",
        ("PATCH", "/v1/runs/updates"),
        &ORCHESTRATOR,
        more,
    )
    .await;
}

/// What a ledger does not accept, and a minute that is full.
async fn of_policies(met: &mut Met) {
    let ulids = CreationPolicy::default().accept_schemes(vec![RunIdScheme::Ulid]);
    let world = World::with(Options::default(), ulids);
    let run = ("POST", "/v1/runs");
    meet(met, &world, "cannot_mint", run, &ORCHESTRATOR, "").await;
    meet(
        met,
        &world,
        "scheme_not_accepted",
        run,
        &ORCHESTRATOR,
        r#"{"run_id":"nightly"}"#,
    )
    .await;
    let world = World::new();
    for _ in 0..=60 {
        world.post("/v1/runs", "").await.check(201, "");
    }
    meet(met, &world, "no_free_second", run, &ORCHESTRATOR, "").await;
}

/// Who is not known, and who may not.
async fn of_tokens(met: &mut Met) {
    let (world, admin) = closed_world().await;
    let worker = r#"{"name":"worker","sources":["orchestrator"],"scopes":["create"],"clients":["acme"]}"#;
    let (_, worker) = token(&world, Some(&admin), worker).await;
    let (ended_id, ended) = token(&world, Some(&admin), r#"{"name":"old","scopes":["read"]}"#).await;
    let revoke = format!("/v1/tokens/{ended_id}/revoke");
    let revoked = world.send("POST", &revoke, &bearing(&admin, None), "").await;
    revoked.check(200, "");
    let list = ("GET", "/v1/records");
    let clients = ("POST", "/v1/runs/r1/clients");
    let globex = r#"{"client_id":"globex"}"#;
    meet(met, &world, "token_missing", list, &[], "").await;
    meet(met, &world, "token_invalid", list, &bearing("Bearer rlt_x", None), "").await;
    meet(met, &world, "token_ended", list, &bearing(&ended, None), "").await;
    meet(met, &world, "scope_missing", list, &bearing(&worker, None), "").await;
    meet(
        met,
        &world,
        "client_not_granted",
        clients,
        &bearing(&worker, None),
        globex,
    )
    .await;
    let claimed = bearing(&worker, Some("master_process"));
    meet(met, &world, "source_not_granted", clients, &claimed, globex).await;
    let rotate = format!("/v1/tokens/{ended_id}/rotate");
    meet(
        met,
        &world,
        "token_has_ended",
        ("POST", &rotate),
        &bearing(&admin, None),
        "",
    )
    .await;
    for _ in 3..runledger_app::TOKENS_MAX {
        token(&world, Some(&admin), r#"{"name":"one more","scopes":["read"]}"#).await;
    }
    let more = r#"{"name":"too many","scopes":["read"]}"#;
    let asked = ("POST", "/v1/tokens");
    meet(met, &world, "too_many_tokens", asked, &bearing(&admin, None), more).await;
    let limit = RateLimit {
        per_second: 1,
        burst: 1,
    };
    let options = Options {
        token_rate: Some(limit),
        ..Options::default()
    };
    let world = World::with(options, CreationPolicy::default());
    let reader = r#"{"name":"desk","sources":["token_desk"],"scopes":["admin","read"]}"#;
    let (_, reader) = token(&world, None, reader).await;
    let within = world.send("GET", "/v1/records", &bearing(&reader, None), "").await;
    within.check(200, "");
    meet(met, &world, "rate_limited", list, &bearing(&reader, None), "").await;
}

/// Bodies that do not arrive, and stores that cannot.
async fn of_bodies_and_stores(met: &mut Met) {
    let options = Options {
        body_time_max: Duration::from_millis(20),
        body_bytes_max: 1_024,
        ..Options::default()
    };
    let world = World::with(options, CreationPolicy::default());
    let run = ("POST", "/v1/runs");
    meet(met, &world, "body_too_large", run, &ORCHESTRATOR, "x".repeat(1_025)).await;
    let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    meet(met, &world, "body_too_slow", run, &ORCHESTRATOR, never).await;
    let broken = stream::iter([
        Ok(Bytes::from("{")),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ]);
    meet(
        met,
        &world,
        "body_unreadable",
        run,
        &ORCHESTRATOR,
        Body::from_stream(broken),
    )
    .await;
    for (mode, code) in [
        (Mode::Busy, "busy"),
        (Mode::Stopped, "stopped"),
        (Mode::Failed, "store_failed"),
        (Mode::Doubts, "in_doubt"),
        (Mode::Panics, "internal"),
    ] {
        let store = Broken::new();
        let world = World::over(Arc::clone(&store), Options::default(), CreationPolicy::default());
        store.set(mode);
        meet(met, &world, code, run, &ORCHESTRATOR, r#"{"run_id":"r1"}"#).await;
    }
}
