//! The ids of rows: `rec` and 14 letters or digits, as clients want them, worked out from the key of the record. They are
//! the same in every process and at any time, and are stored nowhere.
//!
//! 14 letters hold 83 bits. A timestamp id takes 40 of them, so it stands in the row's id as it is; the client, who may
//! have 128 letters, is there as a number of 42 bits that is looked for among the clients of that run. Other run ids do not
//! fit: their rows have an id that is a hash of the whole key, which leads nowhere by itself.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;
use runledger_app::Ledger;
use runledger_domain::access::Access;
use runledger_domain::{RecordKind, RunId, RunIdScheme, RunKey};
use runledger_ports::{Cursor, ListFilter, PageSize, Unavailable};
use sha2::{Digest as _, Sha256};

use super::table::is_id;
use crate::service::failure::Failure;

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LENGTH: u32 = 14;
/// How many bits of an id say which client of its run is meant.
const CLIENT_BITS: u32 = 42;
/// Ids from here on are hashes of the whole key: what is below has a timestamp id in it.
const HASHED: u128 = 1 << 82;
/// How many ids that are hashes are remembered with their keys.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(65_535);
/// How many records are read at once while one is looked for.
const LOOKED_AT: u32 = 1_000;

fn number(key: &RunKey) -> u128 {
    let Some(digits) = digits(key.run()) else {
        return HASHED | (hash(&key.to_string()) & (HASHED - 1));
    };
    (u128::from(digits) << CLIENT_BITS) | client_number(key)
}

/// The twelve digits of a timestamp id.
fn digits(run: &RunId) -> Option<u64> {
    (run.scheme() == RunIdScheme::Timestamp)
        .then(|| run.as_str().replace('-', "").parse().ok())
        .flatten()
}

/// Never 0 for a client: that is the job.
fn client_number(key: &RunKey) -> u128 {
    let mask = (1 << CLIENT_BITS) - 1;
    key.client().map_or(0, |client| (hash(client.as_str()) & mask).max(1))
}

fn hash(text: &str) -> u128 {
    let digest = Sha256::digest(text.as_bytes());
    digest
        .iter()
        .take(16)
        .fold(0, |bits, byte| (bits << 8) | u128::from(*byte))
}

fn written(mut number: u128) -> String {
    let mut letters = [b'0'; LENGTH as usize];
    for place in letters.iter_mut().rev() {
        *place = LETTERS[usize::try_from(number % 62).unwrap_or(0)];
        number /= 62;
    }
    format!("rec{}", String::from_utf8_lossy(&letters))
}

fn read(id: &str) -> Option<u128> {
    if !is_id(id, "rec") {
        return None;
    }
    id.bytes().skip(3).try_fold(0_u128, |number, letter| {
        let value = LETTERS.iter().position(|known| *known == letter)?;
        Some(number * 62 + value as u128)
    })
}

/// Leads from ids to keys.
#[derive(Debug)]
pub(super) struct RowIds {
    /// Ids that are hashes, of rows that were shown.
    shown: Mutex<LruCache<u128, RunKey>>,
}

impl Default for RowIds {
    fn default() -> Self {
        Self {
            shown: Mutex::new(LruCache::new(REMEMBERED)),
        }
    }
}

impl RowIds {
    /// The id of a row that is shown.
    pub(super) fn show(&self, key: &RunKey) -> String {
        let number = number(key);
        if number >= HASHED {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            shown.put(number, key.clone());
        }
        written(number)
    }

    /// The key of the record of this kind that an id means; `None` when it means none.
    ///
    /// # Errors
    /// The store cannot say, or two clients of one run have the same id.
    pub(super) async fn key(
        &self,
        ledger: &Ledger,
        access: &Access,
        kind: RecordKind,
        id: &str,
    ) -> Result<Option<RunKey>, Failure> {
        let Some(number) = read(id) else { return Ok(None) };
        if number >= HASHED {
            return Ok(self.hashed(ledger, kind, number).await?);
        }
        let digits = format!("{:012}", number >> CLIENT_BITS);
        // What is no date and time is the id of nothing.
        let Ok(run) = format!("{}-{}", &digits[..6], &digits[6..]).parse::<RunId>() else {
            return Ok(None);
        };
        let client = number & ((1 << CLIENT_BITS) - 1);
        match (kind, client) {
            (RecordKind::Job, 0) => Ok(Some(RunKey::Job(run))),
            (RecordKind::Client, 1..) => client_of(ledger, access, run, client).await,
            _ => Ok(None),
        }
    }

    /// A key that is only there as a hash: one that was shown, or else one that is looked for among all.
    async fn hashed(&self, ledger: &Ledger, kind: RecordKind, number: u128) -> Result<Option<RunKey>, Unavailable> {
        let shown = {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            shown.get(&number).cloned()
        };
        if let Some(key) = shown {
            return Ok(Some(key).filter(|key| key.kind() == kind));
        }
        let filter = ListFilter {
            kind: Some(kind),
            ..ListFilter::default()
        };
        let mut pages = Pages::of(ledger, &filter);
        while let Some(keys) = pages.next().await? {
            for key in keys {
                if self::number(&key) == number {
                    self.show(&key);
                    return Ok(Some(key));
                }
            }
        }
        Ok(None)
    }
}

/// The client record of a run with this number.
async fn client_of(ledger: &Ledger, access: &Access, run: RunId, client: u128) -> Result<Option<RunKey>, Failure> {
    let filter = ListFilter {
        run: Some(run),
        kind: Some(RecordKind::Client),
        ..ListFilter::default()
    };
    let mut found = Vec::new();
    let mut pages = Pages::of(ledger, &filter);
    while let Some(keys) = pages.next().await? {
        found.extend(keys.into_iter().filter(|key| client_number(key) == client));
    }
    // Whoever is limited to clients learns of no others, not even by an id that two of them have (I12).
    let mut seen = found.iter().filter(|key| access.sees(key));
    match (seen.next(), seen.next()) {
        (Some(_), Some(_)) => {
            let detail = "two clients of this run have this row id; find the row by its run id and client id, and change it \
                          over /v1";
            Err(Failure::new("row_ambiguous", detail))
        }
        (Some(only), None) => Ok(Some(only.clone())),
        (None, _) => Ok(found.into_iter().next()),
    }
}

/// The keys of a listing, page by page.
struct Pages<'a> {
    ledger: &'a Ledger,
    filter: &'a ListFilter,
    after: Option<Cursor>,
    is_done: bool,
}

impl<'a> Pages<'a> {
    fn of(ledger: &'a Ledger, filter: &'a ListFilter) -> Self {
        Self {
            ledger,
            filter,
            after: None,
            is_done: false,
        }
    }

    async fn next(&mut self) -> Result<Option<Vec<RunKey>>, Unavailable> {
        if self.is_done {
            return Ok(None);
        }
        let size = PageSize::new(LOOKED_AT).unwrap_or_default();
        let page = self.ledger.runs.list(self.filter, self.after, size).await?;
        self.after = page.next;
        self.is_done = page.next.is_none();
        Ok(Some(page.records.iter().map(|record| record.key().clone()).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_form_of_airtables_and_stay_what_they_are() {
        for (key, expected) in [
            ("250925-231841", "rec5W3nRVOEJDV2Su"),
            ("250925-231841-Guy-Wilson", "rec5W3nRVOQxVqzHl"),
            ("nightly/acme", "reciEZ21GoK4NaBeK"),
        ] {
            let id = RowIds::default().show(&key.parse().unwrap());
            assert!(is_id(&id, "rec"), "{id}");
            assert_eq!(id, expected, "{key}");
        }
    }

    #[test]
    fn what_stands_in_an_id_is_read_out_of_it_and_kinds_are_apart() {
        let mut seen = std::collections::BTreeSet::new();
        for text in [
            "000101-000000",
            "991231-235959",
            "250925-231841",
            "250925-231841-a",
            "250925-231841-b",
            "n",
            "n/a",
        ] {
            let key: RunKey = text.parse().unwrap();
            let number = number(&key);
            assert_eq!(read(&written(number)), Some(number), "{text}");
            assert!(seen.insert(number), "{text}");
            assert_eq!(number >= HASHED, text.starts_with('n'), "{text}");
        }
        for wrong in [
            "",
            "rec",
            "rec1",
            "recAAAAAAAAAAAAA-",
            "tblAAAAAAAAAAAAAA",
            "recAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
