//! A mapping against the schema of its table: done once, before the first write.

use super::cell::{CellProblem, CellType, cell};
use super::data::{FieldMap, Mapping, StatusWords};
use super::source::LedgerField;
use super::values::{LedgerValue, Values};
use crate::answer::TableSchema;
use crate::formula::FormulaError;
use crate::ids::{IdError, RecordId, TableRef};
use crate::request::{ChangedRow, Fields, NewRow, RowKey};
use serde_json::Value;
use std::fmt;

/// What came of a mapping and a schema: a table to write to, or none, and all that was found.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// The table; none when a finding forbids writing.
    pub table: Option<ResolvedTable>,
    /// What was found, in the order of the mapping.
    pub findings: Vec<Finding>,
}

/// Something about a table that its owner should know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The table, by its name.
    pub table: String,
    /// The field of the table.
    pub field: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// It is not there, and the mapping cannot do without it.
    Missing,
    /// It is not there, and will not be written.
    OptionalMissing,
    /// It is computed, and will not be written.
    Computed,
    /// Rows would be known by it, and it is computed.
    KeyComputed,
    /// Its type takes no such value.
    WrongType(String),
    /// It lacks options that statuses are written with.
    OptionsMissing(Vec<String>),
    /// Rows are to be known by it, and its name cannot be looked for.
    KeyUnnameable,
    /// The mapping says of no field that rows are known by it.
    NoKey,
    /// Two entries of the mapping write it.
    MappedTwice,
}

/// A field that is written, as the schema has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResolvedField {
    /// Its id: what it is written and read by.
    pub id: String,
    /// Its name: what formulas call it.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Its options, where it is a select.
    pub(super) options: Vec<String>,
    pub(crate) from: LedgerField,
    pub(crate) is_key: bool,
}

/// A table whose fields were seen. It makes rows of records.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedTable {
    table: TableRef,
    name: String,
    fields: Vec<ResolvedField>,
    statuses: StatusWords,
}

/// Why a record has no row. It is set aside, and others go on (I12).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RowProblem {
    /// A value does not go into its field.
    #[error("the field {field:?} of {table:?} cannot take {from} of {key}: {cause}")]
    Cell {
        /// The table.
        table: String,
        /// The field of the table.
        field: String,
        /// The field of the ledger.
        from: LedgerField,
        /// The record.
        key: String,
        /// Why.
        cause: Box<CellProblem>,
    },
    /// The record lacks what its row would be known by.
    #[error("{key} has no {from}, by which rows of {table:?} are known; change the mapping")]
    KeyMissing {
        /// The table.
        table: String,
        /// The field of the ledger.
        from: LedgerField,
        /// The record.
        key: String,
    },
    /// The key cannot be looked for.
    #[error("the rows of {table:?} cannot be looked for: {cause}")]
    Key {
        /// The table.
        table: String,
        /// Why.
        cause: FormulaError,
    },
}

impl Problem {
    /// Whether nothing may be written before it is mended.
    pub const fn forbids_writing(&self) -> bool {
        !matches!(self, Self::OptionalMissing | Self::Computed)
    }

    /// The word for it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "field_missing",
            Self::OptionalMissing => "optional_field_missing",
            Self::Computed => "field_computed",
            Self::KeyComputed => "key_computed",
            Self::WrongType(_) => "field_type",
            Self::OptionsMissing(_) => "options_missing",
            Self::KeyUnnameable => "key_unnameable",
            Self::NoKey => "no_key",
            Self::MappedTwice => "mapped_twice",
        }
    }
}

impl Mapping {
    /// Compares the mapping with the table. Rows are written by the ids of the fields that were seen.
    ///
    /// # Errors
    /// [`IdError`] when the schema has no id that could be one.
    pub fn resolve(&self, schema: &TableSchema) -> Result<Resolution, IdError> {
        let mut findings = Vec::new();
        let mut fields: Vec<ResolvedField> = Vec::new();
        for map in &self.fields {
            match self.field(schema, map, &mut findings) {
                Some(field) if fields.iter().any(|known| known.id == field.id) => {
                    findings.push(finding(schema, map, Problem::MappedTwice));
                }
                Some(field) => fields.push(field),
                None => {}
            }
        }
        if !self.fields.iter().any(|map| map.key) {
            findings.push(Finding {
                table: schema.name.clone(),
                field: String::new(),
                problem: Problem::NoKey,
            });
        }
        let forbidden = findings.iter().any(|finding| finding.problem.forbids_writing());
        let table = ResolvedTable {
            table: schema.id.parse()?,
            name: schema.name.clone(),
            fields,
            statuses: self.statuses.clone(),
        };
        Ok(Resolution {
            table: (!forbidden).then_some(table),
            findings,
        })
    }

    fn field(&self, schema: &TableSchema, map: &FieldMap, findings: &mut Vec<Finding>) -> Option<ResolvedField> {
        let mut report = |problem| findings.push(finding(schema, map, problem));
        let Some(found) = schema.field(&map.to) else {
            report(if map.optional && !map.key {
                Problem::OptionalMissing
            } else {
                Problem::Missing
            });
            return None;
        };
        let kind = CellType::of(&found.kind);
        if kind == CellType::Computed {
            report(if map.key {
                Problem::KeyComputed
            } else {
                Problem::Computed
            });
            return None;
        }
        if !takes(kind, &map.from) || (map.key && kind != CellType::Text) {
            report(Problem::WrongType(found.kind.clone()));
            return None;
        }
        if map.key && crate::formula::FieldName::new(&found.name).is_err() {
            report(Problem::KeyUnnameable);
            return None;
        }
        let options: Vec<String> = found.select_options().into_iter().map(|option| option.0).collect();
        if kind == CellType::Select && map.from == LedgerField::Status {
            let words = self.statuses.all().into_iter();
            let missing: Vec<_> = words
                .filter(|word| !options.iter().any(|option| option == word))
                .map(str::to_owned)
                .collect();
            if !missing.is_empty() {
                report(Problem::OptionsMissing(missing));
                return None;
            }
        }
        Some(ResolvedField {
            id: found.id.clone(),
            name: found.name.clone(),
            kind: found.kind.clone(),
            options,
            from: map.from.clone(),
            is_key: map.key,
        })
    }
}

/// Whether fields of this type can hold values of that field of the ledger. A batch may be a number, or not: each row says.
fn takes(kind: CellType, from: &LedgerField) -> bool {
    use LedgerField as F;
    let is_moment = matches!(from, F::StartedAt | F::EndedAt | F::UpdatedAt);
    let is_number = matches!(
        from,
        F::DurationSeconds | F::Version | F::Metric(_) | F::TotalClients | F::TotalWithErrors | F::Total(_) | F::Batch
    );
    match kind {
        CellType::Text => true,
        CellType::Moment | CellType::Day => is_moment,
        CellType::Number => is_number,
        CellType::Select => !is_moment && (!is_number || *from == F::Batch),
        CellType::Computed | CellType::Other => false,
    }
}

fn finding(schema: &TableSchema, map: &FieldMap, problem: Problem) -> Finding {
    Finding {
        table: schema.name.clone(),
        field: map.to.clone(),
        problem,
    }
}

impl ResolvedTable {
    /// The table, by its id.
    pub const fn table(&self) -> &TableRef {
        &self.table
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fields that are written.
    pub fn fields(&self) -> &[ResolvedField] {
        &self.fields
    }

    /// What the row of a record is known by.
    ///
    /// # Errors
    /// [`RowProblem`].
    pub fn key(&self, values: &Values) -> Result<RowKey, RowProblem> {
        let mut parts = Vec::new();
        for field in self.fields.iter().filter(|field| field.is_key) {
            let value = values.get(&field.from).ok_or_else(|| RowProblem::KeyMissing {
                table: self.name.clone(),
                from: field.from.clone(),
                key: shown_key(values),
            })?;
            let cell = self.cell(field, value, values)?;
            parts.push((field, cell.as_str().unwrap_or_default().to_owned()));
        }
        let parts: Vec<_> = parts
            .iter()
            .map(|(field, text)| (field.id.as_str(), field.name.as_str(), text.as_str()))
            .collect();
        RowKey::new(&parts).map_err(|cause| RowProblem::Key {
            table: self.name.clone(),
            cause,
        })
    }

    /// What a row with these cells is known by; nothing when they lack it.
    pub fn key_in(&self, cells: &Fields) -> Option<RowKey> {
        let keys = self.fields.iter().filter(|field| field.is_key);
        let parts = keys.map(|field| Some((field.id.as_str(), field.name.as_str(), cells.get(&field.id)?.as_str()?)));
        RowKey::new(&parts.collect::<Option<Vec<_>>>()?).ok()
    }

    /// The row that a record is shown by, to be made. What the record does not have is left out.
    ///
    /// # Errors
    /// [`RowProblem`].
    pub fn new_row(&self, values: &Values) -> Result<NewRow, RowProblem> {
        let mut fields = self.cells(values)?;
        fields.retain(|_, value| !value.is_null());
        Ok(NewRow {
            key: self.key(values)?,
            fields,
        })
    }

    /// All cells of a row that is there. What the record does not have is emptied.
    ///
    /// # Errors
    /// [`RowProblem`].
    pub fn changed_row(&self, id: RecordId, values: &Values) -> Result<ChangedRow, RowProblem> {
        Ok(ChangedRow {
            id,
            key: self.key(values)?,
            fields: self.cells(values)?,
        })
    }

    /// All cells of a record's row, by the ids of the fields; `null` where the record has nothing.
    ///
    /// # Errors
    /// [`RowProblem`].
    pub fn cells(&self, values: &Values) -> Result<Fields, RowProblem> {
        let mut cells = Fields::new();
        for field in &self.fields {
            let cell = match values.get(&field.from) {
                Some(value) => self.cell(field, value, values)?,
                None => Value::Null,
            };
            cells.insert(field.id.clone(), cell);
        }
        Ok(cells)
    }

    fn cell(&self, field: &ResolvedField, value: &LedgerValue, values: &Values) -> Result<Value, RowProblem> {
        cell(field, value, &self.statuses).map_err(|cause| RowProblem::Cell {
            table: self.name.clone(),
            field: field.name.clone(),
            from: field.from.clone(),
            key: shown_key(values),
            cause: Box::new(cause),
        })
    }
}

fn shown_key(values: &Values) -> String {
    match values.get(&LedgerField::Key) {
        Some(LedgerValue::Text(key)) => key.clone(),
        _ => String::new(),
    }
}

impl Finding {
    /// What was found.
    pub fn what(&self) -> String {
        let Self { table, field, problem } = self;
        match problem {
            Problem::Missing => format!("{table:?} has no field {field:?}"),
            Problem::OptionalMissing => format!("{table:?} has no field {field:?}; it is not written"),
            Problem::Computed => format!("the field {field:?} of {table:?} is computed; it is not written"),
            Problem::KeyComputed => {
                format!("rows of {table:?} are to be known by {field:?}, which is computed")
            }
            Problem::WrongType(kind) => {
                format!("the field {field:?} of {table:?} is of the type {kind}, which does not take this")
            }
            Problem::OptionsMissing(missing) => {
                let missing: Vec<_> = missing.iter().map(|word| format!("{word:?}")).collect();
                format!(
                    "the field {field:?} of {table:?} lacks the options {}",
                    missing.join(", ")
                )
            }
            Problem::KeyUnnameable => {
                format!("rows of {table:?} are to be known by {field:?}, whose name has a backslash or a line break")
            }
            Problem::NoKey => format!("the mapping of {table:?} says of no field that rows are known by it"),
            Problem::MappedTwice => format!("the field {field:?} of {table:?} is written twice"),
        }
    }

    /// What to do about it; empty when that is nothing.
    pub const fn remedy(&self) -> &'static str {
        match self.problem {
            Problem::Missing => "add it at Airtable, or change the mapping",
            Problem::OptionalMissing | Problem::Computed => "",
            Problem::KeyComputed => "name a text field as key",
            Problem::WrongType(_) => "change the type, or the mapping",
            Problem::OptionsMissing(_) => "add them at Airtable, or give the statuses other words",
            Problem::KeyUnnameable => "rename it",
            Problem::NoKey => "set key = true",
            Problem::MappedTwice => "keep one entry of the mapping",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what())?;
        match self.remedy() {
            "" => Ok(()),
            remedy => write!(f, ": {remedy}"),
        }
    }
}
