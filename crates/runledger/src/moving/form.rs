//! A ledger in a file: one JSON object a line. First what the file holds, then blocks of records and the lines of the log
//! that speak of them, then tokens and webhooks, then the end, without which the file is not whole.

use runledger_domain::access::TokenRecord;
use runledger_domain::activity::ChainHash;
use runledger_domain::{Activity, ChainHead, NewActivity, RunRecord, Subject, Timestamp, Verdict};
use runledger_ports::{DeliveryState, WebhookName};
use serde::{Deserialize, Serialize};

/// The newest form of the file that this program knows.
pub(super) const FORMAT: u32 = 1;

/// One line of the file.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Entry {
    /// What the file holds; the first line.
    Ledger(Holds),
    /// A block begins.
    Block(Block),
    /// A record of the block, as it stands.
    Record(Box<RunRecord>),
    /// A line of the log.
    Line(Box<Line>),
    /// A token; of its secret only the hash.
    Token(Box<TokenRecord>),
    /// How far the log was delivered to a webhook.
    Webhook(Webhook),
    /// The file is whole; the last line.
    End(End),
}

/// What a file holds: the lines of the log from one on to another.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Holds {
    pub(super) format: u32,
    pub(super) after: Place,
    pub(super) to: Place,
}

/// The place behind a line of the log.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) hash: String,
}

/// Records, then lines: what is taken over at once.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Block {
    pub(super) records: usize,
    pub(super) lines: usize,
    pub(super) to: Place,
}

/// How much the file held.
#[derive(Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    pub(super) records: u64,
    pub(super) lines: u64,
    pub(super) tokens: u64,
    pub(super) webhooks: u64,
}

/// A line of the log.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    seq: u64,
    at: Timestamp,
    action: String,
    source: String,
    run: String,
    client: String,
    verdict: String,
    code: String,
    version: Option<u64>,
    detail: String,
    hash: String,
}

/// How the deliveries of a webhook stand.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    name: String,
    position: u64,
    failures: u64,
    failing_since: Option<Timestamp>,
    disabled_at: Option<Timestamp>,
    last_error: Option<String>,
}

/// A part of a line of the file cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("its {0} cannot be read")]
pub(super) struct Unreadable(&'static str);

impl From<ChainHead> for Place {
    fn from(head: ChainHead) -> Self {
        Self {
            line: head.seq,
            hash: head.hash.to_string(),
        }
    }
}

impl TryFrom<&Place> for ChainHead {
    type Error = Unreadable;

    fn try_from(place: &Place) -> Result<Self, Self::Error> {
        Ok(Self {
            seq: place.line,
            hash: hash(&place.hash)?,
        })
    }
}

fn hash(text: &str) -> Result<ChainHash, Unreadable> {
    text.parse().map_err(|_| Unreadable("hash"))
}

impl From<&Activity> for Line {
    fn from(activity: &Activity) -> Self {
        let line = &activity.line;
        Self {
            seq: activity.seq,
            at: line.at,
            action: line.action.to_string(),
            source: line.source.clone(),
            run: line.subject.run.clone(),
            client: line.subject.client.clone(),
            verdict: line.verdict.as_str().to_owned(),
            code: line.verdict.code().to_owned(),
            version: line.version,
            detail: line.detail.clone(),
            hash: activity.hash.to_string(),
        }
    }
}

impl TryFrom<Line> for Activity {
    type Error = Unreadable;

    fn try_from(line: Line) -> Result<Self, Self::Error> {
        Ok(Self {
            seq: line.seq,
            hash: hash(&line.hash)?,
            line: NewActivity {
                at: line.at,
                action: line.action.parse().map_err(|_| Unreadable("action"))?,
                source: line.source,
                subject: Subject {
                    run: line.run,
                    client: line.client,
                },
                verdict: Verdict::from_words(&line.verdict, &line.code).ok_or(Unreadable("verdict"))?,
                version: line.version,
                detail: line.detail,
            },
        })
    }
}

impl From<(WebhookName, DeliveryState)> for Webhook {
    fn from((name, state): (WebhookName, DeliveryState)) -> Self {
        Self {
            name: name.as_str().to_owned(),
            position: state.position,
            failures: state.failures,
            failing_since: state.failing_since,
            disabled_at: state.disabled_at,
            last_error: state.last_error,
        }
    }
}

impl TryFrom<Webhook> for (WebhookName, DeliveryState) {
    type Error = Unreadable;

    fn try_from(webhook: Webhook) -> Result<Self, Self::Error> {
        let name = webhook.name.parse().map_err(|_| Unreadable("name"))?;
        let state = DeliveryState {
            position: webhook.position,
            failures: webhook.failures,
            failing_since: webhook.failing_since,
            disabled_at: webhook.disabled_at,
            last_error: webhook.last_error,
        };
        Ok((name, state))
    }
}
