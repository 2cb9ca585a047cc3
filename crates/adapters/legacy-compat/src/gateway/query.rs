//! What a list asks for: the query of a GET, or the body of a POST.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::body::{check_by_id, known_column};
use super::row::Form;
use super::table::RunTable;
use crate::service::failure::Failure;

/// The largest page, and the page that is given when none is asked for.
const PAGE_RECORDS: usize = 100;

/// What a list asks for.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) page: usize,
    /// How many records there are to be on all pages together.
    pub(super) most: Option<usize>,
    pub(super) offset: Option<String>,
    /// Columns by their older names, and whether the order is turned round.
    pub(super) sort: Vec<(&'static str, bool)>,
    pub(super) formula: Option<String>,
    pub(super) form: Form,
}

/// As it was sent.
#[derive(Debug, Default)]
struct Raw {
    page: Option<usize>,
    most: Option<usize>,
    offset: Option<String>,
    view: Option<String>,
    sort: Vec<(String, bool)>,
    formula: Option<String>,
    fields: Vec<String>,
    by_id: bool,
}

impl Query {
    /// Reads the query of a GET.
    ///
    /// # Errors
    /// A part that cannot be understood, or that the table does not have.
    pub(super) fn of_get(table: &RunTable, query: &str) -> Result<Self, Failure> {
        let mut raw = Raw::default();
        let mut sort: BTreeMap<usize, (Option<String>, bool)> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if let Some(part) = name.strip_prefix("sort[") {
                let place = part
                    .split_once("][")
                    .and_then(|(place, part)| Some((place.parse().ok()?, part)));
                match place {
                    Some((place, "field]")) => sort.entry(place).or_default().0 = Some(value.into_owned()),
                    Some((place, "direction]")) => sort.entry(place).or_default().1 = is_descending(&value)?,
                    _ => return Err(wrong(&name)),
                }
            } else {
                let value = match &*name {
                    "pageSize" | "maxRecords" => value.parse::<u64>().map_or(Value::Null, Value::from),
                    _ => Value::from(value.into_owned()),
                };
                raw.take(&name, &value)?;
            }
        }
        for (field, is_descending) in sort.into_values() {
            raw.sort.push((field.ok_or_else(|| wrong("sort"))?, is_descending));
        }
        raw.resolve(table)
    }

    /// Reads the body of a POST.
    ///
    /// # Errors
    /// A part that cannot be understood, or that the table does not have.
    pub(super) fn of_post(table: &RunTable, body: &[u8]) -> Result<Self, Failure> {
        let body: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|error| Failure::new("body_not_json", format!("Could not parse request body: {error}")))?;
        let mut raw = Raw::default();
        for (name, value) in &body {
            if name == "sort" {
                for one in value.as_array().ok_or_else(|| wrong(name))? {
                    let field = one.get("field").and_then(Value::as_str).ok_or_else(|| wrong(name))?;
                    let direction = one.get("direction").and_then(Value::as_str).unwrap_or("asc");
                    raw.sort.push((field.to_owned(), is_descending(direction)?));
                }
            } else {
                raw.take(name, value)?;
            }
        }
        raw.resolve(table)
    }
}

impl Raw {
    fn take(&mut self, name: &str, value: &Value) -> Result<(), Failure> {
        let text = || value.as_str().map(str::to_owned).ok_or_else(|| wrong(name));
        let count = || {
            value
                .as_u64()
                .and_then(|count| usize::try_from(count).ok())
                .filter(|count| *count > 0)
        };
        match name {
            "pageSize" => {
                let page = count().filter(|page| *page <= PAGE_RECORDS).ok_or_else(|| {
                    Failure::new(
                        "page_size_invalid",
                        format!("pageSize must be a number from 1 to {PAGE_RECORDS}"),
                    )
                })?;
                self.page = Some(page);
            }
            "maxRecords" => self.most = Some(count().ok_or_else(|| wrong(name))?),
            "offset" => self.offset = Some(text()?),
            "view" => self.view = Some(text()?),
            "filterByFormula" => self.formula = Some(text()?).filter(|formula| !formula.trim().is_empty()),
            // Numbered by some clients.
            _ if name.starts_with("fields[") => self.fields.push(text()?),
            "fields" if value.is_string() => self.fields.push(text()?),
            "fields" => {
                for name in value.as_array().ok_or_else(|| wrong("fields"))? {
                    self.fields
                        .push(name.as_str().ok_or_else(|| wrong("fields"))?.to_owned());
                }
            }
            "cellFormat" if value.as_str() != Some("json") => {
                let detail = "the rows of this table are shown as JSON alone; leave cellFormat out";
                return Err(Failure::new("body_invalid", detail).at(name));
            }
            "returnFieldsByFieldId" => {
                self.by_id = value == &Value::Bool(true) || matches!(value.as_str(), Some("true" | "1"));
            }
            // What clients send along: zones and locales, the method, the number of comments.
            _ => {}
        }
        Ok(())
    }

    fn resolve(self, table: &RunTable) -> Result<Query, Failure> {
        if let Some(view) = self.view.filter(|view| !table.views.contains(view)) {
            let detail = format!(
                "View {view} not found: what it leaves out is not known here; say it as filterByFormula, or name the view in \
                 the settings of the gateway if it leaves nothing out"
            );
            return Err(Failure::new("view_not_found", detail));
        }
        let older = |name: &String| known_column(table, name).map(|column| column.older);
        let only = self.fields.iter().map(older).collect::<Result<Vec<_>, _>>()?;
        let mut sort = Vec::new();
        for (name, is_descending) in &self.sort {
            sort.push((older(name)?, *is_descending));
        }
        Ok(Query {
            page: self.page.unwrap_or(PAGE_RECORDS),
            most: self.most,
            offset: self.offset,
            sort,
            formula: self.formula,
            form: Form {
                by_id: check_by_id(table, self.by_id)?,
                only: Some(only).filter(|only| !only.is_empty()),
            },
        })
    }
}

fn is_descending(direction: &str) -> Result<bool, Failure> {
    match direction {
        "asc" => Ok(false),
        "desc" => Ok(true),
        _ => Err(wrong("sort")),
    }
}

fn wrong(name: &str) -> Failure {
    let detail =
        format!("Invalid request: parameter validation failed. {name} cannot be understood; check your request data.");
    Failure::new("body_invalid", detail).at(name)
}
