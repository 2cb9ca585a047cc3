//! Creating, changing, replacing and deleting records, alone and in batches.
//!
//! A batch is looked at as a whole before anything is written, unless the settings say otherwise.

use crate::base::Base;
use crate::cell;
use crate::error::ApiError;
use crate::id::Ids;
use crate::list::flag;
use crate::schema::Kind;
use crate::settings::{Order, Role, Settings};
use crate::table::{Form, Record, Table};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The most fields that an upsert matches by.
const MERGE_FIELDS_MAX: usize = 3;

/// What a write works on.
pub(crate) struct Scene<'a> {
    pub(crate) base: &'a mut Base,
    /// The place of the table in its base.
    pub(crate) table: usize,
    pub(crate) ids: &'a mut Ids,
    pub(crate) settings: &'a Settings,
    pub(crate) role: Role,
    pub(crate) now_ms: i64,
}

/// What is to become of one record.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// The record that is written; a new one when there is none.
    record: Option<String>,
    cells: BTreeMap<String, Option<Value>>,
    /// Options that `typecast` adds: field and name.
    new_choices: Vec<(String, String)>,
}

/// A write that was looked at and can be carried out.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    records: Vec<Planned>,
    /// One record, not a batch: the answer is the record itself.
    single: bool,
    replace: bool,
    upsert: bool,
    form: Form,
    /// In a batch that is not all or nothing: what the first bad record answers, after those before it are written.
    refusal: Option<ApiError>,
}

impl Plan {
    /// An empty plan.
    fn new(body: &Map<String, Value>, single: bool) -> Self {
        Self {
            records: Vec::new(),
            single,
            replace: false,
            upsert: false,
            form: Form {
                by_id: body.get("returnFieldsByFieldId").is_some_and(flag),
                ..Form::default()
            },
            refusal: None,
        }
    }

    /// Whether carrying it out changes anything.
    pub(crate) fn writes(&self) -> bool {
        !self.records.is_empty()
    }

    /// What is left of it when the last records, so many, are not written.
    pub(crate) fn without_the_last(mut self, records: usize) -> Self {
        self.records.truncate(self.records.len().saturating_sub(records));
        self
    }
}

impl Scene<'_> {
    fn table(&self) -> &Table {
        &self.base.tables[self.table]
    }

    /// Plans a creation.
    ///
    /// # Errors
    /// The body or a value is refused, or the base is full.
    pub(crate) fn plan_create(&mut self, body: &Map<String, Value>) -> Result<Plan, ApiError> {
        let shape =
            "You must provide an array of up to 10 record objects, each with a \"fields\" object for cell values.";
        let (given, single) = match (body.get("records"), body.get("fields")) {
            (Some(records), None) => (self.batch(Some(records), "created", shape)?, false),
            (None, Some(_)) => (vec![Value::Object(body.clone())], true),
            (None, None) => return Err(ApiError::missing_fields()),
            (Some(_), Some(_)) => return Err(ApiError::invalid_request()),
        };
        let typecast = body.get("typecast").is_some_and(flag);
        let mut plan = Plan::new(body, single);
        for record in &given {
            let planned = record
                .get("fields")
                .and_then(Value::as_object)
                .ok_or_else(ApiError::missing_fields)
                .and_then(|fields| self.fields(fields, typecast))
                .map(|(cells, new_choices)| Planned {
                    record: None,
                    cells,
                    new_choices,
                });
            if !self.add(&mut plan, planned)? {
                break;
            }
        }
        self.check_room(&plan)?;
        Ok(plan)
    }

    /// Plans a change of one record, or of a batch of them by their ids.
    ///
    /// # Errors
    /// The body or a value is refused, or a record does not exist.
    pub(crate) fn plan_update(
        &mut self,
        body: &Map<String, Value>,
        record: Option<&str>,
        replace: bool,
    ) -> Result<Plan, ApiError> {
        let typecast = body.get("typecast").is_some_and(flag);
        let mut plan = Plan::new(body, record.is_some());
        plan.replace = replace;
        if let Some(id) = record {
            if self.table().get(id).is_none() {
                return Err(ApiError::record_missing());
            }
            let fields = body.get("fields").and_then(Value::as_object);
            let (cells, new_choices) = self.fields(fields.ok_or_else(ApiError::missing_fields)?, typecast)?;
            plan.records.push(Planned {
                record: Some(id.to_owned()),
                cells,
                new_choices,
            });
            return Ok(plan);
        }
        for given in &self.batch(body.get("records"), "updated", UPDATE_SHAPE)? {
            let planned = self.changed(given, typecast);
            if !self.add(&mut plan, planned)? {
                break;
            }
        }
        Ok(plan)
    }

    /// One record of a batch that is named by its id.
    fn changed(&mut self, given: &Value, typecast: bool) -> Result<Planned, ApiError> {
        let id = given.get("id").and_then(Value::as_str);
        let id = id.ok_or_else(|| ApiError::invalid("INVALID_RECORDS", UPDATE_SHAPE))?;
        if self.table().get(id).is_none() {
            return Err(ApiError::row_missing(id));
        }
        let fields = given.get("fields").and_then(Value::as_object);
        let (cells, new_choices) = self.fields(fields.ok_or_else(ApiError::missing_fields)?, typecast)?;
        Ok(Planned {
            record: Some(id.to_owned()),
            cells,
            new_choices,
        })
    }

    /// Plans an upsert: looks for the records, and writes nothing yet.
    ///
    /// # Errors
    /// The merge fields or a value are refused, a key is missing, or more than one record has a key.
    pub(crate) fn plan_upsert(&mut self, body: &Map<String, Value>, replace: bool) -> Result<Plan, ApiError> {
        let merge = self.merge_fields(body)?;
        let typecast = body.get("typecast").is_some_and(flag);
        let mut plan = Plan::new(body, false);
        plan.upsert = true;
        plan.replace = replace;
        for given in &self.batch(body.get("records"), "updated", UPDATE_SHAPE)? {
            let planned = if given.get("id").is_some_and(|id| !id.is_null()) {
                self.changed(given, typecast)
            } else {
                self.matched(given, &merge, typecast)
            };
            if !self.add(&mut plan, planned)? {
                break;
            }
        }
        self.check_room(&plan)?;
        Ok(plan)
    }

    fn merge_fields(&self, body: &Map<String, Value>) -> Result<Vec<String>, ApiError> {
        let names = body.get("performUpsert").and_then(|asked| asked.get("fieldsToMergeOn"));
        let names = names.and_then(Value::as_array).ok_or_else(ApiError::invalid_request)?;
        if names.is_empty() || names.len() > MERGE_FIELDS_MAX {
            return Err(ApiError::invalid(
                "INVALID_REQUEST_UNKNOWN",
                "fieldsToMergeOn names one to three fields",
            ));
        }
        names
            .iter()
            .map(|name| {
                let field = self
                    .table()
                    .known_field(name.as_str().ok_or_else(ApiError::invalid_request)?)?;
                if field.is_mergeable() {
                    return Ok(field.id.clone());
                }
                Err(ApiError::invalid(
                    "INVALID_REQUEST_UNKNOWN",
                    format!("Field \"{}\" cannot be used to merge on", field.name),
                ))
            })
            .collect()
    }

    fn matched(&mut self, given: &Value, merge: &[String], typecast: bool) -> Result<Planned, ApiError> {
        let fields = given.get("fields").and_then(Value::as_object);
        let (cells, new_choices) = self.fields(fields.ok_or_else(ApiError::missing_fields)?, typecast)?;
        let mut key = Vec::new();
        for id in merge {
            let Some(value) = cells.get(id) else {
                let name = self.table().field(id).map_or(id.as_str(), |field| &field.name);
                return Err(ApiError::invalid(
                    "INVALID_REQUEST_UNKNOWN",
                    format!("A record lacks the field \"{name}\", which it is to be merged on"),
                ));
            };
            key.push((id, value));
        }
        // An empty key matches nothing, not even another empty one.
        let is_match = |record: &&Record| {
            key.iter()
                .all(|(id, value)| value.as_ref().is_some_and(|value| record.cells.get(*id) == Some(value)))
        };
        let mut found = self.table().records().filter(is_match).map(|record| record.id.clone());
        let record = found.next();
        if found.next().is_some() {
            return Err(ApiError::invalid(
                "INVALID_RECORDS",
                "More than one record matches the values of fieldsToMergeOn",
            ));
        }
        Ok(Planned {
            record,
            cells,
            new_choices,
        })
    }

    /// Carries a plan out.
    ///
    /// # Errors
    /// The refusal that a batch ends with that is not all or nothing.
    pub(crate) fn carry_out(&mut self, plan: Plan) -> Result<Value, ApiError> {
        let keep_past = self.settings.list_lag_ms > 0;
        let (mut written, mut created, mut updated) = (Vec::new(), Vec::new(), Vec::new());
        for planned in plan.records {
            let table = &mut self.base.tables[self.table];
            for (field, name) in &planned.new_choices {
                let field = table.fields.iter_mut().find(|known| known.id == *field);
                if let Some(field) = field.filter(|field| !has_choice(&field.kind, name)) {
                    field.add_choice(name, self.ids);
                }
            }
            // Between plan and effect the record may have been deleted; then there is nothing to change.
            let id = if let Some(id) = planned.record {
                table.change(&id, &planned.cells, plan.replace, self.now_ms, keep_past);
                updated.push(id.clone());
                id
            } else {
                let id = self.ids.next("rec");
                table.insert(id.clone(), planned.cells, self.now_ms, keep_past);
                created.push(id.clone());
                id
            };
            written.push(id);
        }
        if self.settings.answer_order == Order::Arbitrary {
            // Ids are drawn, so their order is none that anybody asked for.
            written.sort_unstable();
        }
        if let Some(refusal) = plan.refusal {
            return Err(refusal);
        }
        let table = self.table();
        let mut shown: Vec<Value> = written
            .iter()
            .filter_map(|id| table.get(id))
            .map(|record| table.show(record, &plan.form, self.now_ms))
            .collect();
        Ok(match (plan.single, plan.upsert) {
            (true, _) => shown.pop().unwrap_or_default(),
            (false, false) => json!({ "records": shown }),
            (false, true) => json!({ "records": shown, "createdRecords": created, "updatedRecords": updated }),
        })
    }

    /// Deletes one record.
    ///
    /// # Errors
    /// 404 when there is none.
    pub(crate) fn delete(&mut self, id: &str) -> Result<Value, ApiError> {
        if self.table().get(id).is_none() {
            return Err(ApiError::record_missing());
        }
        let keep_past = self.settings.list_lag_ms > 0;
        self.base.tables[self.table].delete(id, self.now_ms, keep_past);
        Ok(json!({ "id": id, "deleted": true }))
    }

    /// Deletes several records.
    ///
    /// # Errors
    /// 422 when there are none, too many, or one does not exist; then none is deleted.
    pub(crate) fn delete_batch(&mut self, ids: &[&str]) -> Result<Value, ApiError> {
        let most = self.settings.batch_records;
        if ids.is_empty() || ids.len() > most {
            let message = format!("You must provide an array of up to {most} record IDs.");
            return Err(ApiError::invalid("INVALID_RECORDS", message));
        }
        if has_twice(ids.iter().copied()) {
            return Err(ApiError::record_twice("delete"));
        }
        if let Some(missing) = ids.iter().find(|id| self.table().get(id).is_none()) {
            return Err(ApiError::row_missing(missing));
        }
        let deleted: Result<Vec<_>, _> = ids.iter().map(|id| self.delete(id)).collect();
        Ok(json!({ "records": deleted? }))
    }

    /// Adds what was planned for a record; answers whether the batch goes on.
    fn add(&self, plan: &mut Plan, planned: Result<Planned, ApiError>) -> Result<bool, ApiError> {
        match planned {
            Ok(planned) => plan.records.push(planned),
            Err(refusal) if self.settings.batch_atomic => return Err(refusal),
            Err(refusal) => plan.refusal = Some(refusal),
        }
        Ok(plan.refusal.is_none())
    }

    fn batch(&self, records: Option<&Value>, done: &str, shape: &str) -> Result<Vec<Value>, ApiError> {
        let records = records.and_then(Value::as_array).filter(|records| !records.is_empty());
        let records = records.ok_or_else(|| ApiError::invalid("INVALID_RECORDS", shape))?;
        let (most, count) = (self.settings.batch_records, records.len());
        if count > most {
            return Err(ApiError::invalid(
                "INVALID_RECORDS",
                format!("A maximum of {most} records can be {done} per request but you have provided {count}."),
            ));
        }
        if has_twice(records.iter().filter_map(|record| record.get("id")?.as_str())) {
            return Err(ApiError::record_twice("update"));
        }
        Ok(records.clone())
    }

    /// The cells that a record is given, by the ids of their fields.
    fn fields(&mut self, given: &Map<String, Value>, typecast: bool) -> Result<FieldValues, ApiError> {
        let mut cells = BTreeMap::new();
        let mut new_choices = Vec::new();
        for (name, value) in given {
            let field = self.base.tables[self.table].known_field(name)?;
            let accepted = cell::accept(field, value, typecast, &mut new_choices, self.ids)?;
            cells.insert(field.id.clone(), accepted);
        }
        match new_choices.first() {
            // Adding an option changes the schema.
            Some((_, name)) if self.role < Role::Create => Err(ApiError::unknown_option(name)),
            _ => Ok((cells, new_choices)),
        }
    }

    fn check_room(&self, plan: &Plan) -> Result<(), ApiError> {
        let new = plan.records.iter().filter(|planned| planned.record.is_none()).count();
        match self.settings.base_records {
            Some(most) if new > 0 && self.base.records() + new > most => Err(ApiError::invalid(
                "RECORD_LIMIT_EXCEEDED",
                format!("This base may hold {most} records"),
            )),
            _ => Ok(()),
        }
    }
}

type FieldValues = (BTreeMap<String, Option<Value>>, Vec<(String, String)>);

const UPDATE_SHAPE: &str = "You must provide an array of up to 10 record objects, each with an \"id\" ID field and a \
                            \"fields\" object for cell values.";

fn has_twice<'a>(mut ids: impl Iterator<Item = &'a str>) -> bool {
    let mut known = BTreeSet::new();
    ids.any(|id| !known.insert(id))
}

fn has_choice(kind: &Kind, name: &str) -> bool {
    match kind {
        Kind::SingleSelect(choices) | Kind::MultipleSelects(choices) => {
            choices.iter().any(|choice| choice.name == name)
        }
        _ => false,
    }
}
