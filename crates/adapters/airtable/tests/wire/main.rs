//! The wire layer against the fake Airtable: each fault of its control plane, and what the write is said to be.

mod faults;
mod hand;
mod mapping;
mod reading;
mod refusals;
mod writing;
