//! What Airtable answers.

use crate::ids::RecordId;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A record. Empty cells are not in it, so a field that is missing here may well exist.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Record {
    /// Its id.
    #[serde(deserialize_with = "record_id")]
    pub id: RecordId,
    /// When Airtable made it, as it says so.
    #[serde(rename = "createdTime", default)]
    pub created_time: Option<String>,
    /// Its cells, by name or by id of their field, as was asked for.
    #[serde(default)]
    pub fields: Map<String, Value>,
}

/// A page of a list.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Page {
    /// The records.
    pub records: Vec<Record>,
    /// Where the list goes on; the last page has none.
    #[serde(default)]
    pub offset: Option<String>,
}

/// A batch of records.
#[derive(Debug, Deserialize)]
pub(crate) struct Records {
    pub(crate) records: Vec<Record>,
}

/// What is left of deleted records.
#[derive(Debug, Deserialize)]
pub(crate) struct Deletions {
    pub(crate) records: Vec<Deletion>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Deletion {
    #[serde(deserialize_with = "record_id")]
    pub(crate) id: RecordId,
    #[serde(default)]
    pub(crate) deleted: bool,
}

/// Who the token belongs to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Whoami {
    /// The id of the user.
    pub id: String,
    /// What the token may, where Airtable says so.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
}

/// The tables of a base.
#[derive(Debug, Deserialize)]
pub(crate) struct Tables {
    pub(crate) tables: Vec<TableSchema>,
}

/// A table.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct TableSchema {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its fields.
    pub fields: Vec<FieldSchema>,
}

/// A field.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct FieldSchema {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its type, by Airtable's name for it.
    #[serde(rename = "type")]
    pub kind: String,
    /// The options of the type, as they came.
    #[serde(default)]
    pub options: Value,
}

/// One value of a select.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SelectOption(pub String);

impl TableSchema {
    /// The field of this id or name.
    pub fn field(&self, id_or_name: &str) -> Option<&FieldSchema> {
        let by_id = self.fields.iter().find(|field| field.id == id_or_name);
        by_id.or_else(|| self.fields.iter().find(|field| field.name == id_or_name))
    }
}

impl FieldSchema {
    /// The values of a select; none of any other field.
    pub fn select_options(&self) -> Vec<SelectOption> {
        let choices = self.options.get("choices").and_then(Value::as_array);
        let names = choices.into_iter().flatten().filter_map(|choice| choice.get("name"));
        names
            .filter_map(Value::as_str)
            .map(|name| SelectOption(name.to_owned()))
            .collect()
    }
}

fn record_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RecordId, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}
