//! The client: requests in turn, each sent once, each answered with what became of it.

use crate::answer::{Deletions, Page, Record, Records, TableSchema, Tables, Whoami};
use crate::formula::{Formula, FormulaError};
use crate::http::{Answer, Http, SetUpError, TransportError};
use crate::ids::{BaseId, RecordId, TableRef};
use crate::outcome::{Doubt, NotSent, Outcome, ReadError, Verdict, Written, classify, doubt};
use crate::pace::{LOCK_OUT, Pace};
use crate::pat::Pat;
use crate::refusal::{Refusal, RefusalKind};
use crate::request::{Batch, ChangedRow, ListQuery, NewRow, Row, RowKey};
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use runledger_ports::TargetFigures;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The longest URL that a list is asked for with, in characters; Airtable takes 16,000.
const URL_CHARACTERS_MAX: usize = 15_000;
/// How many keys are looked up at once.
const LOOKUP_KEYS_MAX: usize = 100;

/// Where Airtable is, and who asks.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The address, `https://api.airtable.com`.
    pub endpoint: String,
    /// The token.
    pub pat: Pat,
    /// How long one request may take, its answer included.
    pub request_time: Duration,
}

/// The way to Airtable with one token. A copy shares connections and pace.
#[derive(Clone, Debug)]
pub struct Airtable {
    http: Http,
    pace: Pace,
    counts: Arc<Counts>,
}

/// What was asked of bases.
#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    too_many: AtomicU64,
}

impl Airtable {
    /// Sets up the way. Nothing is sent yet.
    ///
    /// # Errors
    /// [`SetUpError`].
    pub fn new(connection: &Connection, pace: Pace) -> Result<Self, SetUpError> {
        Ok(Self {
            http: Http::new(&connection.endpoint, &connection.pat, connection.request_time)?,
            pace,
            counts: Arc::default(),
        })
    }

    /// The pace of this token.
    pub const fn pace(&self) -> &Pace {
        &self.pace
    }

    /// How many requests were sent to bases, and how many of them were too many.
    pub fn figures(&self) -> TargetFigures {
        TargetFigures {
            requests: self.counts.requests.load(Ordering::Relaxed),
            too_many: self.counts.too_many.load(Ordering::Relaxed),
        }
    }

    /// Whom the token belongs to.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn whoami(&self) -> Result<Whoami, ReadError> {
        read(self.http.send(Method::GET, "/v0/meta/whoami", None).await)
    }

    /// The tables of a base.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn tables(&self, base: &BaseId) -> Result<Vec<TableSchema>, ReadError> {
        let path = format!("/v0/meta/bases/{base}/tables");
        let tables: Tables = read(self.ask(base, Method::GET, &path, None).await)?;
        Ok(tables.tables)
    }

    /// One page of a list. A query that is too long for a URL is posted.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn list(&self, base: &BaseId, table: &TableRef, query: &ListQuery) -> Result<Page, ReadError> {
        let path = format!("{}{}", table_path(base, table), query_text(&query.pairs()));
        if self.http.url_length(&path) <= URL_CHARACTERS_MAX {
            return read(self.ask(base, Method::GET, &path, None).await);
        }
        let path = format!("{}/listRecords", table_path(base, table));
        let body = query.body().to_string().into_bytes();
        read(self.ask(base, Method::POST, &path, Some(body)).await)
    }

    /// Every record that has one of these keys; several where a key is there several times. Lists may lag: that a key is
    /// not among them is no proof that it is not there.
    ///
    /// # Errors
    /// [`ReadError`], and [`FormulaError`] as a refusal of its own.
    pub async fn look_up(
        &self,
        base: &BaseId,
        table: &TableRef,
        keys: &[RowKey],
        by_field_id: bool,
    ) -> Result<Vec<(RowKey, Record)>, ReadError> {
        let mut found = Vec::new();
        for keys in keys.chunks(LOOKUP_KEYS_MAX) {
            let parts: Result<Vec<_>, _> = keys.iter().map(RowKey::formula).collect();
            let mut query = ListQuery {
                filter: Some(
                    parts
                        .and_then(|parts| Formula::any(&parts))
                        .map_err(|error| unaskable(&error))?,
                ),
                by_field_id,
                ..ListQuery::default()
            };
            loop {
                let page = self.list(base, table, &query).await?;
                for record in page.records {
                    // The row decides, not the filter: it may have been changed in between.
                    if let Some(key) = keys.iter().find(|key| key.fits(&record.fields)) {
                        found.push((key.clone(), record));
                    }
                }
                match page.offset {
                    Some(offset) => query.offset = Some(offset),
                    None => break,
                }
            }
        }
        Ok(found)
    }

    /// One record; nothing when Airtable itself says that there is none. Another table of the base may answer for it: look
    /// at its key.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn find(
        &self,
        base: &BaseId,
        table: &TableRef,
        id: &RecordId,
        by_field_id: bool,
    ) -> Result<Option<Record>, ReadError> {
        let query = if by_field_id { "?returnFieldsByFieldId=true" } else { "" };
        let path = format!("{}/{id}{query}", table_path(base, table));
        match read(self.ask(base, Method::GET, &path, None).await) {
            Ok(record) => Ok(Some(record)),
            Err(ReadError::Refused(refusal)) if refusal.says_there_is_no_record() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes rows, all in one request, sent once. Answers are matched by the keys of the rows, never by their places.
    pub async fn create(
        &self,
        base: &BaseId,
        table: &TableRef,
        rows: Batch<NewRow>,
        by_field_id: bool,
    ) -> Outcome<NewRow> {
        let records: Vec<_> = rows.rows().iter().map(|row| json!({ "fields": row.fields })).collect();
        let body = json!({ "records": records, "returnFieldsByFieldId": by_field_id });
        let answer = self.write(base, Method::POST, &table_path(base, table), &body).await;
        settle(rows.into_rows(), answer, |row, record| row.key.fits(&record.fields))
    }

    /// Changes rows, all in one request, sent once. What is not named stays.
    pub async fn change(
        &self,
        base: &BaseId,
        table: &TableRef,
        rows: Batch<ChangedRow>,
        by_field_id: bool,
    ) -> Outcome<ChangedRow> {
        let one = |row: &ChangedRow| json!({ "id": row.id.as_str(), "fields": row.fields });
        let records: Vec<_> = rows.rows().iter().map(one).collect();
        let body = json!({ "records": records, "returnFieldsByFieldId": by_field_id });
        let answer = self.write(base, Method::PATCH, &table_path(base, table), &body).await;
        settle(rows.into_rows(), answer, |row, record| row.id == record.id)
    }

    /// Deletes records, at most ten, in one request that is sent once. Answers those that are certainly gone; the doubt
    /// holds of all others.
    ///
    /// # Errors
    /// [`NotSent`] when none was deleted, as far as Airtable says; an unknown outcome is `Ok` with the doubt.
    pub async fn delete(
        &self,
        base: &BaseId,
        table: &TableRef,
        ids: &[RecordId],
    ) -> Result<(Vec<RecordId>, Option<Doubt>), NotSent> {
        let pairs: Vec<_> = ids.iter().map(|id| ("records[]".to_owned(), id.to_string())).collect();
        let path = format!("{}{}", table_path(base, table), query_text(&pairs));
        let answer = verdict(self.ask(base, Method::DELETE, &path, None).await)?;
        let deletions: Result<Deletions, Doubt> = answer.and_then(|body| parse(&body));
        match deletions {
            Err(doubt) => Ok((Vec::new(), Some(doubt))),
            Ok(deletions) => {
                let gone: Vec<_> = deletions
                    .records
                    .into_iter()
                    .filter(|deletion| deletion.deleted && ids.contains(&deletion.id))
                    .map(|deletion| deletion.id)
                    .collect();
                let all = ids.iter().all(|id| gone.contains(id));
                Ok((gone, (!all).then_some(Doubt::RowsMissing)))
            }
        }
    }

    async fn write(
        &self,
        base: &BaseId,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Result<Vec<u8>, Doubt>, NotSent> {
        let body = Some(body.to_string().into_bytes());
        verdict(self.ask(base, method, path, body).await)
    }

    /// Sends one request in its turn. A 429 holds the base back.
    async fn ask(
        &self,
        base: &BaseId,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, TransportError> {
        self.pace.turn(base).await;
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        let answer = self.http.send(method, path, body).await?;
        if answer.status == 429 {
            self.counts.too_many.fetch_add(1, Ordering::Relaxed);
            self.pace
                .lock(base, answer.retry_after.unwrap_or(LOCK_OUT).max(LOCK_OUT));
        }
        Ok(answer)
    }
}

/// A formula that cannot be asked: as if Airtable had refused it.
fn unaskable(error: &FormulaError) -> ReadError {
    ReadError::Refused(Refusal {
        kind: RefusalKind::InvalidFormula,
        status: 422,
        word: None,
        message: Some(error.to_string()),
        retry_after: None,
    })
}

/// The body of a success, or a doubt.
fn verdict(answer: Result<Answer, TransportError>) -> Result<Result<Vec<u8>, Doubt>, NotSent> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return doubt(error).map(Err),
    };
    match classify(answer.status, &answer.body, answer.retry_after) {
        Verdict::Done => Ok(Ok(answer.body)),
        Verdict::NotDone(refusal) => Err(refusal.into()),
        Verdict::Unknown(doubt) => Ok(Err(doubt)),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Doubt> {
    serde_json::from_slice(body).map_err(|error| Doubt::Unreadable(error.to_string()))
}

fn read<T: DeserializeOwned>(answer: Result<Answer, TransportError>) -> Result<T, ReadError> {
    let body = verdict(answer).map_err(|error| match error {
        NotSent::Refused(refusal) => ReadError::Refused(refusal),
        NotSent::NotReached(cause) => ReadError::NotReached(cause),
    })?;
    body.and_then(|body| parse(&body)).map_err(ReadError::NoAnswer)
}

/// What became of rows: each must be named by the answer, exactly once.
fn settle<R: Row>(
    sent: Vec<R>,
    answer: Result<Result<Vec<u8>, Doubt>, NotSent>,
    is_about: impl Fn(&R, &Record) -> bool,
) -> Outcome<R> {
    let records = match answer {
        Err(why) => return Outcome::NotDone { sent, why },
        Ok(body) => body.and_then(|body| parse::<Records>(&body)),
    };
    let records = match records {
        Ok(records) => records.records,
        Err(why) => {
            return Outcome::Unknown {
                sent,
                written: Vec::new(),
                why,
            };
        }
    };
    let (mut written, mut in_doubt) = (Vec::new(), Vec::new());
    for row in sent {
        let mut named = records.iter().filter(|record| is_about(&row, record));
        match (named.next(), named.next()) {
            (Some(record), None) => written.push(Written {
                key: row.key().clone(),
                record: record.clone(),
            }),
            _ => in_doubt.push(row),
        }
    }
    if in_doubt.is_empty() {
        return Outcome::Done(written);
    }
    Outcome::Unknown {
        sent: in_doubt,
        written,
        why: Doubt::RowsMissing,
    }
}

fn table_path(base: &BaseId, table: &TableRef) -> String {
    format!("/v0/{base}/{}", encoded(table.as_str()))
}

fn query_text(pairs: &[(String, String)]) -> String {
    let pairs = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    let text = pairs.collect::<Vec<_>>().join("&");
    if text.is_empty() { text } else { format!("?{text}") }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
