//! The fake over HTTP, sentence by sentence of what is known of Airtable's API.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets an error it does not expect ends there"
)]

mod faults;
mod hand;
mod limits;
mod lists;
mod meta;
mod refusals;
mod upserts;
mod writes;
