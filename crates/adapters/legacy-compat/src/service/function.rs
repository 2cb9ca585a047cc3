//! The older functions by name: their parameters in the order of the positional form, and what each of them does.

use runledger_app::FunctionKind;
use runledger_domain::Action;

/// A function of the older services.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Function {
    CreateJobRecord,
    CreateClientRunRecord,
    CreateRunRecord,
    GetRunRecord,
    UpdateRunRecord,
    UpdateClientMetrics,
    CompleteRunRecord,
    UpdateJobRecord,
    CompleteJobRecord,
    CheckRunRecordExists,
    GetActivityLog,
    GetStats,
    GenerateRunId,
    NormalizeRunId,
    RegisterApifyRunId,
    GetRunRecordId,
    ClearCache,
}

/// Name, function, parameters in their order.
type Row = (&'static str, Function, &'static [&'static str]);

const TABLE: [Row; 17] = {
    use Function as F;
    const NEW_CLIENT: &[&str] = &["runId", "clientId", "clientName", "options"];
    [
        ("createJobRecord", F::CreateJobRecord, &["runId", "stream", "options"]),
        ("createClientRunRecord", F::CreateClientRunRecord, NEW_CLIENT),
        ("createRunRecord", F::CreateRunRecord, NEW_CLIENT),
        ("getRunRecord", F::GetRunRecord, &["runId", "clientId", "options"]),
        (
            "updateRunRecord",
            F::UpdateRunRecord,
            &["runId", "clientId", "updates", "options"],
        ),
        (
            "updateClientMetrics",
            F::UpdateClientMetrics,
            &["runId", "clientId", "metrics", "options"],
        ),
        (
            "completeRunRecord",
            F::CompleteRunRecord,
            &["runId", "clientId", "status", "notes", "options"],
        ),
        ("updateJobRecord", F::UpdateJobRecord, &["runId", "updates", "options"]),
        (
            "completeJobRecord",
            F::CompleteJobRecord,
            &["runId", "success", "notes", "options"],
        ),
        (
            "checkRunRecordExists",
            F::CheckRunRecordExists,
            &["runId", "clientId", "options"],
        ),
        ("getActivityLog", F::GetActivityLog, &["limit"]),
        ("getStats", F::GetStats, &[]),
        ("generateRunId", F::GenerateRunId, &["clientId"]),
        ("normalizeRunId", F::NormalizeRunId, &["runId", "clientId", "forceNew"]),
        (
            "registerApifyRunId",
            F::RegisterApifyRunId,
            &["apifyRunId", "clientId", "runId", "options"],
        ),
        ("getRunRecordId", F::GetRunRecordId, &["runId", "clientId"]),
        ("clearCache", F::ClearCache, &["runId", "clientId"]),
    ]
};

/// Names that the object form of the newer callers has for a parameter.
const OTHER_NAMES: [(&str, &str); 3] = [
    ("Status", "status"),
    ("systemNotes", "notes"),
    ("System Notes", "notes"),
];

impl Function {
    /// The function of this name. Case matters, as it did.
    pub(super) fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.0 == name).map(|row| row.1)
    }

    /// Its parameters, in the order of the positional form.
    pub(super) fn parameters(self) -> &'static [&'static str] {
        TABLE.iter().find(|row| row.1 == self).map_or(&[], |row| row.2)
    }

    /// The parameter that the object form means by this name.
    pub(super) fn parameter(self, name: &str) -> Option<&'static str> {
        let name = OTHER_NAMES
            .iter()
            .find(|(other, _)| *other == name)
            .map_or(name, |(_, own)| own);
        self.parameters().iter().find(|own| **own == name).copied()
    }

    /// What it does to the ledger.
    pub(super) const fn kind(self) -> FunctionKind {
        match self {
            Self::CreateJobRecord | Self::CreateClientRunRecord | Self::CreateRunRecord => {
                FunctionKind::Writes(Action::Create)
            }
            Self::UpdateRunRecord | Self::UpdateClientMetrics | Self::UpdateJobRecord | Self::RegisterApifyRunId => {
                FunctionKind::Writes(Action::Update)
            }
            Self::CompleteRunRecord | Self::CompleteJobRecord => FunctionKind::Writes(Action::Complete),
            Self::GetRunRecord
            | Self::CheckRunRecordExists
            | Self::GetActivityLog
            | Self::GetStats
            | Self::GenerateRunId
            | Self::NormalizeRunId
            | Self::GetRunRecordId
            | Self::ClearCache => FunctionKind::Reads,
        }
    }

    /// What it creates or changes, in the older words of its refusals.
    pub(super) const fn thing(self) -> &'static str {
        match self {
            Self::CreateJobRecord => "job record",
            Self::CreateRunRecord => "run record",
            _ => "client run record",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name_and_has_one_row() {
        for (name, function, parameters) in TABLE {
            assert_eq!(Function::named(name), Some(function));
            assert_eq!(function.parameters(), parameters, "{name}");
        }
        assert_eq!(Function::named("createjobrecord"), None);
    }
}
