//! Which record a run id of a call names: in a spelling of the older services, or in a form of the ledger's own.

use runledger_domain::{ClientId, RunKey};

use super::failure::Failure;
use crate::{LegacyId, RefusedForm};

/// The key of the record that is meant: a job's, or that of the client given apart.
///
/// Older spellings lead to their one key. A name, a ULID or a UUID is taken exactly as it stands, as the ledger itself takes
/// it, unless it has a form that the older services used for something else, such as an Apify run id (I15).
pub(crate) fn key(text: &str, client: Option<&ClientId>) -> Result<RunKey, Failure> {
    let error = match LegacyId::parse(text, client) {
        Ok(id) => return Ok(id.into_key()),
        Err(error) => error,
    };
    let may_be_the_ledgers = matches!(
        error.form,
        RefusedForm::TestLabel | RefusedForm::Unknown | RefusedForm::NearMiss
    );
    if may_be_the_ledgers && let Some(key) = own(text, client) {
        return Ok(key);
    }
    Err(error.into())
}

/// A key in a form of the ledger's own; a client in it must be the one given.
fn own(text: &str, client: Option<&ClientId>) -> Option<RunKey> {
    match text.split_once('/') {
        None => RunKey::resolve(text, client).ok(),
        Some((run, behind)) => client
            .filter(|client| client.as_str() == behind)
            .and_then(|client| RunKey::resolve(run, Some(client)).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ulids_are_taken_as_they_stand_and_foreign_forms_are_not() {
        let acme: ClientId = "acme".parse().unwrap();
        for (text, client, expected) in [
            ("250925-231841-Cacme", Some(&acme), Some("250925-231841-acme")),
            ("test-run-1758806321000", None, Some("test-run-1758806321000")),
            (
                "test-run-1758806321000",
                Some(&acme),
                Some("test-run-1758806321000/acme"),
            ),
            ("nightly/acme", Some(&acme), Some("nightly/acme")),
            (
                "01K5ZJ8Q4T3V9W2X7Y6B1C0D5E",
                Some(&acme),
                Some("01K5ZJ8Q4T3V9W2X7Y6B1C0D5E-acme"),
            ),
            ("nightly/globex", Some(&acme), None),
            ("8MSTBAfqMzuXPvgB3", Some(&acme), None),
            ("job_post_scoring_stream1_20250925231841", None, None),
            ("smart_resume_1758806321000_ab12c", None, None),
            ("client-fallback-acme-1758806321000", Some(&acme), None),
            ("INITIALIZING", None, None),
            ("250925-2318", None, None),
            (" nightly", None, None),
        ] {
            let found = key(text, client).ok().map(|key| key.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
