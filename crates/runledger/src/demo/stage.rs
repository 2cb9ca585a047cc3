//! What the script plays on: requests of the API, each printed with who asked, what for, and what came of it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use runledger_app::Ledger;
use serde_json::Value;

use super::clock::DemoClock;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::transport::{Answer, Request, Transport};
use crate::view::short;

/// How long a line stays alone on a terminal.
const PAUSE: Duration = Duration::from_millis(70);

/// The throw-away ledger, its clock and the terminal.
pub(super) struct Stage<'a> {
    pub(super) transport: Transport,
    pub(super) ledger: Arc<Ledger>,
    pub(super) clock: Arc<DemoClock>,
    pub(super) output: &'a Output,
}

/// One thing that somebody asks for.
pub(super) struct Ask<'a> {
    /// Who.
    pub(super) source: &'a str,
    /// What, in words.
    pub(super) what: String,
    /// What, as a request.
    pub(super) method: Method,
    /// On what.
    pub(super) parts: &'a [&'a str],
    /// With what.
    pub(super) body: Option<Value>,
    /// In which attempt.
    pub(super) attempt: Option<&'a str>,
}

impl Stage<'_> {
    /// Begins a chapter.
    pub(super) async fn chapter(&self, title: &str) -> Outcome {
        let now = short(&self.ledger.runs.now().to_string());
        self.say(&format!("\n{now}  {title}")).await
    }

    /// Says something between the requests.
    pub(super) async fn say(&self, text: &str) -> Outcome {
        self.output.line(text)?;
        if self.output.is_watched() {
            self.output.flush()?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Asks, and prints what came of it. The answer must have the status that the script expects.
    pub(super) async fn ask(&self, ask: Ask<'_>, expected: u16) -> Outcome<Answer> {
        let mut request = Request::new(ask.method, ask.parts)?
            .header("Runledger-Source", Some(ask.source))?
            .header("Idempotency-Key", ask.attempt)?;
        if let Some(body) = ask.body {
            request = request.body(body);
        }
        let answer = self.transport.send(&request).await?;
        self.say(&format!("  {:<18} {:<50} {}", ask.source, ask.what, verdict(&answer)))
            .await?;
        if answer.status.as_u16() == expected {
            return Ok(answer);
        }
        Err(Failure::new(
            Exit::Fault,
            format_args!(
                "the demo expected {expected} here, not {}: {}",
                answer.status,
                answer.text()
            ),
        ))
    }
}

/// The answer in a few words; for a refusal, why.
fn verdict(answer: &Answer) -> String {
    let status = answer.status.as_u16();
    if answer.is_replayed() {
        return format!("{status} done before, nothing happens twice");
    }
    match status {
        201 => "201 created".into(),
        200 => "200 done".into(),
        _ => {
            let problem: Value = serde_json::from_str(&answer.text()).unwrap_or_default();
            let word = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            format!(
                "{status} REFUSED ({})\n                     {}",
                word("code"),
                word("detail")
            )
        }
    }
}
