//! Webhooks on the wire: how they are. Neither address nor secret is known here.

use runledger_app::{WebhookStatus, WebhookTest};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::time::Time;

/// How a webhook is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(crate) struct WebhookOut<'a> {
    /// Its name in the configuration.
    #[schema(example = "billing")]
    name: &'a str,
    /// `working`, `failing`, `disabled`, or `absent` when it is not configured where this was asked.
    #[schema(example = "working")]
    status: &'static str,
    /// All lines of the log up to this one were delivered, or are not wanted.
    position: u64,
    /// How many tries have failed since the last one that did not.
    failures: u64,
    /// When the first of them failed.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    failing_since: Option<Time>,
    /// Since when nothing is sent.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    disabled_at: Option<Time>,
    /// What the last failure was.
    #[schema(required)]
    last_error: Option<&'a str>,
}

impl<'a> WebhookOut<'a> {
    pub(crate) fn of(webhook: &'a WebhookStatus) -> Self {
        let state = &webhook.state;
        Self {
            name: webhook.name.as_str(),
            status: match (state.disabled_at, webhook.is_running, state.failures) {
                (Some(_), ..) => "disabled",
                (None, false, _) => "absent",
                (None, true, 0) => "working",
                (None, true, _) => "failing",
            },
            position: state.position,
            failures: state.failures,
            failing_since: state.failing_since.map(Time),
            disabled_at: state.disabled_at.map(Time),
            last_error: state.last_error.as_deref(),
        }
    }
}

/// What came of trying a webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookTest)]
pub(crate) struct WebhookTestOut<'a> {
    /// Its name in the configuration.
    #[schema(example = "billing")]
    name: &'a str,
    /// Whether the receiver took the event.
    taken: bool,
    /// What it answered, or why it did not, for people.
    #[schema(example = "answered 204")]
    answer: &'a str,
}

impl<'a> WebhookTestOut<'a> {
    pub(crate) fn of(test: &'a WebhookTest) -> Self {
        Self {
            name: test.name.as_str(),
            taken: test.is_taken,
            answer: &test.answer,
        }
    }
}

/// All webhooks, by their names.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookList<'a> {
    webhooks: Vec<WebhookOut<'a>>,
}

impl<'a> WebhookList<'a> {
    pub(crate) fn of(webhooks: &'a [WebhookStatus]) -> Self {
        Self {
            webhooks: webhooks.iter().map(WebhookOut::of).collect(),
        }
    }
}
