//! The HTTP surface: routes, wire types, problem details, OpenAPI.
#![forbid(unsafe_code)]

mod options;
mod serve;

use std::sync::Arc;

use axum::Router;
use runledger_app::Ledger;

pub use options::Options;
pub use serve::serve;

/// The router.
pub fn router(ledger: Arc<Ledger>, options: Options) -> Router {
    drop((ledger, options));
    Router::new()
}

/// The `OpenAPI` description.
pub fn openapi() -> String {
    String::new()
}
