//! The gateway over the memory store: what clients of Airtable's API send to it, and what they are answered.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets an error it does not expect ends there"
)]

#[cfg(test)]
mod changing;
#[cfg(test)]
mod creating;
#[cfg(test)]
mod handing_on;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod older;
#[cfg(test)]
mod overtaken;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use runledger_app::system::{RandomIds, SystemClock};
use runledger_app::{Gateway as _, GatewayAnswer, GatewayRequest, Ledger, Ports, Registry};
use runledger_domain::access::{Access, Grant, Scope};
use runledger_domain::{CreationPolicy, RecordKind, Verdict};
use runledger_legacy::{AirtableGateway, Deletes, RunTable, RunTableSpec};
use runledger_memory::MemoryStore;
use runledger_ports::{ActivityFilter, PageSize, RunChanger, Upstream, UpstreamAnswer, UpstreamError, UpstreamRequest};
use serde_json::Value;

const BASE: &str = "appGateway0000001";
const JOBS: &str = "/v0/appGateway0000001/tblJobs0000000001";
const CLIENTS: &str = "/v0/appGateway0000001/tblClients0000001";

/// An Airtable that answers what it is told to, and takes down what it is asked.
#[derive(Debug, Default)]
struct Played {
    answer: Mutex<Option<Result<UpstreamAnswer, UpstreamError>>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Upstream for Played {
    async fn send(&self, request: UpstreamRequest<'_>) -> Result<UpstreamAnswer, UpstreamError> {
        let UpstreamRequest {
            method,
            target,
            base,
            content_type,
            body,
        } = request;
        let line = format!(
            "{method} {target} {base:?} {content_type:?} {}",
            String::from_utf8_lossy(body)
        );
        self.asked.lock().unwrap().push(line);
        self.answer.lock().unwrap().clone().unwrap()
    }
}

/// A ledger, the gateway before it, and who asks.
struct World {
    ledger: Ledger,
    gateway: AirtableGateway,
    upstream: Arc<Played>,
    access: Access,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// A world whose table of clients is made like this.
    fn with(change: impl Fn(&mut RunTableSpec)) -> Self {
        let store = Arc::new(MemoryStore::new());
        Self::over(&store, store.clone(), change)
    }

    /// The same over this store, with changes that go through something before it.
    fn over(store: &Arc<MemoryStore>, changer: Arc<dyn RunChanger>, change: impl Fn(&mut RunTableSpec)) -> Self {
        let ports = Ports {
            changer,
            ..Ports::of(store, Arc::new(SystemClock), Arc::new(RandomIds::new().unwrap()))
        };
        let jobs = RunTableSpec {
            names: vec!["Job Tracking".into()],
            ..RunTableSpec::new(RecordKind::Job, BASE, "tblJobs0000000001")
        };
        let mut clients = RunTableSpec {
            names: vec!["Client Run Results".into()],
            ..RunTableSpec::new(RecordKind::Client, BASE, "tblClients0000001")
        };
        change(&mut clients);
        let tables = [jobs, clients].map(|spec| RunTable::new(spec).unwrap());
        let upstream = Arc::new(Played::default());
        Self {
            ledger: Ledger::new(ports, CreationPolicy::default(), Registry::new(1_000, true)),
            gateway: AirtableGateway::new(tables.into(), Some(upstream.clone())).unwrap(),
            upstream,
            access: token("orchestrator", &[Scope::Create, Scope::Change, Scope::Read]),
        }
    }

    /// A world in which the run `250925-231841` has a job record and a record of `acme`.
    async fn begun() -> Self {
        Self::new().begin().await
    }

    /// The same of a world that is there.
    async fn begin(self) -> Self {
        let world = self;
        world
            .post(JOBS, r#"{"fields":{"Run ID":"250925-231841","Stream":1}}"#)
            .await
            .ok();
        let client = r#"{"fields":{"Run ID":"250925-231841","Client ID":"acme","Client Name":"Acme Ltd"}}"#;
        world.post(CLIENTS, client).await.ok();
        world
    }

    async fn ask(&self, method: &str, target: &str, body: &str) -> Said {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let request = GatewayRequest {
            method,
            path,
            query,
            content_type: Some("application/json"),
            body: body.as_bytes(),
            access: &self.access,
        };
        Said(self.gateway.answer(&self.ledger, request).await)
    }

    async fn post(&self, target: &str, body: &str) -> Said {
        self.ask("POST", target, body).await
    }

    async fn patch(&self, target: &str, body: &str) -> Said {
        self.ask("PATCH", target, body).await
    }

    async fn get(&self, target: &str) -> Said {
        self.ask("GET", target, "").await
    }

    /// The ids and the values of one column of a list with this query.
    async fn listed(&self, target: &str, column: &str) -> Vec<String> {
        let page = self.get(target).await.ok();
        let rows = page["records"].as_array().unwrap();
        rows.iter()
            .map(|row| match &row["fields"][column] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
            .collect()
    }

    /// A request that is refused like this; it leaves one line, and creates and removes nothing.
    async fn refused(&self, method: &str, target: &str, body: &str, status: u16, word: &str) -> String {
        let (records, lines) = (self.records().await, self.lines().await.len());
        let message = self.ask(method, target, body).await.refused(status, word);
        assert_eq!(self.records().await, records, "{method} {target} {body}");
        assert_eq!(self.lines().await.len(), lines + 1, "{method} {target} {body}");
        message
    }

    async fn lines(&self) -> Vec<String> {
        let filter = ActivityFilter::default();
        let page = self.ledger.runs.activity(&filter, None, PageSize::new(1_000).unwrap());
        let line = |line: &runledger_domain::Activity| {
            let line = &line.line;
            format!(
                "{} {} {}/{} {}",
                line.action,
                line.source,
                line.subject.run,
                line.subject.client,
                match &line.verdict {
                    Verdict::Refused(code) => code,
                    other => other.as_str(),
                }
            )
        };
        page.await.unwrap().lines.iter().map(line).collect()
    }

    async fn records(&self) -> u64 {
        self.ledger.runs.counts().await.unwrap().records.values().sum()
    }
}

/// An answer.
#[derive(Debug)]
struct Said(GatewayAnswer);

impl Said {
    fn json(&self) -> Value {
        assert!(
            !self.0.body.is_empty() && self.0.content_type.starts_with("application/json"),
            "{:?}",
            self.0
        );
        serde_json::from_slice(&self.0.body).unwrap()
    }

    /// It must be a success.
    fn ok(self) -> Value {
        assert_eq!(self.0.status, 200, "{}", String::from_utf8_lossy(&self.0.body));
        self.json()
    }

    /// It must be this refusal; answers its message.
    fn refused(self, status: u16, word: &str) -> String {
        let json = self.json();
        assert_eq!(
            (self.0.status, json["error"]["type"].as_str()),
            (status, Some(word)),
            "{json}"
        );
        json["error"]["message"].as_str().unwrap().to_owned()
    }
}

fn token(source: &str, scopes: &[Scope]) -> Access {
    Access::Granted(Grant::new([source.parse().unwrap()], scopes.iter().copied()).unwrap())
}

fn limited(source: &str, scopes: &[Scope], client: &str) -> Access {
    let grant = Grant::new([source.parse().unwrap()], scopes.iter().copied()).unwrap();
    Access::Granted(grant.limited_to([client.parse().unwrap()]).unwrap())
}

/// A formula as a query.
fn filter(table: &str, formula: &str) -> String {
    let formula: String = form_urlencoded::byte_serialize(formula.as_bytes()).collect();
    format!("{table}?filterByFormula={formula}")
}

/// The tables with this setting for deletions.
fn deleting(deletes: Deletes) -> impl Fn(&mut RunTableSpec) {
    move |spec| spec.deletes = deletes
}
