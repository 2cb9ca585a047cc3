//! Webhooks: the activity log, sent line by line to receivers.
//!
//! Each webhook has its own place in the log, which is durable and moves on only when the receiver has taken a line: so
//! every line arrives at least once, in order, whatever ends in between. One that fails or hangs keeps nobody waiting: it
//! works in a task of its own and holds nothing but its place (I12).

mod backoff;
mod delivery;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use runledger_domain::{Action, NewActivity, Source, Subject, Timestamp, Verdict};
use runledger_ports::{DeliveryState, DeliveryStore, Duty, EventSender, Unavailable, WebhookName};
use tokio::sync::watch;

use crate::duties::{Duties, Terms};
use crate::events::{EventFilter, Events};
use crate::shared::Shared;
use crate::stats::{Effect, Operation};

/// One receiver of the log.
pub struct Webhook {
    /// Its name.
    pub name: WebhookName,
    /// The lines that it gets.
    pub filter: EventFilter,
    /// The way to it.
    pub sender: Arc<dyn EventSender>,
}

/// How a webhook is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebhookStatus {
    /// Its name.
    pub name: WebhookName,
    /// How its deliveries stand.
    pub state: DeliveryState,
    /// Whether this process knows the way to it, and delivers to it while that is its duty.
    pub is_running: bool,
    /// How many lines this process delivered.
    pub delivered: u64,
    /// How many tries of this process failed.
    pub failed: u64,
}

/// What came of enabling a webhook.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebhookEnabled {
    /// How it is now.
    pub status: WebhookStatus,
    /// Whether it was disabled: otherwise nothing has changed.
    pub was_disabled: bool,
}

/// Why a webhook was not enabled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// There is none of this name.
    #[error("there is no webhook {name}; `runledger webhook list` shows those that there are")]
    Missing {
        /// The name.
        name: WebhookName,
    },
    /// This process knows no way to one of this name.
    #[error("nothing is delivered to a webhook {name} here; only the server whose configuration names it can try it")]
    NotRunning {
        /// The name.
        name: WebhookName,
    },
    /// The store cannot say.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What came of trying a webhook.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebhookTest {
    /// Its name.
    pub name: WebhookName,
    /// Whether the receiver took the event.
    pub is_taken: bool,
    /// What it answered, or why it did not, in words and without secrets.
    pub answer: String,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    delivered: u64,
    failed: u64,
}

/// A webhook that this process knows the way to.
struct Running {
    sender: Arc<dyn EventSender>,
    counts: Counts,
}

/// Delivers the activity log, and says how that goes.
pub struct Webhooks {
    shared: Arc<Shared>,
    events: Arc<Events>,
    store: Arc<dyn DeliveryStore>,
    running: Mutex<BTreeMap<WebhookName, Running>>,
    /// Grows whenever a webhook is enabled.
    enabled: watch::Sender<u64>,
}

impl Webhooks {
    pub(crate) fn new(shared: Arc<Shared>, events: Arc<Events>, store: Arc<dyn DeliveryStore>) -> Self {
        Self {
            shared,
            events,
            store,
            running: Mutex::default(),
            enabled: watch::Sender::new(0),
        }
    }

    /// Delivers to one webhook whenever that is this server's [duty](Duty::Deliver), until `stop` is true. Meant for a task
    /// of its own, one for each name.
    pub async fn deliver(&self, duties: &Duties, terms: &Terms, webhook: Webhook, stop: watch::Receiver<bool>) {
        let running = Running {
            sender: Arc::clone(&webhook.sender),
            counts: Counts::default(),
        };
        self.running().insert(webhook.name.clone(), running);
        let duty = Duty::Deliver(webhook.name.clone());
        let work = |lease| delivery::work(self, &webhook, lease);
        duties.perform(terms, &duty, stop, work).await;
        self.running().remove(&webhook.name);
    }

    /// All webhooks that this process knows the way to, or that some process delivered to, by their names.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    pub async fn list(&self) -> Result<Vec<WebhookStatus>, Unavailable> {
        let mut states: BTreeMap<_, _> = self.store.deliveries().await?.into_iter().collect();
        let running: Vec<_> = self.running().keys().cloned().collect();
        let names: BTreeSet<_> = states.keys().cloned().chain(running).collect();
        let shown = |name: WebhookName| {
            let state = states.remove(&name).unwrap_or_default();
            self.status(name, state)
        };
        Ok(names.into_iter().map(shown).collect())
    }

    /// Lets a webhook that was disabled go on where it was, and has one that waits tried at once. Either way the log has a
    /// line of it (I6).
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn enable(&self, by: &Source, name: &WebhookName) -> Result<WebhookEnabled, WebhookError> {
        let Some(stood) = self.store.enable_delivery(name, by, self.now()).await? else {
            self.count_missing(by);
            return Err(WebhookError::Missing { name: name.clone() });
        };
        let was_disabled = stood.disabled_at.is_some();
        let (effect, done) = if was_disabled {
            (Effect::Changed, "was enabled")
        } else {
            (Effect::Unchanged, "was not disabled")
        };
        self.shared.stats.count(Operation::Webhook, by.as_str(), effect);
        tracing::info!(webhook = %name, source = %by, "the webhook {name} {done}");
        self.enabled.send_modify(|times| *times = times.wrapping_add(1));
        Ok(WebhookEnabled {
            status: self.status(name.clone(), stood.enabled()),
            was_disabled,
        })
    }

    /// Sends an event that is no line of the log, once, whatever its deliveries are at; its place and its state stay. The
    /// attempt has its line, with what came of it (I6).
    ///
    /// # Errors
    /// [`WebhookError`]; what the receiver says is none.
    pub async fn test(&self, by: &Source, name: &WebhookName) -> Result<WebhookTest, WebhookError> {
        let sender = self.running().get(name).map(|running| Arc::clone(&running.sender));
        let Some(sender) = sender else {
            let missing = WebhookError::NotRunning { name: name.clone() };
            self.log_test(by, Verdict::Refused("webhook_not_found".into()), missing.to_string())
                .await?;
            self.count_missing(by);
            return Err(missing);
        };
        let (is_taken, answer) = match sender.test().await {
            Ok(answer) => (true, answer),
            Err(error) => (false, error.to_string()),
        };
        self.log_test(by, Verdict::Unchanged, format!("webhook {name}: {answer}"))
            .await?;
        self.shared
            .stats
            .count(Operation::Webhook, by.as_str(), Effect::Unchanged);
        tracing::info!(webhook = %name, source = %by, is_taken, "the webhook {name} was tried: {answer}");
        Ok(WebhookTest {
            name: name.clone(),
            is_taken,
            answer,
        })
    }

    fn count_missing(&self, by: &Source) {
        let stats = &self.shared.stats;
        stats.count_refused(Operation::Webhook, by.as_str(), "webhook_not_found");
    }

    async fn log_test(&self, by: &Source, verdict: Verdict, detail: String) -> Result<(), Unavailable> {
        let line = NewActivity {
            at: self.now(),
            action: Action::TestWebhook,
            source: by.to_string(),
            subject: Subject::default(),
            verdict,
            version: None,
            detail,
        };
        self.shared.log.record(line).await
    }

    fn status(&self, name: WebhookName, state: DeliveryState) -> WebhookStatus {
        let counts = self.running().get(&name).map(|running| running.counts);
        WebhookStatus {
            name,
            state,
            is_running: counts.is_some(),
            delivered: counts.unwrap_or_default().delivered,
            failed: counts.unwrap_or_default().failed,
        }
    }

    async fn stored(&self, name: &WebhookName) -> Result<Option<DeliveryState>, Unavailable> {
        let states = self.store.deliveries().await?;
        Ok(states
            .into_iter()
            .find(|(known, _)| known == name)
            .map(|(_, state)| state))
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    fn count(&self, name: &WebhookName, is_delivered: bool) {
        if let Some(Running { counts, .. }) = self.running().get_mut(name) {
            let count = if is_delivered {
                &mut counts.delivered
            } else {
                &mut counts.failed
            };
            *count = count.saturating_add(1);
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<WebhookName, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
