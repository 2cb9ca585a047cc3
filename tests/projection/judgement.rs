//! What is right once nothing happens any more, by what the fake holds and what it was asked.

use std::collections::{BTreeMap, BTreeSet};

use runledger_airtable_fake::{Operation, RequestLine};
use runledger_domain::{JobSummary, MetricValue, Note, Outcome, RecordKind, RunRecord, Status, Timestamp};
use runledger_ports::{ListFilter, PageSize, RunReader as _};
use serde_json::{Value, json};

use crate::chance::LOCK_OUT;
use crate::world::{METRIC, World, table};

/// For how long the fake lets nobody in after too many requests, in milliseconds.
const LOCK_OUT_MS: i64 = 30_000;
/// Fields that Airtable computes.
const COMPUTED: [&str; 5] = [
    "Duration",
    "Total Tokens Used",
    "Profile Success Rate",
    "Profile Scoring Success Rate",
    "Seq",
];

/// What a row is to hold, field by field, by the names of the older tables.
fn expected(record: &RunRecord, summary: Option<&JobSummary>) -> Value {
    let mut cells = json!({ "Run ID": record.key().to_string(), "Status": word(record.status()) });
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            cells[name] = value;
        }
    };
    put("Start Time", record.state().started_at().map(moment));
    let ended = record.state().ending().and_then(|ending| ending.ended_at);
    put("End Time", ended.map(moment));
    let log = |mut notes: Vec<&Note>, sorts: bool| {
        if sorts {
            notes.sort_by_key(|note| note.at);
        }
        let lines: Vec<_> = notes
            .iter()
            .map(|note| format!("{} {}: {}", note.at, note.source, note.text))
            .collect();
        (!lines.is_empty()).then(|| json!(lines.join("\n")))
    };
    put("System Notes", log(record.notes().iter().collect(), false));
    let number = |value: Option<MetricValue>| value.map(|value| json!(value.to_string().parse::<u64>().unwrap()));
    match (record.key().client(), summary) {
        (Some(client), _) => {
            put("Client ID", Some(json!(client.as_str())));
            put("Progress Log", log(record.notes().iter().collect(), true));
            put("Posts Successfully Scored", number(record.metrics().get(METRIC)));
        }
        (None, summary) => {
            let summary = summary.unwrap();
            put("Clients Processed", Some(json!(summary.clients)));
            put("Clients With Errors", Some(json!(summary.with_errors)));
            put("Posts Successfully Scored", number(summary.totals.get(METRIC)));
        }
    }
    cells
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Queued | Status::Running => "Running",
        Status::Ended(Outcome::Succeeded) => "Completed",
        Status::Ended(Outcome::SucceededWithErrors) => "Completed with Errors",
        Status::Ended(Outcome::Skipped) => "No Leads To Score",
        Status::Ended(Outcome::Failed | Outcome::Cancelled | Outcome::Lost) => "Failed",
    }
}

/// As Airtable answers it: with milliseconds.
fn moment(at: Timestamp) -> Value {
    let text = at.to_string();
    let (seconds, fraction) = text.trim_end_matches('Z').split_once('.').unwrap_or((&text, "000"));
    json!(format!("{seconds}.{}Z", &fraction[..3]))
}

impl World {
    /// What differs between ledger and tables, by its key; nothing when each record has exactly one row, which shows it.
    pub(crate) async fn differences(&self) -> BTreeMap<String, String> {
        let size = PageSize::new(1_000).unwrap();
        let records = self
            .store
            .list(&ListFilter::default(), None, size)
            .await
            .unwrap()
            .records;
        let mut rows: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for row in [RecordKind::Job, RecordKind::Client]
            .map(|kind| self.rows(kind))
            .concat()
        {
            let mut cells = row["fields"].clone();
            for name in COMPUTED {
                cells.as_object_mut().unwrap().remove(name);
            }
            let key = cells["Run ID"].as_str().unwrap_or_default().to_owned();
            rows.entry(key).or_default().push(cells);
        }
        let mut differences = BTreeMap::new();
        for record in &records {
            let key = record.key();
            let summary = match key.client() {
                None => self.store.summary(key.run()).await.unwrap(),
                Some(_) => None,
            };
            let wanted = expected(record, summary.as_ref());
            let found = rows.remove(&key.to_string()).unwrap_or_default();
            if found != [wanted.clone()] {
                let what = format!("it is {wanted} and shown as {}", json!(found));
                differences.insert(key.to_string(), what);
            }
        }
        let strays = rows
            .into_keys()
            .map(|key| (key, "it has a row and no record".to_owned()));
        differences.extend(strays);
        differences
    }

    /// What was asked that must never be asked; nothing when all was as it should be.
    pub(crate) fn wrongly_asked(&self) -> Vec<String> {
        let requests = self.wire.fake.requests();
        let mut wrong = self.blind_tries(&requests);
        wrong.extend(self.beyond_limits(&requests));
        for line in &requests {
            if line.operation == Operation::Upsert {
                wrong.push(format!("{}: an upsert", line.number));
            }
        }
        wrong
    }

    /// Rows that were made again on a guess: after a try that may have had an effect, and without a look in between.
    fn blind_tries(&self, requests: &[RequestLine]) -> Vec<String> {
        let key_fields = self.key_fields();
        let (mut in_doubt, mut wrong) = (BTreeSet::new(), Vec::new());
        for line in requests {
            match line.operation {
                Operation::Create => {
                    let field = &key_fields[line.table.as_deref().unwrap()];
                    let records = line.body.as_ref().unwrap()["records"].as_array().unwrap();
                    let keys = records.iter().map(|record| record["fields"][field].as_str().unwrap());
                    let keys: Vec<String> = keys.map(str::to_owned).collect();
                    if keys.iter().collect::<BTreeSet<_>>().len() < keys.len() {
                        wrong.push(format!("{}: one key twice in {keys:?}", line.number));
                    }
                    let again = keys.iter().filter(|key| in_doubt.contains(*key));
                    wrong.extend(again.map(|key| format!("{}: {key} is made again on a guess", line.number)));
                    // What was refused was not done.
                    if !line.status.is_some_and(|status| (400..500).contains(&status)) {
                        in_doubt.extend(keys);
                    }
                }
                // The answer went out whole.
                Operation::List if line.status == Some(200) => in_doubt.retain(|key| !asks_for(line, key)),
                _ => {}
            }
        }
        wrong
    }

    /// Requests that the fake refused because they were too many. One may be the first of a server that cannot know what
    /// the one before was told.
    fn beyond_limits(&self, requests: &[RequestLine]) -> Vec<String> {
        let mut excused = BTreeSet::new();
        let refused = requests
            .iter()
            .filter(|line| line.status == Some(429) && line.fault.is_none());
        let wrong = refused.filter(|line| {
            let started = self
                .starts
                .iter()
                .copied()
                .filter(|start| *start <= line.at_ms)
                .max()
                .unwrap();
            let is_locked = requests.iter().any(|lock| {
                let is_lock = lock.fault.as_deref() == Some(LOCK_OUT);
                is_lock && lock.at_ms <= started && line.at_ms < lock.at_ms + LOCK_OUT_MS
            });
            !(is_locked && excused.insert(started))
        });
        wrong
            .map(|line| format!("{}: too many requests", line.number))
            .collect()
    }

    /// The fields that hold the keys, by the ids of their tables.
    fn key_fields(&self) -> BTreeMap<String, String> {
        let bases = self.wire.fake.control("GET", "bases", &Value::Null).unwrap();
        let key_field = |kind| {
            let tables = bases[0]["tables"].as_array().unwrap();
            let found = tables.iter().find(|known| known["id"] == table(kind)).unwrap();
            let mut fields = found["fields"].as_array().unwrap().iter();
            let field = fields.find(|field| field["name"] == "Run ID").unwrap();
            (table(kind).to_owned(), field["id"].as_str().unwrap().to_owned())
        };
        [RecordKind::Job, RecordKind::Client].map(key_field).into()
    }
}

/// Whether a list asks for the row of this key, among others.
fn asks_for(line: &RequestLine, key: &str) -> bool {
    // As it stands in a query: a text in quotes.
    let quoted = format!("%27{}%27", key.replace('-', "%2D"));
    let in_body = line.body.as_ref().is_some_and(|body| {
        let formula = body["filterByFormula"].as_str().unwrap_or_default();
        formula.contains(&format!("'{key}'"))
    });
    line.target.contains(&quoted) || in_body
}
