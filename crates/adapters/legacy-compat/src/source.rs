//! The names that older callers gave as their source, where they differ from the ones in the creation policy.
//!
//! This is data, not permission: what a source may do is the policy's to say, under the name that it maps to.

/// Older name, and the name that the ledger knows the caller by.
pub const SOURCES: [(&str, &str); 2] = [
    ("batchScorer_process", "batch_process"),
    ("batchScorer_skip", "batch_process"),
];

/// The source of a change by an older caller that names none: the log then says as much. The policy lists it nowhere, so
/// it creates nothing.
pub const UNNAMED: &str = "legacy_unnamed";

/// The ledger's name for a caller: the mapped one, or the name itself when it was never mapped. Case matters.
///
/// ```
/// assert_eq!(runledger_legacy::source::ledger_source("batchScorer_skip"), "batch_process");
/// assert_eq!(runledger_legacy::source::ledger_source("orchestrator"), "orchestrator");
/// assert_eq!(runledger_legacy::source::ledger_source("apifyProcessRoutes"), "apifyProcessRoutes");
/// ```
pub fn ledger_source(older: &str) -> &str {
    SOURCES
        .iter()
        .find(|(name, _)| *name == older)
        .map_or(older, |(_, ledger)| ledger)
}

#[cfg(test)]
mod tests {
    use runledger_domain::policy::DEFAULT_CREATORS;

    use super::*;

    #[test]
    fn mapped_sources_are_creators_and_mapping_twice_changes_nothing() {
        for (older, ledger) in SOURCES {
            assert_eq!(ledger_source(older), ledger);
            assert_eq!(ledger_source(ledger), ledger);
            assert!(DEFAULT_CREATORS.contains(&ledger));
        }
    }
}
