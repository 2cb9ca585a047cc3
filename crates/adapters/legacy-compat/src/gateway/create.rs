//! POST: records are created through the creation point, all of a batch or none (I1, I2).
//!
//! A client of this API cannot name an attempt, so every creation through the gateway is of one: the same source that sends
//! the same content again, at whatever time, is answered with the record that is there (I7); other content, and another
//! source, meet a conflict (I9).

use std::collections::BTreeSet;

use runledger_airtable_formula::moment;
use runledger_app::{CreationError, Started};
use runledger_domain::access::{Access, AccessError, Scope};
use runledger_domain::{
    AttemptId, CreationContent, CreationField, ExternalId, Initial, MetricValue, RecordKind, RunKey, RunRecord, Source,
    Status, Subject,
};
use serde_json::value::RawValue;

use super::answer::{Answered, Asked};
use super::body::{Sent, SentRecord};
use super::table::RunTable;
use crate::fields::{
    APIFY_RUN_ID, CLIENT_ID, CLIENT_NAME, COMPLETION_NOTES, END_TIME, ERROR_DETAILS, JOB_TOTALS, METRICS, PROGRESS_LOG,
    RUN_ID, START_TIME, STATUS, STREAM, SYSTEM_NOTES,
};
use crate::service::arguments::{string, string_or_number};
use crate::service::columns::{note, number, parsed, status_word};
use crate::service::failure::{CreationWords, Failure};
use crate::service::key;
use crate::service::record::APIFY;

/// The attempt that every creation through the gateway belongs to.
const ATTEMPT: &str = "airtable";

/// Creates the records of a body.
pub(super) async fn create(asked: &Asked<'_>, claimed: &mut Subject) -> Result<Answered, Failure> {
    let source = asked.source(Scope::Create)?;
    let sent = Sent::read(asked.table, asked.body, "created")?;
    let mut keys = BTreeSet::new();
    let mut records = Vec::with_capacity(sent.records.len());
    for record in &sent.records {
        let key = key_of(asked.table, record, claimed)?;
        check_seen(asked.access, &key)?;
        if !keys.insert(key.clone()) {
            let detail = format!("{key} stands twice in this batch; send each record once");
            return Err(Failure::new("records_invalid", detail));
        }
        records.push((key, content(asked.table, &record.cells)?));
    }
    let attempt: AttemptId = parsed("attempt", ATTEMPT)?;
    match asked.ledger.creation.start_all(&source, &attempt, records).await {
        Ok(started) => answered(asked, &sent, started).await,
        Err(error) => Err(of_creation(asked.table, &source, error)),
    }
}

async fn answered(asked: &Asked<'_>, sent: &Sent<'_>, started: Vec<Started>) -> Result<Answered, Failure> {
    let came_to = if started.iter().any(|started| !started.replayed) {
        "created"
    } else {
        "replayed"
    };
    let mut rows = Vec::with_capacity(started.len());
    for started in started {
        rows.push(asked.row(started.record)?.with_totals(asked.ledger).await?);
    }
    Answered::rows(&rows, sent, came_to, &[])
}

/// The key that the columns of a record say.
pub(super) fn key_of(table: &RunTable, record: &SentRecord<'_>, claimed: &mut Subject) -> Result<RunKey, Failure> {
    let text = |older: &'static str| {
        let cell = record.cells.iter().find(|(known, _)| *known == older);
        let cell = cell.map(|(_, value)| *value).filter(|value| value.get() != "null");
        let name = table.name_of(older);
        cell.map(|value| string_or_number(name, value)).transpose()
    };
    let (run, client) = (text(RUN_ID)?, text(CLIENT_ID)?);
    *claimed = Subject::claimed(
        run.as_deref().unwrap_or_default(),
        client.as_deref().unwrap_or_default(),
    );
    let needed = |older: &'static str, text: Option<String>| {
        text.filter(|text| !text.is_empty()).ok_or_else(|| {
            let name = table.name_of(older);
            let detail = format!("{name} is empty or missing; it says which record this is, so send it");
            Failure::new("value_invalid", detail).at(name)
        })
    };
    let run = needed(RUN_ID, run)?;
    if table.kind == RecordKind::Job {
        return key::key(&run, None);
    }
    let client = needed(CLIENT_ID, client)?;
    let client = client.parse().map_err(|error: runledger_domain::TextError| {
        Failure::new("client_id_invalid", error.to_string()).at(table.name_of(CLIENT_ID))
    })?;
    key::key(&run, Some(&client))
}

fn check_seen(access: &Access, key: &RunKey) -> Result<(), Failure> {
    if access.sees(key) {
        return Ok(());
    }
    Err(AccessError::Client.into())
}

/// What a new record holds. Every column is taken, passed over because the ledger says it itself, or refused.
fn content(table: &RunTable, cells: &[(&'static str, &RawValue)]) -> Result<CreationContent, Failure> {
    let mut content = CreationContent::default();
    let mut texts = Vec::new();
    for (older, value) in cells {
        let name = table.name_of(older);
        // An empty cell says nothing.
        if matches!(value.get(), "null" | "\"\"") {
            continue;
        }
        match *older {
            RUN_ID | CLIENT_ID => {}
            CLIENT_NAME => content.client_name = Some(parsed(name, &string(name, value)?)?),
            STREAM => content.batch = Some(parsed(name, &string_or_number(name, value)?)?),
            STATUS => content.initial = initial(name, &string(name, value)?)?,
            START_TIME => check_moment(name, &string(name, value)?)?,
            END_TIME => {
                let detail =
                    format!("{name}: a record does not begin with its end; end it by an update, with its Status");
                return Err(Failure::new("value_invalid", detail).at(name));
            }
            SYSTEM_NOTES | PROGRESS_LOG | COMPLETION_NOTES => texts.push(string(name, value)?),
            ERROR_DETAILS => texts.push(format!("{ERROR_DETAILS}: {}", string(name, value)?)),
            APIFY_RUN_ID => {
                let id = ExternalId::new(APIFY, &string(name, value)?);
                let id = id.map_err(|error| Failure::new("value_invalid", error.to_string()).at(name))?;
                content.external_ids.push(id);
            }
            // Derived from the client run records (I19).
            total if table.kind == RecordKind::Job && JOB_TOTALS.iter().any(|(known, _)| *known == total) => {}
            metric if METRICS.iter().any(|(known, _)| *known == metric) => check_zero(name, value)?,
            _ => {
                return Err(Failure::new(
                    "internal",
                    format!("nothing is known of the column {name}"),
                ));
            }
        }
    }
    content.note = note(table.name_of(SYSTEM_NOTES), Some(texts.join("\n")))?;
    Ok(content)
}

fn initial(name: &str, text: &str) -> Result<Initial, Failure> {
    match status_word(name, text)? {
        Status::Running => Ok(Initial::Running),
        Status::Queued => Ok(Initial::Queued),
        Status::Ended(_) => {
            let detail =
                format!("{name}: a record does not begin with its end; create it as Running, and end it by an update");
            Err(Failure::new("status_not_settable", detail).at(name))
        }
    }
}

/// The ledger says itself when a record began; what is sent must at least be a time.
fn check_moment(name: &str, text: &str) -> Result<(), Failure> {
    if moment(text).is_some() {
        return Ok(());
    }
    let detail = format!("{name}: {text:?} is no time; leave it out, the ledger says when a record began");
    Err(Failure::new("value_invalid", detail).at(name))
}

fn check_zero(name: &str, value: &RawValue) -> Result<(), Failure> {
    let number = number(name, value)?;
    if number == MetricValue::default() {
        return Ok(());
    }
    let detail = format!("{name}: a record begins with no work done; create it with 0, and send {number} in an update");
    Err(Failure::new("value_invalid", detail).at(name))
}

fn of_creation(table: &RunTable, source: &Source, error: CreationError) -> Failure {
    let taken = match &error {
        CreationError::Conflict { existing, differs_in } | CreationError::AttemptReused { existing, differs_in } => {
            Some(taken(table, existing, differs_in))
        }
        _ => None,
    };
    let words = CreationWords {
        exists: "this record exists already".into(),
        unauthorised: format!("Unauthorized source \"{source}\" attempted to create a record"),
    };
    let failure = Failure::of_creation(error, &words);
    match taken {
        Some(detail) => failure.saying(detail),
        None => failure,
    }
}

/// Who has the key, and in what this creation is another one.
fn taken(table: &RunTable, existing: &RunRecord, differs_in: &[CreationField]) -> String {
    let differences: Vec<_> = differs_in
        .iter()
        .filter_map(|field| match field {
            CreationField::ClientName => Some(table.name_of(CLIENT_NAME)),
            CreationField::Batch => Some(table.name_of(STREAM)),
            CreationField::Note => Some(table.name_of(SYSTEM_NOTES)),
            CreationField::ExternalIds => Some(table.name_of(APIFY_RUN_ID)),
            CreationField::Initial => Some(table.name_of(STATUS)),
            CreationField::Source => Some("who asks"),
            // It was created by other means, or with a deadline, which no column says.
            _ => None,
        })
        .collect();
    let differences = if differences.is_empty() {
        String::from("it was created by other means")
    } else {
        format!("this one differs in {}", differences.join(", "))
    };
    let creation = existing.creation();
    format!(
        "{} exists already: created by {} at {}; {differences}. Read it, and update it instead",
        existing.key(),
        creation.source,
        creation.at
    )
}
