//! What is to be created, and how the API says it.

use runledger_domain::{AttemptId, ClientId, CreationContent, Initial, RunId};
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::intent::Operation;

/// A job to create. Everything may be left out.
#[derive(Clone, Debug, Default)]
pub struct NewJob {
    /// Its run id; the ledger chooses the next free second when it is left out.
    pub run: Option<RunId>,
    /// What the record holds from the start.
    pub content: CreationContent,
    /// The name of this creation: the same one with the same content is the same creation, at any later time. One is
    /// chosen when none is given; give one that outlives the program when a restarted program is to find its own run.
    pub attempt: Option<AttemptId>,
}

/// A client run record to create.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// The client.
    pub client: ClientId,
    /// What the record holds from the start.
    pub content: CreationContent,
}

/// Client run records to create in one run: all of them, or none.
#[derive(Clone, Debug)]
pub struct NewClients {
    /// The run.
    pub run: RunId,
    /// 1 to 1000 clients, each once.
    pub clients: Vec<NewClient>,
    /// As with [`NewJob::attempt`].
    pub attempt: Option<AttemptId>,
}

/// The client alone, with nothing to say about it.
impl From<ClientId> for NewClient {
    fn from(client: ClientId) -> Self {
        Self {
            client,
            content: CreationContent::default(),
        }
    }
}

/// The record with this run id, with nothing to say about it.
impl From<RunId> for NewJob {
    fn from(run: RunId) -> Self {
        Self {
            run: Some(run),
            ..Self::default()
        }
    }
}

pub(crate) fn new_client(operation: Operation, new: &NewClient) -> Result<Map<String, Value>, Error> {
    let mut body = content(operation, &new.content)?;
    body.insert("client_id".into(), json!(new.client));
    Ok(body)
}

/// The fields of a creation as the API names them. Empty ones are left out, as nothing would be compared with nothing.
pub(crate) fn content(operation: Operation, content: &CreationContent) -> Result<Map<String, Value>, Error> {
    let CreationContent {
        client_name,
        batch,
        external_ids,
        note,
        deadline_after,
        initial,
    } = content;
    let mut body = Map::new();
    if let Some(name) = client_name {
        if operation == Operation::CreateJob {
            let detail = "a job record has no client name; create the client run record for it";
            return Err(Error::not_sendable(operation, "client_name_on_job", detail));
        }
        body.insert("client_name".into(), json!(name));
    }
    if let Some(batch) = batch {
        body.insert("batch".into(), json!(batch));
    }
    if !external_ids.is_empty() {
        body.insert("external_ids".into(), json!(external_ids));
    }
    if let Some(note) = note {
        body.insert("note".into(), json!(note));
    }
    if let Some(after) = deadline_after {
        body.insert("deadline_after_seconds".into(), json!(after.as_secs()));
    }
    match initial {
        Initial::Running => {}
        Initial::Queued => drop(body.insert("status".into(), json!("queued"))),
        Initial::Imported(_) => {
            let detail = "records with a history are made by the import command alone; create it, then change it";
            return Err(Error::not_sendable(operation, "import_only", detail));
        }
    }
    Ok(body)
}
