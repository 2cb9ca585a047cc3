//! A line as an `OpenLineage` run event.

use std::fmt::Write as _;

use runledger_domain::{Action, Activity, Outcome, Timestamp, Verdict};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The content type.
pub(crate) const CONTENT_TYPE: &str = "application/json";
const SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const PRODUCER: &str = concat!("urn:runledger:", env!("CARGO_PKG_VERSION"));

/// One event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunEvent<'a> {
    event_type: &'static str,
    event_time: String,
    run: Run,
    job: Job<'a>,
    producer: &'static str,
    #[serde(rename = "schemaURL")]
    schema_url: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    run_id: String,
}

#[derive(Debug, Serialize)]
struct Job<'a> {
    namespace: &'a str,
    name: String,
}

/// Whether a line is about a record that came to be or changed: nothing else is a run event.
pub(crate) fn is_run_event(activity: &Activity) -> bool {
    let line = &activity.line;
    matches!(line.verdict, Verdict::Created | Verdict::Changed)
        && !matches!(
            line.action,
            Action::CreateToken | Action::EndToken | Action::EnableWebhook
        )
}

impl<'a> RunEvent<'a> {
    pub(crate) fn of(namespace: &'a str, activity: &Activity) -> Self {
        let line = &activity.line;
        let (run, client) = (line.subject.run.as_str(), line.subject.client.as_str());
        Self {
            event_type: event_type(activity),
            event_time: line.at.to_string(),
            run: Run {
                run_id: run_uuid(namespace, run, client),
            },
            job: Job {
                namespace,
                name: if client.is_empty() {
                    "job".into()
                } else {
                    format!("client.{client}")
                },
            },
            producer: PRODUCER,
            schema_url: SCHEMA,
        }
    }

    /// An event that is about no run.
    pub(crate) fn test(namespace: &'a str, now: Timestamp) -> Self {
        Self {
            event_type: "OTHER",
            event_time: now.to_string(),
            run: Run {
                run_id: run_uuid(namespace, "", "test"),
            },
            job: Job {
                namespace,
                name: "webhook.test".into(),
            },
            producer: PRODUCER,
            schema_url: SCHEMA,
        }
    }
}

/// What a change means for the run. An imported record has no life cycle here: it is what is known of it.
fn event_type(activity: &Activity) -> &'static str {
    match activity.line.action {
        Action::Create => "START",
        Action::Complete => match outcome(&activity.line.detail) {
            Some(Outcome::Succeeded | Outcome::SucceededWithErrors) => "COMPLETE",
            Some(Outcome::Failed | Outcome::Lost) => "FAIL",
            Some(Outcome::Skipped | Outcome::Cancelled) => "ABORT",
            None => "OTHER",
        },
        Action::DeclareLost => "FAIL",
        Action::Update | Action::StartStage | Action::FinishStage | Action::Heartbeat => "RUNNING",
        Action::Import
        | Action::CreateToken
        | Action::EndToken
        | Action::EnableWebhook
        | Action::TestWebhook
        | Action::RetryRow
        | Action::ResumeProjection
        | Action::RepairRow
        | Action::RemoveRows
        | Action::AdoptRows => "OTHER",
    }
}

/// The outcome with which the line of an end begins.
fn outcome(detail: &str) -> Option<Outcome> {
    let word = detail.split([';', ':']).next()?;
    word.parse().ok()
}

/// A UUID (version 8) that is the same for the same record, whoever computes it.
fn run_uuid(namespace: &str, run: &str, client: &str) -> String {
    let mut hash = Sha256::new();
    for part in [namespace, run, client] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut bytes: [u8; 32] = hash.finalize().into();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (place, byte) in bytes.iter().take(16).enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use runledger_domain::{ChainHash, NewActivity, Subject, Timestamp};
    use serde_json::json;

    use super::*;

    fn line(action: Action, verdict: Verdict, client: &str, detail: &str) -> Activity {
        Activity {
            seq: 1,
            line: NewActivity {
                at: Timestamp::EPOCH,
                action,
                source: "orchestrator".into(),
                subject: Subject {
                    run: "r1".into(),
                    client: client.into(),
                },
                verdict,
                version: Some(1),
                detail: detail.into(),
            },
            hash: ChainHash::GENESIS,
        }
    }

    #[test]
    fn a_run_event_has_the_fields_that_the_specification_requires() {
        let created = line(Action::Create, Verdict::Created, "acme", "");
        let event = serde_json::to_value(RunEvent::of("ledger", &created)).unwrap();
        assert_eq!(
            event,
            json!({
                "eventType": "START",
                "eventTime": "1970-01-01T00:00:00.000Z",
                "run": {"runId": run_uuid("ledger", "r1", "acme")},
                "job": {"namespace": "ledger", "name": "client.acme"},
                "producer": PRODUCER,
                "schemaURL": SCHEMA,
            })
        );
    }

    #[test]
    fn each_end_is_told_from_the_others() {
        for (detail, expected) in [
            ("succeeded", "COMPLETE"),
            ("succeeded_with_errors; closed as cancelled: stages a", "COMPLETE"),
            ("failed", "FAIL"),
            ("lost", "FAIL"),
            ("skipped", "ABORT"),
            ("cancelled: closed with its job", "ABORT"),
            ("cancelled; closed with its job", "ABORT"),
        ] {
            let end = line(Action::Complete, Verdict::Changed, "", detail);
            assert_eq!(event_type(&end), expected, "{detail}");
        }
        let beat = line(Action::Heartbeat, Verdict::Changed, "", "");
        assert_eq!(event_type(&beat), "RUNNING");
        assert_eq!(event_type(&line(Action::DeclareLost, Verdict::Changed, "", "")), "FAIL");
    }

    #[test]
    fn only_changes_of_records_are_run_events() {
        assert!(is_run_event(&line(Action::Create, Verdict::Created, "", "")));
        for other in [
            line(Action::Create, Verdict::Replayed, "", ""),
            line(Action::Update, Verdict::Refused("not_found".into()), "", ""),
            line(Action::CreateToken, Verdict::Created, "", ""),
        ] {
            assert!(!is_run_event(&other), "{other:?}");
        }
    }

    #[test]
    fn a_run_id_is_a_uuid_that_stays_and_is_nobody_elses() {
        let uuid = run_uuid("a", "b", "");
        assert_eq!(uuid, run_uuid("a", "b", ""));
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "8"));
        assert!(matches!(&uuid[19..20], "8" | "9" | "a" | "b"));
        for other in [run_uuid("ab", "", ""), run_uuid("", "ab", ""), run_uuid("a", "", "b")] {
            assert_ne!(uuid, other);
        }
    }
}
