//! Walks the pages of a listing, one in memory at a time.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Context;
use crate::connect::Connection;
use crate::failure::Outcome;
use crate::transport::Request;

/// The most entries of one page.
const PAGE_MAX: u64 = 1_000;

/// One page, its entries as they came.
#[derive(Deserialize)]
struct Page {
    #[serde(alias = "activity")]
    records: Vec<Box<RawValue>>,
    next: Option<String>,
}

/// Hands every page of up to `most` entries to `each`; answers whether there are more entries.
///
/// # Errors
/// What the API refuses, and what `each` fails with.
pub(crate) async fn walk(
    context: &Context<'_>,
    connection: &Connection,
    request: &Request,
    most: u64,
    mut each: impl FnMut(Vec<Box<RawValue>>) -> Outcome,
) -> Outcome<bool> {
    let mut left = most;
    let mut cursor: Option<String> = None;
    loop {
        let request = request
            .clone()
            .query("limit", Some(left.min(PAGE_MAX)))
            .query("cursor", cursor.as_deref());
        let page: Page = context.ask(connection, request).await?.read()?;
        left = left.saturating_sub(page.records.len() as u64);
        each(page.records)?;
        cursor = page.next;
        if cursor.is_none() || left == 0 {
            return Ok(cursor.is_some());
        }
    }
}
