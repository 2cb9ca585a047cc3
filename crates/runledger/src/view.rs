//! What the API answers, as far as people are shown it. Numbers of metrics stay the text that they are on the wire, so
//! that none is rounded here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::failure::Outcome;
use crate::output::{Output, Table, safe_line};

/// A record.
#[derive(Debug, Deserialize)]
pub(crate) struct RecordView {
    /// The run.
    pub(crate) run_id: String,
    /// The client; `None` for a job.
    pub(crate) client_id: Option<String>,
    /// Both in one text.
    pub(crate) key: String,
    /// `job` or `client`.
    pub(crate) kind: String,
    /// The client's name.
    pub(crate) client_name: Option<String>,
    /// The batch.
    pub(crate) batch: Option<String>,
    /// Where it stands.
    pub(crate) status: String,
    /// Whether it is stalled.
    pub(crate) stalled: bool,
    /// When it was created.
    pub(crate) created_at: String,
    /// By whom.
    pub(crate) created_by: String,
    /// In which attempt.
    pub(crate) attempt: String,
    /// Whether an import made it because its clients named it.
    pub(crate) reconstructed: bool,
    /// When the work began.
    pub(crate) started_at: Option<String>,
    /// When it ended.
    pub(crate) ended_at: Option<String>,
    /// Who said so.
    pub(crate) ended_by: Option<String>,
    /// What they added.
    pub(crate) end_note: Option<String>,
    /// From start to end.
    pub(crate) duration_ms: Option<u64>,
    /// When it counts as stalled.
    pub(crate) deadline: String,
    /// When it was last changed.
    pub(crate) updated_at: String,
    /// By whom.
    pub(crate) updated_by: String,
    /// Its version.
    pub(crate) version: u64,
    /// Its numbers.
    pub(crate) metrics: BTreeMap<String, Box<RawValue>>,
    /// Its operations.
    pub(crate) stages: Vec<StageView>,
    /// Its notes.
    pub(crate) notes: Vec<NoteView>,
    /// References to other systems.
    pub(crate) external_ids: Vec<String>,
}

/// A stage of a record.
#[derive(Debug, Deserialize)]
pub(crate) struct StageView {
    /// Its name.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) status: String,
    /// When it began.
    pub(crate) started_at: String,
    /// How long it took.
    pub(crate) duration_ms: Option<u64>,
}

/// A note on a record.
#[derive(Debug, Deserialize)]
pub(crate) struct NoteView {
    /// When.
    pub(crate) at: String,
    /// By whom.
    pub(crate) source: String,
    /// What it says.
    pub(crate) text: String,
}

/// What a run comes to.
#[derive(Debug, Deserialize)]
pub(crate) struct SummaryView {
    /// The run.
    pub(crate) run_id: String,
    /// The status of its job record.
    pub(crate) job: Option<String>,
    /// How many client run records there are.
    pub(crate) clients: u64,
    /// How many are open.
    pub(crate) open: u64,
    /// How many ended with errors.
    pub(crate) with_errors: u64,
    /// How many have each status.
    pub(crate) by_status: BTreeMap<String, u64>,
    /// The sums of the clients' metrics.
    pub(crate) totals: BTreeMap<String, Box<RawValue>>,
    /// When the first client began.
    pub(crate) first_start: Option<String>,
    /// When the last one ended.
    pub(crate) last_end: Option<String>,
}

/// A line of the activity log.
#[derive(Debug, Deserialize)]
pub(crate) struct ActivityView {
    /// Its number.
    pub(crate) seq: u64,
    /// When.
    pub(crate) at: String,
    /// What was tried.
    pub(crate) action: String,
    /// By whom.
    pub(crate) source: Option<String>,
    /// On which run.
    pub(crate) run_id: Option<String>,
    /// On which client.
    pub(crate) client_id: Option<String>,
    /// What came of it.
    pub(crate) outcome: String,
    /// Why it was refused.
    pub(crate) reason: Option<String>,
    /// More for people.
    pub(crate) detail: Option<String>,
}

/// A time as people read it: to the second, in UTC.
pub(crate) fn short(time: &str) -> String {
    let Some((date, clock)) = time.split_once('T') else {
        return time.to_owned();
    };
    let clock = clock.split(['.', 'Z']).next().unwrap_or(clock);
    format!("{date} {clock}Z")
}

/// A span in milliseconds as people read it.
pub(crate) fn span(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) => format!("{milliseconds} ms"),
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

impl RecordView {
    /// Status and, if so, that it is stalled.
    pub(crate) fn standing(&self) -> String {
        if self.stalled {
            format!("{} (stalled)", self.status)
        } else {
            self.status.clone()
        }
    }

    /// Prints the whole record for people.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn print(&self, output: &Output) -> Outcome {
        let mut facts = vec![
            ("record", format!("{} ({})", self.key, self.kind)),
            ("status", self.standing()),
            ("version", self.version.to_string()),
            ("created", format!("{} by {}", short(&self.created_at), self.created_by)),
            ("updated", format!("{} by {}", short(&self.updated_at), self.updated_by)),
        ];
        let mut fact = |name, text: Option<String>| facts.extend(text.map(|text| (name, text)));
        fact("client name", self.client_name.clone());
        fact("batch", self.batch.clone());
        fact("started", self.started_at.as_deref().map(short));
        let took = self.duration_ms.map(|took| format!(", after {}", span(took)));
        let by = self.ended_by.as_deref().unwrap_or("nobody");
        fact(
            "ended",
            self.ended_at
                .as_deref()
                .map(|at| format!("{} by {by}{}", short(at), took.unwrap_or_default())),
        );
        fact("end note", self.end_note.clone());
        fact("deadline", self.ended_at.is_none().then(|| short(&self.deadline)));
        fact("attempt", Some(self.attempt.clone()));
        fact(
            "references",
            (!self.external_ids.is_empty()).then(|| self.external_ids.join(" ")),
        );
        fact(
            "origin",
            self.reconstructed.then(|| "reconstructed by an import".into()),
        );
        for (name, text) in facts {
            output.line(&format!("{name:<12} {}", safe_line(&text)))?;
        }
        print_numbers("metrics", &self.metrics, output)?;
        for stage in &self.stages {
            let took = stage
                .duration_ms
                .map(|took| format!(", {}", span(took)))
                .unwrap_or_default();
            let text = format!(
                "{} {}, since {}{took}",
                stage.name,
                stage.status,
                short(&stage.started_at)
            );
            output.line(&format!("{:<12} {}", "stage", safe_line(&text)))?;
        }
        for note in &self.notes {
            let text = format!("{} {}: {}", short(&note.at), note.source, note.text);
            output.line(&format!("{:<12} {}", "note", safe_line(&text)))?;
        }
        Ok(())
    }
}

impl SummaryView {
    /// Prints the summary for people.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn print(&self, output: &Output) -> Outcome {
        let job = self.job.as_deref().unwrap_or("no job record");
        output.line(&format!("{:<12} {} ({job})", "run", self.run_id))?;
        let clients = format!("{}, {} open, {} with errors", self.clients, self.open, self.with_errors);
        output.line(&format!("{:<12} {clients}", "clients"))?;
        for (status, count) in &self.by_status {
            output.line(&format!("{:<12} {count} {status}", ""))?;
        }
        let times = [("first start", &self.first_start), ("last end", &self.last_end)];
        for (name, time) in times {
            if let Some(time) = time {
                output.line(&format!("{name:<12} {}", short(time)))?;
            }
        }
        print_numbers("totals", &self.totals, output)
    }
}

fn print_numbers(title: &str, numbers: &BTreeMap<String, Box<RawValue>>, output: &Output) -> Outcome {
    let mut title = title;
    for (name, number) in numbers {
        output.line(&format!("{title:<12} {name} = {}", number.get()))?;
        title = "";
    }
    Ok(())
}

/// The columns of [`record_row`].
pub(crate) const RECORD_COLUMNS: [&str; 7] = ["RUN", "CLIENT", "STATUS", "CREATED", "BY", "UPDATED", "VERSION"];

/// Adds a record to a table.
pub(crate) fn record_row(table: &mut Table, record: &RecordView) {
    table.row([
        record.run_id.clone(),
        record.client_id.clone().unwrap_or_else(|| "-".into()),
        record.standing(),
        short(&record.created_at),
        record.created_by.clone(),
        short(&record.updated_at),
        record.version.to_string(),
    ]);
}

/// The columns of [`activity_row`].
pub(crate) const ACTIVITY_COLUMNS: [&str; 7] = ["LINE", "WHEN", "SOURCE", "ACTION", "RECORD", "OUTCOME", "DETAIL"];

/// Adds a line of the activity log to a table.
pub(crate) fn activity_row(table: &mut Table, line: &ActivityView) {
    table.row(activity_cells(line));
}

/// A line of the activity log on one line of text.
pub(crate) fn activity_line(line: &ActivityView) -> String {
    let [seq, rest @ ..] = activity_cells(line);
    let rest: Vec<_> = rest.into_iter().filter(|cell| !cell.is_empty()).collect();
    format!("{seq:>7}  {}", rest.join("  "))
}

fn activity_cells(line: &ActivityView) -> [String; 7] {
    let run = line.run_id.as_deref().unwrap_or("-");
    let record = line
        .client_id
        .as_ref()
        .map_or_else(|| run.to_owned(), |client| format!("{run} {client}"));
    let reason = line
        .reason
        .as_ref()
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default();
    [
        line.seq.to_string(),
        short(&line.at),
        line.source.clone().unwrap_or_else(|| "-".into()),
        line.action.clone(),
        record,
        format!("{}{reason}", line.outcome),
        line.detail.clone().unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_spans_are_short() {
        assert_eq!(short("2025-09-25T13:18:41.000Z"), "2025-09-25 13:18:41Z");
        assert_eq!(short("2025-09-25T13:18:41Z"), "2025-09-25 13:18:41Z");
        assert_eq!(short("never"), "never");
        assert_eq!(span(12), "12 ms");
        assert_eq!(span(59_999), "59 s");
        assert_eq!(span(61_000), "1 min 01 s");
        assert_eq!(span(7_260_000), "2 h 01 min");
    }
}
