//! The columns of an update, and what each of them asks for.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use runledger_domain::{
    ExternalId, MetricName, MetricValue, MetricValueError, NoteText, Outcome, RunKey, Source, Status, Update,
};
use serde_json::value::RawValue;

use super::arguments::{string, string_or_number};
use super::failure::Failure;
use super::key::key as named;
use super::record::APIFY;
use crate::{fields, status};

/// The one number of a client's row that an update of metrics overwrites; it raises the eight others and never lowers
/// them.
const OVERWRITTEN: &str = "Profiles Submitted for Post Harvesting";

/// How numbers are taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Numbers {
    /// As they are: `updateRunRecord`.
    Set,
    /// The higher of the present and the new one counts, and nothing else than numbers, notes and references is taken: an
    /// update of metrics never ended a record. `updateClientMetrics`.
    Raise,
}

/// What an update comes to.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    /// What changes the contents; its note is that of the end, when there is one.
    pub(crate) update: Update,
    /// How the record is to end, if it is.
    pub(crate) end: Option<Outcome>,
}

impl Columns {
    /// Reads the columns of an update to this record.
    pub(crate) fn read(members: &[(String, &RawValue)], key: &RunKey, numbers: Numbers) -> Result<Self, Failure> {
        let mut read = Self::default();
        let mut end_time = false;
        let mut texts = Vec::new();
        let mut seen = BTreeSet::new();
        for (column, value) in members {
            if !seen.insert(column) {
                let detail = format!("column {column} stands twice; send it once");
                return Err(Failure::new("body_invalid", detail).at(column));
            }
            // An empty cell said nothing in the older tables.
            if matches!(value.get(), "null" | "\"\"") {
                continue;
            }
            match column.as_str() {
                fields::RUN_ID | fields::CLIENT_ID => same_key(column, value, key)?,
                fields::STATUS | fields::END_TIME if numbers == Numbers::Raise => {}
                fields::STATUS => read.status(value)?,
                fields::END_TIME => end_time = true,
                fields::SYSTEM_NOTES | fields::PROGRESS_LOG => texts.push(string(column, value)?),
                fields::ERROR_DETAILS => texts.push(format!("{column}: {}", string(column, value)?)),
                fields::APIFY_RUN_ID => {
                    let id = ExternalId::new(APIFY, &string(column, value)?);
                    let id = id.map_err(|error| Failure::new("value_invalid", error.to_string()).at(column))?;
                    read.update.external_ids.push(id);
                }
                fields::CLIENT_NAME | fields::START_TIME | fields::STREAM => {
                    let detail = format!("{column} was fixed when {key} was created; leave it out");
                    return Err(Failure::new("value_invalid", detail).at(column));
                }
                _ => read.number(column, value, key, numbers)?,
            }
        }
        read.update.note = note(fields::SYSTEM_NOTES, Some(texts.join("\n")))?;
        if end_time && read.end.is_none() {
            let detail = format!(
                "End Time is the ledger's to say; to end {key}, send a final Status with it, or complete the record"
            );
            return Err(Failure::new("value_invalid", detail).at(fields::END_TIME));
        }
        Ok(read)
    }

    fn status(&mut self, value: &RawValue) -> Result<(), Failure> {
        match status_word(fields::STATUS, &string(fields::STATUS, value)?)? {
            Status::Running => self.update.start = true,
            Status::Ended(outcome) => self.end = Some(outcome),
            Status::Queued => {
                let detail = "a record never goes back into the queue; leave Status out, or send Running";
                return Err(Failure::new("status_not_settable", detail).at(fields::STATUS));
            }
        }
        Ok(())
    }

    fn number(&mut self, column: &str, value: &RawValue, key: &RunKey, numbers: Numbers) -> Result<(), Failure> {
        let is_job = key.client().is_none();
        if is_job && fields::JOB_TOTALS.iter().any(|(total, _)| *total == column) {
            // Derived from the client run records (I19): what is sent is passed over.
            return Ok(());
        }
        let metric = fields::METRICS.iter().find(|(name, _)| !is_job && *name == column);
        let Some((_, metric)) = metric else {
            let detail = format!("Unknown field name: \"{column}\"; the ledger has no place for it");
            return Err(Failure::new("unknown_field", detail).at(column));
        };
        let metric: MetricName = parsed(column, metric)?;
        let value = number(column, value)?;
        let raises = numbers == Numbers::Raise && column != OVERWRITTEN;
        let values = if raises {
            &mut self.update.metrics.max
        } else {
            &mut self.update.metrics.set
        };
        values.insert(metric, value);
        Ok(())
    }

    /// Takes the end for a note that the work was started: of a source whose completion says no more.
    pub(crate) fn end_is_a_note(&mut self, source: &Source) -> Result<(), Failure> {
        if let Some(outcome) = self.end.take() {
            let text = self.update.note.as_ref().map_or("", NoteText::as_str);
            self.update.note = started_note(source, outcome, text)?;
            self.update.start = true;
        }
        Ok(())
    }

    /// Whether there is anything to update but a note for the end.
    pub(crate) fn has_contents(&self) -> bool {
        !self.update.metrics.is_empty()
            || !self.update.external_ids.is_empty()
            || (self.update.note.is_some() && self.end.is_none())
    }
}

/// Reads a number, or the text of one.
pub(crate) fn number(column: &str, value: &RawValue) -> Result<MetricValue, Failure> {
    let text = string_or_number(column, value)?;
    match text.parse::<MetricValue>() {
        // A number of a language that has only floats, such as 0.1 + 0.2: what lies behind nine places is its error.
        Err(MetricValueError::TooFine { .. }) if !value.get().starts_with('"') => rounded(column, &text),
        _ => parsed(column, &text),
    }
}

/// The number with nine places behind the point.
fn rounded(column: &str, text: &str) -> Result<MetricValue, Failure> {
    let float: f64 = parsed(column, text)?;
    parsed(column, &format!("{float:.9}"))
}

/// Reads a word for a status.
pub(crate) fn status_word(field: &str, text: &str) -> Result<Status, Failure> {
    status::said(text).map_err(|error| Failure::new("value_invalid", error.to_string()).at(field))
}

/// Reads a value of the domain.
pub(crate) fn parsed<T>(field: &str, text: &str) -> Result<T, Failure>
where
    T: FromStr<Err: fmt::Display>,
{
    text.parse::<T>()
        .map_err(|error| Failure::new("value_invalid", error.to_string()).at(field))
}

/// A note, if there is a text that is more than blanks.
pub(crate) fn note(field: &str, text: Option<String>) -> Result<Option<NoteText>, Failure> {
    text.filter(|text| !text.trim().is_empty())
        .map(|text| parsed(field, &text))
        .transpose()
}

/// The note of a completion that says only that the work was started.
pub(crate) fn started_note(source: &Source, outcome: Outcome, text: &str) -> Result<Option<NoteText>, Failure> {
    let started = format!("{source} has started the work: {outcome}\n{text}");
    note("notes", Some(started.trim_end().into()))
}

/// The key may be said again, in any spelling; it never changes (I1).
fn same_key(column: &str, value: &RawValue, key: &RunKey) -> Result<(), Failure> {
    let text = string(column, value)?;
    let is_same = if column == fields::RUN_ID {
        named(&text, key.client()).is_ok_and(|said| said == *key)
    } else {
        key.client().is_some_and(|client| client.as_str() == text)
    };
    if is_same {
        return Ok(());
    }
    let detail = format!("{column} of {key} never changes, and {text:?} is another; leave it out");
    Err(Failure::new("value_invalid", detail).at(column))
}
