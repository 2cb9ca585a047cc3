//! The lines that attempts to create leave in the activity log: one wording, whatever store they are kept in (I6).

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::{CreationField, CreationIntent, conflict_code};
use crate::activity::{Action, NewActivity, Subject, Verdict};
use crate::record::RunRecord;
use crate::run_key::RunKey;
use crate::source::Source;
use crate::timestamp::Timestamp;

/// As much of an intent as the line of its attempt says: enough to write it after the permit is spent. The line of an
/// attempt that creates is that of [`NewRecord`](super::NewRecord).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AttemptLine {
    at: Timestamp,
    action: Action,
    source: Source,
    key: RunKey,
}

impl AttemptLine {
    /// Of this attempt.
    pub fn of(intent: &CreationIntent) -> Self {
        Self {
            at: intent.at,
            action: intent.action(),
            source: intent.source.clone(),
            key: intent.key.clone(),
        }
    }

    /// The record that was to be created.
    pub const fn key(&self) -> &RunKey {
        &self.key
    }

    /// The same creation took place before; the record stands like this (I7). Under a run id that the ledger chose, it may
    /// have another one than the candidate.
    pub fn replayed(self, existing: &RunRecord) -> NewActivity {
        NewActivity {
            version: Some(existing.version()),
            ..self.about(existing).line(Verdict::Replayed, String::new())
        }
    }

    /// This record stands against it, by another creation that differs in these fields (I9).
    pub fn conflict(self, existing: &RunRecord, differs_in: &[CreationField]) -> NewActivity {
        let fields: Vec<_> = differs_in.iter().map(|field| field.as_str()).collect();
        let creation = existing.creation();
        let detail = format!(
            "held by {} since {} (attempt {}); differs in {}",
            creation.source,
            creation.at,
            creation.attempt,
            fields.join(", ")
        );
        self.about(existing).refused(conflict_code(differs_in), detail)
    }

    /// It was refused, with this word for programs and this text for people.
    pub fn refused(self, code: &'static str, detail: String) -> NewActivity {
        self.line(Verdict::Refused(code.into()), detail)
    }

    /// Nothing stood against it, but another record of the same call was refused, so nothing was created.
    pub fn withheld(self) -> NewActivity {
        let detail = "another record of the same call was refused, so none was created".to_owned();
        self.refused("withheld", detail)
    }

    fn about(self, existing: &RunRecord) -> Self {
        Self {
            key: existing.key().clone(),
            ..self
        }
    }

    fn line(self, verdict: Verdict, detail: String) -> NewActivity {
        NewActivity {
            at: self.at,
            action: self.action,
            source: self.source.to_string(),
            subject: Subject::of(&self.key),
            verdict,
            version: None,
            detail,
        }
    }
}
