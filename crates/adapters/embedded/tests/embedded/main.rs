//! The embedded store: the contract of every store, and what only a store on disk can break.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets an error it does not expect ends there"
)]

mod contract;
mod figures;
mod kept_ledgers;
mod late_lines;
mod opening;
mod verify;
