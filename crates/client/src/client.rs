//! The ledger, as a program sees it: one method for each operation.

use std::time::Duration;

use http::header::ACCEPT;
use http::{Request, Response};
use hyper::body::Bytes;
use runledger_domain::{
    AttemptId, ClientId, Completion, MetricChange, NoteText, Outcome, RunId, RunKey, Source, StageName, Update, Version,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::answer::{Changed, Creation, Cursor, Page};
use crate::builder::Builder;
use crate::calls::{self, Call};
use crate::connection::Connection;
use crate::creation::{NewClient, NewClients, NewJob, content, new_client};
use crate::error::Error;
use crate::intent::{Intent, Operation, Settled, new_name};
use crate::path::{path, query, record_path};
use crate::problem::Problem;
use crate::query::{ActivityFilter, Pairs, RecordFilter, cursor};
use crate::reading::{Listed, is_replayed, read_body, read_changed, read_creation, read_records};
use crate::record::{Activity, Record, Summary};
use crate::retry::Retry;
use crate::work::Attachment;

/// A run ledger behind its HTTP API. A copy shares its connections; keep one for as long as the program lives.
///
/// Only the `create_` methods create; every other one answers [`Error::NotFound`] for a record that is not there.
///
/// A call is tried again by itself when a connection fails, an answer does not come in time or the server says to come
/// again, until the deadline has passed; each try carries the same name, so it has one effect. What is still not known
/// then is [`Error::Unknown`], which hands back the intent.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Connection,
    source: Option<Source>,
    timeout: Duration,
    retry: Option<Retry>,
}

impl Client {
    /// Begins to set up a client of the ledger at this URL.
    ///
    /// ```
    /// use runledger_client::Client;
    ///
    /// let client = Client::builder("http://127.0.0.1:7420").source("orchestrator".parse()?).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(url: &str) -> Builder {
        Builder::new(url)
    }

    pub(crate) const fn new(
        connection: Connection,
        source: Option<Source>,
        timeout: Duration,
        retry: Option<Retry>,
    ) -> Self {
        Self {
            connection,
            source,
            timeout,
            retry,
        }
    }

    /// The same client, which tries each call once.
    #[must_use]
    pub(crate) fn once(&self) -> Self {
        Self {
            retry: None,
            ..self.clone()
        }
    }

    // Creating.

    /// Starts a run: creates its job record.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the key is taken by another creation, [`Error::NotAllowed`] when the source may not
    /// create, and every error of a call.
    ///
    /// ```no_run
    /// # async fn example(client: runledger_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use runledger_client::NewJob;
    ///
    /// let job = client.create_job(NewJob { attempt: Some("nightly-2025-09-26".parse()?), ..NewJob::default() }).await?;
    /// println!("{} replayed: {}", job.get().key, job.is_replayed());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create_job(&self, job: NewJob) -> Result<Creation, Error> {
        let mut body = content(Operation::CreateJob, &job.content)?;
        if let Some(run) = &job.run {
            body.insert("run_id".into(), json!(run));
        }
        let intent = self.creation(Operation::CreateJob, path(&["runs"]), body, job.attempt)?;
        self.carry_out(&intent, read_creation).await
    }

    /// Creates one client run record.
    ///
    /// # Errors
    /// As [`Client::create_job`]. To name the attempt, use [`Client::create_clients`].
    pub async fn create_client(&self, run: &RunId, client: impl Into<NewClient>) -> Result<Creation, Error> {
        let body = new_client(Operation::CreateClient, &client.into())?;
        let path = path(&["runs", run.as_str(), "clients"]);
        let intent = self.creation(Operation::CreateClient, path, body, None)?;
        self.carry_out(&intent, read_creation).await
    }

    /// Creates several client run records of one run: all of them, or none.
    ///
    /// # Errors
    /// As [`Client::create_job`].
    pub async fn create_clients(&self, clients: NewClients) -> Result<Creation<Vec<Record>>, Error> {
        let each = clients.clients.iter();
        let list = each.map(|client| new_client(Operation::CreateClients, client).map(Value::Object));
        let list = list.collect::<Result<Vec<_>, _>>()?;
        let body = Map::from_iter([("clients".to_owned(), Value::Array(list))]);
        let path = path(&["runs", clients.run.as_str(), "clients"]);
        let intent = self.creation(Operation::CreateClients, path, body, clients.attempt)?;
        let read = |response: &Response<Bytes>| Ok(Creation::of(read_records(response)?, is_replayed(response)));
        self.carry_out(&intent, read).await
    }

    // Changing.

    /// Changes the contents of a record: all of it, or nothing.
    ///
    /// The same `update_id` with the same content counts once, for ever; one is chosen when none is given. A record
    /// remembers 4096 of them; updates of `max`, `external_ids` and `start` alone need none and get none.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Refused`] (`already_ended`, ...), and every error of a call.
    ///
    /// ```no_run
    /// # async fn example(client: runledger_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use runledger_client::domain::{MetricChange, MetricValue, Update};
    ///
    /// let leads = [("leads".parse()?, MetricValue::from_integer(47))].into();
    /// let metrics = MetricChange { add: leads, ..MetricChange::default() };
    /// let update = Update { metrics, update_id: Some("chunk-17".parse()?), ..Update::default() };
    /// let changed = client.change(&"250925-231841-Guy-Wilson".parse()?, &update).await?;
    /// assert_eq!(changed.record.client_id, Some("Guy-Wilson".parse()?));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn change(&self, key: &RunKey, update: &Update) -> Result<Changed, Error> {
        let intent = self.update(key, update, None)?;
        self.carry_out(&intent, read_changed).await
    }

    /// As [`Client::change`], for a record that must have this version.
    ///
    /// # Errors
    /// As [`Client::change`], and [`Error::VersionMismatch`] when somebody else changed it since.
    pub async fn change_version(&self, key: &RunKey, version: Version, update: &Update) -> Result<Changed, Error> {
        let intent = self.update(key, update, Some(version))?;
        self.carry_out(&intent, read_changed).await
    }

    /// Adds to metrics, raises them and sets them. As [`Client::change`].
    ///
    /// # Errors
    /// As [`Client::change`].
    pub async fn report(&self, key: &RunKey, metrics: MetricChange) -> Result<Changed, Error> {
        let update = Update {
            metrics,
            ..Update::default()
        };
        self.change(key, &update).await
    }

    /// Appends a note. As [`Client::change`].
    ///
    /// # Errors
    /// As [`Client::change`].
    pub async fn note(&self, key: &RunKey, text: NoteText) -> Result<Changed, Error> {
        let update = Update {
            note: Some(text),
            ..Update::default()
        };
        self.change(key, &update).await
    }

    /// Begins a stage. One that is running already goes on.
    ///
    /// # Errors
    /// As [`Client::change`].
    pub async fn start_stage(&self, key: &RunKey, stage: &StageName) -> Result<Changed, Error> {
        let path = record_path(key, &["stages", stage.as_str(), "start"]);
        let intent = self.plain(Operation::StartStage, path, None, None);
        self.carry_out(&intent, read_changed).await
    }

    /// Ends a stage with what it reports, which is merged into the metrics of the record once.
    ///
    /// # Errors
    /// As [`Client::change`].
    pub async fn finish_stage(
        &self,
        key: &RunKey,
        stage: &StageName,
        outcome: Outcome,
        metrics: &MetricChange,
    ) -> Result<Changed, Error> {
        let path = record_path(key, &["stages", stage.as_str(), "finish"]);
        let mut body = Map::from_iter([("status".to_owned(), json!(outcome.as_str()))]);
        if !metrics.is_empty() {
            body.insert("metrics".into(), json!(metrics));
        }
        let intent = self.plain(Operation::FinishStage, path, Some(body), None);
        self.carry_out(&intent, read_changed).await
    }

    /// Says that the work goes on; moves the deadline.
    ///
    /// # Errors
    /// As [`Client::change`].
    pub async fn heartbeat(&self, key: &RunKey) -> Result<Changed, Error> {
        let intent = self.plain(Operation::Heartbeat, record_path(key, &["heartbeat"]), None, None);
        self.carry_out(&intent, read_changed).await
    }

    /// Ends a record, for ever.
    ///
    /// # Errors
    /// [`Error::Refused`] with `already_ended` when it ended otherwise, `open_stages` or `open_clients` when something is
    /// still open; and as [`Client::change`].
    pub async fn complete(&self, key: &RunKey, completion: &Completion) -> Result<Changed, Error> {
        let intent = self.completion(key, completion, None);
        self.carry_out(&intent, read_changed).await
    }

    /// As [`Client::complete`], for a record that must have this version.
    ///
    /// # Errors
    /// As [`Client::complete`], and [`Error::VersionMismatch`] when somebody else changed it since.
    pub async fn complete_version(
        &self,
        key: &RunKey,
        version: Version,
        completion: &Completion,
    ) -> Result<Changed, Error> {
        let intent = self.completion(key, completion, Some(version));
        self.carry_out(&intent, read_changed).await
    }

    /// Asks again for what an [`Unknown`](crate::Unknown) outcome handed back, at any later time. It counts once.
    ///
    /// # Errors
    /// As the call that it comes from.
    ///
    /// ```no_run
    /// # async fn example(client: runledger_client::Client) -> Result<(), runledger_client::Error> {
    /// # let run = "250925-231841".parse::<runledger_client::domain::RunId>().unwrap();
    /// match client.create_job(run.into()).await {
    ///     Err(error) if error.intent().is_some() => {
    ///         let intent = error.intent().cloned();
    ///         // Later, or in another process, when the ledger can be reached again:
    ///         if let Some(intent) = intent {
    ///             let settled = client.repeat(&intent).await?;
    ///             println!("{} record(s), done before: {}", settled.records.len(), settled.replayed);
    ///         }
    ///     }
    ///     other => drop(other?),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn repeat(&self, intent: &Intent) -> Result<Settled, Error> {
        let read = |response: &Response<Bytes>| {
            let records = match intent.operation {
                Operation::CreateClients => read_records(response)?,
                _ => vec![read_body(response)?],
            };
            Ok(Settled {
                records,
                replayed: is_replayed(response),
            })
        };
        self.carry_out(intent, read).await
    }

    // Reading.

    /// Shows one record.
    ///
    /// # Errors
    /// [`Error::NotFound`], and every error of a call.
    pub async fn get(&self, key: &RunKey) -> Result<Record, Error> {
        self.read(&record_path(key, &[])).await
    }

    /// Shows the record of a run.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get_job(&self, run: &RunId) -> Result<Record, Error> {
        self.get(&RunKey::Job(run.clone())).await
    }

    /// Shows the record of a client's share in a run.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get_client(&self, run: &RunId, client: &ClientId) -> Result<Record, Error> {
        self.get(&RunKey::Client(run.clone(), client.clone())).await
    }

    /// Lists the records that meet every given condition, in the order of their creation: the page that begins there.
    ///
    /// # Errors
    /// Every error of a call.
    ///
    /// ```no_run
    /// # async fn example(client: runledger_client::Client) -> Result<(), runledger_client::Error> {
    /// use runledger_client::RecordFilter;
    ///
    /// let open = RecordFilter { open: true, ..RecordFilter::default() };
    /// let mut page = client.list(&open, None).await?;
    /// loop {
    ///     page.items.iter().for_each(|record| println!("{} {}", record.key, record.status));
    ///     let Some(next) = page.next else { break };
    ///     page = client.list(&open, Some(&next)).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn list(&self, filter: &RecordFilter, from: Option<&Cursor>) -> Result<Page<Record>, Error> {
        self.page(&["records"], &filter.pairs(from), Listed::records).await
    }

    /// Lists the open records whose deadline has passed, the longest overdue first: the page that begins there.
    ///
    /// # Errors
    /// Every error of a call.
    pub async fn stalled(&self, from: Option<&Cursor>) -> Result<Page<Record>, Error> {
        self.page(&["stalled"], &vec![("cursor", cursor(from))], Listed::records)
            .await
    }

    /// Lists the activity log, oldest line first: the page that begins there.
    ///
    /// # Errors
    /// Every error of a call.
    pub async fn activity(&self, filter: &ActivityFilter, from: Option<&Cursor>) -> Result<Page<Activity>, Error> {
        self.page(&["activity"], &filter.pairs(from), |listed| listed.activity)
            .await
    }

    /// Shows what a run comes to, derived from its records.
    ///
    /// # Errors
    /// Every error of a call.
    pub async fn summary(&self, run: &RunId) -> Result<Summary, Error> {
        self.read(&path(&["runs", run.as_str(), "summary"])).await
    }

    // Working on a record.

    /// The work on one client run record that exists; see [`Attachment::run`].
    pub fn client_run(&self, run: &RunId, client: &ClientId) -> Attachment {
        Attachment::new(self.clone(), RunKey::Client(run.clone(), client.clone()))
    }

    /// The work on the job record of a run that exists; see [`Attachment::run`].
    pub fn job_run(&self, run: &RunId) -> Attachment {
        Attachment::new(self.clone(), RunKey::Job(run.clone()))
    }

    // How.

    fn creation(
        &self,
        operation: Operation,
        path: String,
        body: Map<String, Value>,
        attempt: Option<AttemptId>,
    ) -> Result<Intent, Error> {
        let name = attempt.map_or_else(new_name, |attempt| Ok(attempt.to_string()))?;
        Ok(Intent {
            idempotency_key: Some(name),
            ..self.plain(operation, path, Some(body), None)
        })
    }

    fn update(&self, key: &RunKey, update: &Update, version: Option<Version>) -> Result<Intent, Error> {
        let mut body = Map::new();
        if update.start {
            body.insert("status".into(), json!("running"));
        }
        if !update.metrics.is_empty() {
            body.insert("metrics".into(), json!(update.metrics));
        }
        if let Some(note) = &update.note {
            body.insert("note".into(), json!(note));
        }
        if !update.external_ids.is_empty() {
            body.insert("external_ids".into(), json!(update.external_ids));
        }
        // What has the same effect the second time needs no name; a version makes every change one that does not.
        let MetricChange { add, set, .. } = &update.metrics;
        let needs_name = !add.is_empty() || !set.is_empty() || update.note.is_some() || version.is_some();
        let name = match &update.update_id {
            Some(id) => Some(id.to_string()),
            None if needs_name => Some(new_name()?),
            None => None,
        };
        Ok(Intent {
            idempotency_key: name,
            ..self.plain(Operation::Change, record_path(key, &[]), Some(body), version)
        })
    }

    fn completion(&self, key: &RunKey, completion: &Completion, version: Option<Version>) -> Intent {
        let mut body = Map::from_iter([("status".to_owned(), json!(completion.outcome.as_str()))]);
        if let Some(note) = &completion.note {
            body.insert("note".into(), json!(note));
        }
        if completion.close_open {
            body.insert("close_open".into(), json!(true));
        }
        self.plain(
            Operation::Complete,
            record_path(key, &["complete"]),
            Some(body),
            version,
        )
    }

    /// An intent that is known again by its content.
    fn plain(
        &self,
        operation: Operation,
        path: String,
        body: Option<Map<String, Value>>,
        version: Option<Version>,
    ) -> Intent {
        Intent {
            operation,
            path,
            body: body.map(|body| Value::Object(body).to_string()),
            idempotency_key: None,
            version,
            source: self.source.clone(),
        }
    }

    async fn carry_out<T>(
        &self,
        intent: &Intent,
        read: impl FnOnce(&Response<Bytes>) -> Result<T, serde_json::Error>,
    ) -> Result<T, Error> {
        let request = intent.request().map_err(|error| not_sendable(&error))?;
        let call = Call {
            request,
            intent: Some(intent),
        };
        calls::send(&self.connection, (self.retry, self.timeout), &call, read).await
    }

    async fn read<T: DeserializeOwned>(&self, target: &str) -> Result<T, Error> {
        let request = Request::get(target)
            .header(ACCEPT, "application/json")
            .body(Bytes::new())
            .map_err(|error| not_sendable(&error))?;
        let call = Call { request, intent: None };
        calls::send(&self.connection, (self.retry, self.timeout), &call, read_body).await
    }

    async fn page<T>(
        &self,
        parts: &[&str],
        pairs: &Pairs,
        items: impl FnOnce(Listed) -> Vec<T>,
    ) -> Result<Page<T>, Error> {
        let mut listed: Listed = self.read(&query(&path(parts), pairs)).await?;
        let next = listed.next.take();
        Ok(Page {
            items: items(listed),
            next,
        })
    }
}

fn not_sendable(error: &http::Error) -> Error {
    Error::NotUnderstood(Box::new(Problem::new(
        "value_invalid",
        format!("the call cannot be sent: {error}; was the intent stored whole?"),
    )))
}
