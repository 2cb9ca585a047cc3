//! The webhooks of a server: one task each, apart from everything else.

use std::sync::Arc;
use std::time::Duration;

use runledger_app::system::SystemClock;
use runledger_app::{Ledger, Terms, Webhook};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::failure::{Exit, Failure, Outcome};
use crate::settings::Settings;

/// How long a server that ends waits for webhooks to note their places.
const END_TIME: Duration = Duration::from_secs(10);

/// The tasks that deliver.
pub(crate) struct Deliveries {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Deliveries {
    /// Begins to deliver to every webhook of the configuration, whenever that is this server's duty.
    ///
    /// # Errors
    /// When one cannot be set up.
    pub(crate) fn begin(settings: &Settings, ledger: &Arc<Ledger>, terms: &Terms) -> Outcome<Self> {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for webhook in settings.configured_webhooks()? {
            let (name, endpoint) = (webhook.name, webhook.options.endpoint.clone());
            let sender = runledger_webhook::Webhook::new(webhook.options, Arc::new(SystemClock)).map_err(|error| {
                Failure::new(
                    Exit::Fault,
                    format_args!("the webhook {name} cannot be set up: {error}"),
                )
            })?;
            tracing::info!(webhook = %name, receiver = %endpoint, "the webhook {name} is delivered to by whichever server has that duty");
            let webhook = Webhook {
                name,
                filter: webhook.filter,
                sender: Arc::new(sender),
            };
            let (ledger, terms, stopped) = (Arc::clone(ledger), terms.clone(), stopped.clone());
            tasks.spawn(async move { ledger.webhooks.deliver(&ledger.duties, &terms, webhook, stopped).await });
        }
        Ok(Self { stop, tasks })
    }

    /// Stops: nothing more is sent, and places are noted.
    pub(crate) async fn end(mut self) {
        // Nobody may be left to tell.
        let _ = self.stop.send(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(END_TIME, all).await.is_err() {
            tracing::warn!("a webhook was still at work; what it delivered last may come once more");
        }
    }
}
