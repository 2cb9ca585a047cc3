//! Tests of the HTTP surface over the store in memory, with a clock that stands still unless it is moved.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a broken expectation shows")]

mod bad_bodies;
mod bad_headers;
mod catalogue;
mod change;
mod concurrency;
mod create;
mod described;
mod events;
mod functions;
mod gateway;
mod guard;
mod identity;
mod isolation;
mod kept_api;
mod metrics;
mod outage;
mod page;
mod pages;
mod quotas;
mod read;
mod reconcile;
mod refusals;
mod retry;
mod socket;
mod spans;
mod support;
mod tls;
