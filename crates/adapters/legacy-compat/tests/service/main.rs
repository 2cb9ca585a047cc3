//! The contract of the older functions, case by case, over the memory store.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets an error it does not expect ends there"
)]

#[cfg(test)]
mod changing;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod creating;
#[cfg(test)]
mod reading;

use std::sync::Arc;

use runledger_app::system::{RandomIds, SystemClock};
use runledger_app::{FunctionCall, FunctionError, Functions as _, Ledger, Ports, Registry};
use runledger_domain::CreationPolicy;
use runledger_domain::access::{Access, Grant, Scope};
use runledger_legacy::LegacyService;
use runledger_memory::MemoryStore;
use runledger_ports::{ActivityFilter, PageSize};
use serde_json::Value;

/// A ledger, the functions over it, and who asks.
struct World {
    ledger: Ledger,
    service: LegacyService,
    access: Access,
}

impl World {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let ports = Ports::of(&store, Arc::new(SystemClock), Arc::new(RandomIds::new().unwrap()));
        Self {
            ledger: Ledger::new(ports, CreationPolicy::default(), Registry::new(1_000, true)),
            service: LegacyService::new(),
            access: Access::Unlimited,
        }
    }

    /// A world in which the run `250925-231841` has a job record and a record of `acme`.
    async fn begun() -> Self {
        let world = Self::new();
        world
            .done("createJobRecord", r#"["250925-231841",1,{"source":"orchestrator"}]"#)
            .await;
        let client = r#"["250925-231841","acme","Acme Ltd",{"source":"smart_resume_workflow"}]"#;
        world.done("createClientRunRecord", client).await;
        world
    }

    async fn call(&self, function: &str, arguments: &str, key: Option<&str>) -> Result<Value, FunctionError> {
        let call = FunctionCall {
            function,
            access: &self.access,
            source: None,
            idempotency_key: key,
            arguments: arguments.as_bytes(),
        };
        let answer = self.service.call(&self.ledger, call).await?;
        Ok(serde_json::from_str(&answer.json).unwrap())
    }

    async fn done(&self, function: &str, arguments: &str) -> Value {
        self.call(function, arguments, None).await.unwrap()
    }

    /// A call that is refused with this code and a text that holds these words; it leaves one line, or none if it reads.
    async fn refused(&self, function: &str, arguments: &str, code: &str, words: &str) {
        let (records, lines) = (self.records().await, self.lines().await);
        let error = self.call(function, arguments, None).await.unwrap_err();
        assert_eq!(error.code, code, "{function} {arguments}: {error}");
        assert!(error.detail.contains(words), "{function} {arguments}: {error}");
        assert_eq!(
            self.records().await,
            records,
            "{function} {arguments} created or removed a record"
        );
        let writes = matches!(
            self.service.kind(function),
            Some(runledger_app::FunctionKind::Writes(_))
        );
        let after = self.lines().await;
        assert_eq!(after.len(), lines.len() + usize::from(writes), "{function} {arguments}");
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
                line.verdict.code()
            )
        };
        page.await.unwrap().lines.iter().map(line).collect()
    }

    async fn records(&self) -> u64 {
        self.ledger.runs.counts().await.unwrap().records.values().sum()
    }
}

fn granted(source: &str, scopes: &[Scope], clients: &[&str]) -> Access {
    let grant = Grant::new([source.parse().unwrap()], scopes.iter().copied()).unwrap();
    Access::Granted(
        grant
            .limited_to(clients.iter().map(|client| client.parse().unwrap()))
            .unwrap(),
    )
}
