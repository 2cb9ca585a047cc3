//! The shapes of `webhook`.

use clap::Subcommand;

/// `webhook`.
#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// List the webhooks, and how their deliveries stand
    List,
    /// Send one signed event that is no line of the log, and show what the receiver answers
    Test {
        /// Its name, as `webhook list` shows it
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Let a webhook that was disabled go on where it was, and have one that waits tried at once
    Enable {
        /// Its name, as `webhook list` shows it
        #[arg(value_name = "NAME")]
        name: String,
    },
}
