//! All that the fake knows, behind one lock; no request waits while it is held.

use crate::base::Base;
use crate::clock::Clock;
use crate::error::ApiError;
use crate::fault::{Fault, FaultSpec};
use crate::id::Ids;
use crate::limit::Limits;
use crate::list::{self, Cursors, Query};
use crate::meta;
use crate::request::{DataRequest, Operation};
use crate::settings::{Settings, TokenSpec};
use crate::tokens::Caller;
use crate::write::{Plan, Scene};
use serde::Serialize;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::Barrier;

/// How many requests are remembered.
const LOG_LINES_MAX: usize = 100_000;

/// The state of the fake.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) tokens: Vec<TokenSpec>,
    pub(crate) bases: Vec<Base>,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) limits: Limits,
    pub(crate) cursors: Cursors,
    pub(crate) faults: Vec<Fault>,
    pub(crate) log: VecDeque<RequestLine>,
    barriers: HashMap<u64, Arc<Barrier>>,
    next_fault: u64,
    next_request: u64,
}

/// A request that came, as the control plane tells of it. Tokens are not in it.
#[derive(Clone, Debug, Serialize)]
pub struct RequestLine {
    /// Counts from 1.
    pub number: u64,
    /// When it came, in milliseconds since 1970, by the clock of the fake.
    pub at_ms: i64,
    /// The method.
    pub method: String,
    /// Path and query, as they came.
    pub target: String,
    /// What was asked.
    pub operation: Operation,
    /// The base.
    pub base: Option<String>,
    /// The table, as the path names it.
    pub table: Option<String>,
    /// The status that was answered; nothing where the connection was cut.
    pub status: Option<u16>,
    /// Whether records were changed.
    pub changed: bool,
    /// The fault that it met.
    pub fault: Option<String>,
    /// Its body, where bodies are listed and it is a JSON object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

/// A request that was let in.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) number: u64,
    pub(crate) caller: Caller,
    /// How many records of a write are not written.
    pub(crate) records_left_out: usize,
    pub(crate) fault: Option<Met>,
}

/// A fault that a request met.
#[derive(Debug)]
pub(crate) struct Met {
    pub(crate) spec: FaultSpec,
    pub(crate) barrier: Option<Arc<Barrier>>,
}

impl World {
    pub(crate) fn new(settings: Settings, tokens: Vec<TokenSpec>, bases: Vec<Base>, ids: Ids) -> Self {
        let mut world = Self {
            settings,
            tokens,
            bases,
            clock: Clock::default(),
            ids,
            limits: Limits::default(),
            cursors: Cursors::new(),
            faults: Vec::new(),
            log: VecDeque::new(),
            barriers: HashMap::new(),
            next_fault: 0,
            next_request: 0,
        };
        world.clock.stand(world.settings.clock_stands);
        world
    }

    /// Takes new settings.
    pub(crate) fn set(&mut self, settings: Settings) {
        self.clock.stand(settings.clock_stands);
        self.settings = settings;
    }

    /// Adds a fault; answers its number.
    pub(crate) fn add_fault(&mut self, spec: FaultSpec) -> u64 {
        self.next_fault += 1;
        let id = self.next_fault;
        if let Some(count) = spec.interleave {
            self.barriers.insert(id, Arc::new(Barrier::new(count.max(1))));
        }
        self.faults.push(Fault {
            id,
            spec,
            seen: 0,
            met: 0,
        });
        id
    }

    /// Writes a request down, looks who asks, counts it, and looks for its fault. A refusal is written down as well.
    ///
    /// # Errors
    /// The number of the request, and 401 or 429.
    pub(crate) fn arrive(&mut self, request: &DataRequest) -> Result<Arrival, ApiError> {
        let number = self.write_down(request);
        let admitted = self.admit(request);
        if let Err(refusal) = &admitted {
            self.finish(number, Some(refusal.status), false);
        }
        let caller = admitted?;
        let fault = self.fault_for(request, number);
        Ok(Arrival {
            number,
            caller,
            records_left_out: fault.as_ref().map_or(0, |met| met.spec.records_left_out),
            fault,
        })
    }

    fn write_down(&mut self, request: &DataRequest) -> u64 {
        self.next_request += 1;
        let listed = self.settings.bodies_listed;
        if let Some(beyond) = self.log.len().checked_sub(listed)
            && let Some(line) = self.log.get_mut(beyond)
        {
            line.body = None;
        }
        let body = (listed > 0).then(|| request.object().ok()).flatten().map(Value::Object);
        if self.log.len() >= LOG_LINES_MAX {
            self.log.pop_front();
        }
        self.log.push_back(RequestLine {
            number: self.next_request,
            at_ms: self.clock.now_ms(),
            method: request.method.clone(),
            target: request.target.clone(),
            operation: request.operation,
            base: request.base.clone(),
            table: request.table.clone(),
            status: None,
            changed: false,
            fault: None,
            body,
        });
        self.next_request
    }

    fn admit(&mut self, request: &DataRequest) -> Result<Caller, ApiError> {
        if request.target.chars().count() > self.settings.url_characters {
            return Err(ApiError::url_too_long());
        }
        let token = request.token.as_ref().ok_or_else(ApiError::unauthenticated)?;
        let caller = Caller::of(token, &self.tokens)?;
        let (base, now_ms) = (request.base.as_deref(), self.clock.now_ms());
        self.limits
            .admit(request.operation, base, token, now_ms, &self.settings)?;
        if request.body.len() > self.settings.body_bytes {
            return Err(ApiError::body_too_large());
        }
        Ok(caller)
    }

    fn fault_for(&mut self, request: &DataRequest, number: u64) -> Option<Met> {
        let Self { faults, ids, .. } = self;
        let fault = faults
            .iter_mut()
            .find_map(|fault| fault.meets(request, ids).then_some(fault))?;
        let (id, name, spec) = (fault.id, fault.name(), fault.spec.clone());
        if spec.lock
            && let Some(base) = &request.base
        {
            let lockout_ms = i64::try_from(self.settings.lockout_ms).unwrap_or(i64::MAX);
            self.limits
                .lock_base(base, self.clock.now_ms().saturating_add(lockout_ms));
        }
        if let Some(line) = self.line(number) {
            line.fault = Some(name);
        }
        Some(Met {
            spec,
            barrier: self.barriers.get(&id).cloned(),
        })
    }

    fn line(&mut self, number: u64) -> Option<&mut RequestLine> {
        let first = self.log.front()?.number;
        self.log.get_mut(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// Writes down how a request ended.
    pub(crate) fn finish(&mut self, number: u64, status: Option<u16>, changed: bool) {
        if let Some(line) = self.line(number) {
            line.status = status.or(line.status);
            line.changed |= changed;
        }
    }

    /// Looks for the records of an upsert, and writes nothing.
    ///
    /// # Errors
    /// As the upsert itself.
    pub(crate) fn plan_upsert(&mut self, request: &DataRequest, caller: &Caller) -> Result<Plan, ApiError> {
        let body = request.object()?;
        let mut scene = self.scene(request, caller, "data.records:write")?;
        scene.plan_upsert(&body, request.method == "PUT")
    }

    /// Carries a request out; an upsert by the plan that was made before. Answers also whether records were changed.
    ///
    /// # Errors
    /// What the API refuses.
    pub(crate) fn perform(
        &mut self,
        request: &DataRequest,
        caller: &Caller,
        plan: Option<Plan>,
        records_left_out: usize,
    ) -> (Result<Value, ApiError>, bool) {
        match request.operation {
            Operation::Meta => {
                let Self { bases, ids, .. } = self;
                (meta::answer(request, caller, bases, ids), false)
            }
            Operation::List => (self.list(request, caller), false),
            Operation::Find => (self.find(request, caller), false),
            Operation::Delete => {
                let done = self.delete(request, caller);
                let changed = done.is_ok();
                (done, changed)
            }
            _ => match plan.map_or_else(|| self.plan(request, caller), Ok) {
                Ok(plan) => {
                    let plan = plan.without_the_last(records_left_out);
                    let changed = plan.writes();
                    match self.scene(request, caller, "data.records:write") {
                        Ok(mut scene) => (scene.carry_out(plan), changed),
                        Err(refusal) => (Err(refusal), false),
                    }
                }
                Err(refusal) => (Err(refusal), false),
            },
        }
    }

    fn plan(&mut self, request: &DataRequest, caller: &Caller) -> Result<Plan, ApiError> {
        if request.operation == Operation::Upsert {
            return self.plan_upsert(request, caller);
        }
        let mut scene = self.scene(request, caller, "data.records:write")?;
        let body = request.object()?;
        match request.operation {
            Operation::Create => scene.plan_create(&body),
            operation => scene.plan_update(&body, request.record.as_deref(), operation == Operation::Replace),
        }
    }

    /// The base and the table of a request, for a caller who may.
    fn scene(&mut self, request: &DataRequest, caller: &Caller, scope: &str) -> Result<Scene<'_>, ApiError> {
        caller.needs(scope)?;
        let base_id = request.base.as_deref().unwrap_or_default();
        caller.reaches(base_id)?;
        if scope.ends_with(":write") && caller.role == crate::settings::Role::Read {
            return Err(ApiError::permission());
        }
        let now_ms = self.clock.now_ms();
        let base = self.bases.iter_mut().find(|base| base.id == base_id);
        let base = base.ok_or_else(ApiError::permission_or_model)?;
        let table = request.table.as_deref().and_then(|name| base.place(name));
        Ok(Scene {
            table: table.ok_or_else(ApiError::permission_or_model)?,
            base,
            ids: &mut self.ids,
            settings: &self.settings,
            role: caller.role,
            now_ms,
        })
    }

    fn list(&mut self, request: &DataRequest, caller: &Caller) -> Result<Value, ApiError> {
        let new_id = self.ids.next("itr");
        let mut cursors = std::mem::take(&mut self.cursors);
        let listed = self.scene(request, caller, "data.records:read").and_then(|scene| {
            let query = Query::read(request)?;
            let table = &scene.base.tables[scene.table];
            list::page(table, &query, &mut cursors, new_id, scene.now_ms, scene.settings)
        });
        self.cursors = cursors;
        listed
    }

    /// Reads one record; one of another table of the base is answered as well.
    fn find(&mut self, request: &DataRequest, caller: &Caller) -> Result<Value, ApiError> {
        let id = request.record.clone().unwrap_or_default();
        let scene = self.scene(request, caller, "data.records:read")?;
        let form = list::form_of_one(&Query::read(request)?);
        let asked = &scene.base.tables[scene.table];
        let tables = std::iter::once(asked).chain(&scene.base.tables);
        let mut found = tables.filter_map(|table| Some(table.show(table.get(&id)?, &form, scene.now_ms)));
        found.next().ok_or_else(ApiError::record_missing)
    }

    fn delete(&mut self, request: &DataRequest, caller: &Caller) -> Result<Value, ApiError> {
        let mut scene = self.scene(request, caller, "data.records:write")?;
        if let Some(id) = &request.record {
            return scene.delete(id);
        }
        let named = request
            .query
            .iter()
            .filter(|(name, _)| name == "records[]" || name == "records");
        let ids: Vec<&str> = named.map(|(_, id)| id.as_str()).collect();
        scene.delete_batch(&ids)
    }
}
