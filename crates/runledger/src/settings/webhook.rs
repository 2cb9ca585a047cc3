//! `[[webhooks]]`: the receivers of the log.

use std::collections::BTreeSet;

use runledger_app::{EventFilter, Refused};
use runledger_domain::{Action, ClientId, RunId};
use runledger_ports::WebhookName;
use runledger_webhook::{Endpoint, Format, SigningSecret, WebhookOptions};
use serde::{Deserialize, Serialize};

use super::Span;
use super::words::{WebhookFormat, WebhookRefused};
use crate::failure::{Failure, Outcome};
use crate::server_file::Secret;

/// The longest time that one try may take.
const TIMEOUT_MAX: Span = Span::from_secs(60);
/// The longest namespace, in bytes.
const NAMESPACE_MAX: usize = 256;

/// One receiver of the log.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookSettings {
    /// What it is called in lists and in the log.
    pub(crate) name: String,
    /// Where it leads. It may hold a secret.
    pub(crate) url: Secret,
    /// What deliveries are signed with.
    pub(crate) secret: Secret,
    /// What a line looks like.
    #[serde(default = "cloud_events")]
    pub(crate) format: WebhookFormat,
    /// Which ledger this is, for the receiver.
    #[serde(default = "namespace")]
    pub(crate) namespace: String,
    /// Only lines about this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<String>,
    /// Only lines about this client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<String>,
    /// Only lines of this action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) action: Option<String>,
    /// What to do with refused attempts.
    #[serde(default = "without")]
    pub(crate) refused: WebhookRefused,
    /// Whether it may lead to an address that is not of the Internet.
    #[serde(default)]
    pub(crate) allow_private: bool,
    /// How long one try may take.
    #[serde(default = "timeout")]
    pub(crate) timeout: Span,
}

fn cloud_events() -> WebhookFormat {
    WebhookFormat::CloudEvents
}

fn without() -> WebhookRefused {
    WebhookRefused::Without
}

fn namespace() -> String {
    "runledger".into()
}

fn timeout() -> Span {
    Span::from_secs(10)
}

/// A webhook whose settings were understood.
#[derive(Debug)]
pub(crate) struct ConfiguredWebhook {
    pub(crate) name: WebhookName,
    pub(crate) filter: EventFilter,
    pub(crate) options: WebhookOptions,
}

impl WebhookSettings {
    /// What the settings come to.
    pub(crate) fn read(&self) -> Outcome<ConfiguredWebhook> {
        let name: WebhookName = part(&self.name, "name", &self.name)?;
        let endpoint: Endpoint = part(&self.name, "url", &self.url.0)?;
        let secret: SigningSecret = part(&self.name, "secret", &self.secret.0)?;
        let optional = |key: &'static str, text: &Option<String>| (key, text.clone());
        let (run, client, action) = (
            optional("run", &self.run),
            optional("client", &self.client),
            optional("action", &self.action),
        );
        let filter = EventFilter {
            run: run.1.map(|text| part::<RunId>(&self.name, run.0, &text)).transpose()?,
            client: client
                .1
                .map(|text| part::<ClientId>(&self.name, client.0, &text))
                .transpose()?,
            action: action
                .1
                .map(|text| part::<Action>(&self.name, action.0, &text))
                .transpose()?,
            refused: match self.refused {
                WebhookRefused::Without => Refused::Without,
                WebhookRefused::With => Refused::With,
                WebhookRefused::Only => Refused::Only,
            },
            within: None,
        };
        if self.timeout.as_secs() == 0 || self.timeout > TIMEOUT_MAX {
            return Err(unfit(&self.name, "timeout", format_args!("give 1s to {TIMEOUT_MAX}")));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/".contains(c);
        if self.namespace.is_empty() || self.namespace.len() > NAMESPACE_MAX || !self.namespace.chars().all(plain) {
            let allowed = "give letters, digits and -._~:/, such as https://ledger.example";
            return Err(unfit(&self.name, "namespace", allowed));
        }
        Ok(ConfiguredWebhook {
            name,
            filter,
            options: WebhookOptions {
                endpoint,
                secret,
                format: match self.format {
                    WebhookFormat::CloudEvents => Format::CloudEvents,
                    WebhookFormat::OpenLineage => Format::OpenLineage,
                },
                namespace: self.namespace.clone(),
                allow_private: self.allow_private,
                timeout: self.timeout.duration(),
            },
        })
    }
}

/// All webhooks, understood; each name once.
pub(super) fn read_all(webhooks: &[WebhookSettings]) -> Outcome<Vec<ConfiguredWebhook>> {
    let webhooks: Vec<_> = webhooks.iter().map(WebhookSettings::read).collect::<Outcome<_>>()?;
    let mut names = BTreeSet::new();
    for webhook in &webhooks {
        if !names.insert(&webhook.name) {
            return Err(
                Failure::usage(format_args!("there are two webhooks called {}", webhook.name))
                    .advise("a webhook keeps its place in the log by its name; give each its own"),
            );
        }
    }
    Ok(webhooks)
}

fn part<T: std::str::FromStr<Err: std::fmt::Display>>(webhook: &str, key: &str, text: &str) -> Outcome<T> {
    text.parse().map_err(|error: T::Err| unfit(webhook, key, error))
}

fn unfit(webhook: &str, key: &str, why: impl std::fmt::Display) -> Failure {
    Failure::usage(format_args!("{key} of the webhook {webhook:?} does not fit: {why}"))
        .advise("docs/webhooks.md says what each key takes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook() -> WebhookSettings {
        WebhookSettings {
            name: "billing".into(),
            url: Secret("https://hooks.example/s3cret".into()),
            secret: Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()),
            format: cloud_events(),
            namespace: namespace(),
            run: None,
            client: Some("acme".into()),
            action: Some("complete".into()),
            refused: without(),
            allow_private: false,
            timeout: timeout(),
        }
    }

    #[test]
    fn settings_are_understood_and_hide_what_is_secret() {
        let read = webhook().read().unwrap();
        assert_eq!(read.filter.action, Some(Action::Complete));
        let shown = format!("{:?} {read:?}", webhook());
        assert!(!shown.contains("s3cret") && !shown.contains("MfKQ"), "{shown}");
    }

    #[test]
    fn what_does_not_fit_is_named_and_no_secret_is_quoted() {
        let check = |key: &str, change: fn(&mut WebhookSettings)| {
            let mut webhook = webhook();
            change(&mut webhook);
            let failure = webhook.read().unwrap_err().for_people();
            assert!(failure.contains(&format!("{key} of the webhook")), "{failure}");
            assert!(!failure.contains("s3cret"), "{failure}");
        };
        check("name", |webhook| webhook.name = "a b".into());
        check("url", |webhook| webhook.url = Secret("ftp://x/s3cret".into()));
        check("url", |webhook| webhook.url = Secret("https://u:s3cret@x/".into()));
        check("secret", |webhook| webhook.secret = Secret("s3cret".into()));
        check("client", |webhook| webhook.client = Some("a b".into()));
        check("action", |webhook| webhook.action = Some("delete".into()));
        check("timeout", |webhook| webhook.timeout = Span::from_secs(61));
        check("namespace", |webhook| webhook.namespace = "a b".into());
        let twice = read_all(&[webhook(), webhook()]).unwrap_err();
        assert!(twice.for_people().contains("two webhooks called billing"));
    }
}
