//! The HTTP surface of a run ledger: routes, wire types, problem details, `OpenAPI`.
//!
//! [`router`] turns a [`Ledger`] into an [`axum::Router`]. It is served over a socket by
//! [`serve`] or [`serve_tls`], or called inside the process as a `tower` service. [`openapi`] and [`problems`] describe it;
//! `docs/openapi.json` and `docs/problems.md` are what they write.
//!
//! What is decided here is only how things are said: the rules are the domain's, the statuses stand in one table
//! (`problem`), the JSON in `wire`. An attempt that fails here, before the app is asked, gets its line in the activity
//! log before it is answered (I6). Reads create nothing and change nothing (I3): their handlers reach only reading
//! methods.
#![forbid(unsafe_code)]

mod answer;
mod api;
mod body;
mod change;
mod create;
mod describe;
mod duties;
mod events;
mod functions;
mod gateway;
mod guard;
mod identity;
mod incoming;
mod json_path;
mod meta;
mod metrics;
mod options;
mod page;
mod problem;
mod projection;
mod query;
mod rate;
mod read;
mod reconcile;
mod serve;
mod spans;
mod tls;
mod tokens;
mod trace;
mod trouble;
mod webhooks;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};
use runledger_app::Ledger;

pub use describe::openapi;
pub use events::Closing;
pub use identity::{Callers, OperatorKey};
pub use options::Options;
pub use problem::problems;
pub use rate::RateLimit;
pub use serve::{Bounds, serve, serve_tls};
pub use spans::{Answered, Asked, RequestSpan, SpanCounts, Spans};
pub use tls::{Tls, TlsError};
pub use trace::TraceParent;

/// The routes over a ledger.
///
/// ```
/// use std::sync::Arc;
/// # use runledger_app::system::{RandomIds, SystemClock};
/// # use runledger_app::{Ledger, Ports, Registry};
/// # use runledger_domain::CreationPolicy;
/// use axum::body::Body;
/// use axum::http::Request;
/// use tower::ServiceExt as _;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let store = Arc::new(runledger_memory::MemoryStore::new());
/// # let ports = Ports::of(&store, Arc::new(SystemClock), Arc::new(RandomIds::new()?));
/// let ledger = Arc::new(Ledger::new(ports, CreationPolicy::default(), Registry::new(1_000, true)));
/// let router = runledger_http::router(ledger, runledger_http::Options::default());
/// let request = Request::post("/v1/runs").header("Runledger-Source", "orchestrator").body(Body::empty())?;
/// assert_eq!(router.oneshot(request).await?.status(), 201);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub fn router(ledger: Arc<Ledger>, options: Options) -> Router {
    let job = get(read::get_job).patch(change::update_job);
    let client = get(read::get_client).patch(change::update_client);
    let spans = options.spans.clone();
    let router = Router::new()
        .route("/v1/runs", post(create::create_job))
        .route("/v1/runs/{run}", job)
        .route("/v1/runs/{run}/stages/{stage}/start", post(change::start_stage_job))
        .route("/v1/runs/{run}/stages/{stage}/finish", post(change::finish_stage_job))
        .route("/v1/runs/{run}/complete", post(change::complete_job))
        .route("/v1/runs/{run}/heartbeat", post(change::heartbeat_job))
        .route("/v1/runs/{run}/summary", get(read::summary))
        .route("/v1/runs/{run}/clients", post(create::create_clients))
        .route("/v1/runs/{run}/clients/{client}", client)
        .route(
            "/v1/runs/{run}/clients/{client}/stages/{stage}/start",
            post(change::start_stage_client),
        )
        .route(
            "/v1/runs/{run}/clients/{client}/stages/{stage}/finish",
            post(change::finish_stage_client),
        )
        .route(
            "/v1/runs/{run}/clients/{client}/complete",
            post(change::complete_client),
        )
        .route(
            "/v1/runs/{run}/clients/{client}/heartbeat",
            post(change::heartbeat_client),
        )
        .route("/v1/records", get(read::list))
        .route("/v1/stalled", get(read::stalled))
        .route("/v1/activity", get(read::activity))
        .route("/v1/events", get(events::events))
        .route("/v1/tokens", get(tokens::list).post(tokens::create))
        .route("/v1/tokens/{token}/revoke", post(tokens::revoke))
        .route("/v1/tokens/{token}/rotate", post(tokens::rotate))
        .route("/v1/duties", get(duties::list))
        .route("/v1/webhooks", get(webhooks::list))
        .route("/v1/webhooks/{webhook}/enable", post(webhooks::enable))
        .route("/v1/webhooks/{webhook}/test", post(webhooks::test))
        .route("/v1/airtable/check", get(reconcile::check))
        .route("/v1/airtable/reconciliations", post(reconcile::begin))
        .route(
            "/v1/airtable/reconciliations/{reconciliation}/pages/{page}",
            post(reconcile::page),
        )
        .route("/v1/airtable/copies/remove", post(reconcile::remove_copies))
        .route("/v1/airtable/removed", get(reconcile::removed))
        .route("/compat/v2/{function}", post(functions::call))
        .route("/airtable/{*path}", any(gateway::answer))
        .route("/v1/projection", get(projection::show))
        .route("/v1/projection/retry", post(projection::retry_all))
        .route("/v1/projection/resume", post(projection::resume))
        .route("/v1/runs/{run}/retry-row", post(projection::retry_job))
        .route(
            "/v1/runs/{run}/clients/{client}/retry-row",
            post(projection::retry_client),
        )
        .route("/v1/stats", get(meta::stats))
        .route("/metrics", get(metrics::metrics))
        .route("/livez", get(meta::livez))
        .route("/readyz", get(meta::readyz))
        .route("/openapi.json", get(meta::description))
        .route("/docs", get(page::docs))
        .route("/docs/style.css", get(page::style))
        .route("/docs/script.js", get(page::script))
        .route("/problems/{code}", get(meta::explain))
        .fallback(meta::no_route)
        .method_not_allowed_fallback(meta::no_method)
        .with_state(Arc::new(api::Api::new(Arc::clone(&ledger), options)));
    match spans {
        None => router,
        Some(spans) => {
            let observed = Arc::new(spans::Observed::new(spans, ledger));
            router.layer(from_fn_with_state(observed, spans::observe))
        }
    }
}
