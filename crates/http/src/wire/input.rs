//! The bodies that are read, and their conversion into what the app takes. A field that is not listed here is refused.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use runledger_app::{StartClient, StartJob};
use runledger_domain::{
    ClientId, Completion, CreationContent, DeadlineAfter, ExternalId, Initial, MetricChange, Outcome, RunId, RunKey,
    Status, Update, Version,
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::describe::forms;
use crate::problem;
use crate::trouble::Problem;
use crate::wire::number::{MetricChangeIn, read_metrics};
use crate::wire::text::{Object, Text};
use crate::wire::whole::Whole;

/// A job to create. Everything may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewJob<'a> {
    /// Its run id; chosen by the ledger when left out.
    #[serde(borrow)]
    #[schema(value_type = Option<forms::RunId>)]
    run_id: Option<Text<'a>>,
    /// The batch that it belongs to.
    #[schema(value_type = Option<forms::BatchLabel>)]
    batch: Option<Text<'a>>,
    /// References to other systems, written `system:id`.
    #[schema(value_type = Option<Vec<forms::ExternalId>>, max_items = 64)]
    external_ids: Option<Vec<Text<'a>>>,
    /// A first note.
    #[schema(value_type = Option<forms::NoteText>)]
    note: Option<Text<'a>>,
    /// How long it may be silent, in seconds; the ledger's span when left out.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 31_622_400)]
    deadline_after_seconds: Option<Whole>,
    /// Where it begins: `running` (when left out) or `queued`.
    #[schema(value_type = Option<forms::Beginning>)]
    status: Option<Text<'a>>,
}

impl NewJob<'_> {
    /// What the app is asked for; the attempt is not in the body.
    pub(crate) fn start(&self) -> Result<StartJob, Problem> {
        let run = self.run_id.as_ref().map(|text| run_id(text.as_str())).transpose()?;
        let content = Content {
            client_name: None,
            batch: self.batch.as_ref(),
            external_ids: self.external_ids.as_deref(),
            note: self.note.as_ref(),
            deadline_after_seconds: self.deadline_after_seconds,
            status: self.status.as_ref(),
        };
        Ok(StartJob {
            run,
            attempt: None,
            content: content.read()?,
        })
    }
}

/// A client run record to create.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewClient<'a> {
    /// The client.
    #[serde(borrow)]
    #[schema(required, value_type = forms::ClientId)]
    client_id: Option<Text<'a>>,
    /// The run, if it is said again; it must be the one in the path.
    #[schema(value_type = Option<forms::RunId>)]
    run_id: Option<Text<'a>>,
    /// The client's name as people read it.
    #[schema(value_type = Option<forms::ClientName>)]
    client_name: Option<Text<'a>>,
    /// The batch that it belongs to.
    #[schema(value_type = Option<forms::BatchLabel>)]
    batch: Option<Text<'a>>,
    /// References to other systems, written `system:id`.
    #[schema(value_type = Option<Vec<forms::ExternalId>>, max_items = 64)]
    external_ids: Option<Vec<Text<'a>>>,
    /// A first note.
    #[schema(value_type = Option<forms::NoteText>)]
    note: Option<Text<'a>>,
    /// How long it may be silent, in seconds; the ledger's span when left out.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 31_622_400)]
    deadline_after_seconds: Option<Whole>,
    /// Where it begins: `running` (when left out) or `queued`.
    #[schema(value_type = Option<forms::Beginning>)]
    status: Option<Text<'a>>,
}

impl NewClient<'_> {
    fn client(&self) -> &str {
        self.client_id.as_ref().map_or("", Text::as_str)
    }

    fn start(&self, path_run: &str) -> Result<(RunKey, StartClient), Problem> {
        let Some(client) = &self.client_id else {
            let detail = "client_id is missing; name the client, or send \"clients\" with several";
            return Err(Problem::new(&problem::BODY_INVALID, detail).at("client_id"));
        };
        let client = client_id(client.as_str())?;
        let key = run_key(path_run, Some(&client))?;
        if let Some(run) = &self.run_id {
            let said = run_key(run.as_str(), Some(&client))?;
            if said != key {
                let detail = format!("run_id is {}, but the path says {}; say it once", said.run(), key.run());
                return Err(Problem::new(&problem::CONTRADICTION, detail).at("run_id"));
            }
        }
        let content = Content {
            client_name: self.client_name.as_ref(),
            batch: self.batch.as_ref(),
            external_ids: self.external_ids.as_deref(),
            note: self.note.as_ref(),
            deadline_after_seconds: self.deadline_after_seconds,
            status: self.status.as_ref(),
        };
        let content = content.read()?;
        Ok((key, StartClient { client, content }))
    }
}

/// One client run record to create (the fields of a client), or several at once (`clients`): all of them, or none.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewClients<'a> {
    /// Several: 1 to 1000 clients, each once.
    #[serde(borrow)]
    #[schema(value_type = Option<Vec<NewClient>>, min_items = 1, max_items = 1000)]
    clients: Option<Vec<Object<NewClient<'a>>>>,
    /// One: the client.
    #[schema(value_type = Option<forms::ClientId>)]
    client_id: Option<Text<'a>>,
    /// The run, if it is said again; it must be the one in the path.
    #[schema(value_type = Option<forms::RunId>)]
    run_id: Option<Text<'a>>,
    /// The client's name as people read it.
    #[schema(value_type = Option<forms::ClientName>)]
    client_name: Option<Text<'a>>,
    /// The batch that it belongs to.
    #[schema(value_type = Option<forms::BatchLabel>)]
    batch: Option<Text<'a>>,
    /// References to other systems, written `system:id`.
    #[schema(value_type = Option<Vec<forms::ExternalId>>, max_items = 64)]
    external_ids: Option<Vec<Text<'a>>>,
    /// A first note.
    #[schema(value_type = Option<forms::NoteText>)]
    note: Option<Text<'a>>,
    /// How long it may be silent, in seconds; the ledger's span when left out.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 31_622_400)]
    deadline_after_seconds: Option<Whole>,
    /// Where it begins: `running` (when left out) or `queued`.
    #[schema(value_type = Option<forms::Beginning>)]
    status: Option<Text<'a>>,
}

/// What a body for the clients of a run asks for.
pub(crate) struct StartClients {
    pub(crate) run: RunId,
    pub(crate) clients: Vec<StartClient>,
    /// Whether `clients` was sent: the answer is then a list, even for one.
    pub(crate) many: bool,
}

impl<'a> NewClients<'a> {
    pub(crate) fn start(self, path_run: &str) -> Result<StartClients, Problem> {
        let many = self.clients.is_some();
        let list = self.list()?;
        let mut run = None;
        let mut seen = HashSet::with_capacity(list.len());
        let mut clients = Vec::with_capacity(list.len());
        for (index, Object(body)) in list.iter().enumerate() {
            let placed = |problem: Problem| {
                let problem = problem.about(path_run, body.client());
                if many {
                    problem.inside(&format!("clients[{index}]"))
                } else {
                    problem
                }
            };
            let (key, start) = body.start(path_run).map_err(placed)?;
            if !seen.insert(start.client.clone()) {
                let detail = format!(
                    "client {} stands twice in one call; send each client once",
                    start.client
                );
                return Err(placed(
                    Problem::new(&problem::CLIENT_NAMED_TWICE, detail).at("client_id"),
                ));
            }
            run.get_or_insert_with(|| key.run().clone());
            clients.push(start);
        }
        // Without a client there is nothing to resolve the path with; how many there may be is the app's to say.
        let run = run.map_or_else(|| run_id(path_run), Ok)?;
        Ok(StartClients { run, clients, many })
    }

    /// The clients, as one list.
    fn list(self) -> Result<Vec<Object<NewClient<'a>>>, Problem> {
        let one = NewClient {
            client_id: self.client_id,
            run_id: self.run_id,
            client_name: self.client_name,
            batch: self.batch,
            external_ids: self.external_ids,
            note: self.note,
            deadline_after_seconds: self.deadline_after_seconds,
            status: self.status,
        };
        let Some(clients) = self.clients else {
            return Ok(vec![Object(one)]);
        };
        let beside = [
            ("client_id", one.client_id.is_some()),
            ("run_id", one.run_id.is_some()),
            ("client_name", one.client_name.is_some()),
            ("batch", one.batch.is_some()),
            ("external_ids", one.external_ids.is_some()),
            ("note", one.note.is_some()),
            ("deadline_after_seconds", one.deadline_after_seconds.is_some()),
            ("status", one.status.is_some()),
        ];
        if let Some((field, _)) = beside.into_iter().find(|(_, there)| *there) {
            let detail = format!("{field} stands beside clients; put it into each of the clients instead");
            return Err(Problem::new(&problem::CONTRADICTION, detail).at(field));
        }
        Ok(clients)
    }
}

/// What a record is to hold from the start, as sent.
struct Content<'b, 'a> {
    client_name: Option<&'b Text<'a>>,
    batch: Option<&'b Text<'a>>,
    external_ids: Option<&'b [Text<'a>]>,
    note: Option<&'b Text<'a>>,
    deadline_after_seconds: Option<Whole>,
    status: Option<&'b Text<'a>>,
}

impl Content<'_, '_> {
    fn read(self) -> Result<CreationContent, Problem> {
        Ok(CreationContent {
            client_name: value("client_name", self.client_name)?,
            batch: value("batch", self.batch)?,
            external_ids: external_ids(self.external_ids)?,
            note: value("note", self.note)?,
            deadline_after: self
                .deadline_after_seconds
                .map(|seconds| DeadlineAfter::from_secs(seconds.get()))
                .transpose()
                .map_err(|error| Problem::value("deadline_after_seconds", error.to_string()))?,
            initial: match value("status", self.status)? {
                None | Some(Status::Running) => Initial::Running,
                Some(Status::Queued) => Initial::Queued,
                Some(Status::Ended(outcome)) => {
                    let detail = format!("a record begins queued or running, not {outcome}; complete it when it ends");
                    return Err(Problem::value("status", detail));
                }
            },
        })
    }
}

/// A change to the contents of a record. Something must be in it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordChange<'a> {
    /// What to add, raise and set.
    #[serde(borrow)]
    #[schema(value_type = Option<MetricChangeIn>)]
    metrics: Option<Object<MetricChangeIn<'a>>>,
    /// A note to append.
    #[schema(value_type = Option<forms::NoteText>)]
    note: Option<Text<'a>>,
    /// Only `running`: begin the work of a queued record. A record is ended by `POST .../complete`.
    #[schema(value_type = Option<forms::Started>)]
    status: Option<Text<'a>>,
    /// References to add.
    #[schema(value_type = Option<Vec<forms::ExternalId>>, max_items = 64)]
    external_ids: Option<Vec<Text<'a>>>,
    /// The name of this update: sent again, it counts once. The header `Idempotency-Key` says the same.
    #[schema(value_type = Option<forms::AttemptId>)]
    update_id: Option<Text<'a>>,
    /// The version that the record must have. The header `If-Match` says the same.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_223_372_036_854_775_807_u64)]
    version: Option<Whole>,
}

impl RecordChange<'_> {
    /// The update, and the version that the body expects. `key` is what the header `Idempotency-Key` says.
    pub(crate) fn update(&self, key: Option<&str>) -> Result<(Update, Option<Version>), Problem> {
        let said = self.update_id.as_ref().map(Text::as_str);
        if let (Some(said), Some(key)) = (said, key)
            && said != key
        {
            let detail = "update_id and the header Idempotency-Key differ; send one of them";
            return Err(Problem::new(&problem::CONTRADICTION, detail).at("update_id"));
        }
        let update_id = match said {
            Some(text) => Some(parse("update_id", text)?),
            None => key.map(idempotency_key).transpose()?,
        };
        let update = Update {
            start: self.starts()?,
            metrics: read_metrics(self.metrics.as_ref())?,
            note: value("note", self.note.as_ref())?,
            external_ids: external_ids(self.external_ids.as_deref())?,
            update_id,
        };
        Ok((update, version(self.version)?))
    }

    fn starts(&self) -> Result<bool, Problem> {
        let detail = match value("status", self.status.as_ref())? {
            None => return Ok(false),
            Some(Status::Running) => return Ok(true),
            Some(Status::Queued) => "an update cannot put a record back into the queue; \"running\" starts it".into(),
            Some(Status::Ended(outcome)) => {
                format!("an update cannot end a record; send {{\"status\":\"{outcome}\"}} to POST .../complete")
            }
        };
        Err(Problem::new(&problem::STATUS_NOT_SETTABLE, detail).at("status"))
    }
}

/// The end of a stage.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StageFinish<'a> {
    /// How it ended: `succeeded`, `succeeded_with_errors`, `failed`, `skipped`, `cancelled`, `lost`.
    #[serde(borrow)]
    #[schema(required, value_type = forms::Outcome)]
    status: Option<Text<'a>>,
    /// What it reports: merged into the record's metrics, once.
    #[schema(value_type = Option<MetricChangeIn>)]
    metrics: Option<Object<MetricChangeIn<'a>>>,
}

impl StageFinish<'_> {
    pub(crate) fn finish(&self) -> Result<(Outcome, MetricChange), Problem> {
        Ok((outcome(self.status.as_ref())?, read_metrics(self.metrics.as_ref())?))
    }
}

/// The end of a record.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordCompletion<'a> {
    /// How it ended: `succeeded`, `succeeded_with_errors`, `failed`, `skipped`, `cancelled`, `lost`.
    #[serde(borrow)]
    #[schema(required, value_type = forms::Outcome)]
    status: Option<Text<'a>>,
    /// What there is to say about it.
    #[schema(value_type = Option<forms::NoteText>)]
    note: Option<Text<'a>>,
    /// Close what is still open (stages; for a job its client records) as cancelled, instead of refusing.
    close_open: Option<bool>,
    /// The version that the record must have. The header `If-Match` says the same.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_223_372_036_854_775_807_u64)]
    version: Option<Whole>,
}

impl RecordCompletion<'_> {
    pub(crate) fn completion(&self) -> Result<(Completion, Option<Version>), Problem> {
        let completion = Completion {
            outcome: outcome(self.status.as_ref())?,
            note: value("note", self.note.as_ref())?,
            close_open: self.close_open.unwrap_or(false),
        };
        Ok((completion, version(self.version)?))
    }
}

/// Nothing: a body of a call that needs none.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

fn outcome(status: Option<&Text<'_>>) -> Result<Outcome, Problem> {
    let Some(text) = status else {
        let detail = "status is missing; say how it ended, e.g. {\"status\":\"succeeded\"}";
        return Err(Problem::new(&problem::BODY_INVALID, detail).at("status"));
    };
    parse("status", text.as_str())
}

/// The version that a body expects; none was ever given out beyond 2^63 - 1.
fn version(said: Option<Whole>) -> Result<Option<Version>, Problem> {
    let Some(version) = said.map(Whole::get) else {
        return Ok(None);
    };
    if i64::try_from(version).is_err() {
        let detail = format!("version is {version}; send the version of the record as it was given");
        return Err(Problem::value("version", detail));
    }
    Ok(Some(version))
}

fn external_ids(texts: Option<&[Text<'_>]>) -> Result<Vec<ExternalId>, Problem> {
    let read = |(index, text): (usize, &Text<'_>)| {
        let parsed = text.as_str().parse::<ExternalId>();
        parsed.map_err(|error| Problem::value(&format!("external_ids[{index}]"), error.to_string()))
    };
    texts.unwrap_or_default().iter().enumerate().map(read).collect()
}

fn value<T>(field: &str, text: Option<&Text<'_>>) -> Result<Option<T>, Problem>
where
    T: FromStr<Err: fmt::Display>,
{
    text.map(|text| parse(field, text.as_str())).transpose()
}

fn parse<T>(field: &str, text: &str) -> Result<T, Problem>
where
    T: FromStr<Err: fmt::Display>,
{
    text.parse()
        .map_err(|error: T::Err| Problem::value(field, error.to_string()))
}

/// Reads a run id that stands alone.
pub(crate) fn run_id(text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|error: runledger_domain::RunIdError| {
        Problem::new(&problem::RUN_ID_INVALID, error.to_string()).at("run_id")
    })
}

/// Reads a client id.
pub(crate) fn client_id(text: &str) -> Result<ClientId, Problem> {
    text.parse().map_err(|error: runledger_domain::TextError| {
        Problem::new(&problem::CLIENT_ID_INVALID, error.to_string()).at("client_id")
    })
}

/// Reads a run, which may be written with its client behind it.
pub(crate) fn run_key(run: &str, client: Option<&ClientId>) -> Result<RunKey, Problem> {
    RunKey::resolve(run, client).map_err(|error| Problem::new(&problem::RUN_ID_INVALID, error.to_string()).at("run_id"))
}

/// Reads the name that makes a retry safe: an attempt id or an update id.
pub(crate) fn idempotency_key<T>(text: &str) -> Result<T, Problem>
where
    T: FromStr<Err: fmt::Display>,
{
    text.parse().map_err(|error: T::Err| {
        Problem::new(&problem::IDEMPOTENCY_KEY_INVALID, error.to_string()).at("Idempotency-Key")
    })
}
