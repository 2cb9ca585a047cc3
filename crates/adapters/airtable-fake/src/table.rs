//! A table: its fields and records, and how a record looked a moment ago.

use crate::cell;
use crate::error::ApiError;
use crate::id::Ids;
use crate::schema::{Field, Kind, TableSpec, usable_name};
use runledger_airtable_formula::{self as formula, Row};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

/// How deep formula fields may refer to each other.
const FORMULAS_MAX: usize = 16;

/// Values by the id of their field; what is empty is not there.
pub(crate) type Cells = BTreeMap<String, Value>;

/// A record.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) created_ms: i64,
    pub(crate) modified_ms: i64,
    /// Its place in the order of creation; what an `autoNumber` field shows.
    pub(crate) number: u64,
    pub(crate) cells: Cells,
    /// What it was until a moment, oldest first; nothing where it did not exist. Kept for lists that lag.
    past: Vec<(i64, Option<Cells>)>,
}

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) fields: Vec<Field>,
    pub(crate) view: String,
    records: BTreeMap<u64, Record>,
    numbers: HashMap<String, u64>,
    /// Deleted records that lists still show while they lag, with the moment of the deletion.
    deleted: Vec<(i64, Record)>,
    last_number: u64,
}

impl Table {
    /// Makes an empty table.
    ///
    /// # Errors
    /// What is wrong with its fields.
    pub(crate) fn new(spec: &TableSpec, ids: &mut Ids) -> Result<Self, String> {
        if spec.fields.is_empty() {
            return Err(format!("the table {:?} has no field", spec.name));
        }
        let mut table = Self {
            id: spec.id.clone().unwrap_or_else(|| ids.next("tbl")),
            name: spec.name.clone(),
            description: spec.description.clone(),
            fields: Vec::new(),
            view: ids.next("viw"),
            records: BTreeMap::new(),
            numbers: HashMap::new(),
            deleted: Vec::new(),
            last_number: 0,
        };
        for field in &spec.fields {
            table.add_field(Field::new(field, ids)?)?;
        }
        Ok(table)
    }

    /// Adds a field.
    ///
    /// # Errors
    /// It has no name, or its name or its id is taken.
    pub(crate) fn add_field(&mut self, field: Field) -> Result<(), String> {
        usable_name("field", &field.name, self.fields.iter().map(|known| &*known.name))?;
        if self.fields.iter().any(|known| known.id == field.id) {
            return Err(format!("there is a field {} already", field.id));
        }
        self.fields.push(field);
        Ok(())
    }

    /// Gives the field at a place another name.
    ///
    /// # Errors
    /// It is no name, or another field has it.
    pub(crate) fn rename_field(&mut self, place: usize, name: &str) -> Result<(), String> {
        let others = self.fields.iter().enumerate().filter(|(other, _)| *other != place);
        usable_name("field", name, others.map(|(_, known)| &*known.name))?;
        name.clone_into(&mut self.fields[place].name);
        Ok(())
    }

    /// The field of this name or id.
    pub(crate) fn field(&self, name_or_id: &str) -> Option<&Field> {
        self.field_place(name_or_id).map(|place| &self.fields[place])
    }

    /// Where the field of this name or id is.
    pub(crate) fn field_place(&self, name_or_id: &str) -> Option<usize> {
        let by_name = self.fields.iter().position(|field| field.name == name_or_id);
        by_name.or_else(|| self.fields.iter().position(|field| field.id == name_or_id))
    }

    /// # Errors
    /// 422 `UNKNOWN_FIELD_NAME`.
    pub(crate) fn known_field(&self, name_or_id: &str) -> Result<&Field, ApiError> {
        self.field(name_or_id)
            .ok_or_else(|| ApiError::unknown_field(name_or_id))
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Record> {
        self.records.get(self.numbers.get(id)?)
    }

    /// All records, oldest first.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// All records as they were at a moment.
    pub(crate) fn records_at(&self, moment_ms: i64) -> Vec<Record> {
        let deleted = self.deleted.iter().filter(|(at, _)| *at > moment_ms);
        let mut found: Vec<_> = self
            .records()
            .chain(deleted.map(|(_, record)| record))
            .filter_map(|record| record.at(moment_ms))
            .collect();
        found.sort_by_key(|record| record.number);
        found
    }

    /// Adds a record; `None` is an empty cell. `keep_past` says that lists lag.
    pub(crate) fn insert(&mut self, id: String, cells: BTreeMap<String, Option<Value>>, now_ms: i64, keep_past: bool) {
        self.last_number += 1;
        let number = self.last_number;
        let record = Record {
            id: id.clone(),
            created_ms: now_ms,
            modified_ms: now_ms,
            number,
            cells: cells
                .into_iter()
                .filter_map(|(field, value)| Some((field, value?)))
                .collect(),
            past: if keep_past { vec![(now_ms, None)] } else { Vec::new() },
        };
        self.records.insert(number, record);
        self.numbers.insert(id, number);
    }

    /// Writes cells; `None` empties one. A replacement empties all others that can be written.
    pub(crate) fn change(
        &mut self,
        id: &str,
        cells: &BTreeMap<String, Option<Value>>,
        replace: bool,
        now_ms: i64,
        keep_past: bool,
    ) {
        let Some(record) = self.numbers.get(id).and_then(|number| self.records.get_mut(number)) else {
            return;
        };
        if keep_past {
            record.past.push((now_ms, Some(record.cells.clone())));
        }
        if replace {
            record.cells.clear();
        }
        for (field, value) in cells {
            match value {
                Some(value) => record.cells.insert(field.clone(), value.clone()),
                None => record.cells.remove(field),
            };
        }
        record.modified_ms = now_ms;
    }

    pub(crate) fn delete(&mut self, id: &str, now_ms: i64, keep_past: bool) {
        let Some(record) = self.numbers.remove(id).and_then(|number| self.records.remove(&number)) else {
            return;
        };
        if keep_past {
            self.deleted.push((now_ms, record));
        }
    }

    /// Forgets all records.
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.numbers.clear();
        self.deleted.clear();
    }

    /// A record as the API shows it.
    pub(crate) fn show(&self, record: &Record, form: &Form, now_ms: i64) -> Value {
        let mut fields = Map::new();
        for field in &self.fields {
            if form.only.as_ref().is_some_and(|only| !only.contains(&field.id)) {
                continue;
            }
            let seen = Seen::new(self, record, now_ms);
            let Some(value) = seen.shown(field) else { continue };
            let value = if form.as_text {
                Value::String(text_of(&field.kind, &value))
            } else {
                value
            };
            let name = if form.by_id { &field.id } else { &field.name };
            fields.insert(name.clone(), value);
        }
        let mut shown = json!({
            "id": record.id,
            "createdTime": formula::date_text(record.created_ms, false),
            "fields": fields,
        });
        if form.comment_count {
            shown["commentCount"] = json!(0);
        }
        shown
    }

    /// As the metadata shows it.
    pub(crate) fn describe(&self) -> Value {
        let mut shown = json!({
            "id": self.id,
            "name": self.name,
            "primaryFieldId": self.fields.first().map(|field| &field.id),
            "fields": self.fields.iter().map(Field::show).collect::<Vec<_>>(),
            "views": [{ "id": self.view, "name": "Grid view", "type": "grid" }],
        });
        if let Some(description) = &self.description {
            shown["description"] = json!(description);
        }
        shown
    }
}

impl Record {
    /// As it was at a moment; nothing where it did not exist.
    fn at(&self, moment_ms: i64) -> Option<Self> {
        let then = self.past.iter().find(|(until, _)| *until > moment_ms);
        let cells = match then {
            Some((_, cells)) => cells.clone()?,
            None => self.cells.clone(),
        };
        Some(Self {
            cells,
            past: Vec::new(),
            ..self.clone()
        })
    }
}

/// How records are shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    /// Fields are named by their ids.
    pub(crate) by_id: bool,
    /// Every value is a text.
    pub(crate) as_text: bool,
    pub(crate) comment_count: bool,
    /// These fields alone, by their ids.
    pub(crate) only: Option<Vec<String>>,
}

fn text_of(kind: &Kind, value: &Value) -> String {
    match (kind, value) {
        (_, Value::Bool(true)) => "checked".into(),
        (_, value) => cell::in_formula(kind, Some(value)).text(),
    }
}

/// A record as formulas see it.
pub(crate) struct Seen<'a> {
    table: &'a Table,
    record: &'a Record,
    now_ms: i64,
    depth: usize,
}

impl<'a> Seen<'a> {
    pub(crate) fn new(table: &'a Table, record: &'a Record, now_ms: i64) -> Self {
        Self {
            table,
            record,
            now_ms,
            depth: 0,
        }
    }

    fn deeper(&self) -> Self {
        Self {
            depth: self.depth + 1,
            ..*self
        }
    }

    /// What is read of a field; nothing where the cell is empty.
    pub(crate) fn shown(&self, field: &Field) -> Option<Value> {
        match &field.kind {
            Kind::AutoNumber => Some(json!(self.record.number)),
            Kind::CreatedTime => Some(json!(formula::date_text(self.record.created_ms, false))),
            Kind::LastModifiedTime => Some(json!(formula::date_text(self.record.modified_ms, false))),
            Kind::Formula(_) => cell::of_formula(&self.value(field)),
            Kind::Computed => None,
            _ => self.record.cells.get(&field.id).cloned(),
        }
    }

    /// What a formula sees of a field.
    pub(crate) fn value(&self, field: &Field) -> formula::Value {
        match &field.kind {
            Kind::Formula(_) if self.depth >= FORMULAS_MAX => formula::Value::Error,
            Kind::Formula(formula) => formula.evaluate(&self.deeper(), self.now_ms),
            kind => cell::in_formula(kind, self.shown(field).as_ref()),
        }
    }
}

impl Row for Seen<'_> {
    fn field(&self, name: &str) -> formula::Value {
        self.table
            .field(name)
            .map_or(formula::Value::Error, |field| self.value(field))
    }

    fn id(&self) -> &str {
        &self.record.id
    }

    fn created_ms(&self) -> i64 {
        self.record.created_ms
    }

    fn modified_ms(&self) -> i64 {
        self.record.modified_ms
    }
}
