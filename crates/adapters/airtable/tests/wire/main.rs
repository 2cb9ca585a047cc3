//! The wire layer against the fake Airtable: each fault of its control plane, and what the write is said to be.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets an error it does not expect ends there"
)]

mod faults;
mod hand;
mod handing_on;
mod mapping;
mod older_rows;
mod projection;
mod reading;
mod refusals;
mod survey;
mod writing;
