//! What can be set about the server. Every bound has a name and a unit; nothing here reads a configuration.

use std::sync::Arc;
use std::time::Duration;

use runledger_app::{Functions, Gateway, Projection, Reconciler};

use crate::events::Closing;
use crate::identity::Callers;
use crate::rate::RateLimit;
use crate::spans::Spans;

/// Bounds and names of the server.
#[derive(Clone, Debug)]
pub struct Options {
    /// How the server tells who asks.
    pub callers: Callers,
    /// How many requests each token may send; `None`: as many as the server can do.
    pub token_rate: Option<RateLimit>,
    /// How many requests may name each client, in the path or in the body, whoever sends them; `None`: as many as the
    /// server can do.
    pub client_rate: Option<RateLimit>,
    /// Host names, besides `localhost`, `127.0.0.1` and `[::1]`, under which the server may be addressed: the name or
    /// address that it is bound to. Without ports, in lower case. A request that came through a browser from a foreign
    /// page names another host, and is refused.
    pub allowed_hosts: Vec<String>,
    /// The largest body, in bytes.
    pub body_bytes_max: usize,
    /// How long a body may take to arrive.
    pub body_time_max: Duration,
    /// How many streams of events may be open at once.
    pub streams_max: usize,
    /// How long a stream of events may say nothing: then it says that nothing is new.
    pub keep_alive: Duration,
    /// Tells streams of events that the server ends.
    pub closing: Closing,
    /// Makes a span of each request, if anybody collects traces.
    pub spans: Option<Arc<dyn Spans>>,
    /// What is offered under `/compat/v2`; `None`: nothing.
    pub functions: Option<Arc<dyn Functions>>,
    /// What is offered under `/airtable`; `None`: nothing.
    pub gateway: Option<Arc<dyn Gateway>>,
    /// Shows records elsewhere; `None`: nobody here knows of it.
    pub projection: Option<Arc<Projection>>,
    /// Compares the ledger with the tables where its records are shown, if they are shown anywhere.
    pub reconciler: Option<Arc<Reconciler>>,
}

impl Default for Options {
    /// Loopback only, 1 MiB, 30 seconds for a body, 256 streams that say something every 15 seconds, no spans,
    /// nothing beside the API.
    fn default() -> Self {
        Self {
            callers: Callers::Bearers,
            token_rate: None,
            client_rate: None,
            allowed_hosts: Vec::new(),
            body_bytes_max: 1 << 20,
            body_time_max: Duration::from_secs(30),
            streams_max: 256,
            keep_alive: Duration::from_secs(15),
            closing: Closing::new(),
            spans: None,
            functions: None,
            gateway: None,
            projection: None,
            reconciler: None,
        }
    }
}
