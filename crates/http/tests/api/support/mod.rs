//! A ledger with a router over it, and requests to it.

pub(crate) mod broken;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use runledger_app::system::RandomIds;
use runledger_app::{Ledger, Ports, Registry};
use runledger_domain::{AttemptId, CreationPolicy, Timestamp};
use runledger_http::{Options, router};
use runledger_memory::MemoryStore;
use runledger_ports::{ActivityLog, ActivityWatch, Clock, IdSource, RunChanger, RunCreator, RunReader};
use serde_json::Value;
use tower::ServiceExt as _;

/// When the clock of every test begins.
pub(crate) const START: &str = "2025-09-25T23:18:41.000Z";

/// Everything a test needs.
pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) clock: Arc<Hand>,
}

/// A clock that moves when it is told to.
pub(crate) struct Hand(AtomicI64);

impl Hand {
    pub(crate) fn forward(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

#[derive(Default)]
struct Counted(AtomicU64);

impl IdSource for Counted {
    fn attempt(&self) -> AttemptId {
        format!("auto-{}", self.0.fetch_add(1, Ordering::Relaxed))
            .parse()
            .unwrap()
    }
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// The JSON of the body; null when there is none.
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks the status and, of a problem, all that every problem has.
    pub(crate) fn check(self, status: u16, code: &str) -> Self {
        assert_eq!(
            (self.status, self.json["code"].as_str().unwrap_or_default()),
            (status, code),
            "{}",
            self.text
        );
        if status >= 400 {
            assert_eq!(self.header("content-type"), "application/problem+json");
            assert_eq!(self.json["type"], format!("/problems/{code}"));
            assert_eq!(self.json["status"], status);
            for field in ["title", "detail"] {
                assert!(
                    !self.json[field].as_str().unwrap_or_default().is_empty(),
                    "{field} of {}",
                    self.text
                );
            }
            assert_eq!(
                self.header("retry-after"),
                if matches!(status, 429 | 503) { "1" } else { "" }
            );
        }
        self
    }

    /// Checks one field of the JSON.
    pub(crate) fn has(self, pointer: &str, expected: impl Into<Value>) -> Self {
        assert_eq!(
            self.json.pointer(pointer).unwrap_or(&Value::Null),
            &expected.into(),
            "{pointer} of {}",
            self.text
        );
        self
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Options::default(), CreationPolicy::default())
    }

    pub(crate) fn with(options: Options, policy: CreationPolicy) -> Self {
        Self::around(Arc::new(MemoryStore::new()), options, policy)
    }

    /// Everything in this store.
    pub(crate) fn around(store: Arc<MemoryStore>, options: Options, policy: CreationPolicy) -> Self {
        let tokens = store.clone();
        Self::put_together(store, &tokens, options, policy)
    }

    pub(crate) fn over<S>(store: Arc<S>, options: Options, policy: CreationPolicy) -> Self
    where
        S: RunReader + RunChanger + RunCreator + ActivityLog + ActivityWatch + 'static,
    {
        Self::put_together(store, &Arc::new(MemoryStore::new()), options, policy)
    }

    fn put_together<S>(store: Arc<S>, tokens: &Arc<MemoryStore>, options: Options, policy: CreationPolicy) -> Self
    where
        S: RunReader + RunChanger + RunCreator + ActivityLog + ActivityWatch + 'static,
    {
        let clock = Self::clock();
        let ports = Ports {
            reader: store.clone(),
            changer: store.clone(),
            creator: store.clone(),
            log: store.clone(),
            watch: store,
            ids: Arc::new(Counted::default()),
            ..Ports::of(tokens, clock.clone(), Arc::new(RandomIds::new().unwrap()))
        };
        let ledger = Arc::new(Ledger::new(ports, policy, Registry::new(1_000, true)));
        Self {
            router: router(ledger, options),
            clock,
        }
    }

    /// A clock that stands where every test begins.
    pub(crate) fn clock() -> Arc<Hand> {
        let start: Timestamp = START.parse().unwrap();
        Arc::new(Hand(AtomicI64::new(start.as_micros())))
    }

    /// Sends a request as it stands.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self
            .router
            .clone()
            .oneshot(request.body(body.into()).unwrap())
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        let is_json = |value: &axum::http::HeaderValue| value.to_str().unwrap().ends_with("json");
        let json = if !text.is_empty() && parts.headers.get("content-type").is_some_and(is_json) {
            serde_json::from_str(&text).unwrap()
        } else {
            Value::Null
        };
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text,
            json,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// Posts JSON as the orchestrator.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &ORCHESTRATOR, body.to_owned()).await
    }

    /// Posts JSON as the orchestrator in a named attempt.
    pub(crate) async fn attempt(&self, attempt: &str, path: &str, body: &str) -> Answer {
        let headers = [ORCHESTRATOR[0], ORCHESTRATOR[1], ("idempotency-key", attempt)];
        self.send("POST", path, &headers, body.to_owned()).await
    }

    /// Changes a record as the orchestrator.
    pub(crate) async fn patch(&self, path: &str, body: &str) -> Answer {
        self.send("PATCH", path, &ORCHESTRATOR, body.to_owned()).await
    }

    /// A job that is at work, with clients that are at work.
    pub(crate) async fn run(&self, run: &str, clients: &[&str]) {
        let body = format!(r#"{{"run_id":"{run}"}}"#);
        assert_eq!(self.post("/v1/runs", &body).await.status, 201);
        for client in clients {
            let body = format!(r#"{{"client_id":"{client}"}}"#);
            assert_eq!(self.post(&format!("/v1/runs/{run}/clients"), &body).await.status, 201);
        }
    }

    /// The keys of all records, with their versions.
    pub(crate) async fn records(&self) -> Vec<String> {
        let all = self.get("/v1/records?limit=1000").await;
        let record = |record: &Value| format!("{} v{}", record["key"].as_str().unwrap(), record["version"]);
        all.json["records"].as_array().unwrap().iter().map(record).collect()
    }

    /// The lines of the activity log.
    pub(crate) async fn lines(&self) -> Vec<Value> {
        let all = self.get("/v1/activity?limit=1000").await;
        all.json["activity"].as_array().unwrap().clone()
    }

    /// Sends what must be refused, and checks that it leaves one line that says so, and nothing else (I6, I11).
    pub(crate) async fn refused(
        &self,
        status: u16,
        code: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let (records, lines) = (self.records().await, self.lines().await.len());
        let answer = self.send(method, path, headers, body).await.check(status, code);
        assert_eq!(self.records().await, records, "{method} {path} changed a record");
        let after = self.lines().await;
        assert_eq!(
            after.len(),
            lines + 1,
            "{method} {path} left {} lines",
            after.len() - lines
        );
        let line = &after[lines];
        assert_eq!(
            (&line["outcome"], &line["reason"]),
            (&"refused".into(), &code.into()),
            "{line}"
        );
        answer
    }
}

/// The headers of the one who may create.
pub(crate) const ORCHESTRATOR: [(&str, &str); 2] = [
    ("runledger-source", "orchestrator"),
    ("content-type", "application/json"),
];
