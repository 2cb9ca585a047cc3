//! What is asked of Airtable: lists, and batches of rows that are known apart by their keys.

use crate::formula::{FieldName, Formula, FormulaError};
use crate::ids::RecordId;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

/// How many rows Airtable takes in one request. A setting, since its documentation no longer says so everywhere.
pub const BATCH_ROWS: usize = 10;

/// Cells by the name or id of their field.
pub type Fields = Map<String, Value>;

/// What a row is known by: fields and their texts. All of them together are unique in the ledger.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RowKey(Vec<KeyPart>);

/// One field of a key.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct KeyPart {
    /// As answers name the field.
    pub(crate) answered_as: String,
    /// As formulas name it.
    pub(crate) name: FieldName,
    pub(crate) text: String,
}

/// A row that is to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRow {
    /// What it is known by.
    pub key: RowKey,
    /// Its cells, the key among them.
    pub fields: Fields,
}

/// A row that is to be changed.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedRow {
    /// The record; it was seen, and is not guessed.
    pub id: RecordId,
    /// What it is known by.
    pub key: RowKey,
    /// The cells to write; `null` empties one, what is not named stays.
    pub fields: Fields,
}

/// Rows that can be sent in one request: some, not too many, no two of one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch<R>(Vec<R>);

/// Rows that cannot be sent together. Nothing was sent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// There are none.
    #[error("a batch has no rows; nothing was sent")]
    Empty,
    /// There are too many.
    #[error("a batch has {rows} rows where {most} are taken; nothing was sent")]
    TooMany {
        /// How many there are.
        rows: usize,
        /// How many are taken.
        most: usize,
    },
    /// Two have one key: nobody says what Airtable makes of that.
    #[error("two rows of a batch have the key {0}; nothing was sent; keep the newer one")]
    SameKey(RowKey),
}

/// A row of a batch.
pub(crate) trait Row {
    fn key(&self) -> &RowKey;
}

impl Row for NewRow {
    fn key(&self) -> &RowKey {
        &self.key
    }
}

impl Row for ChangedRow {
    fn key(&self) -> &RowKey {
        &self.key
    }
}

impl RowKey {
    /// A key of one field or several: how answers name each (its id, or its name), its name, and its text.
    ///
    /// # Errors
    /// [`FormulaError`]: there is no field, a name cannot stand in a formula, or a text is empty.
    pub fn new(parts: &[(&str, &str, &str)]) -> Result<Self, FormulaError> {
        if parts.is_empty() {
            return Err(FormulaError::NoParts);
        }
        let parts = parts.iter().map(|(answered_as, name, text)| {
            if text.is_empty() {
                return Err(FormulaError::EmptyText);
            }
            Ok(KeyPart {
                answered_as: (*answered_as).to_owned(),
                name: FieldName::new(name)?,
                text: (*text).to_owned(),
            })
        });
        Ok(Self(parts.collect::<Result<_, _>>()?))
    }

    /// The formula that finds the rows of this key.
    ///
    /// # Errors
    /// As [`Formula::equals`], which a key rules out.
    pub fn formula(&self) -> Result<Formula, FormulaError> {
        let parts = self.0.iter().map(|part| Formula::equals(&part.name, &part.text));
        Formula::all(&parts.collect::<Result<Vec<_>, _>>()?)
    }

    /// Whether these cells have this key.
    pub fn fits(&self, fields: &Fields) -> bool {
        self.0
            .iter()
            .all(|part| fields.get(&part.answered_as).and_then(Value::as_str) == Some(&part.text))
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&part.text)?;
        }
        Ok(())
    }
}

#[expect(private_bounds, reason = "the rows that there are, are all here")]
impl<R: Row> Batch<R> {
    /// Takes rows together, at most as many as the setting says.
    ///
    /// # Errors
    /// [`BatchError`].
    pub fn new(rows: Vec<R>, most: usize) -> Result<Self, BatchError> {
        if rows.is_empty() {
            return Err(BatchError::Empty);
        }
        if rows.len() > most {
            return Err(BatchError::TooMany { rows: rows.len(), most });
        }
        let mut keys = BTreeSet::new();
        if let Some(twice) = rows.iter().find(|row| !keys.insert(row.key())) {
            return Err(BatchError::SameKey(twice.key().clone()));
        }
        Ok(Self(rows))
    }
}

impl<R> Batch<R> {
    pub(crate) fn rows(&self) -> &[R] {
        &self.0
    }

    pub(crate) fn into_rows(self) -> Vec<R> {
        self.0
    }
}

/// The direction of a sort.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// What a list is to hold. Without a filter it is the whole table.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Which records.
    pub filter: Option<Formula>,
    /// These fields alone, by name or id; all when there are none.
    pub fields: Vec<String>,
    /// The order, by name or id of the field.
    pub sort: Vec<(String, Direction)>,
    /// Records on a page, 100 at most.
    pub page_size: Option<u8>,
    /// Records in all.
    pub max_records: Option<u32>,
    /// Cells are named by the ids of their fields, not by the names.
    pub by_field_id: bool,
    /// Where to go on.
    pub offset: Option<String>,
}

impl ListQuery {
    /// As the query of a GET.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut add = |name: &str, value: &str| pairs.push((name.to_owned(), value.to_owned()));
        if let Some(filter) = &self.filter {
            add("filterByFormula", filter.as_str());
        }
        for field in &self.fields {
            add("fields[]", field);
        }
        for (place, (field, direction)) in self.sort.iter().enumerate() {
            add(&format!("sort[{place}][field]"), field);
            add(&format!("sort[{place}][direction]"), direction.word());
        }
        if let Some(size) = self.page_size {
            add("pageSize", &size.to_string());
        }
        if let Some(most) = self.max_records {
            add("maxRecords", &most.to_string());
        }
        if self.by_field_id {
            add("returnFieldsByFieldId", "true");
        }
        if let Some(offset) = &self.offset {
            add("offset", offset);
        }
        pairs
    }

    /// As the body of a POST, for what is too long for a URL.
    pub(crate) fn body(&self) -> Value {
        let mut body = Map::new();
        if let Some(filter) = &self.filter {
            body.insert("filterByFormula".into(), filter.as_str().into());
        }
        if !self.fields.is_empty() {
            body.insert("fields".into(), self.fields.clone().into());
        }
        let sort = self.sort.iter().map(|(field, direction)| {
            Value::Object(Map::from_iter([
                ("field".to_owned(), field.clone().into()),
                ("direction".to_owned(), direction.word().into()),
            ]))
        });
        let sort: Vec<_> = sort.collect();
        if !sort.is_empty() {
            body.insert("sort".into(), sort.into());
        }
        if let Some(size) = self.page_size {
            body.insert("pageSize".into(), size.into());
        }
        if let Some(most) = self.max_records {
            body.insert("maxRecords".into(), most.into());
        }
        if self.by_field_id {
            body.insert("returnFieldsByFieldId".into(), true.into());
        }
        if let Some(offset) = &self.offset {
            body.insert("offset".into(), offset.clone().into());
        }
        Value::Object(body)
    }
}

impl Direction {
    const fn word(self) -> &'static str {
        match self {
            Self::Ascending => "asc",
            Self::Descending => "desc",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str) -> NewRow {
        NewRow {
            key: RowKey::new(&[("fldA", "Run ID", key)]).unwrap(),
            fields: Fields::new(),
        }
    }

    #[test]
    fn a_batch_has_some_rows_not_too_many_and_no_two_of_one_key() {
        assert_eq!(Batch::<NewRow>::new(vec![], 10), Err(BatchError::Empty));
        assert_eq!(
            Batch::new(vec![row("a"), row("b")], 1),
            Err(BatchError::TooMany { rows: 2, most: 1 })
        );
        let twice = Batch::new(vec![row("a"), row("b"), row("a")], 10).unwrap_err();
        assert!(twice.to_string().contains("the key a"), "{twice}");
        assert!(Batch::new(vec![row("a"), row("A")], 10).is_ok());
    }

    #[test]
    fn a_key_has_no_empty_part() {
        assert_eq!(RowKey::new(&[]), Err(FormulaError::NoParts));
        assert_eq!(RowKey::new(&[("f", "Run ID", "")]), Err(FormulaError::EmptyText));
        let key = RowKey::new(&[("fldA", "Run ID", "r"), ("fldB", "Client ID", "O'Brien")]).unwrap();
        assert_eq!(
            key.formula().unwrap().as_str(),
            r"AND({Run ID}='r',{Client ID}='O\'Brien')"
        );
        let cells = |client: &str| Fields::from_iter([("fldA".into(), "r".into()), ("fldB".into(), client.into())]);
        assert!(key.fits(&cells("O'Brien")));
        assert!(!key.fits(&cells("o'brien")));
    }
}
