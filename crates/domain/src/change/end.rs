//! Ending a record: by its caller, with its job, or because nothing was heard of it (I5).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::{ChangeContext, ChangeRefusal, Completion};
use crate::metric::MetricChange;
use crate::note::NoteText;
use crate::record::RunRecord;
use crate::stage::StageEnd;
use crate::status::{Ending, Outcome, State};

pub(super) fn complete(
    record: &mut RunRecord,
    context: &ChangeContext,
    completion: &Completion,
    open_clients: usize,
) -> Result<String, ChangeRefusal> {
    if matches!(record.state, State::Queued) && !completion.outcome.is_possible_unstarted() {
        return Err(ChangeRefusal::NotStarted {
            key: record.key.clone(),
            outcome: completion.outcome,
        });
    }
    let open_stages: Vec<_> = record
        .stages
        .iter()
        .filter(|s| s.is_open())
        .map(|s| s.name.as_str())
        .collect();
    if !completion.close_open {
        if !open_stages.is_empty() {
            return Err(ChangeRefusal::OpenStages {
                key: record.key.clone(),
                names: open_stages.join(", "),
            });
        }
        if open_clients > 0 {
            return Err(ChangeRefusal::OpenClients {
                key: record.key.clone(),
                count: open_clients,
            });
        }
    }
    let mut detail = completion.outcome.to_string();
    if !open_stages.is_empty() {
        detail = format!("{detail}; closed as cancelled: stages {}", open_stages.join(", "));
    }
    if open_clients > 0 {
        detail = format!("{detail}; closed as cancelled: {open_clients} client records");
    }
    end(
        record,
        context,
        completion.outcome,
        Outcome::Cancelled,
        completion.note.clone(),
    );
    Ok(detail)
}

pub(super) fn declare_lost(
    record: &mut RunRecord,
    context: &ChangeContext,
    grace: Duration,
    open_clients: usize,
) -> Result<String, ChangeRefusal> {
    let until = record.deadline.saturating_add(grace);
    if context.at <= until {
        return Err(ChangeRefusal::NotStalled {
            key: record.key.clone(),
            until,
        });
    }
    if open_clients > 0 {
        return Err(ChangeRefusal::OpenClients {
            key: record.key.clone(),
            count: open_clients,
        });
    }
    let detail = format!(
        "nothing heard since {}; deadline was {}",
        record.updated_at, record.deadline
    );
    end(record, context, Outcome::Lost, Outcome::Lost, None);
    Ok(detail)
}

/// Ends a record and its open stages. An end is never before its start, whatever the clock did in between (I18).
pub(super) fn end(
    record: &mut RunRecord,
    context: &ChangeContext,
    outcome: Outcome,
    of_stages: Outcome,
    note: Option<NoteText>,
) {
    for stage in record.stages.iter_mut().filter(|stage| stage.end.is_none()) {
        stage.end = Some(StageEnd {
            outcome: of_stages,
            ended_at: context.at.max(stage.started_at),
            metrics: MetricChange::default(),
        });
    }
    let started_at = record.state.started_at();
    record.state = State::Ended(Ending {
        outcome,
        started_at,
        ended_at: Some(started_at.map_or(context.at, |started_at| context.at.max(started_at))),
        source: context.source.clone(),
        note,
    });
}
