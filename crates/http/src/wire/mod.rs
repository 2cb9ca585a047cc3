//! The wire types: what the JSON looks like. They live here only; the domain's types are converted by hand, so that a
//! change in the domain is a decision about the API, not an accident.

pub(crate) mod activity;
pub(crate) mod duty;
pub(crate) mod input;
pub(crate) mod number;
pub(crate) mod page;
pub(crate) mod projection;
pub(crate) mod reconcile;
pub(crate) mod record;
pub(crate) mod summary;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod token;
pub(crate) mod webhook;
pub(crate) mod whole;
