//! What one row says, looked at alone: the record that it would make, or why it makes none.
//!
//! Whether another row holds the same key is not decided here; a refused row never holds one.

use runledger_domain::{
    BatchLabel, ClientId, ClientName, CreationContent, ExternalId, Imported, Initial, MetricName, MetricValue, Metrics,
    NoteText, RecordKind, RunKey, Status, TextError, Timestamp,
};

use super::line::reason;
use super::rows::{Broken, Fields, Row};
use crate::fields::{
    APIFY_RUN_ID, CLIENT_ID, CLIENT_NAME, END_TIME, JOB_TOTALS, METRICS, RUN_ID, START_TIME, STATUS, STREAM,
    SYSTEM_NOTES,
};
use crate::run_id::clip;
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
        let started_at = time(START_TIME, fields.get(START_TIME))?;
        let end = time(END_TIME, fields.get(END_TIME))?;
        if let (Some(start), Some(end)) = (started_at, end)
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
        let created = match fields.created.as_deref() {
            None | Some("") => None,
            Some(text) => time("Created", text)?,
        };
        let (ended_at, end_of_open) = if status.is_open() {
            (None, end.map(|_| fields.get(END_TIME).to_owned()))
        } else {
            (end, None)
        };
        let mut accepted = Accepted {
            form: id.form(),
            key: id.into_key(),
            status,
            started_at,
            ended_at,
            end_of_open,
            began: Began {
                start: started_at,
                created,
            },
            metrics: self.metrics(fields)?,
            client_name: None,
            batch: None,
            external_ids: Vec::new(),
            note: note(fields)?,
            remarks: Vec::new(),
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
        match client.parse::<ClientId>() {
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
        let id = fields.get(APIFY_RUN_ID);
        if !id.is_empty() {
            let id = ExternalId::new(APIFY, id).map_err(|e| refuse(reason::BAD_APIFY_ID, APIFY_RUN_ID, id, &e));
            self.external_ids.push(id?);
        }
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
        // An end is only ever given for what has ended, and not before its start: both were looked at when reading.
        // What waits has not begun, whatever its Start Time says.
        let started_at = self.started_at.filter(|_| self.status != Status::Queued);
        let past = Imported::new(self.status, started_at, self.ended_at, metrics)
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

    /// The note byte for byte; behind it the end time that an open record cannot have.
    fn note(&self) -> (Option<NoteText>, Option<&'static str>) {
        let Some(end) = &self.end_of_open else {
            return (self.note.clone(), None);
        };
        let sentence = format!(
            "Imported: the older table said End Time <{end}> while {}",
            match self.status {
                Status::Queued => "Queued",
                Status::Running | Status::Ended(_) => "Running",
            }
        );
        let text = match &self.note {
            None => sentence,
            Some(note) => format!("{note}\n\n{sentence}"),
        };
        match text.parse() {
            Ok(note) => (Some(note), None),
            Err(_) => (
                self.note.clone(),
                Some("the End Time is not in the note, which is full"),
            ),
        }
    }
}

fn time(field: &str, text: &str) -> Result<Option<Timestamp>, Broken> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|e: runledger_domain::TimestampError| refuse(reason::BAD_TIME, field, text, &e))
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
