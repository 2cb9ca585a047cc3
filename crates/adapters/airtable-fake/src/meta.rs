//! The metadata: who one is, which bases and tables there are, and changes of the schema.

use crate::base::Base;
use crate::error::ApiError;
use crate::id::Ids;
use crate::request::DataRequest;
use crate::schema::{BaseSpec, Field, FieldSpec, TableSpec};
use crate::settings::Role;
use crate::table::Table;
use crate::tokens::Caller;
use serde_json::{Map, Value, json};

/// Bases on one page.
const PAGE_BASES: usize = 1_000;

/// Answers a request behind `/v0/meta/`.
///
/// # Errors
/// 403 without the scope, 404 without such an address, 422 when the schema refuses.
pub(crate) fn answer(
    request: &DataRequest,
    caller: &Caller,
    bases: &mut Vec<Base>,
    ids: &mut Ids,
) -> Result<Value, ApiError> {
    let path: Vec<&str> = request.meta.iter().map(String::as_str).collect();
    match (request.method.as_str(), path.as_slice()) {
        ("GET", ["whoami"]) => Ok(caller.who()),
        ("GET", ["bases"]) => {
            caller.needs("schema.bases:read")?;
            list_bases(request, caller, bases)
        }
        ("POST", ["bases"]) => {
            caller.needs("schema.bases:write")?;
            let spec: BaseSpec = read(&request.object()?)?;
            let base = Base::new(&spec, ids).map_err(|error| schema_error(&error))?;
            let made = json!({ "id": base.id, "tables": base.tables.iter().map(Table::describe).collect::<Vec<_>>() });
            bases.push(base);
            Ok(made)
        }
        (method, ["bases", base, rest @ ..]) => {
            caller.needs(if method == "GET" {
                "schema.bases:read"
            } else {
                "schema.bases:write"
            })?;
            caller.reaches(base)?;
            let base = bases.iter_mut().find(|known| known.id == *base);
            let base = base.ok_or_else(ApiError::permission_or_model)?;
            if method != "GET" && caller.role < Role::Create {
                return Err(ApiError::permission());
            }
            in_base(request, method, rest, base, ids)
        }
        _ => Err(ApiError::no_route()),
    }
}

fn list_bases(request: &DataRequest, caller: &Caller, bases: &[Base]) -> Result<Value, ApiError> {
    let from = match request.parameter("offset") {
        None => 0,
        Some(offset) => {
            let place = bases.iter().position(|base| format!("itr{}", &base.id[3..]) == offset);
            place.ok_or_else(|| {
                ApiError::invalid(
                    "INVALID_OFFSET_VALUE",
                    format!("The value of offset {offset} is invalid"),
                )
            })?
        }
    };
    let mut seen = bases[from..].iter().filter(|base| caller.reaches(&base.id).is_ok());
    let page: Vec<_> = seen.by_ref().take(PAGE_BASES).collect();
    let level = match caller.role {
        Role::Read => "read",
        Role::Edit => "edit",
        Role::Create => "create",
    };
    let shown = page
        .iter()
        .map(|base| json!({ "id": base.id, "name": base.name, "permissionLevel": level }));
    let mut answer = json!({ "bases": shown.collect::<Vec<_>>() });
    if let Some(next) = seen.next() {
        answer["offset"] = json!(format!("itr{}", &next.id[3..]));
    }
    Ok(answer)
}

fn in_base(
    request: &DataRequest,
    method: &str,
    path: &[&str],
    base: &mut Base,
    ids: &mut Ids,
) -> Result<Value, ApiError> {
    match (method, path) {
        ("GET", ["tables"]) => Ok(json!({ "tables": base.tables.iter().map(Table::describe).collect::<Vec<_>>() })),
        ("POST", ["tables"]) => {
            let spec: TableSpec = read(&request.object()?)?;
            let table = Table::new(&spec, ids).map_err(|error| schema_error(&error))?;
            let shown = table.describe();
            base.add_table(table).map_err(table_name)?;
            Ok(shown)
        }
        ("PATCH", ["tables", table]) => {
            let body = request.object()?;
            let place = base.place(table).ok_or_else(ApiError::permission_or_model)?;
            if let Some(name) = text(&body, "name") {
                base.rename_table(place, name).map_err(table_name)?;
            }
            let table = &mut base.tables[place];
            describe(&body, &mut table.description);
            Ok(table.describe())
        }
        ("POST", ["tables", table, "fields"]) => {
            let spec: FieldSpec = read(&request.object()?)?;
            let table = named(base, table)?;
            let field = Field::new(&spec, ids).map_err(|error| schema_error(&error))?;
            let shown = field.show();
            table.add_field(field).map_err(field_name)?;
            Ok(shown)
        }
        ("PATCH", ["tables", table, "fields", field]) => {
            let body = request.object()?;
            let table = named(base, table)?;
            let place = table.fields.iter().position(|known| known.id == *field);
            let place = place.ok_or_else(ApiError::permission_or_model)?;
            if let Some(name) = text(&body, "name") {
                table.rename_field(place, name).map_err(field_name)?;
            }
            let field = &mut table.fields[place];
            describe(&body, &mut field.description);
            Ok(field.show())
        }
        _ => Err(ApiError::no_route()),
    }
}

fn named<'a>(base: &'a mut Base, id_or_name: &str) -> Result<&'a mut Table, ApiError> {
    let place = base.place(id_or_name).ok_or_else(ApiError::permission_or_model)?;
    Ok(&mut base.tables[place])
}

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}

fn describe(body: &Map<String, Value>, description: &mut Option<String>) {
    if let Some(given) = text(body, "description") {
        *description = Some(given.to_owned());
    }
}

fn table_name(error: String) -> ApiError {
    ApiError::invalid("DUPLICATE_TABLE_NAME", error)
}

fn field_name(error: String) -> ApiError {
    ApiError::invalid("DUPLICATE_OR_EMPTY_FIELD_NAME", error)
}

fn read<T: serde::de::DeserializeOwned>(body: &Map<String, Value>) -> Result<T, ApiError> {
    serde_json::from_value(Value::Object(body.clone())).map_err(|error| schema_error(&error.to_string()))
}

fn schema_error(message: &str) -> ApiError {
    ApiError::invalid("INVALID_REQUEST_UNKNOWN", message)
}
