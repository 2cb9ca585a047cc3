//! One webhook at work: it takes the log line by line, in order, and goes on only when a line was taken.

use std::time::Duration;

use runledger_domain::Activity;
use runledger_ports::{DeliveryState, Fence, FencedError, PageSize, SendError};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{Webhook, Webhooks, backoff};
use crate::duties::HeldLease;

/// After how many deliveries their number is kept in any case. After a crash as many may come once more.
const KEPT_EVERY: u64 = 32;
/// After how many lines that are not wanted the place is kept.
const PASSED_MAX: u64 = 10_000;
/// How many lines are read at once.
const LINES_AT_ONCE: u32 = 100;
/// How often it is looked whether another server over the same store has enabled a webhook: nobody tells this one.
const LOOKED_EVERY: Duration = Duration::from_secs(30);
/// How long to wait when the store cannot say.
const STORE_PAUSE: Duration = Duration::from_secs(5);
/// How long a restart waits for the last place to be kept.
const KEEP_TIME: Duration = Duration::from_secs(5);

/// What a webhook does with one line.
enum Step {
    /// It is delivered; the next one.
    Taken,
    /// Nothing more is sent until somebody enables it.
    Disabled,
}

pub(super) struct Delivery<'a> {
    webhooks: &'a Webhooks,
    webhook: &'a Webhook,
    /// Goes along with all that is kept: another server may deliver by now (I13).
    fence: Fence,
    /// How it stands; what of it is durable is behind by `unkept` deliveries.
    state: DeliveryState,
    /// The place that is durable.
    kept: u64,
    unkept: u64,
}

impl<'a> Delivery<'a> {
    /// Takes up where the webhook was; one that is new begins with what comes from now on.
    async fn begin(webhooks: &'a Webhooks, webhook: &'a Webhook, fence: Fence) -> Result<Self, FencedError> {
        let found = webhooks.stored(&webhook.name).await?;
        let state = if let Some(state) = found {
            state
        } else {
            let position = webhooks.events.last_line().await?;
            let state = DeliveryState {
                position,
                ..DeliveryState::default()
            };
            let kept = webhooks.store.keep_delivery(&fence, &webhook.name, state);
            kept.await?
        };
        Ok(Self {
            webhooks,
            webhook,
            fence,
            kept: state.position,
            state,
            unkept: 0,
        })
    }

    /// Delivers until the store ends.
    async fn run(&mut self, mut enabled: watch::Receiver<u64>) -> Result<(), FencedError> {
        let size = PageSize::new(LINES_AT_ONCE).unwrap_or_default();
        loop {
            enabled.mark_unchanged();
            if self.state.disabled_at.is_some() {
                self.wait_until_enabled(&mut enabled).await?;
            }
            let page = self
                .webhooks
                .events
                .page(&self.webhook.filter, self.state.position, size)
                .await?;
            for activity in &page.lines {
                if self.webhook.sender.wants(activity)
                    && let Step::Disabled = self.deliver(activity, &mut enabled).await?
                {
                    break;
                }
                self.state.position = activity.seq;
                if self.unkept >= KEPT_EVERY {
                    self.keep().await?;
                }
            }
            if self.state.disabled_at.is_some() {
                continue;
            }
            self.state.position = self.state.position.max(page.position);
            // The server that had this duty before may have kept a place that is further on: it never goes back.
            let passed = self.state.position.saturating_sub(self.kept);
            if page.at_end && self.unkept > 0 || passed >= PASSED_MAX {
                self.keep().await?;
            }
            if page.at_end {
                self.webhooks.events.grown(self.state.position).await?;
            }
        }
    }

    /// Keeps the place before a restart, so that fewer lines come twice.
    async fn end(&mut self) {
        if self.unkept > 0 && !matches!(timeout(KEEP_TIME, self.keep()).await, Ok(Ok(()))) {
            tracing::warn!(webhook = %self.webhook.name, "the last deliveries were not noted; they come once more");
        }
    }

    /// Sends one line until it is taken or the webhook is given up.
    async fn deliver(&mut self, activity: &Activity, enabled: &mut watch::Receiver<u64>) -> Result<Step, FencedError> {
        let name = &self.webhook.name;
        loop {
            let failed = match self.webhook.sender.send(activity).await {
                Ok(()) => {
                    self.unkept += 1;
                    self.webhooks.count(name, true);
                    if self.state.failures > 0 {
                        tracing::info!(webhook = %name, failures = self.state.failures, "the webhook {name} works again");
                        self.state = DeliveryState {
                            position: activity.seq,
                            ..DeliveryState::default()
                        };
                        self.keep().await?;
                    }
                    return Ok(Step::Taken);
                }
                Err(failed) => failed,
            };
            self.webhooks.count(name, false);
            let pause = self.note(activity, &failed);
            self.keep().await?;
            if self.state.disabled_at.is_some() {
                tracing::error!(
                    webhook = %name, reason = %failed, line = activity.seq,
                    "the webhook {name} is disabled: {failed}; mend it, then `runledger webhook enable {name}`"
                );
                return Ok(Step::Disabled);
            }
            tracing::warn!(
                webhook = %name, reason = %failed, line = activity.seq, failures = self.state.failures,
                "line {} was not delivered to the webhook {name}: {failed}; tried again in {} s",
                activity.seq, pause.as_secs()
            );
            // Who enables a webhook wants to see it tried.
            tokio::select! {
                () = sleep(pause) => {}
                changed = enabled.changed() => if changed.is_err() { sleep(pause).await },
            }
        }
    }

    /// Takes a failure into the state; answers how long to wait.
    fn note(&mut self, activity: &Activity, failed: &SendError) -> Duration {
        let now = self.webhooks.now();
        self.state.failures = self.state.failures.saturating_add(1);
        self.state.failing_since.get_or_insert(now);
        self.state.last_error = Some(failed.to_string());
        let asked = match failed {
            SendError::Failed { retry_after, .. } => *retry_after,
            _ => None,
        };
        if *failed == SendError::Gone || backoff::is_given_up(&self.state, now) {
            self.state.disabled_at = Some(now);
        }
        backoff::pause(self.state.failures, asked, activity.hash)
    }

    async fn wait_until_enabled(&mut self, enabled: &mut watch::Receiver<u64>) -> Result<(), FencedError> {
        loop {
            // What was kept meanwhile is looked at first: the call may have come before this one waited.
            if let Some(state) = self.webhooks.stored(&self.webhook.name).await?
                && state.disabled_at.is_none()
            {
                self.state = state;
                return Ok(());
            }
            tokio::select! {
                () = sleep(LOOKED_EVERY) => {}
                changed = enabled.changed() => if changed.is_err() { sleep(STORE_PAUSE).await },
            }
        }
    }

    async fn keep(&mut self) -> Result<(), FencedError> {
        let store = &self.webhooks.store;
        let kept = store.keep_delivery(&self.fence, &self.webhook.name, self.state.clone());
        self.kept = kept.await?.position;
        self.unkept = 0;
        Ok(())
    }
}

/// Works for as long as nobody says stop and the duty is this server's. What the store cannot say now, it may say later.
pub(super) async fn work(webhooks: &Webhooks, webhook: &Webhook, lease: HeldLease) {
    let HeldLease { fence, mut stop } = lease;
    let enabled = webhooks.enabled.subscribe();
    let mut delivery = None;
    let working = async {
        loop {
            let ended = match &mut delivery {
                None => match Delivery::begin(webhooks, webhook, fence.clone()).await {
                    Ok(begun) => {
                        delivery = Some(begun);
                        continue;
                    }
                    Err(error) => error,
                },
                Some(delivery) => match delivery.run(enabled.clone()).await {
                    Ok(()) => continue,
                    Err(error) => error,
                },
            };
            if let FencedError::Lost { .. } = ended {
                return Ended::Elsewhere;
            }
            tracing::warn!(webhook = %webhook.name, error = %ended, "the webhook {} waits for the store", webhook.name);
            sleep(STORE_PAUSE).await;
        }
    };
    let ended = tokio::select! {
        ended = working => ended,
        _ = stop.wait_for(|stop| *stop) => Ended::Stopped,
    };
    if let (Ended::Stopped, Some(mut delivery)) = (ended, delivery) {
        delivery.end().await;
    }
}

/// Why nothing more is delivered.
enum Ended {
    /// Somebody said so.
    Stopped,
    /// Another server delivers.
    Elsewhere,
}
