//! What one row says, looked at alone: the record that it would make, or why it makes none.
//!
//! Whether another row holds the same key is not decided here; a refused row never holds one.

use runledger_domain::{
    BatchLabel, ClientId, ClientName, CreationContent, ExternalId, Imported, Initial, MetricName, MetricValue, Metrics,
    NoteText, RecordKind, RunKey, Status, TextError, Timestamp, TimestampError,
};

use super::line::reason;
use super::rows::{Broken, Fields, Row};
use crate::fields::{
    APIFY_RUN_ID, CLIENT_ID, CLIENT_NAME, END_TIME, JOB_TOTALS, METRICS, RUN_ID, START_TIME, STATUS, STREAM,
    SYSTEM_NOTES,
};
use crate::run_id::{clip, is_apify_id, is_missing_value};
use crate::{Form, LegacyId, RefusedForm, status};

/// The system that Apify run ids are references to.
const APIFY: &str = "apify";

/// A row that can be a record.
#[derive(Clone, Debug)]
pub(super) struct Accepted {
    pub(super) key: RunKey,
    pub(super) form: Form,
    pub(super) status: Status,
    pub(super) started_at: Option<Timestamp>,
    /// The end of what has ended.
    pub(super) ended_at: Option<Timestamp>,
    /// A start that stands beside a status that has none, as it stands.
    start_of_queued: Option<String>,
    /// An end that stands beside a status that has none, as it stands.
    pub(super) end_of_open: Option<String>,
    /// What decides between rows of one key.
    pub(super) began: Began,
    pub(super) metrics: Metrics,
    pub(super) client_name: Option<ClientName>,
    batch: Option<BatchLabel>,
    external_ids: Vec<ExternalId>,
    note: Option<NoteText>,
    /// What else the reader of the report should know.
    pub(super) remarks: Vec<String>,
}

/// When the row came into being, as far as anything says. The older system wrote the Start Time when it created the
/// row, and every export has it; Airtable's own time of creation is in the API's answers only, unless a column shows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Began {
    pub(super) start: Option<Timestamp>,
    pub(super) created: Option<Timestamp>,
}

/// Reads rows of one table.
#[derive(Debug)]
pub(super) struct Classifier {
    table: RecordKind,
    metrics: Vec<(&'static str, MetricName)>,
}

fn refuse(reason: &'static str, field: &str, value: &str, detail: &dyn ToString) -> Broken {
    Broken {
        reason,
        field: field.to_owned(),
        value: clip(value),
        detail: detail.to_string(),
    }
}

impl Classifier {
    pub(super) fn new(table: RecordKind) -> Self {
        let metrics = match table {
            // A job's totals are derived from its clients, never written (I19).
            RecordKind::Job => Vec::new(),
            RecordKind::Client => METRICS
                .iter()
                .filter_map(|(column, metric)| Some((*column, metric.parse().ok()?)))
                .collect(),
        };
        Self { table, metrics }
    }

    /// What the row would make, or why it makes nothing.
    pub(super) fn read(&self, row: &Row) -> Result<Accepted, Broken> {
        if let Some(broken) = &row.broken {
            return Err(broken.clone());
        }
        let fields = &row.fields;
        let id = self.id(fields)?;
        let word = fields.get(STATUS);
        let status = status::read(word).map_err(|e| refuse(reason::UNKNOWN_STATUS, STATUS, word, &e))?;
        let start = time(START_TIME, fields.get(START_TIME))?;
        let end = time(END_TIME, fields.get(END_TIME))?;
        if let (Some(start), Some(end)) = (start, end)
            && end < start
        {
            let detail = format!("the end lies before the start {start}");
            return Err(refuse(
                reason::END_BEFORE_START,
                END_TIME,
                fields.get(END_TIME),
                &detail,
            ));
        }
        let (created, mut remarks) = created(fields);
        let began = Began { start, created };
        let (ended_at, end_of_open) = if status.is_open() {
            (None, end.map(|_| fields.get(END_TIME).to_owned()))
        } else {
            (end, None)
        };
        let start_of_queued = start
            .filter(|_| status == Status::Queued)
            .map(|_| fields.get(START_TIME).to_owned());
        let mut accepted = Accepted {
            form: id.form(),
            key: id.into_key(),
            status,
            started_at: started_at(status, began, &mut remarks),
            ended_at,
            start_of_queued,
            end_of_open,
            began,
            metrics: self.metrics(fields)?,
            client_name: None,
            batch: None,
            external_ids: Vec::new(),
            note: note(fields)?,
            remarks,
        };
        match self.table {
            RecordKind::Job => accepted.add_job(fields)?,
            RecordKind::Client => accepted.add_client(fields)?,
        }
        if !status.is_open() && ended_at.is_none() {
            accepted.remarks.push("no End Time: when it ended is not known".into());
        }
        Ok(accepted)
    }

    fn id(&self, fields: &Fields) -> Result<LegacyId, Broken> {
        let text = fields.get(RUN_ID);
        let refused = |e: crate::LegacyIdError| {
            // Every client's row belongs to a run, so there an empty id stands for a missing one.
            let reason = match (&e.form, self.table) {
                (RefusedForm::Empty, RecordKind::Client) => RefusedForm::Placeholder.as_str(),
                _ => e.form.as_str(),
            };
            refuse(reason, RUN_ID, text, &e)
        };
        if self.table == RecordKind::Job {
            return LegacyId::parse(text, None).map_err(refused);
        }
        let client = fields.get(CLIENT_ID);
        let read = if is_missing_value(client) {
            Err("the client id stands for a missing value; give the real one".to_owned())
        } else {
            client.parse::<ClientId>().map_err(|e| e.to_string())
        };
        match read {
            Ok(client) => LegacyId::parse(text, Some(&client)).map_err(refused),
            // What the run id is by itself says more than what the client is not.
            Err(error) => match LegacyId::parse(text, None) {
                Err(id) if !matches!(id.form, RefusedForm::ClientOnJob { .. }) => Err(refused(id)),
                _ if client.trim().is_empty() => {
                    let detail = "a client's row needs its client; nothing is taken from the run id";
                    Err(refuse(reason::EMPTY_CLIENT_ID, CLIENT_ID, client, &detail))
                }
                _ => Err(refuse(reason::BAD_CLIENT_ID, CLIENT_ID, client, &error)),
            },
        }
    }

    fn metrics(&self, fields: &Fields) -> Result<Metrics, Broken> {
        self.metrics
            .iter()
            .map(|(column, name)| (column, name, fields.get(column)))
            .filter(|(_, _, text)| !text.is_empty())
            .map(|(column, name, text)| match text.parse::<MetricValue>() {
                Ok(value) => Ok((name.clone(), value)),
                Err(error) => Err(refuse(reason::BAD_METRIC, column, text, &error)),
            })
            .collect()
    }
}

impl Accepted {
    fn add_job(&mut self, fields: &Fields) -> Result<(), Broken> {
        let stream = fields.get(STREAM);
        if !stream.is_empty() {
            let bad = |e: &dyn ToString| refuse(reason::BAD_STREAM, STREAM, stream, e);
            let number: MetricValue = stream.parse().map_err(|e| bad(&e))?;
            self.batch = Some(format!("stream-{number}").parse().map_err(|e| bad(&e))?);
        }
        for (column, _) in JOB_TOTALS {
            let value = fields.get(column);
            if !matches!(value, "" | "0") {
                let value = clip(value);
                self.remarks
                    .push(format!("{column} {value} not taken: derived from the clients"));
            }
        }
        Ok(())
    }

    fn add_client(&mut self, fields: &Fields) -> Result<(), Broken> {
        let name = fields.get(CLIENT_NAME);
        if !name.trim().is_empty() {
            let name = name
                .parse()
                .map_err(|e| refuse(reason::BAD_CLIENT_NAME, CLIENT_NAME, name, &e));
            self.client_name = Some(name?);
        }
        self.external_ids = apify_ids(fields.get(APIFY_RUN_ID), &mut self.remarks)?;
        Ok(())
    }

    /// The reason that makes the row *normalised*, if one does.
    pub(super) fn normalised(&self) -> Option<&'static str> {
        if self.form != Form::Canonical {
            return Some(self.form.as_str());
        }
        self.end_of_open.as_ref().map(|_| self.end_reason())
    }

    /// What else was put right in a row whose run id was.
    pub(super) fn also_normalised(&self) -> Option<&'static str> {
        (self.form != Form::Canonical && self.end_of_open.is_some()).then(|| self.end_reason())
    }

    const fn end_reason(&self) -> &'static str {
        match self.status {
            Status::Queued => reason::QUEUED_WITH_END_TIME,
            Status::Running | Status::Ended(_) => reason::RUNNING_WITH_END_TIME,
        }
    }

    pub(super) const fn is_stuck(&self) -> bool {
        matches!(self.status, Status::Running) && self.end_of_open.is_none()
    }

    /// The record that the row makes, with these metrics, and a remark when something had to stay out of it.
    pub(super) fn content(&self, metrics: Metrics) -> (CreationContent, Option<&'static str>) {
        let (note, remark) = self.note();
        // An end is only ever given for what has ended, and not before its start, and a start for what has begun: that
        // was looked at when reading.
        let past = Imported::new(self.status, self.started_at, self.ended_at, metrics)
            .unwrap_or_else(|e| unreachable!("the row was checked: {e}"));
        let content = CreationContent {
            client_name: self.client_name.clone(),
            batch: self.batch.clone(),
            external_ids: self.external_ids.clone(),
            note,
            deadline_after: None,
            initial: Initial::Imported(Box::new(past)),
        };
        (content, remark)
    }

    /// The note byte for byte; behind it the times that the record cannot have.
    fn note(&self) -> (Option<NoteText>, Option<&'static str>) {
        let status = match self.status {
            Status::Queued => "Queued",
            Status::Running | Status::Ended(_) => "Running",
        };
        let times = [(START_TIME, &self.start_of_queued), (END_TIME, &self.end_of_open)];
        let said = times.iter().filter_map(|(field, time)| {
            let time = time.as_ref()?;
            Some(format!("{field} <{time}>"))
        });
        let said = said.collect::<Vec<_>>().join(" and ");
        if said.is_empty() {
            return (self.note.clone(), None);
        }
        let sentence = format!("Imported: the older table said {said} while {status}");
        let text = match &self.note {
            None => sentence,
            Some(note) => format!("{note}\n\n{sentence}"),
        };
        match text.parse() {
            Ok(note) => (Some(note), None),
            Err(_) => (
                self.note.clone(),
                Some("the time that the record cannot have is not in the note, which is full"),
            ),
        }
    }
}

/// When the work began. A time that nobody wrote is never made up in silence.
fn started_at(status: Status, began: Began, remarks: &mut Vec<String>) -> Option<Timestamp> {
    match (status, began.start, began.created) {
        (Status::Queued, Some(start), _) => {
            remarks.push(format!("{START_TIME} {start} is in the note: what waits has not begun"));
            None
        }
        (Status::Queued, None, _) => None,
        (Status::Running, None, Some(created)) => {
            remarks.push(format!(
                "no {START_TIME}: {created}, when the row was created, stands for it"
            ));
            Some(created)
        }
        (Status::Running, None, None) => {
            remarks.push(format!("no {START_TIME}: the time of the import stands for it"));
            None
        }
        (_, start, _) => start,
    }
}

fn time(field: &str, text: &str) -> Result<Option<Timestamp>, Broken> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|e: TimestampError| {
        if is_rfc3339_in_shape(text) {
            let detail = "there is no such time, or it is later than 9999-12-30T22:00:00Z, the last that is kept";
            return refuse(reason::BAD_TIME, field, text, &detail);
        }
        refuse(reason::BAD_TIME, field, text, &e)
    })
}

/// Whether the text is written like a time in RFC 3339, whatever its numbers.
fn is_rfc3339_in_shape(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    let Some(behind) = shape.strip_prefix("9999-99-99T99:99:99") else {
        return false;
    };
    let offset = behind
        .strip_prefix('.')
        .map_or(behind, |fraction| fraction.trim_start_matches('9'));
    matches!(offset, "Z" | "+99:99" | "-99:99")
}

/// The references to Apify runs: one, or several in one cell if each of them has the form of one.
fn apify_ids(text: &str, remarks: &mut Vec<String>) -> Result<Vec<ExternalId>, Broken> {
    if is_missing_value(text) {
        remarks.push(format!(
            "{APIFY_RUN_ID} {text:?} not taken: it stands for a missing value"
        ));
        return Ok(Vec::new());
    }
    let separators = [',', ';', ' ', '\n', '\r', '\t'];
    let parts: Vec<_> = text.split(separators).filter(|part| !part.is_empty()).collect();
    if parts.len() > 1 && !parts.iter().all(|part| is_apify_id(part)) {
        let detail = "more than one id, and not all of them have the form of one: 17 letters and digits";
        return Err(refuse(reason::BAD_APIFY_ID, APIFY_RUN_ID, text, &detail));
    }
    let texts = if parts.len() > 1 { parts } else { vec![text] };
    let ids = texts.into_iter().filter(|text| !text.is_empty());
    let ids: Result<Vec<_>, _> = ids.map(|id| ExternalId::new(APIFY, id)).collect();
    let mut ids = ids.map_err(|e| refuse(reason::BAD_APIFY_ID, APIFY_RUN_ID, text, &e))?;
    // In the one order in which records hold them.
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// When Airtable created the row. A table that shows it in a form of its own is no worse than one that does not show it.
fn created(fields: &Fields) -> (Option<Timestamp>, Vec<String>) {
    match &fields.created {
        None => (None, Vec::new()),
        Some((_, text)) if text.is_empty() => (None, Vec::new()),
        Some((column, text)) => {
            if let Ok(created) = time(column, text) {
                return (created, Vec::new());
            }
            let remark = format!("{column} {:?} not used: not RFC 3339", clip(text));
            (None, vec![remark])
        }
    }
}

fn note(fields: &Fields) -> Result<Option<NoteText>, Broken> {
    let text = fields.get(SYSTEM_NOTES);
    if text.trim().is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|e: TextError| {
        let reason = match e {
            TextError::TooLong { .. } => reason::NOTE_TOO_LONG,
            _ => reason::BAD_NOTE,
        };
        refuse(reason, SYSTEM_NOTES, text, &e)
    })
}
