//! A line as a `CloudEvents` 1.0 event, structured as JSON.

use runledger_domain::{Activity, Timestamp};
use serde::Serialize;

/// The content type.
pub(crate) const CONTENT_TYPE: &str = "application/cloudevents+json";

/// One event.
#[derive(Debug, Serialize)]
pub(crate) struct CloudEvent<'a, D> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    time: String,
    datacontenttype: &'static str,
    data: D,
}

/// A line as `/v1/activity` shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    seq: u64,
    at: String,
    action: &'static str,
    source: Option<&'a str>,
    run_id: Option<&'a str>,
    client_id: Option<&'a str>,
    outcome: &'static str,
    reason: Option<&'a str>,
    version: Option<u64>,
    detail: Option<&'a str>,
    hash: String,
}

impl<'a> CloudEvent<'a, Line<'a>> {
    pub(crate) fn of(id: &'a str, source: &'a str, activity: &'a Activity) -> Self {
        let line = &activity.line;
        let (run, client) = (line.subject.run.as_str(), line.subject.client.as_str());
        let subject = match (run, client) {
            ("", _) => None,
            (run, "") => Some(run.to_owned()),
            (run, client) => Some(format!("{run}/{client}")),
        };
        Self {
            specversion: "1.0",
            id,
            source,
            r#type: format!("runledger.{}", line.action),
            subject,
            time: line.at.to_string(),
            datacontenttype: "application/json",
            data: Line {
                seq: activity.seq,
                at: line.at.to_string(),
                action: line.action.as_str(),
                source: unless_empty(&line.source),
                run_id: unless_empty(run),
                client_id: unless_empty(client),
                outcome: line.verdict.as_str(),
                reason: unless_empty(line.verdict.code()),
                version: line.version,
                detail: unless_empty(&line.detail),
                hash: activity.hash.to_string(),
            },
        }
    }
}

/// What an event holds that is sent to try a webhook.
#[derive(Debug, Serialize)]
pub(crate) struct Test {
    message: &'static str,
}

impl<'a> CloudEvent<'a, Test> {
    /// An event that is about nothing.
    pub(crate) fn test(id: &'a str, source: &'a str, now: Timestamp) -> Self {
        Self {
            specversion: "1.0",
            id,
            source,
            r#type: "runledger.test".into(),
            subject: None,
            time: now.to_string(),
            datacontenttype: "application/json",
            data: Test {
                message: "this event tries the webhook; it is no line of the log",
            },
        }
    }
}

fn unless_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
