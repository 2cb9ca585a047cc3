//! The fake over HTTP, sentence by sentence of what is known of Airtable's API.

mod faults;
mod hand;
mod limits;
mod lists;
mod meta;
mod refusals;
mod upserts;
mod writes;
