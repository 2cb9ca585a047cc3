//! Sends lines of the activity log to a receiver over HTTP.
//!
//! A delivery is one signed `POST` ([`Webhook`]): a `CloudEvents` 1.0 event or an `OpenLineage` run event ([`Format`]). Each
//! one has a connection of its own, to an address that was looked at first ([`is_public`]): a name that resolves to
//! another address a moment later is looked at again. No redirect is followed, and no proxy of the environment is used.
#![forbid(unsafe_code)]

mod address;
mod cloud_event;
mod connection;
mod endpoint;
mod lineage;
mod secret;
mod sender;

pub use address::is_public;
pub use endpoint::{Endpoint, EndpointError};
pub use secret::{SecretError, SigningSecret};
pub use sender::{Format, SetupError, Webhook, WebhookOptions};
