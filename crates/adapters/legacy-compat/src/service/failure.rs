//! What a call failed with, and whether its line has been kept by the app already.

use std::sync::Arc;

use runledger_app::{CreationError, Existing, FunctionError, ReadError};
use runledger_domain::access::AccessError;
use runledger_domain::{CreationField, RunRecord, Subject};
use runledger_ports::{ChangeError, Unavailable};

use crate::LegacyIdError;

/// What a call failed with.
#[derive(Debug)]
pub(crate) struct Failure {
    code: &'static str,
    detail: String,
    field: Option<String>,
    existing: Option<Box<Existing>>,
    /// What the line says, if the app has not kept one: the code and, where the answer must not say it, another detail.
    line: Option<(&'static str, Option<&'static str>)>,
}

impl Failure {
    /// A call that failed before it was aimed at a record.
    pub(crate) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            field: None,
            existing: None,
            line: Some((code, None)),
        }
    }

    /// Names the argument.
    pub(crate) fn at(mut self, field: &str) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Shows the record that stands against the call.
    pub(crate) fn against(mut self, record: Arc<RunRecord>, differs_in: Vec<CreationField>) -> Self {
        self.existing = Some(Box::new(Existing { record, differs_in }));
        self
    }

    /// The app has kept the line.
    fn kept(mut self) -> Self {
        self.line = None;
        self
    }

    /// A record of a client that the caller may not know of: answered like one that is not there (I12).
    pub(crate) fn unseen(detail: String) -> Self {
        Self {
            line: Some(("client_not_granted", Some("The token is limited to other clients"))),
            ..Self::new("not_found", detail)
        }
    }

    /// Says it in other words.
    pub(crate) fn saying(mut self, detail: String) -> Self {
        self.detail = detail;
        self
    }

    /// Why, and what to do.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// A stable word for programs.
    pub(crate) const fn code(&self) -> &'static str {
        self.code
    }

    /// The code and the detail of the line that is still to be kept.
    pub(crate) fn line(&self) -> Option<(&'static str, &str)> {
        let (code, detail) = self.line?;
        Some((code, detail.unwrap_or(&self.detail)))
    }

    /// The error that is answered.
    pub(crate) fn answer(self, subject: Subject) -> FunctionError {
        let subject = self
            .existing
            .as_ref()
            .map_or(subject, |existing| Subject::of(existing.record.key()));
        FunctionError {
            code: self.code,
            detail: self.detail,
            field: self.field,
            subject,
            existing: self.existing,
        }
    }

    /// What a creation failed with, in the older words where callers match on them.
    pub(crate) fn of_creation(error: CreationError, older: &CreationWords) -> Self {
        let words = error.to_string();
        // These are decided before any key is aimed at, so the app has kept no line of them.
        let unaimed = matches!(
            error,
            CreationError::BatchSize { .. } | CreationError::CannotMint | CreationError::NoFreeSecond
        );
        let failure = match error {
            CreationError::NotAuthorised { reason, .. } => {
                let detail = match reason.code() {
                    "source_not_authorised" => format!("{}: {words}", older.unauthorised),
                    _ => words,
                };
                Self::new(reason.code(), detail)
            }
            CreationError::Conflict { existing, differs_in } => {
                Self::new("conflict", format!("{}: {words}", older.exists)).against(existing, differs_in)
            }
            CreationError::AttemptReused { existing, differs_in } => {
                let detail = format!("{}: {words}", older.exists);
                Self::new("idempotency_key_reused", detail).against(existing, differs_in)
            }
            CreationError::Refused { refusal, .. } => {
                let code = refusal.code();
                // The older services may keep their jobs elsewhere, and know of no setting.
                let advice = match code {
                    "job_missing" => "; where jobs are kept elsewhere, set creation.require_job = false on the ledger",
                    _ => "",
                };
                Self::new(code, format!("{words}{advice}"))
            }
            CreationError::Indeterminate { .. } => Self::new("in_doubt", words),
            CreationError::Unavailable(unavailable) => unavailable.into(),
            // The enum is open to new cases: nothing is known about what they mean for the record (I10).
            _ => Self::new("internal", words),
        };
        if unaimed { failure } else { failure.kept() }
    }

    /// What a change failed with; `missing` is the older text for a record that is not there.
    pub(crate) fn of_change(error: ChangeError, missing: &str) -> Self {
        let words = error.to_string();
        match error {
            ChangeError::NotFound { .. } => Self::new("not_found", format!("{missing}. {words}")),
            ChangeError::Refused { refusal, current } => Self::new(refusal.code(), words).against(current, Vec::new()),
            ChangeError::Indeterminate { .. } => Self::new(
                "in_doubt",
                format!("{words}; read the record, or send the same change again with the same idempotency key"),
            ),
            // No call that comes from outside goes with a duty.
            ChangeError::Fenced { .. } => Unavailable::Failed { reason: words }.into(),
            ChangeError::Unavailable(unavailable) => unavailable.into(),
        }
        .kept()
    }
}

/// The texts that older callers match on when they create.
pub(crate) struct CreationWords {
    /// The key is taken.
    pub(crate) exists: String,
    /// The source may not create.
    pub(crate) unauthorised: String,
}

impl From<LegacyIdError> for Failure {
    fn from(error: LegacyIdError) -> Self {
        Self::new("run_id_invalid", error.to_string()).at("runId")
    }
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<Unavailable> for Failure {
    fn from(unavailable: Unavailable) -> Self {
        Self::new(unavailable.code(), unavailable.to_string()).kept()
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound { .. } => Self::new("not_found", error.to_string()),
            ReadError::Unavailable(unavailable) => unavailable.into(),
        }
    }
}
