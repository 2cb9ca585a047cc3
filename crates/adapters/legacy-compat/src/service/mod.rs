//! The functions of the older services, over the creation point and the run service.
//!
//! They keep their names, both their call forms, the shape of their answers and the texts that callers match on. What they
//! did by guessing is refused: `docs/legacy.md` lists every difference with its reason.

pub(crate) mod arguments;
mod asker;
pub(crate) mod columns;
pub(crate) mod decision;
pub(crate) mod failure;
mod function;
pub(crate) mod key;
mod reading;
pub(crate) mod record;
mod writing;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use runledger_app::{Attempt, Claimed, FunctionAnswer, FunctionCall, FunctionError, FunctionKind, Functions, Ledger};
use runledger_domain::access::TOKEN_PREFIX;
use runledger_domain::activity::printable;
use runledger_domain::{Action, Source, Subject};

pub use self::record::record_id;

use self::arguments::Arguments;
use self::failure::Failure;
use self::function::Function;
use crate::source::{UNNAMED, ledger_source};

/// How many seconds that were given out as run ids are remembered.
const SECONDS_REMEMBERED: usize = 4_096;

/// The functions of the older services, to be called by name.
///
/// ```
/// use std::sync::Arc;
/// # use runledger_app::system::{RandomIds, SystemClock};
/// # use runledger_app::{Ledger, Ports, Registry};
/// # use runledger_domain::CreationPolicy;
/// use runledger_app::{FunctionCall, Functions as _};
/// use runledger_domain::access::Access;
/// use runledger_legacy::LegacyService;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let store = Arc::new(runledger_memory::MemoryStore::new());
/// # let ports = Ports::of(&store, Arc::new(SystemClock), Arc::new(RandomIds::new()?));
/// # let ledger = Ledger::new(ports, CreationPolicy::default(), Registry::new(1_000, true));
/// let call = FunctionCall {
///     function: "createJobRecord",
///     access: &Access::Unlimited,
///     source: None,
///     idempotency_key: None,
///     arguments: br#"["250925-231841", 1, {"source": "orchestrator"}]"#,
/// };
/// let answer = LegacyService::new().call(&ledger, call).await?;
/// assert!(answer.json.starts_with(r#"{"id":"rec250925-231841","fields":{"Run ID":"250925-231841","#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Default)]
pub struct LegacyService {
    /// Seconds that were given out as run ids: no two callers get the same.
    seconds: Mutex<BTreeSet<i64>>,
    /// The sources whose completion of a client's record says only that its work was started.
    triggers: BTreeSet<Source>,
}

impl LegacyService {
    /// The functions; one object for one ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the completion of a client's record by these sources for a note that its work was started, which leaves the
    /// record open: of a program that completes what it has only set in motion, the end would come before the work.
    #[must_use]
    pub fn with_triggers(mut self, triggers: impl IntoIterator<Item = Source>) -> Self {
        self.triggers.extend(triggers);
        self
    }

    /// Whether the second is the caller's alone.
    fn take_second(&self, second: i64) -> bool {
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        if seconds.len() >= SECONDS_REMEMBERED {
            seconds.pop_first();
        }
        seconds.insert(second)
    }

    async fn carry_out(
        &self,
        function: Function,
        ledger: &Ledger,
        call: &FunctionCall<'_>,
        arguments: &Arguments<'_>,
    ) -> Result<FunctionAnswer, Failure> {
        let read = match function {
            Function::GetRunRecord => reading::get(ledger, call, arguments, false).await,
            Function::GetRunRecordId => reading::get(ledger, call, arguments, true).await,
            Function::CheckRunRecordExists => reading::exists(ledger, call, arguments).await,
            Function::NormalizeRunId => reading::normalize(call, arguments),
            Function::GenerateRunId => self.generate(ledger, call, arguments).await,
            Function::GetStats => reading::stats(ledger, call).await,
            Function::GetActivityLog => reading::activity(ledger, call, arguments).await,
            // The registry of the ledger is never stale, so there is nothing to clear.
            Function::ClearCache => Ok("null".into()),
            Function::CreateJobRecord => return writing::create_job(ledger, call, arguments).await,
            Function::CreateClientRunRecord | Function::CreateRunRecord => {
                return writing::create_client(function, ledger, call, arguments).await;
            }
            Function::UpdateRunRecord | Function::UpdateClientMetrics | Function::UpdateJobRecord => {
                return writing::update(function, ledger, call, arguments).await;
            }
            Function::CompleteRunRecord | Function::CompleteJobRecord => {
                return writing::complete(function, ledger, call, arguments, &self.triggers).await;
            }
            Function::RegisterApifyRunId => return writing::register_apify(ledger, call, arguments).await,
        };
        read.map(|json| FunctionAnswer {
            json,
            created: false,
            replayed: false,
        })
    }

    /// Keeps the line of a call that the app has not seen, and answers it (I6).
    async fn refuse(
        &self,
        ledger: &Ledger,
        action: Action,
        call: &FunctionCall<'_>,
        claimed: Claimed,
        failure: Failure,
    ) -> FunctionError {
        let Claimed { source, subject } = claimed;
        let named = call.source.as_ref().map_or(source, ToString::to_string);
        let source = if named.is_empty() {
            let only = call.access.source(None);
            only.map_or_else(|_| UNNAMED.into(), |source| source.to_string())
        } else {
            named
        };
        if let Some((code, detail)) = failure.line() {
            let attempt = Attempt {
                action,
                source,
                subject: subject.clone(),
                code,
                detail: printable(detail),
            };
            // When the line cannot be kept, the refusal is not answered as one.
            if let Err(unavailable) = ledger.runs.refuse(attempt).await {
                return Failure::from(unavailable).answer(subject);
            }
        }
        failure.answer(subject)
    }
}

impl fmt::Debug for LegacyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LegacyService").finish_non_exhaustive()
    }
}

/// Who and what the arguments name, however little of them is understood.
fn claimed(function: Function, json: &[u8]) -> Claimed {
    let arguments = Arguments::understood(function, json);
    let source = arguments.source().ok().flatten().unwrap_or_default();
    // A token in the place of a source must not come to stand in the log.
    let source = if source.trim_start().starts_with(TOKEN_PREFIX) {
        TOKEN_PREFIX.into()
    } else {
        printable(ledger_source(&source))
    };
    Claimed {
        source,
        subject: Subject::claimed(&arguments.shown("runId"), &arguments.shown("clientId")),
    }
}

#[async_trait]
impl Functions for LegacyService {
    fn kind(&self, function: &str) -> Option<FunctionKind> {
        Function::named(function).map(Function::kind)
    }

    fn claimed(&self, function: &str, json: &[u8]) -> Claimed {
        Function::named(function).map_or_else(Claimed::default, |function| claimed(function, json))
    }

    fn unnamed(&self) -> &'static str {
        UNNAMED
    }

    async fn call(&self, ledger: &Ledger, call: FunctionCall<'_>) -> Result<FunctionAnswer, FunctionError> {
        let Some(function) = Function::named(call.function) else {
            let detail = format!(
                "there is no function {:?} here; names are written as they were",
                call.function
            );
            return Err(Failure::new("route_not_found", detail).answer(Subject::default()));
        };
        let result = match Arguments::read(function, call.arguments) {
            Ok(arguments) => self.carry_out(function, ledger, &call, &arguments).await,
            Err(failure) => Err(failure),
        };
        let failure = match result {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let claimed = claimed(function, call.arguments);
        match function.kind() {
            FunctionKind::Reads => Err(failure.answer(claimed.subject)),
            FunctionKind::Writes(action) => Err(self.refuse(ledger, action, &call, claimed, failure).await),
        }
    }
}
