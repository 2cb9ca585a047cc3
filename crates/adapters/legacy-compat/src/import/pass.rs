//! The second reading: each row is settled, created if it is the kept one, and reported. Jobs come first.
//!
//! Rows are taken into the ledger many at a time, so that all of them become durable together, in the order of the file.
//! When the ledger cannot take a record, nothing more is begun, what is known is reported, and the import stops.

use std::collections::HashSet;
use std::io::Write;

use runledger_domain::{Metrics, RecordKind, RunId, RunKey};

use super::classify::{Accepted, Classifier};
use super::csv_rows::lines_inside;
use super::error::ImportError;
use super::input::Input;
use super::line::{Class, Line, Lines, reason};
use super::plan::{Found, Plan, highest, report_end, report_progress};
use super::reconstruct::reconstruct;
use super::report::{Report, TableReport, plural};
use super::rows::{Fields, Row, Rows};
use super::take::{Candidate, Step, Taker};
use super::{BATCH, Import, Merge, Mode, Phase, Progress};
use crate::fields::{CLIENT_ID, END_TIME, RUN_ID};
use crate::run_id::clip;

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
        taker: Taker::new(mode),
        merge: import.merge,
        lines: Lines::begin(report)?,
        report: Report {
            dry_run: matches!(mode, Mode::DryRun(_)),
            compared: !matches!(mode, Mode::DryRun(None)),
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
    taker: Taker<'a>,
    merge: Merge,
    lines: Lines<'a>,
    report: Report,
    /// Runs without a row in the job table whose job the ledger holds from elsewhere.
    jobs_in_ledger: HashSet<RunId>,
    progress: &'a mut (dyn FnMut(Progress) + Send),
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
        let mut steps = Vec::with_capacity(BATCH);
        let mut read = 0;
        let unread = loop {
            let row = match rows.next_row() {
                Ok(Some(row)) => row,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            read = row.number;
            match self.settle(&classifier, table, &row, &mut kept_rows) {
                Ok(step) => steps.push(step),
                Err(error) => break Err(error),
            }
            report_progress(&rows, table, Phase::Write, read, self.progress);
            if steps.len() >= BATCH {
                self.take(std::mem::take(&mut steps), &mut counts).await?;
            }
        };
        // What was read before the file failed is still taken, and reported.
        self.take(steps, &mut counts).await?;
        unread?;
        report_end(&rows, table, Phase::Write, read, self.progress);
        check_counts(&rows, &found, &counts)?;
        Ok(counts)
    }

    /// Takes settled rows into the ledger, and reports those whose fate is known.
    async fn take(&mut self, steps: Vec<Step>, counts: &mut TableReport) -> Result<(), ImportError> {
        let (lines, ended) = self.taker.take(steps).await;
        for line in lines {
            // The ledger has a job of its own for the run, so none was missing.
            if line.class.is_none() && line.reason == reason::IN_LEDGER {
                self.jobs_in_ledger.extend(line.run_id.parse::<RunId>());
                continue;
            }
            if let Some(class) = line.class {
                counts.count(class, line.reason);
            }
            self.report.count(&line);
            self.lines.write(&line)?;
        }
        ended
    }

    /// Makes the jobs that client rows name and the job table does not.
    async fn missing_jobs(&mut self, has_table: bool) -> Result<(), ImportError> {
        let mut unused = TableReport::default();
        let mut steps = Vec::new();
        for job in reconstruct(&std::mem::take(&mut self.plan.orphans)) {
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
            steps.push(Step::Create(Box::new(Candidate {
                line,
                key: RunKey::Job(job.run),
                content: job.content,
                merged: None,
            })));
            if steps.len() >= BATCH {
                self.take(std::mem::take(&mut steps), &mut unused).await?;
            }
        }
        self.take(steps, &mut unused).await
    }

    /// Decides what a row is, as far as the files tell.
    fn settle(
        &self,
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
        // Stray quotes may have taken other rows into this one. That is CSV too, and they may stand in a note that is kept;
        // what is wrong with the row as a whole names them by itself.
        let inside = lines_inside(row.place.line, row.ends_on).filter(|_| row.broken.is_none());
        let inside = inside.map(|lines| format!("{lines} inside it"));
        let accepted = match classifier.read(row) {
            Ok(accepted) => accepted,
            Err(broken) => {
                line.class = Some(Class::Refused);
                line.reason = broken.reason;
                line.field = broken.field;
                line.value = broken.value;
                line.detail.push(broken.detail);
                line.detail.extend(inside);
                return Ok(Step::Done(Box::new(line)));
            }
        };
        line.run_id = accepted.key.run().to_string();
        line.detail.clone_from(&accepted.remarks);
        line.detail.extend(inside);
        let kept = *self.plan.kept(&accepted.key).ok_or_else(|| changed(&kept_rows.rows))?;
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
        let has_job = table == RecordKind::Job || self.plan.has_job(run) || self.jobs_in_ledger.contains(run);
        name_class(&mut line, &accepted, has_job);
        let (content, remark) = accepted.content(self.metrics(&accepted));
        line.detail.extend(remark.map(str::to_owned));
        Ok(Step::Create(Box::new(Candidate {
            line,
            content,
            merged: (self.merge == Merge::Max).then_some(accepted.metrics),
            key: accepted.key,
        })))
    }

    /// The metrics of the kept row, raised to the highest of its duplicates where that was asked for.
    fn metrics(&self, accepted: &Accepted) -> Metrics {
        match self.plan.peaks(&accepted.key) {
            Some(peaks) => highest(&accepted.metrics, peaks),
            None => accepted.metrics.clone(),
        }
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
