//! The functions that create, change and end. Creating goes to the creation point, everything else to the run service,
//! which holds nothing that could create (I2, I3).

use std::collections::BTreeSet;

use runledger_app::{CreationError, FunctionAnswer, FunctionCall, Ledger, ReadError, StartClient, StartJob, Started};
use runledger_domain::access::{Access, AccessError, Scope};
use runledger_domain::{
    Command, Completion, CreationContent, ExternalId, NoteText, Outcome, RunKey, RunRecord, Source, Status, Update,
};
use runledger_ports::{Changed, ListFilter, PageSize};

use super::arguments::{Arguments, string_or_number};
use super::asker::{asker, attempt, update_id};
use super::columns::{Columns, Numbers, note, parsed, started_note, status_word};
use super::decision::decide;
use super::failure::{CreationWords, Failure};
use super::function::Function;
use super::key::key;
use super::reading::{client, client_key};
use super::record::{APIFY, json, record_json};

/// `createJobRecord`.
pub(super) async fn create_job(
    ledger: &Ledger,
    call: &FunctionCall<'_>,
    arguments: &Arguments<'_>,
) -> Result<FunctionAnswer, Failure> {
    let asker = asker(call, arguments, Scope::Create)?;
    // A job is all clients': whoever is limited to some begins none.
    if call.access.clients().is_some() {
        return Err(AccessError::Client.into());
    }
    let text = arguments.needed("runId")?;
    let key = key(&text, None)?;
    let batch = arguments
        .raw("stream")
        .map(|value| string_or_number("stream", value))
        .transpose()?;
    let start = StartJob {
        run: Some(key.run().clone()),
        attempt: attempt(call)?,
        content: CreationContent {
            batch: batch.map(|text| parsed("stream", &text)).transpose()?,
            ..CreationContent::default()
        },
    };
    let words = words(Function::CreateJobRecord, &key, &asker.older);
    match ledger.creation.start_job(&asker.source, start).await {
        Ok(started) => created(ledger, &started).await,
        Err(error) => Err(Failure::of_creation(error, &words)),
    }
}

/// `createClientRunRecord`, and `createRunRecord`, which answers a source that may create with the record that is there.
pub(super) async fn create_client(
    function: Function,
    ledger: &Ledger,
    call: &FunctionCall<'_>,
    arguments: &Arguments<'_>,
) -> Result<FunctionAnswer, Failure> {
    let asker = asker(call, arguments, Scope::Create)?;
    let key = client_key(arguments)?;
    let Some(client) = key.client() else {
        return Err(Failure::new("internal", "a key with a client has none"));
    };
    if !call.access.sees(&key) {
        return Err(AccessError::Client.into());
    }
    let name = arguments.text("clientName")?.filter(|text| !text.is_empty());
    let start = StartClient {
        client: client.clone(),
        content: CreationContent {
            client_name: name.map(|text| parsed("clientName", &text)).transpose()?,
            ..CreationContent::default()
        },
    };
    let words = words(function, &key, &asker.older);
    let attempt = attempt(call)?;
    let started = ledger
        .creation
        .start_clients(&asker.source, key.run(), attempt, vec![start])
        .await;
    match started {
        Ok(started) => match started.first() {
            Some(started) => created(ledger, started).await,
            None => Err(Failure::new(
                "internal",
                "the ledger answered a creation with no record",
            )),
        },
        // The policy has said yes before anything is looked up, so nobody else gets to see it.
        Err(CreationError::Conflict { existing, .. }) if function == Function::CreateRunRecord => {
            answer(ledger, &existing, false).await
        }
        Err(error) => Err(Failure::of_creation(error, &words)),
    }
}

/// The texts that older callers match on.
fn words(function: Function, key: &RunKey, older: &str) -> CreationWords {
    let exists = match key.client() {
        None => format!("Job tracking record already exists for {key}"),
        Some(client) => format!("Client run record already exists for {key}, client {client}"),
    };
    CreationWords {
        exists,
        unauthorised: format!(
            "Unauthorized source \"{older}\" attempted to create {}",
            function.thing()
        ),
    }
}

/// `updateRunRecord`, `updateClientMetrics` and `updateJobRecord`.
pub(super) async fn update(
    function: Function,
    ledger: &Ledger,
    call: &FunctionCall<'_>,
    arguments: &Arguments<'_>,
) -> Result<FunctionAnswer, Failure> {
    let source = asker(call, arguments, Scope::Change)?.source;
    let (key, missing) = target(function, arguments)?;
    check_seen(call.access, &key, &missing)?;
    let (name, numbers) = if function == Function::UpdateClientMetrics {
        ("metrics", Numbers::Raise)
    } else {
        ("updates", Numbers::Set)
    };
    let columns = Columns::read(&arguments.members(name)?, &key, numbers)?;
    let has_contents = columns.has_contents();
    let Columns { mut update, end } = columns;
    let note = if end.is_some() { update.note.take() } else { None };
    let change = Change {
        ledger,
        source: &source,
        key: &key,
        missing: &missing,
    };
    let mut commands = Vec::new();
    if has_contents {
        update.update_id = update_id(call)?;
        commands.push(Command::Update(update));
    }
    commands.extend(end.map(|outcome| completion(outcome, note)));
    if commands.len() > 1 {
        change.decide(&commands).await?;
    }
    let mut last = None;
    for command in commands {
        last = Some(change.carry_out(command).await?);
    }
    // Nothing but what is derived or was so before: the call still finds its record, or says that there is none.
    if let Some(changed) = last {
        return changed_answer(ledger, &changed).await;
    }
    let nothing = Update {
        start: true,
        ..Update::default()
    };
    let changed = change.carry_out(Command::Update(nothing)).await?;
    changed_answer(ledger, &changed).await
}

/// `completeRunRecord` and `completeJobRecord`.
pub(super) async fn complete(
    function: Function,
    ledger: &Ledger,
    call: &FunctionCall<'_>,
    arguments: &Arguments<'_>,
    triggers: &BTreeSet<Source>,
) -> Result<FunctionAnswer, Failure> {
    let source = asker(call, arguments, Scope::Change)?.source;
    let (key, missing) = target(function, arguments)?;
    check_seen(call.access, &key, &missing)?;
    let outcome = if function == Function::CompleteJobRecord {
        success(arguments)?
    } else {
        ending("status", &arguments.needed("status")?)?
    };
    let text = arguments.text("notes")?.unwrap_or_default();
    let change = Change {
        ledger,
        source: &source,
        key: &key,
        missing: &missing,
    };
    let changed = if key.client().is_some() && triggers.contains(&source) {
        let update = Update {
            start: true,
            note: started_note(&source, outcome, &text)?,
            update_id: update_id(call)?,
            ..Update::default()
        };
        change.carry_out(Command::Update(update)).await?
    } else {
        change
            .carry_out(completion(outcome, note("notes", Some(text))?))
            .await?
    };
    changed_answer(ledger, &changed).await
}

/// `registerApifyRunId`: files the id as a reference of the client's record, and answers that record's run id.
pub(super) async fn register_apify(
    ledger: &Ledger,
    call: &FunctionCall<'_>,
    arguments: &Arguments<'_>,
) -> Result<FunctionAnswer, Failure> {
    let source = asker(call, arguments, Scope::Change)?.source;
    let Some(client) = client(arguments)? else {
        let detail = "clientId is missing; name the client, byte for byte";
        return Err(Failure::new("body_invalid", detail).at("clientId"));
    };
    let id = ExternalId::new(APIFY, &arguments.needed("apifyRunId")?)
        .map_err(|error| Failure::new("value_invalid", error.to_string()).at("apifyRunId"))?;
    let missing = format!("Run record not found for Apify run {}, client {client}", id.id());
    let is_unseen = call.access.clients().is_some_and(|clients| !clients.contains(&client));
    if is_unseen {
        return Err(Failure::unseen(missing));
    }
    let key = if arguments.raw("runId").is_some() {
        client_key(arguments)?
    } else {
        let filter = ListFilter {
            client: Some(client),
            external_id: Some(id.clone()),
            ..ListFilter::default()
        };
        let page = ledger
            .runs
            .list(&filter, None, PageSize::new(2).unwrap_or_default())
            .await?;
        let [only] = &page.records[..] else {
            let detail = format!("{missing}; send the runId of the run that started it as a third argument");
            return Err(Failure::new("not_found", detail).at("runId"));
        };
        only.key().clone()
    };
    let change = Change {
        ledger,
        source: &source,
        key: &key,
        missing: &missing,
    };
    let update = Update {
        external_ids: vec![id],
        update_id: update_id(call)?,
        ..Update::default()
    };
    let changed = change.carry_out(Command::Update(update)).await?;
    Ok(FunctionAnswer {
        json: json(&key.to_string())?,
        created: false,
        replayed: matches!(changed, Changed::Unchanged(_)),
    })
}

/// The record that is meant, and the older text for when it is not there.
fn target(function: Function, arguments: &Arguments<'_>) -> Result<(RunKey, String), Failure> {
    if matches!(function, Function::UpdateJobRecord | Function::CompleteJobRecord) {
        let text = arguments.needed("runId")?;
        let key = key(&text, None)?;
        let missing = format!("Job tracking record not found for {text} (base: {})", key.run());
        return Ok((key, missing));
    }
    let what = match function {
        Function::UpdateClientMetrics => "Cannot update metrics",
        Function::CompleteRunRecord => "Cannot complete",
        _ => "Cannot update",
    };
    let key = client_key(arguments)?;
    let missing = format!(
        "{what}: Run record not found for {}, client {}",
        arguments.needed("runId")?,
        arguments.needed("clientId")?
    );
    Ok((key, missing))
}

fn check_seen(access: &Access, key: &RunKey, missing: &str) -> Result<(), Failure> {
    if access.sees(key) {
        return Ok(());
    }
    // Word for word what a record that is not there is answered with.
    let error = runledger_ports::ChangeError::NotFound { key: key.clone() };
    Err(Failure::unseen(format!("{missing}. {error}")))
}

/// How a job ended: the older functions were told whether it succeeded.
fn success(arguments: &Arguments<'_>) -> Result<Outcome, Failure> {
    match arguments.raw("success").map(serde_json::value::RawValue::get) {
        Some("true") => Ok(Outcome::Succeeded),
        Some("false") => Ok(Outcome::Failed),
        Some(_) => ending("success", &arguments.needed("success")?),
        None => {
            let detail = "success is missing; say true or false";
            Err(Failure::new("body_invalid", detail).at("success"))
        }
    }
}

fn ending(field: &str, text: &str) -> Result<Outcome, Failure> {
    match status_word(field, text)? {
        Status::Ended(outcome) => Ok(outcome),
        Status::Queued | Status::Running => {
            let detail = format!("{text:?} does not end a record; say how it ended, e.g. Success or Error");
            Err(Failure::new("value_invalid", detail).at(field))
        }
    }
}

/// A change of one record by one source.
struct Change<'a> {
    ledger: &'a Ledger,
    source: &'a Source,
    key: &'a RunKey,
    missing: &'a str,
}

impl Change<'_> {
    async fn carry_out(&self, command: Command) -> Result<Changed, Failure> {
        let changed = self
            .ledger
            .runs
            .change(self.source, self.key.clone(), None, command)
            .await;
        changed.map_err(|error| Failure::of_change(error, self.missing))
    }

    /// Decides several commands before the first is carried out. Of a record that is not there nothing can be decided: the
    /// first command finds that out, and leaves its line.
    async fn decide(&self, commands: &[Command]) -> Result<(), Failure> {
        match self.ledger.runs.get(self.key).await {
            Ok(record) => decide(self.ledger, self.source, &record, commands).await,
            Err(ReadError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn completion(outcome: Outcome, note: Option<NoteText>) -> Command {
    Command::Complete(Completion {
        outcome,
        note,
        close_open: false,
    })
}

async fn changed_answer(ledger: &Ledger, changed: &Changed) -> Result<FunctionAnswer, Failure> {
    let replayed = matches!(changed, Changed::Unchanged(_));
    answer(ledger, changed.record(), replayed).await
}

async fn created(ledger: &Ledger, started: &Started) -> Result<FunctionAnswer, Failure> {
    let answer = answer(ledger, &started.record, started.replayed).await?;
    Ok(FunctionAnswer {
        created: !started.replayed,
        ..answer
    })
}

async fn answer(ledger: &Ledger, record: &RunRecord, replayed: bool) -> Result<FunctionAnswer, Failure> {
    // What was done is done: when its totals cannot be read now, the job is answered without them.
    let summary = match record.key() {
        RunKey::Job(run) => ledger.runs.summary(run).await.ok(),
        RunKey::Client(..) => None,
    };
    Ok(FunctionAnswer {
        json: record_json(record, summary.as_ref())?,
        created: false,
        replayed,
    })
}
