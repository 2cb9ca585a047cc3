//! What stands between the ledger and its first row: the token, the bases, the tables and their fields.
//!
//! Nothing is written, so what only a write can tell is said to be not known.

use super::{AirtableTarget, KINDS, table_of};
use crate::answer::TableSchema;
use crate::ids::{BaseId, TableRef};
use crate::mapping::Finding;
use crate::outcome::ReadError;
use crate::request::ListQuery;
use runledger_ports::{Severity, TargetFinding};
use std::collections::BTreeMap;

/// The scope without which no row is written.
const WRITE: &str = "data.records:write";
/// What a token must be allowed to do.
const SCOPES: [(&str, &str); 3] = [
    ("data.records:read", "rows cannot be looked up"),
    (WRITE, "no row can be written"),
    ("schema.bases:read", "the tables cannot be looked at"),
];

impl AirtableTarget {
    /// What is to be known before rows are written, the worst first.
    pub(super) async fn find_faults(&self) -> Vec<TargetFinding> {
        let mut found = Vec::new();
        self.look_at_token(&mut found).await;
        let mut bases: BTreeMap<&BaseId, Option<Vec<TableSchema>>> = BTreeMap::new();
        for kind in KINDS {
            let place = self.places.of(kind);
            if !bases.contains_key(&place.base) {
                let tables = self.airtable.tables(&place.base).await;
                let what = format!("the tables of the base {} cannot be looked at", place.base);
                let tables = tables.map_err(|error| found.push(unreadable("base_unreadable", &what, &error)));
                bases.insert(&place.base, tables.ok());
            }
            if let Some(Some(tables)) = bases.get(&place.base) {
                self.look_at_table(&place.base, &place.mapping, tables, &mut found)
                    .await;
            }
        }
        found.sort_by_key(|finding| finding.severity);
        found
    }

    async fn look_at_token(&self, found: &mut Vec<TargetFinding>) {
        let whoami = match self.airtable.whoami().await {
            Ok(whoami) => whoami,
            Err(error) => {
                found.push(unreadable(
                    "token_refused",
                    "Airtable does not say whose the token is",
                    &error,
                ));
                return;
            }
        };
        let missing: Vec<_> = whoami.scopes.iter().flat_map(|scopes| missing_scopes(scopes)).collect();
        if !missing.iter().any(|finding| finding.what.contains(WRITE)) {
            found.push(TargetFinding {
                severity: Severity::Informs,
                code: "write_not_tried",
                what: "whether the token may write is known when the first row is written".into(),
                remedy: format!("give it {WRITE}, and its user the role of an editor"),
            });
        }
        found.extend(missing);
    }

    async fn look_at_table(
        &self,
        base: &BaseId,
        mapping: &crate::mapping::Mapping,
        tables: &[TableSchema],
        found: &mut Vec<TargetFinding>,
    ) {
        let Some(schema) = table_of(tables, &mapping.table) else {
            let names: Vec<_> = tables.iter().map(|table| format!("{:?}", table.name)).collect();
            found.push(TargetFinding {
                severity: Severity::Forbids,
                code: "table_missing",
                what: format!(
                    "the base {base} has no table {:?}, but {}",
                    mapping.table,
                    names.join(", ")
                ),
                remedy: "name one of them in the mapping, or make the table at Airtable".into(),
            });
            return;
        };
        match mapping.resolve(schema) {
            Ok(resolution) => found.extend(resolution.findings.iter().map(of_field)),
            Err(error) => found.push(TargetFinding {
                severity: Severity::Forbids,
                code: "schema_unreadable",
                what: error.to_string(),
                remedy: "look whether airtable.endpoint is Airtable".into(),
            }),
        }
        let Ok(table) = schema.id.parse::<TableRef>() else {
            return;
        };
        let query = ListQuery {
            page_size: Some(1),
            max_records: Some(1),
            ..ListQuery::default()
        };
        if let Err(error) = self.airtable.list(base, &table, &query).await {
            let what = format!("the rows of {:?} cannot be read", schema.name);
            found.push(unreadable("rows_unreadable", &what, &error));
        }
    }
}

/// What a token lacks of which Airtable says what it may.
fn missing_scopes(scopes: &[String]) -> impl Iterator<Item = TargetFinding> {
    let missing = SCOPES
        .iter()
        .filter(|(scope, _)| !scopes.iter().any(|has| has == scope));
    missing.map(|(scope, without)| TargetFinding {
        severity: Severity::Forbids,
        code: "scope_missing",
        what: format!("the token has no scope {scope}: {without}"),
        remedy: format!("give it {scope}"),
    })
}

fn of_field(finding: &Finding) -> TargetFinding {
    TargetFinding {
        severity: if finding.problem.forbids_writing() {
            Severity::Forbids
        } else {
            Severity::Informs
        },
        code: finding.problem.code(),
        what: finding.what(),
        remedy: finding.remedy().into(),
    }
}

/// Something that was asked and not answered.
fn unreadable(code: &'static str, what: &str, error: &ReadError) -> TargetFinding {
    let (why, remedy) = match error {
        ReadError::Refused(refusal) => {
            let word = refusal.word.as_deref().unwrap_or("no word of its own");
            (format!("{} {word}", refusal.status), refusal.kind.advice())
        }
        ReadError::NotReached(cause) => (cause.clone(), "look at airtable.endpoint and the network"),
        ReadError::NoAnswer(doubt) => (doubt.to_string(), "check again later"),
    };
    TargetFinding {
        severity: Severity::Forbids,
        code,
        what: format!("{what} ({why})"),
        remedy: remedy.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scope_that_a_token_lacks_is_named() {
        let check = |scopes: &[&str], expected: &[&str]| {
            let scopes: Vec<_> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            let found: Vec<_> = missing_scopes(&scopes).map(|finding| finding.remedy).collect();
            assert_eq!(found, expected, "{scopes:?}");
        };
        check(
            &["data.records:read", "data.records:write", "schema.bases:read", "x"],
            &[],
        );
        check(
            &["data.records:read", "schema.bases:read"],
            &["give it data.records:write"],
        );
        check(
            &[],
            &[
                "give it data.records:read",
                "give it data.records:write",
                "give it schema.bases:read",
            ],
        );
    }
}
