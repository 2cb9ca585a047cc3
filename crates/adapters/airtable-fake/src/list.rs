//! Lists: filter, order, pages and the cursors between them.

use crate::error::ApiError;
use crate::id::is_id;
use crate::request::DataRequest;
use crate::schema::Kind;
use crate::settings::{Order, Settings};
use crate::table::{Form, Record, Seen, Table};
use runledger_airtable_formula::Formula;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

/// The largest page, and the page that is given when none is asked for.
const PAGE_RECORDS: usize = 100;

/// Where a list goes on. The order is that of the first page; values are read anew.
#[derive(Debug)]
pub(crate) struct Cursor {
    table: String,
    records: Vec<String>,
    used_ms: i64,
}

/// All cursors, by their ids.
pub(crate) type Cursors = HashMap<String, Cursor>;

/// What a list asks for.
#[derive(Debug, Default)]
pub(crate) struct Query {
    page: usize,
    most: Option<usize>,
    offset: Option<String>,
    view: Option<String>,
    sort: Vec<(String, bool)>,
    formula: Option<String>,
    fields: Vec<String>,
    as_text: bool,
    by_id: bool,
    comment_count: bool,
}

impl Query {
    /// Reads the query of a GET, of a list or of one record, or the body of a POST; zone and locale stand in the query of
    /// both.
    ///
    /// # Errors
    /// 400 or 422: a part cannot be understood.
    pub(crate) fn read(request: &DataRequest) -> Result<Self, ApiError> {
        let mut query = Self {
            page: PAGE_RECORDS,
            ..Self::default()
        };
        let mut sort: BTreeMap<usize, (Option<String>, bool)> = BTreeMap::new();
        if request.method == "GET" {
            for (name, value) in &request.query {
                if let Some(part) = name.strip_prefix("sort[") {
                    let (place, part) = part.split_once("][").ok_or_else(ApiError::invalid_request)?;
                    let place = place.parse().map_err(|_| ApiError::invalid_request())?;
                    let entry = sort.entry(place).or_default();
                    match part {
                        "field]" => entry.0 = Some(value.clone()),
                        "direction]" => entry.1 = descending(value)?,
                        _ => return Err(ApiError::invalid_request()),
                    }
                } else {
                    query.take(name, &parameter(name, value))?;
                }
            }
            for (field, descending) in sort.into_values() {
                query
                    .sort
                    .push((field.ok_or_else(ApiError::invalid_request)?, descending));
            }
        } else {
            query.take_body(&request.object()?)?;
        }
        if query.as_text {
            let zone = request.parameter("timeZone").is_some();
            let locale = request.parameter("userLocale").is_some();
            if !(zone && locale) {
                return Err(ApiError::invalid(
                    "INVALID_REQUEST_UNKNOWN",
                    "The cell format string needs timeZone and userLocale",
                ));
            }
        }
        Ok(query)
    }

    fn take_body(&mut self, body: &Map<String, Value>) -> Result<(), ApiError> {
        for (name, value) in body {
            if name == "sort" {
                for one in value.as_array().ok_or_else(ApiError::invalid_request)? {
                    let field = one.get("field").and_then(Value::as_str);
                    let direction = one.get("direction").and_then(Value::as_str).unwrap_or("asc");
                    let field = field.ok_or_else(ApiError::invalid_request)?.to_owned();
                    self.sort.push((field, descending(direction)?));
                }
            } else {
                self.take(name, value)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, name: &str, value: &Value) -> Result<(), ApiError> {
        let wrong = ApiError::invalid_request;
        let text = || value.as_str().map(str::to_owned).ok_or_else(wrong);
        match name {
            "pageSize" => {
                let page = whole(value).filter(|page| (1..=PAGE_RECORDS).contains(page));
                self.page = page.ok_or_else(|| {
                    ApiError::invalid("INVALID_PAGE_SIZE_ARGUMENT", "The page size is a number from 1 to 100")
                })?;
            }
            "maxRecords" => self.most = Some(whole(value).filter(|most| *most > 0).ok_or_else(wrong)?),
            "offset" => self.offset = Some(text()?),
            "view" => self.view = Some(text()?),
            "filterByFormula" => self.formula = Some(text()?).filter(|formula| !formula.is_empty()),
            "fields[]" => self.fields.push(text()?),
            "fields" => {
                let names = value.as_array().ok_or_else(wrong)?;
                for name in names {
                    self.fields.push(name.as_str().ok_or_else(wrong)?.to_owned());
                }
            }
            "cellFormat" => {
                self.as_text = match value.as_str() {
                    Some("string") => true,
                    Some("json") => false,
                    _ => return Err(wrong()),
                }
            }
            "returnFieldsByFieldId" => self.by_id = flag(value),
            "recordMetadata" | "recordMetadata[]" => self.comment_count = true,
            // What clients send along, and what is not known.
            _ => {}
        }
        Ok(())
    }
}

/// A parameter of a query as it would stand in a body.
fn parameter(name: &str, value: &str) -> Value {
    match name {
        "pageSize" | "maxRecords" => value.parse::<u64>().map_or(Value::Null, |number| json!(number)),
        _ => json!(value),
    }
}

fn whole(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|number| usize::try_from(number).ok())
}

pub(crate) fn flag(value: &Value) -> bool {
    matches!(value, Value::Bool(true)) || matches!(value.as_str(), Some("true" | "1"))
}

fn descending(direction: &str) -> Result<bool, ApiError> {
    match direction {
        "asc" => Ok(false),
        "desc" => Ok(true),
        _ => Err(ApiError::invalid_request()),
    }
}

/// A page of a list.
///
/// # Errors
/// 422: a field, a view, a formula or a cursor that does not exist.
pub(crate) fn page(
    table: &Table,
    query: &Query,
    cursors: &mut Cursors,
    new_id: String,
    now_ms: i64,
    settings: &Settings,
) -> Result<Value, ApiError> {
    let idle_ms = i64::try_from(settings.cursor_idle_ms).unwrap_or(i64::MAX);
    cursors.retain(|_, cursor| now_ms.saturating_sub(cursor.used_ms) <= idle_ms);
    let form = form(table, query)?;
    let (cursor_id, from) = if let Some(offset) = &query.offset {
        resume(table, offset, cursors, now_ms)?
    } else {
        let mut records = select(table, query, now_ms, settings)?;
        records.truncate(query.most.unwrap_or(usize::MAX));
        let cursor = Cursor {
            table: table.id.clone(),
            records,
            used_ms: now_ms,
        };
        cursors.insert(new_id.clone(), cursor);
        (new_id, 0)
    };
    let Some(cursor) = cursors.get(&cursor_id) else {
        return Err(iterator_gone());
    };
    let to = (from + query.page).min(cursor.records.len());
    let lagging = lagging(table, now_ms, settings);
    let shown: Vec<Value> = cursor.records[from..to]
        .iter()
        // Whatever was deleted in between is left out.
        .filter_map(|id| match &lagging {
            Some(records) => records.iter().find(|record| record.id == *id),
            None => table.get(id),
        })
        .map(|record| table.show(record, &form, now_ms))
        .collect();
    let mut page = json!({ "records": shown });
    if let Some(next) = cursor.records.get(to) {
        page["offset"] = json!(format!("{cursor_id}/{next}"));
    } else if from == 0 {
        cursors.remove(&cursor_id);
    }
    Ok(page)
}

/// How one record is shown.
pub(crate) fn form_of_one(query: &Query) -> Form {
    Form {
        by_id: query.by_id,
        as_text: query.as_text,
        ..Form::default()
    }
}

fn form(table: &Table, query: &Query) -> Result<Form, ApiError> {
    let only = query
        .fields
        .iter()
        .map(|name| table.known_field(name).map(|field| field.id.clone()))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Form {
        comment_count: query.comment_count,
        only: Some(only).filter(|only| !only.is_empty()),
        ..form_of_one(query)
    })
}

fn iterator_gone() -> ApiError {
    ApiError::invalid("LIST_RECORDS_ITERATOR_NOT_AVAILABLE", "").type_only()
}

/// Where a cursor stands.
fn resume(table: &Table, offset: &str, cursors: &mut Cursors, now_ms: i64) -> Result<(String, usize), ApiError> {
    let invalid = || {
        ApiError::invalid(
            "INVALID_OFFSET_VALUE",
            format!("The value of offset {offset} is invalid"),
        )
    };
    let (id, record) = offset.split_once('/').ok_or_else(invalid)?;
    if !is_id(id, "itr") || !is_id(record, "rec") {
        return Err(invalid());
    }
    let cursor = cursors.get_mut(id).filter(|cursor| cursor.table == table.id);
    let cursor = cursor.ok_or_else(iterator_gone)?;
    cursor.used_ms = now_ms;
    let place = cursor.records.iter().position(|known| known == record);
    Ok((id.to_owned(), place.ok_or_else(invalid)?))
}

/// The records as lists see them, where they lag.
fn lagging(table: &Table, now_ms: i64, settings: &Settings) -> Option<Vec<Record>> {
    let lag = i64::try_from(settings.list_lag_ms).unwrap_or(i64::MAX);
    (lag > 0).then(|| table.records_at(now_ms.saturating_sub(lag)))
}

/// The ids of all records that a list is about, in its order.
fn select(table: &Table, query: &Query, now_ms: i64, settings: &Settings) -> Result<Vec<String>, ApiError> {
    if let Some(view) = &query.view
        && *view != table.view
        && view != "Grid view"
    {
        let kind = if view.starts_with("viw") {
            "VIEW_ID_NOT_FOUND"
        } else {
            "VIEW_NAME_NOT_FOUND"
        };
        return Err(ApiError::invalid(kind, format!("View {view} not found")));
    }
    let formula = query
        .formula
        .as_deref()
        .map(|text| readable(table, text, settings))
        .transpose()?;
    let mut sort = Vec::new();
    for (name, descending) in &query.sort {
        sort.push((table.known_field(name)?, *descending));
    }
    let lagging = lagging(table, now_ms, settings);
    let mut kept: Vec<&Record> = match &lagging {
        Some(records) => records.iter().collect(),
        None => table.records().collect(),
    };
    if let Some(formula) = formula {
        kept.retain(|record| formula.keeps(&Seen::new(table, record, now_ms), now_ms));
    }
    if query.view.is_none() && settings.list_order == Order::Arbitrary {
        kept.sort_by(|left, right| left.id.cmp(&right.id));
    }
    if !sort.is_empty() {
        kept.sort_by(|left, right| {
            let (left, right) = (Seen::new(table, left, now_ms), Seen::new(table, right, now_ms));
            sort.iter().fold(Ordering::Equal, |order, (field, descending)| {
                let next = compare(&field.kind, left.shown(field), right.shown(field));
                order.then(if *descending { next.reverse() } else { next })
            })
        });
    }
    Ok(kept.into_iter().map(|record| record.id.clone()).collect())
}

/// A formula that names fields of this table only.
fn readable(table: &Table, text: &str, settings: &Settings) -> Result<Formula, ApiError> {
    let formula = Formula::parse(text).map_err(|error| ApiError::formula(&error))?;
    let unknown = |name: &&str| match table.field(name) {
        None => true,
        Some(field) => field.name != **name && !settings.formula_field_ids,
    };
    let unknown: Vec<_> = formula
        .fields()
        .into_iter()
        .filter(unknown)
        .map(str::to_lowercase)
        .collect();
    if unknown.is_empty() {
        return Ok(formula);
    }
    Err(ApiError::formula(
        &runledger_airtable_formula::FormulaError::UnknownFields(unknown),
    ))
}

/// Empty cells first; options in the order of the field; texts without regard to case, then with it.
fn compare(kind: &Kind, left: Option<Value>, right: Option<Value>) -> Ordering {
    let (left, right) = match (left, right) {
        (None, None) => return Ordering::Equal,
        (None, Some(_)) => return Ordering::Less,
        (Some(_), None) => return Ordering::Greater,
        (Some(left), Some(right)) => (left, right),
    };
    if let Kind::SingleSelect(choices) = kind {
        let place = |value: &Value| choices.iter().position(|choice| value.as_str() == Some(&choice.name));
        return place(&left).cmp(&place(&right));
    }
    if let (Some(left), Some(right)) = (left.as_f64(), right.as_f64()) {
        return left.total_cmp(&right);
    }
    let text = |value: &Value| crate::cell::in_formula(kind, Some(value)).text();
    let (left, right) = (text(&left), text(&right));
    left.to_lowercase()
        .cmp(&right.to_lowercase())
        .then_with(|| left.cmp(&right))
}
