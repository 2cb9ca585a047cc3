//! The control plane: what is set, what goes wrong, what came, and what people do to the tables.
//!
//! It needs no token and counts against no limit. `docs/fake-airtable.md` lists all of it.

use crate::base::{self, Base};
use crate::cell;
use crate::error::ApiError;
use crate::fault::FaultSpec;
use crate::limit::Limits;
use crate::list::Cursors;
use crate::schema::BaseSpec;
use crate::server::{Shared, lock};
use crate::settings::{Plan, Settings, TokenSpec};
use crate::table::{Form, Table};
use crate::world::World;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The path of the control plane where it shares a port with the data plane.
pub(crate) const PREFIX: &str = "_fake";

/// A refusal of the control plane: a status and what to do.
type Refused = (u16, String);

pub(crate) fn is_control(path: &str) -> bool {
    path.split('/').find(|part| !part.is_empty()) == Some(PREFIX)
}

/// Answers a request of the control plane.
pub(crate) fn answer(shared: &Shared, method: &str, path: &str, query: &str, body: &[u8]) -> (u16, Value) {
    let parts: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(crate::encoding::decode)
        .collect();
    let mut parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if parts.first() == Some(&PREFIX) {
        parts.remove(0);
    }
    let mut world = lock(shared);
    match dispatch(&mut world, method, &parts, query, body) {
        Ok(value) => (200, value),
        Err((status, message)) => (status, json!({ "error": message })),
    }
}

fn dispatch(world: &mut World, method: &str, path: &[&str], query: &str, body: &[u8]) -> Result<Value, Refused> {
    match (method, path) {
        ("GET", []) => Ok(overview(world)),
        ("GET", ["settings"]) => show(&world.settings),
        ("PATCH", ["settings"]) => {
            let settings = patched(&world.settings, read(body)?)?;
            world.set(settings);
            show(&world.settings)
        }
        ("GET", ["faults"]) => Ok(faults(world)),
        ("POST", ["faults"]) => {
            let spec: FaultSpec = parse(body)?;
            Ok(json!({ "id": world.add_fault(spec) }))
        }
        ("DELETE", ["faults"]) => {
            world.faults.clear();
            Ok(json!({}))
        }
        ("DELETE", ["faults", id]) => {
            let place = world.faults.iter().position(|fault| fault.id.to_string() == *id);
            world.faults.remove(place.ok_or_else(|| missing("fault"))?);
            Ok(json!({}))
        }
        ("GET", ["requests"]) => requests(world, query),
        ("DELETE", ["requests"]) => {
            world.log.clear();
            Ok(json!({}))
        }
        ("GET", ["clock"]) => Ok(clock(world)),
        ("POST", ["clock"]) => {
            move_clock(world, &parse(body)?)?;
            Ok(clock(world))
        }
        ("POST", ["cursors", "expire"]) => {
            world.cursors = Cursors::new();
            Ok(json!({}))
        }
        ("POST", ["limits", "clear"]) => {
            world.limits = Limits::default();
            Ok(json!({}))
        }
        ("PUT", ["tokens"]) => {
            // What is wrong with it is not repeated: it may be a token.
            let read = serde_json::from_slice::<Vec<TokenSpec>>(body);
            world.tokens = read.map_err(|_| {
                (
                    422,
                    "write a list of {\"token\", \"scopes\", \"bases\", \"role\"}".into(),
                )
            })?;
            Ok(json!({ "tokens": world.tokens.len() }))
        }
        ("POST", ["reset"]) => reset(world, body),
        ("GET", ["bases"]) => Ok(bases(world)),
        ("POST", ["bases"]) => {
            let spec: BaseSpec = parse(body)?;
            let base = Base::new(&spec, &mut world.ids).map_err(unusable)?;
            world.bases.retain(|known| known.id != base.id);
            world.bases.push(base);
            Ok(bases(world))
        }
        (_, ["bases", base, "tables", table, rest @ ..]) => in_table(world, method, (base, table), rest, body),
        _ => Err((
            404,
            format!("{method} of this is not known; docs/fake-airtable.md lists what is"),
        )),
    }
}

fn overview(world: &World) -> Value {
    json!({
        "settings": world.settings,
        "faults": faults(world),
        "bases": bases(world),
        "requests": world.log.back().map_or(0, |line| line.number),
        "calls_this_month": world.limits.calls_this_month,
        "clock": clock(world),
    })
}

fn show(settings: &Settings) -> Result<Value, Refused> {
    serde_json::to_value(settings).map_err(|error| (500, error.to_string()))
}

/// Settings with some of them changed; `plan` sets the limits of one first.
pub(crate) fn patched(settings: &Settings, mut changes: Map<String, Value>) -> Result<Settings, Refused> {
    let wrong = |error: serde_json::Error| (422, error.to_string());
    let mut settings = settings.clone();
    if let Some(plan) = changes.remove("plan") {
        settings.set_plan(serde_json::from_value::<Plan>(plan).map_err(wrong)?);
    }
    let Value::Object(mut all) = show(&settings)? else {
        return Err((500, "settings are an object".into()));
    };
    all.extend(changes);
    serde_json::from_value(Value::Object(all)).map_err(wrong)
}

fn faults(world: &World) -> Value {
    let shown = world.faults.iter().map(|fault| {
        json!({ "id": fault.id, "name": fault.name(), "seen": fault.seen, "met": fault.met,
                "used_up": fault.is_used_up() })
    });
    Value::Array(shown.collect())
}

fn requests(world: &World, query: &str) -> Result<Value, Refused> {
    let query = crate::encoding::query(query);
    let after = query.iter().find(|(name, _)| name == "after");
    let after: u64 = match after {
        None => 0,
        Some((_, value)) => value.parse().map_err(|_| (422, "after is a number".to_owned()))?,
    };
    let lines: Vec<_> = world.log.iter().filter(|line| line.number > after).collect();
    Ok(json!({ "requests": lines }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockMove {
    #[serde(default)]
    advance_ms: u64,
    #[serde(default)]
    stands: Option<bool>,
}

fn move_clock(world: &mut World, change: &ClockMove) -> Result<(), Refused> {
    let there = i64::try_from(change.advance_ms).map(|by| world.clock.now_ms().saturating_add(by));
    if there.map_or(true, |there| jiff::Timestamp::from_millisecond(there).is_err()) {
        return Err((422, "the clock stays before the year 10000: advance it less".into()));
    }
    world.clock.advance(Duration::from_millis(change.advance_ms));
    if let Some(stands) = change.stands {
        world.settings.clock_stands = stands;
        world.clock.stand(stands);
    }
    Ok(())
}

fn clock(world: &World) -> Value {
    json!({ "now_ms": world.clock.now_ms(), "stands": world.clock.stands() })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Reset {
    /// Other bases than those that are there.
    bases: Option<Vec<BaseSpec>>,
    /// Settings, from what they are without any.
    settings: Option<Map<String, Value>>,
}

/// No records, faults, cursors, counts or requests; the schema, the settings and the clock stay unless they are given.
fn reset(world: &mut World, body: &[u8]) -> Result<Value, Refused> {
    let reset: Reset = if body.is_empty() {
        Reset::default()
    } else {
        parse(body)?
    };
    if let Some(specs) = &reset.bases {
        world.bases = base::make_all(specs, &mut world.ids).map_err(unusable)?;
    }
    if let Some(changes) = reset.settings {
        let settings = patched(&Settings::default(), changes)?;
        world.set(settings);
    }
    for base in &mut world.bases {
        base.tables.iter_mut().for_each(Table::clear);
    }
    world.faults.clear();
    world.cursors = Cursors::new();
    world.limits = Limits::default();
    world.log.clear();
    Ok(overview(world))
}

fn bases(world: &World) -> Value {
    let shown = world.bases.iter().map(|base| {
        let tables = base.tables.iter().map(|table| {
            let mut shown = table.describe();
            shown["records"] = json!(table.len());
            shown
        });
        json!({ "id": base.id, "name": base.name, "tables": tables.collect::<Vec<_>>() })
    });
    Value::Array(shown.collect())
}

/// What a person, or an automation, does to a table: no limit, no fault, no option added.
fn in_table(
    world: &mut World,
    method: &str,
    (base, table): (&str, &str),
    path: &[&str],
    body: &[u8],
) -> Result<Value, Refused> {
    let now_ms = world.clock.now_ms();
    let keep_past = world.settings.list_lag_ms > 0;
    let World { bases, ids, .. } = world;
    let base = bases.iter_mut().find(|known| known.id == base);
    let base = base.ok_or_else(|| missing("base"))?;
    let place = base.place(table).ok_or_else(|| missing("table"))?;
    let table = &mut base.tables[place];
    match (method, path) {
        ("GET", ["records"]) => {
            let shown = table
                .records()
                .map(|record| table.show(record, &Form::default(), now_ms));
            Ok(json!({ "records": shown.collect::<Vec<_>>() }))
        }
        ("POST", ["records"]) => {
            let given: Vec<Map<String, Value>> = parse(body)?;
            let cells = given.iter().map(|fields| cells(table, fields, ids));
            let cells: Vec<_> = cells.collect::<Result<_, _>>()?;
            let mut made = Vec::new();
            for cells in cells {
                let id = ids.next("rec");
                table.insert(id.clone(), cells, now_ms, keep_past);
                made.push(id);
            }
            Ok(json!({ "ids": made }))
        }
        ("PATCH", ["records", id]) => {
            let cells = cells(table, &read(body)?, ids)?;
            table.change(id, &cells, false, now_ms, keep_past);
            let record = table.get(id).ok_or_else(|| missing("record"))?;
            Ok(table.show(record, &Form::default(), now_ms))
        }
        ("DELETE", ["records", id]) => {
            table.get(id).ok_or_else(|| missing("record"))?;
            table.delete(id, now_ms, keep_past);
            Ok(json!({}))
        }
        ("DELETE", ["fields", field]) => {
            table
                .fields
                .remove(table.field_place(field).ok_or_else(|| missing("field"))?);
            Ok(table.describe())
        }
        ("PATCH", ["fields", field]) => {
            let new: Renamed = parse(body)?;
            let place = table.field_place(field).ok_or_else(|| missing("field"))?;
            table.rename_field(place, &new.name).map_err(unusable)?;
            Ok(table.describe())
        }
        ("PATCH", []) => {
            let new: Renamed = parse(body)?;
            base.rename_table(place, &new.name).map_err(unusable)?;
            Ok(base.tables[place].describe())
        }
        _ => Err((404, "docs/fake-airtable.md lists what can be done to a table".into())),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Renamed {
    name: String,
}

fn cells(
    table: &Table,
    fields: &Map<String, Value>,
    ids: &mut crate::id::Ids,
) -> Result<BTreeMap<String, Option<Value>>, Refused> {
    let refused = |error: ApiError| (422, error.message);
    fields
        .iter()
        .map(|(name, value)| {
            let field = table.known_field(name).map_err(refused)?;
            let accepted = cell::accept(field, value, false, &mut Vec::new(), ids).map_err(refused)?;
            Ok((field.id.clone(), accepted))
        })
        .collect()
}

fn missing(what: &str) -> Refused {
    (
        404,
        format!("there is no such {what}; GET /{PREFIX} shows bases, tables, fields and faults"),
    )
}

fn unusable(error: String) -> Refused {
    (422, error)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| (422, error.to_string()))
}

fn read(body: &[u8]) -> Result<Map<String, Value>, Refused> {
    parse(body)
}
