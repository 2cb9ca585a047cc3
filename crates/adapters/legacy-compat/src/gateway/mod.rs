//! The gateway: Airtable's API in front of the ledger. Programs that speak to Airtable keep their code and change the
//! address and the token.
//!
//! Tables whose rows are records of the ledger are answered from it: what is created goes through the creation point, what
//! is changed through the run service, what is listed is read from it. Everything else is handed on to Airtable byte for
//! byte, with the gateway's own token, which no program sees. `docs/gateway.md` says what is answered to what.

mod answer;
mod body;
mod change;
mod create;
mod hand_on;
mod list;
mod query;
mod refusal;
mod row;
mod row_id;
mod table;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use percent_encoding::percent_decode_str;
use runledger_app::{Attempt, Gateway, GatewayAnswer, GatewayKind, GatewayRequest, Ledger, TurnedAway};
use runledger_domain::access::{Access, AccessError, Scope};
use runledger_domain::activity::printable;
use runledger_domain::{Action, ClientId, Source, Subject};
use runledger_ports::Upstream;

use self::answer::Asked;
use self::query::Query;
use self::row_id::RowIds;
pub use self::table::{Deletes, RunTable, RunTableError, RunTableSpec};
use self::table::{check_tables, is_id};
use crate::fields::CLIENT_ID;
use crate::service::failure::Failure;
use crate::source::UNNAMED;

/// How many records are read through for one page of a list at most, when nobody says.
pub const LIST_MAX: usize = 100_000;

/// Airtable's API in front of a ledger.
pub struct AirtableGateway {
    tables: Vec<RunTable>,
    upstream: Option<Arc<dyn Upstream>>,
    ids: RowIds,
    list_max: usize,
    triggers: BTreeSet<Source>,
}

impl AirtableGateway {
    /// A gateway with these run tables. Without a way to Airtable every other table is refused.
    ///
    /// # Errors
    /// [`RunTableError::Twice`] when two tables of a base answer to one name.
    pub fn new(tables: Vec<RunTable>, upstream: Option<Arc<dyn Upstream>>) -> Result<Self, RunTableError> {
        check_tables(&tables)?;
        Ok(Self {
            tables,
            upstream,
            ids: RowIds::default(),
            list_max: LIST_MAX,
            triggers: BTreeSet::new(),
        })
    }

    /// Takes the end of a client's row by these sources for a note that its work was started, which leaves the record open:
    /// of a program that completes what it has only set in motion, the end would come before the work.
    #[must_use]
    pub fn with_triggers(mut self, triggers: impl IntoIterator<Item = Source>) -> Self {
        self.triggers.extend(triggers);
        self
    }

    /// Reads so many records through for one page of a list at most, instead of [`LIST_MAX`].
    #[must_use]
    pub fn with_list_max(mut self, records: usize) -> Self {
        self.list_max = records;
        self
    }

    /// What a path means.
    fn aim(&self, path: &str) -> Aim<'_> {
        let Some(rest) = path.strip_prefix("/v0/") else {
            return Aim::Nothing;
        };
        // Another spelling of the same path must lead nowhere else than this one.
        if rest.contains('\\') {
            return Aim::Nothing;
        }
        let parts: Vec<_> = rest
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| percent_decode_str(part).decode_utf8_lossy())
            .collect();
        if parts.iter().any(|part| matches!(&**part, "." | "..")) {
            return Aim::Nothing;
        }
        match &parts[..] {
            [first, ..] if matches!(&**first, "meta" | "bases") => Aim::Account {
                base: parts.iter().find(|part| is_id(part, "app")).map(ToString::to_string),
            },
            [base, table, rest @ ..] if is_id(base, "app") => {
                let Some(run_table) = self.tables.iter().find(|known| known.is(base, table)) else {
                    let is_list = matches!(rest, [last] if last == "listRecords");
                    return Aim::Table {
                        base: base.to_string(),
                        is_list,
                    };
                };
                match rest {
                    [] => Aim::Run(run_table, Place::Whole),
                    [last] if last == "listRecords" => Aim::Run(run_table, Place::Listing),
                    [row] => Aim::Run(run_table, Place::Row(row.to_string())),
                    _ => Aim::Nothing,
                }
            }
            _ => Aim::Nothing,
        }
    }

    async fn on_run_table(
        &self,
        ledger: &Ledger,
        table: &RunTable,
        place: &Place,
        request: &GatewayRequest<'_>,
    ) -> GatewayAnswer {
        let asked = Asked {
            ledger,
            ids: &self.ids,
            table,
            access: request.access,
            triggers: &self.triggers,
            list_max: self.list_max,
            row: place.row(),
            query: request.query.unwrap_or_default(),
            body: request.body,
        };
        let mut claimed = Subject::default();
        let answered = match (request.method, place) {
            ("GET", Place::Whole) => match Query::of_get(table, asked.query) {
                Ok(query) => list::list(&asked, query).await,
                Err(failure) => Err(failure),
            },
            ("POST", Place::Listing) => match Query::of_post(table, asked.body) {
                Ok(query) => list::list(&asked, query).await,
                Err(failure) => Err(failure),
            },
            ("GET", Place::Row(id)) => list::find(&asked, id).await,
            ("POST", Place::Whole) => create::create(&asked, &mut claimed).await,
            ("PATCH" | "PUT", Place::Whole | Place::Row(_)) => change::update(&asked, &mut claimed).await,
            ("DELETE", Place::Whole | Place::Row(_)) => change::delete(&asked, &mut claimed).await,
            _ => Err(no_route(request)),
        };
        let failure = match answered {
            Ok(answered) => return answered.into(),
            Err(failure) => failure,
        };
        let is_batch = matches!(place, Place::Whole);
        match kind_of(request.method, place) {
            GatewayKind::Writes(action) => refuse(ledger, action, request.access, claimed, &failure, is_batch).await,
            GatewayKind::Reads | GatewayKind::HandsOn => refusal::of_failure(&failure, is_batch),
        }
    }
}

/// What a path means.
enum Aim<'a> {
    /// A table whose rows are records of the ledger.
    Run(&'a RunTable, Place),
    /// Another table.
    Table { base: String, is_list: bool },
    /// Bases, their schemas, webhooks.
    Account { base: Option<String> },
    /// No path of the API that is served here.
    Nothing,
}

/// Where in a table.
#[derive(Debug)]
enum Place {
    Whole,
    Listing,
    Row(String),
}

impl Place {
    fn row(&self) -> Option<&str> {
        match self {
            Self::Row(id) => Some(id),
            Self::Whole | Self::Listing => None,
        }
    }
}

fn kind_of(method: &str, place: &Place) -> GatewayKind {
    match (method, place) {
        ("POST", Place::Whole) => GatewayKind::Writes(Action::Create),
        ("PATCH" | "PUT" | "DELETE", Place::Whole | Place::Row(_)) => GatewayKind::Writes(Action::Update),
        _ => GatewayKind::Reads,
    }
}

/// Keeps the line of an attempt that the app has not seen, and answers it (I6).
async fn refuse(
    ledger: &Ledger,
    action: Action,
    access: &Access,
    claimed: Subject,
    failure: &Failure,
    is_batch: bool,
) -> GatewayAnswer {
    if let Some((code, detail)) = failure.line() {
        let source = access
            .source(None)
            .map_or_else(|_| UNNAMED.into(), |source| source.to_string());
        let attempt = Attempt {
            action,
            source,
            subject: claimed,
            code,
            detail: printable(detail),
        };
        // When the line cannot be kept, the refusal is not answered as one.
        if let Err(unavailable) = ledger.runs.refuse(attempt).await {
            return refusal::of_failure(&unavailable.into(), is_batch);
        }
    }
    refusal::of_failure(failure, is_batch)
}

fn no_route(request: &GatewayRequest<'_>) -> Failure {
    let detail = format!(
        "the gateway serves no {} {}; the paths of Airtable's API are /v0/{{base}}/{{table}} and below",
        request.method,
        printable(request.path)
    );
    Failure::new("route_not_found", detail)
}

/// What a caller must be allowed to do before a request of theirs is handed on. The rows of other tables are nobody's in
/// particular, so whoever is limited to some clients sees none (I12).
fn check_hand_on(access: &Access, method: &str, aim: &Aim<'_>) -> Result<(), AccessError> {
    if access.clients().is_some() {
        return Err(AccessError::Client);
    }
    let scope = match (method, aim) {
        ("GET", _) | ("POST", Aim::Table { is_list: true, .. }) => Scope::Read,
        (_, Aim::Account { .. }) => Scope::Admin,
        _ => Scope::Change,
    };
    access.allow(scope)
}

impl fmt::Debug for AirtableGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AirtableGateway")
            .field("tables", &self.tables)
            .field("upstream", &self.upstream)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Gateway for AirtableGateway {
    fn kind(&self, method: &str, path: &str) -> GatewayKind {
        match self.aim(path) {
            Aim::Run(_, place) => kind_of(method, &place),
            Aim::Table { .. } | Aim::Account { .. } => GatewayKind::HandsOn,
            Aim::Nothing => GatewayKind::Reads,
        }
    }

    fn clients(&self, request: &GatewayRequest<'_>) -> Vec<ClientId> {
        let Aim::Run(table, _) = self.aim(request.path) else {
            return Vec::new();
        };
        let client = |cells: Vec<(&str, &serde_json::value::RawValue)>| {
            let (_, value) = cells.into_iter().find(|(older, _)| *older == CLIENT_ID)?;
            serde_json::from_str::<String>(value.get()).ok()?.parse().ok()
        };
        body::understood_cells(table, request.body)
            .into_iter()
            .filter_map(client)
            .collect()
    }

    fn turned_away(&self, why: TurnedAway<'_>) -> GatewayAnswer {
        refusal::of_problem(why)
    }

    async fn answer(&self, ledger: &Ledger, request: GatewayRequest<'_>) -> GatewayAnswer {
        let aim = self.aim(request.path);
        let base = match &aim {
            Aim::Run(table, place) => return self.on_run_table(ledger, table, place, &request).await,
            Aim::Nothing => return refusal::of_failure(&no_route(&request), false),
            Aim::Table { base, .. } => Some(base.as_str()),
            Aim::Account { base } => base.as_deref(),
        };
        if let Err(error) = check_hand_on(request.access, request.method, &aim) {
            return refusal::of_failure(&error.into(), false);
        }
        hand_on::hand_on(self.upstream.as_deref(), base, &request).await
    }
}
