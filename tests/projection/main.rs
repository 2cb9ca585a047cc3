//! The projection as it is, over the wire layer as it is, against the fake Airtable over HTTP, in a time that passes by
//! itself: whatever happens, once it ends the tables show the ledger (I14).
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets an error it does not expect ends there"
)]

mod chance;
mod judgement;
mod wire;
mod world;
