//! The functions that read. Nothing in here creates or changes anything (I3).

use std::time::Duration;

use runledger_app::{FunctionCall, Ledger, MINT_SECONDS, ReadError};
use runledger_domain::access::{AccessError, Scope};
use runledger_domain::{Action, Activity, ClientId, Outcome, RunId, RunKey, Status, Timestamp, Verdict};
use runledger_ports::{ActivityFilter, Cursor, PageSize};
use serde::Serialize;

use super::LegacyService;
use super::arguments::Arguments;
use super::failure::Failure;
use super::key::key;
use super::record::{json, record_id, record_json};
use crate::run_id::is_timestamp_id;

/// How many entries the older log held.
const LOG_ENTRIES: u64 = 100;
/// How many it showed when none were asked for.
const LOG_SHOWN: u64 = 50;
/// How many lines are looked at for whoever sees only some of them.
const LINES_LOOKED_AT: u64 = 20_000;
const WINDOW: u32 = 1_000;
const MICROS: i64 = 1_000_000;

/// A client that is given apart; an empty text is none.
pub(super) fn client(arguments: &Arguments<'_>) -> Result<Option<ClientId>, Failure> {
    let text = arguments.text("clientId")?.filter(|text| !text.is_empty());
    let parse = |text: String| {
        // The two were swapped: a name is as good a run id, so nothing else would tell.
        if is_timestamp_id(&text) {
            let detail = format!("client id {text:?} is a run id; send the run id first, then the client");
            return Err(Failure::new("client_id_invalid", detail).at("clientId"));
        }
        let parsed = text.parse::<ClientId>();
        parsed.map_err(|error| Failure::new("client_id_invalid", error.to_string()).at("clientId"))
    };
    text.map(parse).transpose()
}

/// The key of the client run record that is meant.
pub(super) fn client_key(arguments: &Arguments<'_>) -> Result<RunKey, Failure> {
    let Some(client) = client(arguments)? else {
        let detail = "clientId is missing; name the client, byte for byte";
        return Err(Failure::new("body_invalid", detail).at("clientId"));
    };
    key(&arguments.needed("runId")?, Some(&client))
}

/// `getRunRecord` and `getRunRecordId`: `null` when there is none, whoever asks for it.
pub(super) async fn get(
    ledger: &Ledger,
    call: &FunctionCall<'_>,
    arguments: &Arguments<'_>,
    id_only: bool,
) -> Result<String, Failure> {
    call.access.allow(Scope::Read)?;
    let key = client_key(arguments)?;
    if !call.access.sees(&key) {
        return Ok("null".into());
    }
    match ledger.runs.get(&key).await {
        Ok(record) if id_only => json(&record_id(record.key())),
        Ok(record) => record_json(&record, None),
        Err(ReadError::NotFound { .. }) => Ok("null".into()),
        Err(error) => Err(error.into()),
    }
}

/// `checkRunRecordExists`. Without a client the id says itself whose record is meant; a prefix before the client (B3) may
/// be part of its name, so both readings are looked at.
pub(super) async fn exists(
    ledger: &Ledger,
    call: &FunctionCall<'_>,
    arguments: &Arguments<'_>,
) -> Result<String, Failure> {
    call.access.allow(Scope::Read)?;
    let text = arguments.needed("runId")?;
    let mut keys = Vec::new();
    if let Some(client) = client(arguments)? {
        keys.push(key(&text, Some(&client))?);
    } else {
        match text.parse::<RunKey>() {
            Ok(RunKey::Client(run, client)) => {
                let unprefixed = client.as_str().strip_prefix('C').and_then(|rest| rest.parse().ok());
                keys.extend(unprefixed.map(|client| RunKey::Client(run.clone(), client)));
                keys.push(RunKey::Client(run, client));
            }
            _ => keys.push(key(&text, None)?),
        }
    }
    for key in keys.iter().filter(|key| call.access.sees(key)) {
        match ledger.runs.get(key).await {
            Ok(_) => return Ok("true".into()),
            Err(ReadError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok("false".into())
}

/// `normalizeRunId`: the one spelling of the id, or a refusal. Never an id of now.
pub(super) fn normalize(call: &FunctionCall<'_>, arguments: &Arguments<'_>) -> Result<String, Failure> {
    call.access.allow(Scope::Read)?;
    if arguments.raw("forceNew").is_some_and(|value| value.get() == "true") {
        let detail = "an id is never replaced by a new one; start a run with generateRunId and createJobRecord";
        return Err(Failure::new("value_invalid", detail).at("forceNew"));
    }
    if client(arguments)?.is_none() {
        return Ok("null".into());
    }
    json(&client_key(arguments)?.to_string())
}

impl LegacyService {
    /// `generateRunId`: the first second, at most a minute ahead, that this server has not given out and that no run has, with
    /// the client behind it; `null` without a client.
    pub(super) async fn generate(
        &self,
        ledger: &Ledger,
        call: &FunctionCall<'_>,
        arguments: &Arguments<'_>,
    ) -> Result<String, Failure> {
        call.access.allow(Scope::Create)?;
        let Some(client) = client(arguments)? else {
            return Ok("null".into());
        };
        let now = ledger.runs.now();
        for ahead in 0..=MINT_SECONDS {
            let second = now
                .saturating_add(Duration::from_secs(ahead))
                .as_micros()
                .div_euclid(MICROS);
            if !self.take_second(second) {
                continue;
            }
            let at = Timestamp::from_micros(second.saturating_mul(MICROS));
            let run = RunId::from_second(at.unwrap_or(now));
            match ledger.runs.get(&RunKey::Job(run.clone())).await {
                Ok(_) => {}
                Err(ReadError::NotFound { .. }) => return json(&RunKey::Client(run, client).to_string()),
                Err(error) => return Err(error.into()),
            }
        }
        let detail = format!("every id of the next {MINT_SECONDS} seconds is given out; ask again in a moment");
        Err(Failure::new("no_free_second", detail))
    }
}

/// `getStats`, of everything that the ledger holds.
pub(super) async fn stats(ledger: &Ledger, call: &FunctionCall<'_>) -> Result<String, Failure> {
    #[derive(Default, Serialize)]
    struct Types {
        running: u64,
        completed: u64,
        error: u64,
        other: u64,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Stats {
        registry_size: u64,
        activity_log_size: u64,
        record_types: Types,
    }
    call.access.allow(Scope::Read)?;
    if call.access.clients().is_some() {
        return Err(AccessError::Client.into());
    }
    let counts = ledger.runs.counts().await?;
    let mut types = Types::default();
    for (status, count) in &counts.records {
        match status {
            Status::Running => types.running += count,
            Status::Ended(Outcome::Succeeded) => types.completed += count,
            Status::Ended(Outcome::Failed) => types.error += count,
            _ => types.other += count,
        }
    }
    json(&Stats {
        registry_size: counts.records.values().sum(),
        activity_log_size: counts.lines,
        record_types: types,
    })
}

/// `getActivityLog`: the newest entries first, refused attempts among them.
pub(super) async fn activity(
    ledger: &Ledger,
    call: &FunctionCall<'_>,
    arguments: &Arguments<'_>,
) -> Result<String, Failure> {
    call.access.allow(Scope::Read)?;
    let limit = match arguments.raw("limit") {
        None => LOG_SHOWN,
        Some(value) => value
            .get()
            .parse::<u64>()
            .map(|count| count.min(LOG_ENTRIES))
            .map_err(|_| {
                let detail = format!(
                    "limit is no count of entries; send a whole number from 0, at most {LOG_ENTRIES} are shown"
                );
                Failure::new("value_invalid", detail).at("limit")
            })?,
    };
    let filter = ActivityFilter {
        within: call.access.clients().cloned(),
        ..ActivityFilter::default()
    };
    let newest = ledger.runs.counts().await?.lines;
    let (mut end, mut found) = (newest, Vec::<Activity>::new());
    while end > 0 && newest - end < LINES_LOOKED_AT && (found.len() as u64) < limit {
        let begin = end.saturating_sub(u64::from(WINDOW));
        let size = PageSize::new(WINDOW).unwrap_or_default();
        let page = ledger
            .runs
            .activity(&filter, Some(Cursor::after_line(begin)), size)
            .await?;
        found.extend(page.lines.into_iter().filter(|line| line.seq <= end).rev());
        end = begin;
    }
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    json(&found.iter().take(shown).map(Entry::of).collect::<Vec<_>>())
}

/// A line of the activity log, in the older words.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    timestamp: String,
    action: &'static str,
    run_id: &'a str,
    client_id: &'a str,
    source: &'a str,
    result: String,
}

impl<'a> Entry<'a> {
    fn of(activity: &'a Activity) -> Self {
        let line = &activity.line;
        let is_job = line.subject.client.is_empty();
        let action = match line.action {
            Action::Create if is_job => "create_job",
            Action::Create => "create_client",
            Action::Update if is_job => "update_job",
            Action::Complete if is_job => "complete_job",
            other => other.as_str(),
        };
        let result = match (&line.verdict, line.version) {
            (Verdict::Refused(code), _) => format!("ERROR: {code}: {}", line.detail),
            (verdict, Some(version)) => format!("SUCCESS: {}, version {version}", verdict.as_str()),
            (verdict, None) => format!("SUCCESS: {}", verdict.as_str()),
        };
        Self {
            timestamp: line.at.to_string(),
            action,
            run_id: &line.subject.run,
            client_id: &line.subject.client,
            source: &line.source,
            result,
        }
    }
}
