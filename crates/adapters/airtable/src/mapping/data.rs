//! The mapping of a table, as the configuration holds it.

use super::source::LedgerField;
use runledger_domain::{RecordKind, Status};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which fields of the ledger go into which fields of a table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The table, by id or name. An id survives when somebody renames the table.
    pub table: String,
    /// The fields.
    pub fields: Vec<FieldMap>,
    /// The words for statuses; those of the older tables where it says nothing.
    #[serde(default)]
    pub statuses: StatusWords,
}

/// One field.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FieldMap {
    /// The field of the ledger.
    pub from: LedgerField,
    /// The field of the table, by id or name.
    pub to: String,
    /// The row is known by it, together with the other ones that say so.
    #[serde(default)]
    pub key: bool,
    /// The table may do without it; then it is not written.
    #[serde(default)]
    pub optional: bool,
}

/// The word of a table for each status. Total: there is one for every status (F103, F104).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct StatusWords(BTreeMap<Status, String>);

impl Mapping {
    /// The tables of the older system, by the names that they had.
    pub fn older(kind: RecordKind) -> Self {
        super::older::mapping(kind)
    }

    /// Whether each record of this kind has a key of its own, which it never loses (I1).
    ///
    /// # Errors
    /// [`KeyUnfit`].
    pub fn check_key(&self, kind: RecordKind) -> Result<(), KeyUnfit> {
        let keys: Vec<_> = self.fields.iter().filter(|map| map.key).map(|map| &map.from).collect();
        let unfit = |why| KeyUnfit {
            table: self.table.clone(),
            why,
        };
        if let Some(changing) = keys
            .iter()
            .find(|from| !matches!(from, LedgerField::Key | LedgerField::RunId | LedgerField::ClientId))
        {
            return Err(unfit(format!("{changing} is not one of key, run_id and client_id")));
        }
        let has = |from: &LedgerField| keys.contains(&from);
        let is_unique = match kind {
            RecordKind::Job => has(&LedgerField::Key) || has(&LedgerField::RunId),
            RecordKind::Client => has(&LedgerField::Key) || has(&LedgerField::RunId) && has(&LedgerField::ClientId),
        };
        if is_unique {
            return Ok(());
        }
        Err(unfit(match kind {
            RecordKind::Job => "neither key nor run_id has key = true".into(),
            RecordKind::Client => "neither key, nor both run_id and client_id, have key = true".into(),
        }))
    }
}

/// Two records could be known by one key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("rows of {table:?} would not be known apart: {why}")]
pub struct KeyUnfit {
    /// The table.
    pub table: String,
    /// Why.
    pub why: String,
}

impl StatusWords {
    /// The word for a status.
    pub fn word(&self, status: Status) -> &str {
        // Every way to make one fills all of them.
        self.0.get(&status).map_or(older_word(status), String::as_str)
    }

    /// All words, each once.
    pub fn all(&self) -> Vec<&str> {
        let mut words: Vec<_> = Status::ALL.into_iter().map(|status| self.word(status)).collect();
        words.sort_unstable();
        words.dedup();
        words
    }
}

impl Default for StatusWords {
    /// The options of the older tables. They have fewer: what they cannot tell apart is `Failed`.
    fn default() -> Self {
        let words = Status::ALL.into_iter();
        Self(words.map(|status| (status, older_word(status).to_owned())).collect())
    }
}

fn older_word(status: Status) -> &'static str {
    use runledger_domain::Outcome;
    match status {
        Status::Queued | Status::Running => "Running",
        Status::Ended(Outcome::Succeeded) => "Completed",
        Status::Ended(Outcome::SucceededWithErrors) => "Completed with Errors",
        Status::Ended(Outcome::Skipped) => "No Leads To Score",
        Status::Ended(Outcome::Failed | Outcome::Cancelled | Outcome::Lost) => "Failed",
    }
}

impl TryFrom<BTreeMap<String, String>> for StatusWords {
    type Error = String;

    fn try_from(given: BTreeMap<String, String>) -> Result<Self, String> {
        let mut words = Self::default();
        for (status, word) in given {
            let status: Status = status.parse().map_err(|error| format!("{error}"))?;
            if word.trim().is_empty() {
                return Err(format!(
                    "the status {status} has an empty word: name an option of the table"
                ));
            }
            words.0.insert(status, word);
        }
        Ok(words)
    }
}

impl From<StatusWords> for BTreeMap<String, String> {
    fn from(words: StatusWords) -> Self {
        let words = words.0.into_iter();
        words.map(|(status, word)| (status.to_string(), word)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_a_word_each_also_where_only_some_are_given() {
        let given = r#"{ "cancelled": "Called Off", "lost": "Timed out" }"#;
        let words: StatusWords = serde_json::from_str(given).unwrap();
        let found: Vec<_> = Status::ALL.into_iter().map(|status| words.word(status)).collect();
        assert_eq!(
            found,
            [
                "Running",
                "Running",
                "Completed",
                "Completed with Errors",
                "Failed",
                "No Leads To Score",
                "Called Off",
                "Timed out"
            ]
        );
        for wrong in [r#"{ "Success": "x" }"#, r#"{ "lost": " " }"#] {
            assert!(serde_json::from_str::<StatusWords>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_is_one_records_own_for_ever() {
        let with = |keys: &[&str]| Mapping {
            table: "t".into(),
            fields: keys
                .iter()
                .map(|from| FieldMap {
                    from: from.parse().unwrap(),
                    to: (*from).into(),
                    key: true,
                    optional: false,
                })
                .collect(),
            statuses: StatusWords::default(),
        };
        for (keys, job, client) in [
            (vec!["key"], true, true),
            (vec!["run_id"], true, false),
            (vec!["run_id", "client_id"], true, true),
            (vec!["client_id"], false, false),
            (vec![], false, false),
            (vec!["key", "status"], false, false),
        ] {
            assert_eq!(with(&keys).check_key(RecordKind::Job).is_ok(), job, "{keys:?}");
            assert_eq!(with(&keys).check_key(RecordKind::Client).is_ok(), client, "{keys:?}");
        }
        for kind in [RecordKind::Job, RecordKind::Client] {
            assert_eq!(Mapping::older(kind).check_key(kind), Ok(()));
        }
    }

    #[test]
    fn a_mapping_is_data_that_is_read_and_written() {
        for kind in [RecordKind::Job, RecordKind::Client] {
            let mapping = Mapping::older(kind);
            let text = serde_json::to_string(&mapping).unwrap();
            assert_eq!(serde_json::from_str::<Mapping>(&text).unwrap(), mapping);
        }
        let odd = r#"{ "table": "t", "fields": [{ "from": "key", "to": "K", "requierd": true }] }"#;
        assert!(serde_json::from_str::<Mapping>(odd).is_err());
    }
}
