//! The fields of the ledger that a row can show, by the words that the configuration has for them.

use runledger_domain::MetricName;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest text of a word that is not known, in an error.
const SHOWN_CHARACTERS: usize = 64;

/// A field of the ledger.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum LedgerField {
    /// The key in one spelling: `250925-231841`, or `250925-231841-Guy-Wilson`.
    Key,
    /// The run.
    RunId,
    /// The client.
    ClientId,
    /// The client as people call it.
    ClientName,
    /// The status, in the words of the mapping.
    Status,
    /// When the work began.
    StartedAt,
    /// When it ended.
    EndedAt,
    /// How long it took, in seconds.
    DurationSeconds,
    /// The batch.
    Batch,
    /// All notes, oldest first, a line each.
    Notes,
    /// Stages and notes in the order of their times, a line each.
    ProgressLog,
    /// The source that created the record.
    CreatedBy,
    /// The attempt that created the record.
    Attempt,
    /// When it was last changed.
    UpdatedAt,
    /// By whom.
    UpdatedBy,
    /// The version.
    Version,
    /// The ids that another system has for it.
    ExternalIds(String),
    /// A metric of the record itself.
    Metric(MetricName),
    /// How many client run records a job has.
    TotalClients,
    /// How many of them ended with errors.
    TotalWithErrors,
    /// A sum over the client run records of a job, derived (I19).
    Total(MetricName),
}

/// The word names no field of the ledger.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{0:?} is no field of the ledger: write key, run_id, client_id, client_name, status, started_at, ended_at, \
     duration_seconds, batch, notes, progress_log, created_by, attempt, updated_at, updated_by, version, \
     external_id:SYSTEM, metric:NAME, total:clients, total:with_errors or total:NAME"
)]
pub struct UnknownLedgerField(pub String);

/// Words without a name behind them.
const WORDS: [(&str, LedgerField); 18] = [
    ("key", LedgerField::Key),
    ("run_id", LedgerField::RunId),
    ("client_id", LedgerField::ClientId),
    ("client_name", LedgerField::ClientName),
    ("status", LedgerField::Status),
    ("started_at", LedgerField::StartedAt),
    ("ended_at", LedgerField::EndedAt),
    ("duration_seconds", LedgerField::DurationSeconds),
    ("batch", LedgerField::Batch),
    ("notes", LedgerField::Notes),
    ("progress_log", LedgerField::ProgressLog),
    ("created_by", LedgerField::CreatedBy),
    ("attempt", LedgerField::Attempt),
    ("updated_at", LedgerField::UpdatedAt),
    ("updated_by", LedgerField::UpdatedBy),
    ("version", LedgerField::Version),
    ("total:clients", LedgerField::TotalClients),
    ("total:with_errors", LedgerField::TotalWithErrors),
];

impl LedgerField {
    /// Whether it is what the client run records of a job come to.
    pub const fn is_total(&self) -> bool {
        matches!(self, Self::TotalClients | Self::TotalWithErrors | Self::Total(_))
    }
}

impl FromStr for LedgerField {
    type Err = UnknownLedgerField;

    fn from_str(text: &str) -> Result<Self, UnknownLedgerField> {
        if let Some((_, field)) = WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(field.clone());
        }
        let unknown = || UnknownLedgerField(text.chars().take(SHOWN_CHARACTERS).collect());
        let (kind, name) = text.split_once(':').ok_or_else(unknown)?;
        let metric = || name.parse().map_err(|_| unknown());
        match kind {
            "external_id" if !name.is_empty() => Ok(Self::ExternalIds(name.to_owned())),
            "metric" => metric().map(Self::Metric),
            "total" => metric().map(Self::Total),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for LedgerField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExternalIds(system) => write!(f, "external_id:{system}"),
            Self::Metric(name) => write!(f, "metric:{name}"),
            Self::Total(name) => write!(f, "total:{name}"),
            field => {
                let word = WORDS.iter().find(|(_, known)| known == field);
                f.write_str(word.map_or("", |(word, _)| word))
            }
        }
    }
}

impl TryFrom<String> for LedgerField {
    type Error = UnknownLedgerField;

    fn try_from(text: String) -> Result<Self, UnknownLedgerField> {
        text.parse()
    }
}

impl From<LedgerField> for String {
    fn from(field: LedgerField) -> Self {
        field.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_leads_there_and_back_and_others_are_refused() {
        let others = ["external_id:apify", "metric:tokens", "total:tokens"];
        for word in WORDS.iter().map(|(word, _)| *word).chain(others) {
            assert_eq!(word.parse::<LedgerField>().unwrap().to_string(), word);
        }
        for word in [
            "",
            "Key",
            "undefined",
            "metric:",
            "metric:Not A Name",
            "external_id:",
            "sum:x",
            "total",
        ] {
            assert!(word.parse::<LedgerField>().is_err(), "{word}");
        }
    }
}
