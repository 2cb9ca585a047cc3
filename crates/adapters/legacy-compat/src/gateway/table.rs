//! The tables whose rows are records of the ledger, as data: where each is, which kind of record its rows are, and what its
//! columns are called.

use std::collections::BTreeMap;

use runledger_domain::RecordKind;

use crate::fields::{
    APIFY_RUN_ID, CLIENT_ID, CLIENT_NAME, END_TIME, ERROR_DETAILS, JOB_TOTALS, METRICS, PROGRESS_LOG, RUN_ID,
    START_TIME, STATUS, STREAM, SYSTEM_NOTES,
};

/// How many letters and digits follow the three letters of an id of Airtable.
const ID_LENGTH: usize = 14;
/// The view that every table has and that leaves nothing out.
const WHOLE_VIEW: &str = "Grid view";

/// What is to be known of a run table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RunTableSpec {
    /// Which records its rows are.
    pub kind: RecordKind,
    /// The base, `app` and 14 letters or digits.
    pub base: String,
    /// The table, `tbl` and 14 letters or digits.
    pub table: String,
    /// What the table is called, or was: programs may say a name in the place of the id.
    pub names: Vec<String>,
    /// What a column is called here, by its older name; the others have their older names.
    pub columns: BTreeMap<String, String>,
    /// The ids of columns, by their older names, for programs that say these.
    pub field_ids: BTreeMap<String, String>,
    /// Views that leave no row out, beside `Grid view`. Any other is refused: what it leaves out is not known here.
    pub views: Vec<String>,
    /// Whether the run id of a client's row is shown with the client behind it.
    pub run_id_with_client: bool,
    /// What becomes of a request to delete rows.
    pub deletes: Deletes,
}

/// What becomes of a request to delete rows. Records are never deleted (I1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Deletes {
    /// It is refused.
    #[default]
    Refuse,
    /// The records end as cancelled, and stay.
    Cancel,
}

impl RunTableSpec {
    /// A table with the older names of its columns.
    pub fn new(kind: RecordKind, base: &str, table: &str) -> Self {
        Self {
            kind,
            base: base.into(),
            table: table.into(),
            names: Vec::new(),
            columns: BTreeMap::new(),
            field_ids: BTreeMap::new(),
            views: Vec::new(),
            run_id_with_client: true,
            deletes: Deletes::default(),
        }
    }
}

/// Why something is no run table.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RunTableError {
    /// Not the id of a base or a table.
    #[error("{text:?} is no id of Airtable: write {prefix} and the {ID_LENGTH} letters or digits after it")]
    Id {
        /// How it should have begun.
        prefix: &'static str,
        /// What was given, cut short.
        text: String,
    },
    /// A column that rows of this kind do not have.
    #[error("a {kind} table has no column {column:?}; there is {known}")]
    Column {
        /// Job or client.
        kind: &'static str,
        /// What was given.
        column: String,
        /// The columns that there are.
        known: String,
    },
    /// Two columns, or two tables, of one name.
    #[error("{0:?} names two things; give each a name of its own")]
    Twice(String),
    /// A name that is none.
    #[error("a name is empty; leave it out, or write it as it stands at Airtable")]
    Empty,
}

/// A table whose rows are records of the ledger.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RunTable {
    pub(super) kind: RecordKind,
    pub(super) base: String,
    /// The id first, then the names.
    pub(super) names: Vec<String>,
    pub(super) columns: Vec<Column>,
    pub(super) views: Vec<String>,
    pub(super) run_id_with_client: bool,
    pub(super) deletes: Deletes,
}

/// A column of a run table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Column {
    /// Its older name, by which the rules know it.
    pub(super) older: &'static str,
    /// What it is called here.
    pub(super) name: String,
    /// Its id, if that is known.
    pub(super) id: Option<String>,
}

impl RunTable {
    /// Reads what is to be known of a table.
    ///
    /// # Errors
    /// [`RunTableError`].
    pub fn new(spec: RunTableSpec) -> Result<Self, RunTableError> {
        check_id(&spec.base, "app")?;
        check_id(&spec.table, "tbl")?;
        let known = columns_of(spec.kind);
        for column in spec.columns.keys().chain(spec.field_ids.keys()) {
            if !known.contains(&column.as_str()) {
                return Err(RunTableError::Column {
                    kind: spec.kind.as_str(),
                    column: column.clone(),
                    known: known.join(", "),
                });
            }
        }
        let columns: Vec<_> = known
            .iter()
            .map(|older| Column {
                older,
                name: spec.columns.get(*older).map_or_else(|| (*older).into(), Clone::clone),
                id: spec.field_ids.get(*older).cloned(),
            })
            .collect();
        let names: Vec<_> = std::iter::once(spec.table).chain(spec.names).collect();
        check_distinct(names.iter().map(String::as_str))?;
        let said = columns
            .iter()
            .flat_map(|column| std::iter::once(&column.name).chain(&column.id));
        check_distinct(said.map(String::as_str))?;
        Ok(Self {
            kind: spec.kind,
            base: spec.base,
            names,
            columns,
            views: std::iter::once(WHOLE_VIEW.into()).chain(spec.views).collect(),
            run_id_with_client: spec.run_id_with_client,
            deletes: spec.deletes,
        })
    }

    /// Whether this is the table that a path means: by its id or by a name. Case, white space around it and a plus in the
    /// place of a space do not matter, so that no spelling of a run table leads past the ledger.
    pub(super) fn is(&self, base: &str, table: &str) -> bool {
        let said = [fold(table), fold(&table.replace('+', " "))];
        self.base == base && self.names.iter().any(|name| said.contains(&fold(name)))
    }

    /// The column of this name or id.
    pub(super) fn column(&self, name_or_id: &str) -> Option<&Column> {
        let is = |column: &&Column| column.name == name_or_id || column.id.as_deref() == Some(name_or_id);
        self.columns.iter().find(is)
    }

    /// What a column is called here, by its older name.
    pub(super) fn name_of(&self, older: &'static str) -> &str {
        let found = self.columns.iter().find(|column| column.older == older);
        found.map_or(older, |column| &column.name)
    }

    /// The columns that say which record a row is.
    pub(super) const fn key_columns(&self) -> &'static [&'static str] {
        match self.kind {
            RecordKind::Job => &[RUN_ID],
            RecordKind::Client => &[RUN_ID, CLIENT_ID],
        }
    }
}

/// Whether two tables would answer to one name in one base.
pub(super) fn check_tables(tables: &[RunTable]) -> Result<(), RunTableError> {
    for (place, table) in tables.iter().enumerate() {
        let others = &tables[place + 1..];
        let shared = table
            .names
            .iter()
            .find(|name| others.iter().any(|other| other.is(&table.base, name)));
        if let Some(name) = shared {
            return Err(RunTableError::Twice(name.clone()));
        }
    }
    Ok(())
}

/// Whether a text has the form of an id with this prefix.
pub(super) fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|rest| rest.len() == ID_LENGTH && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn check_id(text: &str, prefix: &'static str) -> Result<(), RunTableError> {
    if is_id(text, prefix) {
        return Ok(());
    }
    // What is no id may be anything, a token included.
    let text = text.chars().take(6).collect();
    Err(RunTableError::Id { prefix, text })
}

fn check_distinct<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), RunTableError> {
    let mut seen = Vec::new();
    for name in names {
        let folded = fold(name);
        if folded.is_empty() {
            return Err(RunTableError::Empty);
        }
        if seen.contains(&folded) {
            return Err(RunTableError::Twice(name.into()));
        }
        seen.push(folded);
    }
    Ok(())
}

fn fold(name: &str) -> String {
    name.trim().to_lowercase()
}

/// The columns of rows of this kind, by their older names, in the order in which they are shown.
fn columns_of(kind: RecordKind) -> Vec<&'static str> {
    let long = [SYSTEM_NOTES, ERROR_DETAILS, PROGRESS_LOG, APIFY_RUN_ID];
    match kind {
        RecordKind::Job => {
            let first = [RUN_ID, STATUS, STREAM, START_TIME, END_TIME];
            let totals = JOB_TOTALS.iter().map(|(column, _)| *column);
            first.into_iter().chain(totals).chain(long).collect()
        }
        RecordKind::Client => {
            let first = [RUN_ID, CLIENT_ID, CLIENT_NAME, STATUS, START_TIME, END_TIME];
            let numbers = METRICS.iter().map(|(column, _)| *column);
            first.into_iter().chain(numbers).chain(long).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> RunTableSpec {
        RunTableSpec {
            names: vec!["Client Run Results".into()],
            ..RunTableSpec::new(RecordKind::Client, "appGateway0000001", "tblClients0000001")
        }
    }

    #[test]
    fn two_spellings_of_a_table_are_one_and_no_spelling_leads_past_it() {
        let table = RunTable::new(spec()).unwrap();
        for name in [
            "tblClients0000001",
            "Client Run Results",
            "client run results ",
            "Client+Run+Results",
            "TBLCLIENTS0000001",
        ] {
            assert!(table.is("appGateway0000001", name), "{name}");
        }
        assert!(!table.is("appGateway0000001", "Clients") && !table.is("appGateway0000002", "Client Run Results"));
    }

    #[test]
    fn columns_are_found_by_their_names_here_and_by_their_ids() {
        let mut spec = spec();
        spec.columns.insert(RUN_ID.into(), "Run".into());
        spec.field_ids.insert(RUN_ID.into(), "fldRun00000000001".into());
        let table = RunTable::new(spec).unwrap();
        for name in ["Run", "fldRun00000000001"] {
            assert_eq!(table.column(name).map(|column| column.older), Some(RUN_ID), "{name}");
        }
        assert_eq!(table.column(RUN_ID), None);
        assert_eq!(table.name_of(RUN_ID), "Run");
    }

    #[test]
    fn what_is_no_table_is_refused_by_name() {
        let refused = |change: fn(&mut RunTableSpec)| {
            let mut spec = spec();
            change(&mut spec);
            RunTable::new(spec).unwrap_err().to_string()
        };
        let base = refused(|spec| spec.base = "patSECRET.0000000".into());
        assert!(base.contains("write app") && !base.contains("SECRET.0"), "{base}");
        assert!(refused(|spec| spec.table = "Clients".into()).contains("write tbl"));
        let column = refused(|spec| {
            spec.columns.insert(STREAM.into(), "Stream".into());
        });
        assert!(column.contains("a client table has no column \"Stream\""), "{column}");
        let twice = refused(|spec| {
            spec.columns.insert(RUN_ID.into(), "client id".into());
        });
        assert!(twice.contains("names two things"), "{twice}");
        assert!(refused(|spec| spec.names.push(" ".into())).contains("empty"));
        let one = RunTable::new(spec()).unwrap();
        let other = RunTable::new(RunTableSpec {
            table: "tblClients0000002".into(),
            ..spec()
        });
        let error = check_tables(&[one, other.unwrap()]).unwrap_err();
        assert_eq!(error, RunTableError::Twice("Client Run Results".into()));
    }
}
