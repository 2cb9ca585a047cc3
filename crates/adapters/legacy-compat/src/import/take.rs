//! From settled rows to the ledger: what they make is created many at a time, or compared where nothing is to be written.
//!
//! A record of the ledger is changed in one case alone: the highest metrics of all rows of a key were asked for, the
//! record that holds it came from an import, and it is open. Its counters are then raised, never lowered.

use std::time::Duration;

use runledger_app::CreationError;
use runledger_domain::Creation;
use runledger_domain::{
    AttemptId, Command, CreationContent, CreationField, CreationRefusal, Imported, Initial, MetricChange, Metrics,
    RunKey, RunRecord, Source, Update,
};
use runledger_ports::{ChangeError, Unavailable};

use super::error::ImportError;
use super::line::{Class, Effect, Line, reason};
use super::{ATTEMPT, Mode, SOURCE};

/// How often, and how long apart, the store is asked again while it says that it is busy.
const BUSY_TRIES: u32 = 500;
const BUSY_WAIT: Duration = Duration::from_millis(20);

/// A row as it is settled before the ledger is asked.
pub(super) enum Step {
    /// There is nothing to create.
    Done(Box<Line>),
    /// This record is to be created.
    Create(Box<Candidate>),
}

/// A record that is to be created, and the line that reports it.
pub(super) struct Candidate {
    pub(super) line: Line,
    pub(super) key: RunKey,
    pub(super) content: CreationContent,
    /// The row's own metrics, when those of the content were raised or may raise those of the ledger's record.
    pub(super) merged: Option<Metrics>,
}

/// Where records go: with the fixed source and attempt, or nowhere.
pub(super) struct Taker<'a> {
    mode: Mode<'a>,
    source: Source,
    attempt: AttemptId,
}

/// What the ledger says to a candidate.
enum Answer {
    Created,
    WouldCreate,
    AlreadyThere,
    Held {
        existing: std::sync::Arc<RunRecord>,
        differs_in: Vec<CreationField>,
    },
    Refused(CreationRefusal),
}

impl<'a> Taker<'a> {
    pub(super) fn new(mode: Mode<'a>) -> Self {
        Self {
            mode,
            source: SOURCE.parse().expect("the import's source is a source"),
            attempt: ATTEMPT.parse().expect("the import's attempt is visible ASCII"),
        }
    }

    /// Takes settled rows into the ledger. Answers the lines of those whose fate is known, in their order, and why there
    /// are no more.
    pub(super) async fn take(&self, steps: Vec<Step>) -> (Vec<Line>, Result<(), ImportError>) {
        let candidates = steps.iter().filter_map(|step| match step {
            Step::Create(candidate) => Some((&candidate.key, &candidate.content)),
            Step::Done(_) => None,
        });
        let (answers, mut ended) = match self.ask(candidates.collect()).await {
            Ok(answers) => (answers, Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
        let mut answers = answers.into_iter();
        let mut lines = Vec::with_capacity(steps.len());
        for step in steps {
            match step {
                Step::Done(line) => lines.push(*line),
                Step::Create(candidate) => {
                    let Some(answer) = answers.next() else { break };
                    let (line, concluded) = self.conclude(*candidate, answer, ended.is_ok()).await;
                    lines.push(line);
                    ended = ended.and(concluded);
                }
            }
        }
        (lines, ended)
    }

    async fn ask(&self, candidates: Vec<(&RunKey, &CreationContent)>) -> Result<Vec<Answer>, ImportError> {
        match self.mode {
            Mode::DryRun(None) => Ok(candidates.iter().map(|_| Answer::WouldCreate).collect()),
            Mode::DryRun(Some(reader)) => {
                let mut answers = Vec::with_capacity(candidates.len());
                for (key, content) in candidates {
                    let existing = reader.get(key).await;
                    let existing = existing.map_err(|source| ImportError::Compare { source })?;
                    answers.push(existing.map_or(Answer::WouldCreate, |existing| {
                        let differs_in = self.differences(existing.creation(), content);
                        if differs_in.is_empty() {
                            Answer::AlreadyThere
                        } else {
                            Answer::Held { existing, differs_in }
                        }
                    }));
                }
                Ok(answers)
            }
            Mode::Into(_) => self.create(candidates).await,
        }
    }

    async fn create(&self, candidates: Vec<(&RunKey, &CreationContent)>) -> Result<Vec<Answer>, ImportError> {
        let (Mode::Into(ledger), Some((first, _))) = (self.mode, candidates.first()) else {
            return Ok(Vec::new());
        };
        let records: Vec<_> = candidates
            .iter()
            .map(|(key, content)| ((*key).clone(), (*content).clone()))
            .collect();
        let mut tries = 0;
        let answered = loop {
            tries += 1;
            match ledger
                .creation
                .import(&self.source, &self.attempt, records.clone())
                .await
            {
                Err(CreationError::Unavailable(Unavailable::Busy)) if tries < BUSY_TRIES => {
                    tokio::time::sleep(BUSY_WAIT).await;
                }
                answered => break answered,
            }
        };
        let stopped = |key: &RunKey, source| match source {
            CreationError::NotAuthorised { .. } => ImportError::NotAllowed { source },
            source => ImportError::Store {
                key: key.clone(),
                source,
            },
        };
        let answers = answered.map_err(|source| stopped(first, source))?;
        let answer = |(answer, (key, _)): (Result<_, _>, &(&RunKey, _))| match answer {
            Ok(runledger_app::Started { replayed: true, .. }) => Ok(Answer::AlreadyThere),
            Ok(_) => Ok(Answer::Created),
            Err(
                CreationError::Conflict { existing, differs_in }
                | CreationError::AttemptReused { existing, differs_in },
            ) => Ok(Answer::Held { existing, differs_in }),
            Err(CreationError::Refused { refusal, .. }) => Ok(Answer::Refused(refusal)),
            Err(source) => Err(stopped(key, source)),
        };
        answers.into_iter().zip(&candidates).map(answer).collect()
    }

    /// Writes the answer into the line, and raises what is to be raised while nothing has failed.
    async fn conclude(&self, candidate: Candidate, answer: Answer, may_raise: bool) -> (Line, Result<(), ImportError>) {
        let Candidate {
            mut line,
            key,
            content,
            merged,
        } = candidate;
        match answer {
            Answer::Created | Answer::WouldCreate => {
                line.effect = match answer {
                    Answer::Created => Effect::Created,
                    _ => Effect::WouldCreate,
                };
                if let Some(own) = merged {
                    line.raise(&raised(&own, metrics_of(&content)));
                }
            }
            Answer::AlreadyThere => line.effect = Effect::AlreadyThere,
            Answer::Refused(refusal) => {
                line.class = line.class.map(|_| Class::Refused);
                line.reason = refusal.code();
                line.detail.push(refusal.to_string());
            }
            Answer::Held { existing, differs_in } => {
                let differs_in_metrics_only = is_same_but_for_metrics(&existing, &content, &differs_in);
                if merged.is_some() && differs_in_metrics_only {
                    line.effect = Effect::AlreadyThere;
                } else {
                    held(&mut line, &existing, &differs_in);
                }
                if merged.is_some() && may_raise {
                    let ended = self.raise(&mut line, &key, &existing, metrics_of(&content)).await;
                    return (line, ended);
                }
            }
        }
        (line, Ok(()))
    }

    /// Raises the counters of the record that holds the key, if an import made it and it is open.
    async fn raise(
        &self,
        line: &mut Line,
        key: &RunKey,
        existing: &RunRecord,
        metrics: &Metrics,
    ) -> Result<(), ImportError> {
        let higher = raised(existing.metrics(), metrics);
        if higher.is_empty() || existing.creation().source != self.source {
            return Ok(());
        }
        if !existing.status().is_open() {
            line.keep_low(&higher);
            return Ok(());
        }
        if let Mode::Into(ledger) = self.mode {
            let max = higher
                .iter()
                .map(|higher| (higher.name.clone(), higher.value))
                .collect();
            let update = Update {
                metrics: MetricChange {
                    max,
                    ..MetricChange::default()
                },
                ..Update::default()
            };
            let mut tries = 0;
            loop {
                tries += 1;
                let command = Command::Update(update.clone());
                match ledger.runs.change(&self.source, key.clone(), None, command).await {
                    Ok(_) => break,
                    Err(ChangeError::Unavailable(Unavailable::Busy)) if tries < BUSY_TRIES => {
                        tokio::time::sleep(BUSY_WAIT).await;
                    }
                    Err(source) => {
                        let key = key.clone();
                        return Err(ImportError::Raise { key, source });
                    }
                }
            }
        }
        line.effect = match self.mode {
            Mode::Into(_) => Effect::Raised,
            Mode::DryRun(_) => Effect::WouldRaise,
        };
        line.raise(&higher);
        Ok(())
    }

    /// In what the creation of a record differs from the one that the import would ask for; nothing when it is the same.
    fn differences(&self, creation: &Creation, content: &CreationContent) -> Vec<CreationField> {
        let (one, other) = (&creation.content, content);
        [
            (CreationField::Attempt, creation.attempt != self.attempt),
            (CreationField::Source, creation.source != self.source),
            (CreationField::ClientName, one.client_name != other.client_name),
            (CreationField::Batch, one.batch != other.batch),
            (CreationField::ExternalIds, one.external_ids != other.external_ids),
            (CreationField::Note, one.note != other.note),
            (CreationField::DeadlineAfter, one.deadline_after != other.deadline_after),
            (CreationField::Initial, one.initial != other.initial),
        ]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
    }
}

/// A metric that is higher in the second of two.
pub(super) struct Higher {
    name: runledger_domain::MetricName,
    own: Option<runledger_domain::MetricValue>,
    value: runledger_domain::MetricValue,
}

impl std::fmt::Display for Higher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.own {
            Some(own) => write!(f, "{} from {own} to {}", self.name, self.value),
            None => write!(f, "{} to {}", self.name, self.value),
        }
    }
}

fn raised(own: &Metrics, other: &Metrics) -> Vec<Higher> {
    other
        .iter()
        .map(|(name, value)| Higher {
            name: name.clone(),
            own: own.get(name.as_str()),
            value,
        })
        .filter(|higher| higher.own.is_none_or(|own| own < higher.value))
        .collect()
}

fn metrics_of(content: &CreationContent) -> &Metrics {
    static NONE: std::sync::LazyLock<Metrics> = std::sync::LazyLock::new(Metrics::default);
    match &content.initial {
        Initial::Imported(past) => past.metrics(),
        Initial::Running | Initial::Queued => &NONE,
    }
}

/// Whether the record came from the same row, with other metrics merged into it.
fn is_same_but_for_metrics(existing: &RunRecord, content: &CreationContent, differs_in: &[CreationField]) -> bool {
    let but_metrics = |past: &Imported| {
        (
            past.status(),
            past.started_at(),
            past.ended_at(),
            past.is_reconstructed(),
        )
    };
    match (&existing.creation().content.initial, &content.initial) {
        (Initial::Imported(one), Initial::Imported(other)) => {
            differs_in == [CreationField::Initial] && but_metrics(one) == but_metrics(other)
        }
        _ => false,
    }
}

/// The ledger holds the key by another creation.
fn held(line: &mut Line, existing: &RunRecord, differs_in: &[CreationField]) {
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
        return;
    }
    if is_reconstructed {
        line.meets_reconstructed = true;
        line.detail.push(
            "it was reconstructed from its clients, and a record is created once: this row cannot complete it".into(),
        );
    }
    line.class = line.class.map(|_| Class::Duplicate);
    line.reason = reason::IN_LEDGER;
}

/// The history of an imported record is one field of its creation: it holds more than the status.
const fn word(field: CreationField) -> &'static str {
    match field {
        CreationField::Initial => "status, times or metrics",
        field => field.as_str(),
    }
}

impl Line {
    fn raise(&mut self, higher: &[Higher]) {
        if !higher.is_empty() {
            self.raised = true;
            self.detail.push(format!("raised {}", listed(higher)));
        }
    }

    fn keep_low(&mut self, higher: &[Higher]) {
        self.not_raised = true;
        self.detail.push(format!(
            "not raised, because the ledger's record has ended: {}",
            listed(higher)
        ));
    }
}

fn listed(higher: &[Higher]) -> String {
    higher.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
