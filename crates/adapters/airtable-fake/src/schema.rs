//! Bases, tables and fields, in the form in which Airtable's metadata shows them.

use crate::id::Ids;
use runledger_airtable_formula::Formula;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A base to begin with. Ids that are left out are drawn.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BaseSpec {
    /// `app` and fourteen letters or digits.
    #[serde(default)]
    pub id: Option<String>,
    /// What people call it.
    pub name: String,
    /// Its tables.
    #[serde(default)]
    pub tables: Vec<TableSpec>,
}

/// A table to begin with; the first field is the primary one.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableSpec {
    /// `tbl` and fourteen letters or digits.
    #[serde(default)]
    pub id: Option<String>,
    /// What people call it.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Its fields.
    pub fields: Vec<FieldSpec>,
}

/// A field to begin with.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldSpec {
    /// `fld` and fourteen letters or digits.
    #[serde(default)]
    pub id: Option<String>,
    /// What people call it.
    pub name: String,
    /// The type, by its name in Airtable's field model, such as `singleLineText`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The options of the type.
    #[serde(default)]
    pub options: Option<Value>,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
}

/// Whether something may be called so, beside others of its kind.
///
/// # Errors
/// It is no name, or taken.
pub(crate) fn usable_name<'a>(kind: &str, name: &str, mut others: impl Iterator<Item = &'a str>) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err(format!("a {kind} needs a name"));
    }
    if others.any(|other| other == name) {
        return Err(format!("there is a {kind} {name:?} already"));
    }
    Ok(())
}

/// One value of a select.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Choice {
    #[serde(default)]
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default = "grey")]
    pub(crate) color: String,
}

fn grey() -> String {
    "grayLight2".into()
}

/// What a field holds.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Text,
    LongText,
    Number,
    Duration,
    Rating {
        max: u64,
    },
    Checkbox,
    Date,
    DateTime {
        zone: String,
    },
    SingleSelect(Vec<Choice>),
    MultipleSelects(Vec<Choice>),
    Links,
    Attachments,
    /// Anything that is taken as it comes, such as a barcode or a collaborator.
    Opaque,
    AutoNumber,
    CreatedTime,
    LastModifiedTime,
    Formula(Formula),
    /// Computed, by what the fake does not know: always empty.
    Computed,
}

/// A field.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) type_name: String,
    pub(crate) description: Option<String>,
    pub(crate) options: Option<Value>,
    pub(crate) kind: Kind,
}

impl Kind {
    /// Whether nobody writes it.
    pub(crate) fn is_computed(&self) -> bool {
        matches!(
            self,
            Self::AutoNumber | Self::CreatedTime | Self::LastModifiedTime | Self::Formula(_) | Self::Computed
        )
    }

    fn of(type_name: &str, options: Option<&Value>, ids: &mut Ids) -> Result<Self, String> {
        let option = |name: &str| options.and_then(|options| options.get(name));
        let number = |name: &str| option(name).and_then(Value::as_u64);
        let choices = |ids: &mut Ids| -> Result<Vec<Choice>, String> {
            let given = option("choices").cloned().unwrap_or_else(|| json!([]));
            let mut choices: Vec<Choice> =
                serde_json::from_value(given).map_err(|error| format!("choices of a {type_name}: {error}"))?;
            for choice in choices.iter_mut().filter(|choice| choice.id.is_empty()) {
                choice.id = ids.next("sel");
            }
            Ok(choices)
        };
        Ok(match type_name {
            "singleLineText" | "email" | "url" | "phoneNumber" => Self::Text,
            "multilineText" | "richText" => Self::LongText,
            "number" | "currency" | "percent" => {
                let most = if type_name == "currency" { 7 } else { 8 };
                let precision = number("precision").unwrap_or(0);
                let precision = u32::try_from(precision).ok().filter(|precision| *precision <= most);
                precision.ok_or_else(|| format!("the precision of a {type_name} is 0 to {most}"))?;
                Self::Number
            }
            "duration" => Self::Duration,
            "rating" => Self::Rating {
                max: number("max").unwrap_or(5),
            },
            "checkbox" => Self::Checkbox,
            "date" => Self::Date,
            "dateTime" => Self::DateTime {
                zone: option("timeZone").and_then(Value::as_str).unwrap_or("utc").to_owned(),
            },
            "singleSelect" => Self::SingleSelect(choices(ids)?),
            "multipleSelects" => Self::MultipleSelects(choices(ids)?),
            "multipleRecordLinks" => Self::Links,
            "multipleAttachments" => Self::Attachments,
            "barcode" | "singleCollaborator" | "multipleCollaborators" => Self::Opaque,
            "autoNumber" => Self::AutoNumber,
            "createdTime" => Self::CreatedTime,
            "lastModifiedTime" => Self::LastModifiedTime,
            "formula" => {
                let text = option("formula").and_then(Value::as_str).unwrap_or("BLANK()");
                Self::Formula(Formula::parse(text).map_err(|error| format!("the formula {text:?}: {error}"))?)
            }
            "rollup"
            | "count"
            | "multipleLookupValues"
            | "createdBy"
            | "lastModifiedBy"
            | "button"
            | "externalSyncSource"
            | "aiText" => Self::Computed,
            other => return Err(format!("{other:?} is no type of a field")),
        })
    }
}

impl Field {
    /// Makes a field.
    ///
    /// # Errors
    /// What is wrong with the type or its options.
    pub(crate) fn new(spec: &FieldSpec, ids: &mut Ids) -> Result<Self, String> {
        let kind = Kind::of(&spec.kind, spec.options.as_ref(), ids)?;
        let mut field = Self {
            id: spec.id.clone().unwrap_or_else(|| ids.next("fld")),
            name: spec.name.clone(),
            type_name: spec.kind.clone(),
            description: spec.description.clone(),
            options: spec.options.clone().or_else(|| default_options(&spec.kind)),
            kind,
        };
        field.write_options();
        Ok(field)
    }

    /// Brings the options that are shown in step with the choices.
    fn write_options(&mut self) {
        if let Kind::SingleSelect(choices) | Kind::MultipleSelects(choices) = &self.kind {
            self.options = Some(json!({ "choices": choices }));
        }
    }

    /// Adds a value to a select, as `typecast` does.
    pub(crate) fn add_choice(&mut self, name: &str, ids: &mut Ids) {
        if let Kind::SingleSelect(choices) | Kind::MultipleSelects(choices) = &mut self.kind {
            choices.push(Choice {
                id: ids.next("sel"),
                name: name.to_owned(),
                color: "blueLight2".into(),
            });
        }
        self.write_options();
    }

    /// Whether records can be matched by it in an upsert: of these types alone, says the documentation.
    pub(crate) fn is_mergeable(&self) -> bool {
        matches!(
            self.type_name.as_str(),
            "number" | "singleLineText" | "multilineText" | "singleSelect" | "multipleSelects" | "date"
        )
    }

    /// As the metadata shows it.
    pub(crate) fn show(&self) -> Value {
        let mut shown = json!({ "id": self.id, "name": self.name, "type": self.type_name });
        if let Some(description) = &self.description {
            shown["description"] = json!(description);
        }
        if let Some(options) = &self.options {
            shown["options"] = options.clone();
        }
        shown
    }
}

/// The options that Airtable shows for a type when nobody set any.
fn default_options(type_name: &str) -> Option<Value> {
    let iso = json!({ "name": "iso", "format": "YYYY-MM-DD" });
    let time = json!({ "name": "24hour", "format": "HH:mm" });
    Some(match type_name {
        "number" | "percent" => json!({ "precision": 0 }),
        "currency" => json!({ "precision": 2, "symbol": "$" }),
        "duration" => json!({ "durationFormat": "h:mm:ss" }),
        "rating" => json!({ "max": 5, "icon": "star", "color": "yellowBright" }),
        "checkbox" => json!({ "icon": "check", "color": "greenBright" }),
        "date" => json!({ "dateFormat": iso }),
        "dateTime" => json!({ "dateFormat": iso, "timeFormat": time, "timeZone": "utc" }),
        "createdTime" => json!({ "result": { "type": "dateTime", "options":
            { "dateFormat": iso, "timeFormat": time, "timeZone": "utc" } } }),
        "lastModifiedTime" => json!({ "isValid": true, "referencedFieldIds": [], "result": { "type": "dateTime",
            "options": { "dateFormat": iso, "timeFormat": time, "timeZone": "utc" } } }),
        _ => return None,
    })
}
