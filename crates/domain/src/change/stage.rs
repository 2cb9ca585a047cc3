//! Beginning and ending the stages of an open record.

use alloc::format;
use alloc::string::{String, ToString};

use super::update::{begin, describe};
use super::{ChangeContext, ChangeRefusal};
use crate::metric::MetricChange;
use crate::record::RunRecord;
use crate::stage::{STAGES_MAX, Stage, StageEnd, StageName};
use crate::status::Outcome;

pub(super) fn start(
    record: &mut RunRecord,
    context: &ChangeContext,
    name: &StageName,
) -> Result<String, ChangeRefusal> {
    if let Some(StageEnd { outcome, ended_at, .. }) = record
        .stages
        .iter()
        .find(|s| s.name == *name)
        .and_then(|s| s.end.as_ref())
    {
        return Err(ChangeRefusal::StageEnded {
            key: record.key.clone(),
            name: name.clone(),
            outcome: *outcome,
            ended_at: *ended_at,
        });
    }
    if record.stages.len() >= STAGES_MAX {
        return Err(ChangeRefusal::TooManyStages);
    }
    begin(record, context);
    record.stages.push(Stage {
        name: name.clone(),
        started_at: context.at,
        end: None,
    });
    Ok(name.to_string())
}

pub(super) fn finish(
    record: &mut RunRecord,
    context: &ChangeContext,
    name: &StageName,
    outcome: Outcome,
    metrics: &MetricChange,
) -> Result<String, ChangeRefusal> {
    let key = record.key.clone();
    let Some(stage) = record.stages.iter_mut().find(|stage| stage.name == *name) else {
        return Err(ChangeRefusal::StageNotStarted {
            key,
            name: name.clone(),
        });
    };
    if let Some(end) = &stage.end {
        return Err(ChangeRefusal::StageEnded {
            key,
            name: name.clone(),
            outcome: end.outcome,
            ended_at: end.ended_at,
        });
    }
    record.metrics = record.metrics.merge(metrics)?;
    stage.end = Some(StageEnd {
        outcome,
        ended_at: context.at.max(stage.started_at),
        metrics: metrics.clone(),
    });
    let reported = if metrics.is_empty() {
        String::new()
    } else {
        format!("; {}", describe(metrics))
    };
    Ok(format!("{name} {outcome}{reported}"))
}
