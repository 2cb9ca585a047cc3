//! The second reading: each row is settled, created if it is the kept one, and reported. Jobs come first.
//!
//! Creations are under way side by side so that the store can flush many at once; the report keeps the order of the
//! files all the same. When the ledger cannot take a record, nothing more is begun, what is under way is waited for and
//! reported, and the import stops.

use std::collections::HashSet;
use std::io::Write;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use runledger_app::{CreationError, CreationPoint};
use runledger_domain::{
    AttemptId, CreationContent, CreationField, CreationRefusal, Initial, Metrics, RecordKind, RunId, RunKey, RunRecord,
    Source,
};
use runledger_ports::Unavailable;

use super::classify::{Accepted, Classifier};
use super::error::ImportError;
use super::input::Input;
use super::line::{Class, Effect, Line, Lines, reason};
use super::plan::{Found, Plan, highest, report_end, report_progress};
use super::reconstruct::reconstruct;
use super::report::{Report, TableReport, plural};
use super::rows::{Fields, Row, Rows};
use super::{ATTEMPT, IN_FLIGHT, Import, Mode, Phase, Progress, SOURCE};
use crate::fields::{CLIENT_ID, END_TIME, RUN_ID};
use crate::run_id::clip;

/// How often, and how long apart, a creation is tried again while the store says that it is busy.
const BUSY_TRIES: u32 = 500;
const BUSY_WAIT: Duration = Duration::from_millis(20);

/// Settles, creates and reports.
pub(super) async fn run(
    import: &Import,
    plan: Plan,
    mode: Mode<'_>,
    report: &mut (dyn Write + Send),
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, ImportError> {
    let mut pass = Pass {
        plan,
        ledger: Ledger::new(mode),
        lines: Lines::begin(report)?,
        report: Report {
            dry_run: matches!(mode, Mode::DryRun),
            ..Report::default()
        },
        jobs_in_ledger: HashSet::new(),
        progress,
    };
    let ended = pass.all(import).await;
    // What was done is in the report also when the import stopped half-way.
    pass.lines.end()?;
    ended.map(|()| pass.report)
}

struct Pass<'a> {
    plan: Plan,
    ledger: Ledger<'a>,
    lines: Lines<'a>,
    report: Report,
    /// Runs without a row in the job table whose job the ledger holds from elsewhere.
    jobs_in_ledger: HashSet<RunId>,
    progress: &'a mut (dyn FnMut(Progress) + Send),
}

/// A row as it is settled before the ledger is asked.
enum Step {
    /// There is nothing to create.
    Done(Box<Line>),
    /// This record is to be created.
    Create(Box<Line>, RunKey, CreationContent),
}

/// Where records go: with the fixed source and attempt, or nowhere.
struct Ledger<'a> {
    mode: Mode<'a>,
    source: Source,
    attempt: AttemptId,
}

impl Pass<'_> {
    async fn all(&mut self, import: &Import) -> Result<(), ImportError> {
        if let Some(input) = &import.jobs {
            self.report.jobs = Some(self.table(input, RecordKind::Job).await?);
        }
        self.missing_jobs(import.jobs.is_some()).await?;
        if let Some(input) = &import.clients {
            self.report.clients = Some(self.table(input, RecordKind::Client).await?);
        }
        Ok(())
    }

    async fn table(&mut self, input: &Input, table: RecordKind) -> Result<TableReport, ImportError> {
        let mut rows = input.open(table)?;
        let mut kept_rows = KeptRows {
            rows: input.open(table)?,
            last: None,
        };
        let found = match table {
            RecordKind::Job => std::mem::take(&mut self.plan.jobs),
            RecordKind::Client => std::mem::take(&mut self.plan.clients),
        };
        let classifier = Classifier::new(table);
        let mut counts = TableReport {
            path: input.path.clone(),
            not_taken: found.not_taken.clone(),
            ..TableReport::default()
        };
        let mut in_flight = FuturesOrdered::new();
        let mut stopped = Ok(());
        let mut read = 0;
        while stopped.is_ok() {
            let Some(row) = rows.next_row()? else { break };
            read = row.number;
            let step = settle(
                &self.plan,
                &self.jobs_in_ledger,
                &classifier,
                table,
                &row,
                &mut kept_rows,
            )?;
            in_flight.push_back(self.ledger.take(step));
            report_progress(&rows, table, Phase::Write, read, self.progress);
            if in_flight.len() >= IN_FLIGHT
                && let Some(line) = in_flight.next().await
            {
                stopped = self.finish(line, &mut counts);
            }
        }
        while let Some(line) = in_flight.next().await {
            let finished = self.finish(line, &mut counts);
            stopped = stopped.and(finished);
        }
        stopped?;
        report_end(&rows, table, Phase::Write, read, self.progress);
        check_counts(&rows, &found, &counts)?;
        Ok(counts)
    }

    /// Reports a row whose fate is known.
    fn finish(&mut self, line: Result<Box<Line>, ImportError>, counts: &mut TableReport) -> Result<(), ImportError> {
        let line = line?;
        if let Some(class) = line.class {
            counts.count(class, line.reason);
        }
        self.report.count(&line);
        self.lines.write(&line)
    }

    /// Makes the jobs that client rows name and the job table does not.
    async fn missing_jobs(&mut self, has_table: bool) -> Result<(), ImportError> {
        let missing = reconstruct(&std::mem::take(&mut self.plan.orphans));
        let mut waiting = missing.into_iter();
        let mut in_flight = FuturesOrdered::new();
        let mut unused = TableReport::default();
        let mut stopped = Ok(());
        loop {
            while stopped.is_ok() && in_flight.len() < IN_FLIGHT {
                let Some(job) = waiting.next() else { break };
                let mut line = Line::new(RecordKind::Job);
                line.reason = reason::NO_JOB;
                line.run_id = job.run.to_string();
                line.detail.push(format!(
                    "made from {} of the run; {}",
                    plural(job.clients, "kept client row"),
                    if has_table {
                        "no row of the job table could be taken for it"
                    } else {
                        "no job table was given"
                    }
                ));
                let step = Step::Create(Box::new(line), RunKey::Job(job.run), job.content);
                in_flight.push_back(self.ledger.take(step));
            }
            let Some(line) = in_flight.next().await else { break };
            match line {
                // The ledger has a job of its own for the run, so none was missing.
                Ok(line) if line.reason == reason::IN_LEDGER => {
                    self.jobs_in_ledger.extend(line.run_id.parse::<RunId>());
                }
                line => stopped = stopped.and(self.finish(line, &mut unused)),
            }
        }
        stopped
    }
}

/// Every row is in exactly one class, and the file is the one that was read before.
fn check_counts(rows: &Rows, found: &Found, counts: &TableReport) -> Result<(), ImportError> {
    let sum: u64 = Class::ALL.into_iter().map(|class| counts.of(class)).sum();
    assert_eq!(sum, counts.rows, "every row read ends in exactly one class");
    if counts.rows == found.rows {
        Ok(())
    } else {
        Err(changed(rows))
    }
}

fn changed(rows: &Rows) -> ImportError {
    ImportError::Changed {
        path: rows.file().path.clone(),
    }
}

/// Decides what a row is, as far as the files tell.
fn settle(
    plan: &Plan,
    jobs_in_ledger: &HashSet<RunId>,
    classifier: &Classifier,
    table: RecordKind,
    row: &Row,
    kept_rows: &mut KeptRows,
) -> Result<Step, ImportError> {
    let mut line = Line::new(table);
    line.row = row.number;
    line.begins_on = row.place.line;
    line.raw_run_id = clip(row.fields.get(RUN_ID));
    if table == RecordKind::Client {
        line.client_id = clip(row.fields.get(CLIENT_ID));
    }
    let accepted = match classifier.read(row) {
        Ok(accepted) => accepted,
        Err(broken) => {
            line.class = Some(Class::Refused);
            line.reason = broken.reason;
            line.field = broken.field;
            line.value = broken.value;
            line.detail.push(broken.detail);
            return Ok(Step::Done(Box::new(line)));
        }
    };
    line.run_id = accepted.key.run().to_string();
    line.detail.clone_from(&accepted.remarks);
    let kept = *plan.kept(&accepted.key).ok_or_else(|| changed(&kept_rows.rows))?;
    if kept.row != row.number {
        line.class = Some(Class::Duplicate);
        line.kept_row = kept.row.to_string();
        let other = kept_rows.fields(kept.row, kept.place)?;
        line.differs_in = row.fields.differs_in(other).join("; ");
        return Ok(Step::Done(Box::new(line)));
    }
    if kept.copies > 1 {
        line.detail.push(format!("kept of {} rows with this key", kept.copies));
    }
    let run = accepted.key.run();
    let has_job = table == RecordKind::Job || plan.has_job(run) || jobs_in_ledger.contains(run);
    name_class(&mut line, &accepted, has_job);
    let metrics = raise(plan, &accepted, &mut line);
    let (content, remark) = accepted.content(metrics);
    line.detail.extend(remark.map(str::to_owned));
    Ok(Step::Create(Box::new(line), accepted.key, content))
}

/// Says which class the kept row is in, and why.
fn name_class(line: &mut Line, accepted: &Accepted, has_job: bool) {
    let no_job = (!has_job).then_some(reason::NO_JOB);
    // A job that still runs is usual: it is open as long as its clients are. A client that does is stuck.
    let is_client = line.table == RecordKind::Client;
    let stuck = (is_client && accepted.is_stuck()).then_some(reason::STUCK_RUNNING);
    let mut reasons = [accepted.normalised(), accepted.also_normalised(), no_job, stuck]
        .into_iter()
        .flatten();
    line.class = Some(if accepted.normalised().is_some() {
        Class::Normalised
    } else {
        Class::Created
    });
    line.reason = reasons.next().unwrap_or("");
    line.detail.extend(reasons.map(|also| format!("also {also}")));
    if let Some(end) = &accepted.end_of_open {
        END_TIME.clone_into(&mut line.field);
        line.value.clone_from(end);
    }
}

/// The metrics of the kept row, raised to the highest of its duplicates where that was asked for.
fn raise(plan: &Plan, accepted: &Accepted, line: &mut Line) -> Metrics {
    let Some(peaks) = plan.peaks(&accepted.key) else {
        return accepted.metrics.clone();
    };
    let metrics = highest(&accepted.metrics, peaks);
    let raised: Vec<_> = metrics
        .iter()
        .filter_map(|(name, value)| match accepted.metrics.get(name.as_str()) {
            Some(own) if own == value => None,
            Some(own) => Some(format!("{name} from {own} to {value}")),
            None => Some(format!("{name} to {value}")),
        })
        .collect();
    if !raised.is_empty() {
        line.raised = true;
        line.detail.push(format!("raised {}", raised.join(", ")));
    }
    metrics
}

/// Reads kept rows again, to say in what their duplicates differ.
struct KeptRows {
    rows: Rows,
    /// The last one: duplicates tend to stand together.
    last: Option<(u64, Fields)>,
}

impl KeptRows {
    fn fields(&mut self, row: u64, place: super::input::Place) -> Result<&Fields, ImportError> {
        if self.last.as_ref().is_none_or(|(number, _)| *number != row) {
            self.last = Some((row, self.rows.fields_at(place)?));
        }
        match &self.last {
            Some((_, fields)) => Ok(fields),
            None => Err(changed(&self.rows)),
        }
    }
}

impl<'a> Ledger<'a> {
    fn new(mode: Mode<'a>) -> Self {
        Self {
            mode,
            source: SOURCE.parse().expect("the import's source is a source"),
            attempt: ATTEMPT.parse().expect("the import's attempt is visible ASCII"),
        }
    }

    /// Takes one settled row into the ledger.
    fn take(&self, step: Step) -> impl Future<Output = Result<Box<Line>, ImportError>> + Send + use<'a> {
        let (mode, source, attempt) = (self.mode, self.source.clone(), self.attempt.clone());
        async move {
            match (step, mode) {
                (Step::Done(line), _) => Ok(line),
                (Step::Create(mut line, ..), Mode::DryRun) => {
                    line.effect = Effect::WouldCreate;
                    Ok(line)
                }
                (Step::Create(mut line, key, content), Mode::Into(point)) => {
                    create(point, &source, &attempt, &mut line, key, content).await?;
                    Ok(line)
                }
            }
        }
    }
}

async fn create(
    point: &CreationPoint,
    source: &Source,
    attempt: &AttemptId,
    line: &mut Line,
    key: RunKey,
    content: CreationContent,
) -> Result<(), ImportError> {
    let mut tries = 0;
    let answer = loop {
        tries += 1;
        let answer = point
            .import(source, key.clone(), attempt.clone(), content.clone())
            .await;
        match answer {
            Err(CreationError::Unavailable(Unavailable::Busy)) if tries < BUSY_TRIES => {
                tokio::time::sleep(BUSY_WAIT).await;
            }
            answer => break answer,
        }
    };
    match answer {
        Ok(started) if started.replayed => line.effect = Effect::AlreadyThere,
        Ok(_) => line.effect = Effect::Created,
        Err(
            CreationError::Conflict { existing, differs_in } | CreationError::AttemptReused { existing, differs_in },
        ) => taken(line, &existing, &differs_in),
        Err(CreationError::Refused { refusal, .. }) => refuse(line, &refusal),
        Err(source @ CreationError::NotAuthorised { .. }) => return Err(ImportError::NotAllowed { source }),
        Err(source) => return Err(ImportError::Store { key, source }),
    }
    Ok(())
}

/// The ledger holds the key by another creation.
fn taken(line: &mut Line, existing: &RunRecord, differs_in: &[CreationField]) {
    let by = existing.creation();
    "ledger".clone_into(&mut line.kept_row);
    line.differs_in = differs_in
        .iter()
        .map(|field| word(*field))
        .collect::<Vec<_>>()
        .join("; ");
    line.detail
        .push(format!("the ledger's record was created by {} at {}", by.source, by.at));
    let is_reconstructed = matches!(&by.content.initial, Initial::Imported(past) if past.is_reconstructed());
    if line.class.is_none() && is_reconstructed {
        // Made from other rows of the same run, by an import of another part of the table.
        line.effect = Effect::AlreadyThere;
    } else {
        line.class = line.class.map(|_| Class::Duplicate);
        line.reason = reason::IN_LEDGER;
    }
}

fn refuse(line: &mut Line, refusal: &CreationRefusal) {
    line.class = line.class.map(|_| Class::Refused);
    line.reason = refusal.code();
    line.detail.push(refusal.to_string());
}

/// The history of an imported record is one field of its creation: it holds more than the status.
const fn word(field: CreationField) -> &'static str {
    match field {
        CreationField::Initial => "status, times or metrics",
        field => field.as_str(),
    }
}
