//! `/metrics`: what the server counts, for Prometheus. Everything is counted elsewhere; here it is only said.
//!
//! What each metric means for whoever operates a server is in `docs/operations.md`; a test compares the two.

mod table;
mod text;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use runledger_app::system::ProcessFigures;
use runledger_app::{Counted, DutyFigures, Effect, GatewayStats, ProjectionStatus, RunService, WebhookStatus};
use runledger_domain::{Status, Timestamp};
use runledger_ports::{Counts, Duty, StoreFigures};

use self::text::{Page, Seconds};
use crate::api::Api;
use crate::describe::answers::{ListProblems, MetricsRead};
use crate::incoming::Reading;
use crate::query::check_none;
use crate::spans::SpanCounts;
use crate::trouble::Problem;

const TEXT_FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Shows what the server counts, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "server",
    operation_id = "getMetrics",
    responses(MetricsRead, ListProblems)
)]
pub(crate) async fn metrics(State(api): State<Arc<Api>>, reading: Reading) -> Result<Response, Problem> {
    reading.allow_whole()?;
    check_none(&reading.uri)?;
    let runs = &api.ledger.runs;
    // A store that cannot be read is what an operator wants to see, not a reason to show nothing.
    let counts = runs.counts().await.ok();
    let process = tokio::task::spawn_blocking(ProcessFigures::read).await;
    let mut page = Page::default();
    page.metric(&table::BUILD_INFO)
        .labelled(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    write_operations(&mut page, runs);
    write_registry(&mut page, runs);
    write_sweeper(&mut page, runs);
    write_duties(&mut page, &api.ledger.duties.here());
    let spans = api.options.spans.as_ref().map(|spans| spans.counted());
    write_spans(&mut page, spans.unwrap_or_default());
    write_counts(&mut page, counts.as_ref());
    if let Some(store) = runs.store_figures() {
        write_store(&mut page, &store);
    }
    write_webhooks(
        &mut page,
        api.ledger.webhooks.list().await.unwrap_or_default().as_slice(),
    );
    let projection = match &api.options.projection {
        Some(projection) => projection.status().await.ok(),
        None => Some(ProjectionStatus::default()),
    };
    if let Some(status) = projection {
        write_projection(&mut page, &status);
    }
    write_gateway(&mut page, &api.gateway_stats);
    write_process(&mut page, process.unwrap_or_default(), runs.started());
    let mut response = Response::new(Body::from(page.into_text()));
    response.headers_mut().insert(CONTENT_TYPE, TEXT_FORMAT);
    Ok(response)
}

fn write_operations(page: &mut Page, runs: &RunService) {
    let sources = runs.stats_by_source();
    let mut samples = page.metric(&table::CREATES);
    for (source, counted) in sources.iter().flat_map(|of| of.creates.iter().map(|c| (&of.source, c))) {
        samples.labelled(&labels(source, counted), counted.count);
    }
    let mut samples = page.metric(&table::CHANGES);
    for (source, counted) in sources.iter().flat_map(|of| of.changes.iter().map(|c| (&of.source, c))) {
        samples.labelled(&labels(source, counted), counted.count);
    }
    let mut samples = page.metric(&table::TOKEN_CHANGES);
    for (source, counted) in sources.iter().flat_map(|of| of.tokens.iter().map(|c| (&of.source, c))) {
        samples.labelled(&labels(source, counted), counted.count);
    }
    let mut samples = page.metric(&table::WEBHOOK_CHANGES);
    for (source, counted) in sources
        .iter()
        .flat_map(|of| of.webhooks.iter().map(|c| (&of.source, c)))
    {
        samples.labelled(&labels(source, counted), counted.count);
    }
    let mut samples = page.metric(&table::PROJECTION_CHANGES);
    for (source, counted) in sources
        .iter()
        .flat_map(|of| of.projection.iter().map(|c| (&of.source, c)))
    {
        samples.labelled(&labels(source, counted), counted.count);
    }
    // Apart and without labels, so that it is there from the start and the first one is seen as a step.
    let changes = sources.iter().flat_map(|of| &of.changes);
    let implicit = changes.filter(|counted| counted.effect == Effect::NotFound);
    page.metric(&table::IMPLICIT_CREATIONS)
        .value(implicit.map(|counted| counted.count).sum::<u64>());
    let mut samples = page.metric(&table::TURNED_AWAY);
    for counted in runs.turned_away() {
        samples.labelled(&[("reason", counted.reason)], counted.count);
    }
    page.metric(&table::READS).value(runs.stats().reads);
    let turns = runs.turn_stats();
    page.metric(&table::WRITES_UNDER_WAY).value(turns.under_way);
    page.metric(&table::WRITES_WAITING).value(turns.waiting);
}

fn labels<'a>(source: &'a str, counted: &Counted) -> [(&'static str, &'a str); 3] {
    [
        ("source", source),
        ("outcome", counted.effect.as_str()),
        ("reason", counted.reason),
    ]
}

fn write_registry(page: &mut Page, runs: &RunService) {
    let registry = runs.registry_stats();
    page.metric(&table::REGISTRY_HITS).value(registry.hits);
    page.metric(&table::REGISTRY_MISSES).value(registry.misses);
    page.metric(&table::REGISTRY_RECORDS).value(registry.records);
}

fn write_sweeper(page: &mut Page, runs: &RunService) {
    let sweeper = runs.sweeper_stats();
    let mut passes = page.metric(&table::SWEEPER_PASSES);
    passes.labelled(&[("outcome", "ended")], sweeper.passes);
    passes.labelled(&[("outcome", "failed")], sweeper.passes_failed);
    page.metric(&table::SWEEPER_LOST).value(sweeper.lost);
    page.metric(&table::SWEEPER_FAILURES).value(sweeper.failed);
    let last = sweeper.last_pass.map_or(0, micros);
    page.metric(&table::SWEEPER_LAST_PASS).value(Seconds(last));
}

/// Only those that this server does or would do: whoever sums over servers sees that each is done once.
fn write_duties(page: &mut Page, duties: &[(Duty, DutyFigures)]) {
    let duties: Vec<_> = duties.iter().map(|(duty, of)| (duty.to_string(), of)).collect();
    let mut held = page.metric(&table::DUTY_HELD);
    for (duty, of) in &duties {
        held.labelled(&[("duty", duty)], u8::from(of.held.is_some()));
    }
    let mut taken = page.metric(&table::DUTIES_TAKEN);
    for (duty, of) in &duties {
        taken.labelled(&[("duty", duty)], of.taken);
    }
    let mut lost = page.metric(&table::DUTIES_LOST);
    for (duty, of) in &duties {
        lost.labelled(&[("duty", duty)], of.lost);
    }
}

/// Zero where nobody collects.
fn write_spans(page: &mut Page, counted: SpanCounts) {
    let mut spans = page.metric(&table::SPANS);
    spans.labelled(&[("outcome", "sent")], counted.sent);
    spans.labelled(&[("outcome", "dropped")], counted.dropped);
    spans.labelled(&[("outcome", "lost")], counted.lost);
}

fn write_counts(page: &mut Page, counts: Option<&Counts>) {
    page.metric(&table::STORE_READABLE).value(u8::from(counts.is_some()));
    let Some(counts) = counts else { return };
    let mut records = page.metric(&table::RECORDS);
    for status in Status::ALL {
        let count = counts.records.get(&status).copied().unwrap_or_default();
        records.labelled(&[("status", status.as_str())], count);
    }
    page.metric(&table::RECORDS_STALLED).value(counts.stalled);
    page.metric(&table::ACTIVITY_LINES).value(counts.lines);
}

fn write_webhooks(page: &mut Page, webhooks: &[WebhookStatus]) {
    let mut samples = page.metric(&table::WEBHOOK_DELIVERIES);
    for webhook in webhooks.iter().filter(|webhook| webhook.is_running) {
        let name = ("webhook", webhook.name.as_str());
        samples.labelled(&[name, ("outcome", "taken")], webhook.delivered);
        samples.labelled(&[name, ("outcome", "failed")], webhook.failed);
    }
    let mut samples = page.metric(&table::WEBHOOK_POSITION);
    for webhook in webhooks {
        samples.labelled(&[("webhook", webhook.name.as_str())], webhook.state.position);
    }
    let mut samples = page.metric(&table::WEBHOOK_FAILURES);
    for webhook in webhooks {
        samples.labelled(&[("webhook", webhook.name.as_str())], webhook.state.failures);
    }
    let mut samples = page.metric(&table::WEBHOOK_DISABLED);
    for webhook in webhooks {
        let is_disabled = webhook.state.disabled_at.is_some();
        samples.labelled(&[("webhook", webhook.name.as_str())], u8::from(is_disabled));
    }
}

/// Zero where nobody shows records elsewhere.
fn write_projection(page: &mut Page, status: &ProjectionStatus) {
    let is_stopped = status.trouble.is_some() || status.head.as_ref().is_some_and(|head| head.stopped.is_some());
    page.metric(&table::PROJECTION_STOPPED).value(u8::from(is_stopped));
    let lag = if status.head.is_some() { status.lag_lines() } else { 0 };
    page.metric(&table::PROJECTION_LAG).value(lag);
    page.metric(&table::PROJECTION_LATE).value(status.late.as_secs());
    let counts = &status.counts;
    let mut rows = page.metric(&table::PROJECTION_ROWS);
    rows.labelled(&[("step", "waiting")], counts.waiting);
    rows.labelled(&[("step", "sending")], counts.sending);
    rows.labelled(&[("step", "in_doubt")], counts.unknown);
    rows.labelled(&[("step", "set_aside")], counts.set_aside);
    page.metric(&table::PROJECTION_REQUESTS).value(status.asked.requests);
    page.metric(&table::PROJECTION_TOO_MANY).value(status.asked.too_many);
    let mut written = page.metric(&table::PROJECTION_WRITTEN);
    written.labelled(&[("outcome", "made")], status.made);
    written.labelled(&[("outcome", "changed")], status.changed);
    written.labelled(&[("outcome", "unchanged")], status.unchanged);
    written.labelled(&[("outcome", "in_doubt")], status.doubts);
    written.labelled(&[("outcome", "set_aside")], status.aside);
}

/// Zero where there is no gateway.
fn write_gateway(page: &mut Page, stats: &GatewayStats) {
    let kinds = stats.list();
    let mut requests = page.metric(&table::GATEWAY_REQUESTS);
    for (of, counted) in kinds
        .iter()
        .flat_map(|of| of.requests.iter().map(move |counted| (of, counted)))
    {
        let labels = [
            ("kind", of.kind),
            ("outcome", counted.effect.as_str()),
            ("reason", counted.reason),
        ];
        requests.labelled(&labels, counted.count);
    }
    let mut durations = page.metric(&table::GATEWAY_DURATION);
    for of in &kinds {
        durations.distribution_of(&[("kind", of.kind)], &of.micros, Seconds);
    }
}

fn write_store(page: &mut Page, store: &StoreFigures) {
    page.metric(&table::STORE_STOPPED).value(u8::from(store.is_stopped));
    page.metric(&table::STORE_QUEUE).value(store.queue);
    page.metric(&table::STORE_QUEUE_MAX).value(store.queue_max);
    page.metric(&table::STORE_LINES_WAITING).value(store.lines_waiting);
    page.metric(&table::STORE_GROUP_SIZE)
        .distribution(&store.group_size, |operations| operations);
    page.metric(&table::STORE_COMMIT_DURATION)
        .distribution(&store.commit_micros, Seconds);
    page.metric(&table::STORE_COMMITS_FAILED).value(store.commits_failed);
    if let Some(bytes) = store.bytes_used {
        page.metric(&table::STORE_BYTES).value(bytes);
    }
    if let Some(bytes) = store.bytes_free {
        page.metric(&table::STORE_FREE_BYTES).value(bytes);
    }
}

fn write_process(page: &mut Page, process: ProcessFigures, started: Timestamp) {
    if let Some(bytes) = process.resident_bytes {
        page.metric(&table::PROCESS_RESIDENT_MEMORY).value(bytes);
    }
    if let Some(open) = process.open_fds {
        page.metric(&table::PROCESS_OPEN_FDS).value(open);
    }
    if let Some(max) = process.max_fds {
        page.metric(&table::PROCESS_MAX_FDS).value(max);
    }
    page.metric(&table::PROCESS_START_TIME).value(Seconds(micros(started)));
}

fn micros(at: Timestamp) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or(0)
}
