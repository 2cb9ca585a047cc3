//! How wrong stores change.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runledger_domain::change::apply;
use runledger_domain::{
    Change, ChangeContext, ChangeEvidence, ChangeRefusal, Command, Completion, Ending, Outcome, RecordKind, RunKey,
    RunRecord, Status, Update, Verdict,
};
use runledger_ports::{ActivityLog, ChangeError, ChangeRequest, Changed, RunChanger, Unavailable};
use serde_json::{Value, json};

use crate::flaws::Flaw;
use crate::store::{WrongStore, edited, pause};

pub(crate) type Answer = Result<Changed, ChangeError>;

#[async_trait]
impl RunChanger for WrongStore {
    async fn change(&self, mut request: ChangeRequest) -> Answer {
        if let Err(stopped) = self.must_run() {
            return match self.flaw {
                Flaw::OutageIsNotFound => Err(ChangeError::NotFound { key: request.key }),
                _ if self.doubts_when_stopped() => {
                    let _changed = self.right.change(request).await;
                    let reason = stopped.to_string();
                    Err(ChangeError::Indeterminate { reason })
                }
                Flaw::OutageChangesUnsaid => {
                    let _changed = self.right.change(request).await;
                    Err(stopped.into())
                }
                _ => Err(stopped.into()),
            };
        }
        if self.falls_into_doubt() {
            return self.changed_in_doubt(request).await;
        }
        self.look_at_the_fence(&mut request).await;
        self.count_notes_its_own_way(&mut request).await;
        if let Some(answer) = self.distort_request(&mut request).await {
            return answer;
        }
        let before = self.shown(&request.key).await;
        match (self.right.change(request.clone()).await, before) {
            (Ok(Changed::Applied { record, closed }), Some(before)) => {
                self.distorted_application(&request, &before, record, closed).await
            }
            (Ok(Changed::Unchanged(record)), _) => self.distorted_repetition(&request, record).await,
            (Err(ChangeError::NotFound { key }), _) => {
                let upserts = match self.flaw {
                    Flaw::ChangeUpserts => true,
                    Flaw::HeartbeatUpserts => request.command == Command::Heartbeat,
                    _ => false,
                };
                if upserts {
                    self.invent(&key).await;
                    return self.right.change(request).await;
                }
                Err(ChangeError::NotFound { key })
            }
            (Err(ChangeError::Fenced { .. }), None) if self.flaw == Flaw::LooksForTheRecordBeforeTheFence => {
                Err(ChangeError::NotFound { key: request.key })
            }
            (Err(ChangeError::Refused { refusal, current }), _) => {
                self.distorted_refusal(request, refusal, current).await
            }
            (other, _) => other,
        }
    }
}

impl WrongStore {
    /// Takes the fence out of a request that goes with it, past the look at it that is part of the change.
    async fn look_at_the_fence(&self, request: &mut ChangeRequest) {
        let Some(fence) = request.fence.clone() else { return };
        match self.flaw {
            Flaw::ChangesWithALostFence => request.fence = None,
            Flaw::LooksAtTheFenceOfAChangeTooEarly if self.fence_of(&fence.duty).await == Some(fence) => {
                pause().await;
                request.fence = None;
            }
            _ => {}
        }
    }

    /// What this store makes of a request before it looks at the record; sometimes that is the whole answer.
    async fn distort_request(&self, request: &mut ChangeRequest) -> Option<Answer> {
        crate::texts::distort(self.flaw, &mut request.command);
        let current = self.shown(&request.key).await;
        match self.flaw {
            Flaw::IgnoresExpectedVersions => request.context.expected = None,
            Flaw::ChecksVersionsTooEarly if request.context.expected == current.as_ref().map(|r| r.version()) => {
                pause().await;
                request.context.expected = None;
            }
            Flaw::MixesCallers => {
                self.shadow().last_key = Some(request.key.clone());
                pause().await;
                let named = self.shadow().last_key.clone();
                request.key = named.unwrap_or_else(|| request.key.clone());
            }
            Flaw::RefusalsBlockTheRun if self.shadow().blocked.contains(request.key.run()) => {
                let reason = "this run is being looked at".to_owned();
                return Some(Err(Unavailable::Failed { reason }.into()));
            }
            Flaw::BreaksTheChainUnderLoad => {
                self.shadow().under_way += 1;
                pause().await;
                let mut shadow = self.shadow();
                shadow.was_busy |= shadow.under_way > 1;
                shadow.under_way -= 1;
            }
            _ => {}
        }
        let current = current?;
        match &mut request.command {
            Command::Update(update) => {
                self.distort_update(&request.key, &request.context, update, current)
                    .await
            }
            Command::Complete(_) => self.distort_end(request, current).await,
            Command::DeclareLost { grace } if self.flaw == Flaw::IgnoresTheGrace => {
                *grace = Duration::ZERO;
                None
            }
            _ => None,
        }
    }

    async fn distort_update(
        &self,
        key: &RunKey,
        context: &ChangeContext,
        update: &mut Update,
        current: Arc<RunRecord>,
    ) -> Option<Answer> {
        match self.flaw {
            Flaw::CountsRepeatedUpdates => update.update_id = None,
            Flaw::ChecksUpdateIdsTooEarly => {
                let name = (key.clone(), update.update_id.take()?);
                if self.shadow().updates.contains(&name) {
                    return Some(Ok(Changed::Unchanged(current)));
                }
                pause().await;
                self.shadow().updates.insert(name);
            }
            Flaw::NotesUpdateIdsAfterwards => {
                let name = (key.clone(), update.update_id.take()?);
                if self.shadow().updates.contains(&name) {
                    return Some(Ok(Changed::Unchanged(current)));
                }
                let changed = self
                    .right
                    .change(ChangeRequest::new(
                        key.clone(),
                        context.clone(),
                        Command::Update(update.clone()),
                    ))
                    .await;
                pause().await;
                self.shadow().updates.insert(name);
                return Some(changed);
            }
            Flaw::LosesUpdates => {
                pause().await;
                return self
                    .overruled(&current, context, &Command::Update(update.clone()))
                    .await
                    .map(Ok);
            }
            Flaw::SwallowsOldChanges if context.at < current.updated_at() => {
                return Some(Ok(Changed::Unchanged(current)));
            }
            _ => {}
        }
        None
    }

    async fn distort_end(&self, request: &ChangeRequest, current: Arc<RunRecord>) -> Option<Answer> {
        let open = self.open_clients().await;
        let of_run = open.iter().filter(|client| client.key().run() == request.key.run());
        let of_run: Vec<_> = of_run.collect();
        match self.flaw {
            Flaw::EndsTwiceInARace if current.status().is_open() => {
                pause().await;
                self.overruled(&current, &request.context, &request.command)
                    .await
                    .map(Ok)
            }
            Flaw::CountsForeignClients if request.key.kind() == RecordKind::Job && !open.is_empty() => {
                let refusal = ChangeRefusal::OpenClients {
                    key: request.key.clone(),
                    count: open.len(),
                };
                Some(Err(ChangeError::Refused { refusal, current }))
            }
            Flaw::CountsClientsTooEarly if request.key.kind() == RecordKind::Job => {
                let Command::Complete(Completion { close_open, .. }) = request.command else {
                    return None;
                };
                if !close_open && !of_run.is_empty() {
                    return None;
                }
                pause().await;
                for client in of_run {
                    self.overruled(client, &request.context, &complete_as_cancelled()).await;
                }
                self.overruled(&current, &request.context, &request.command)
                    .await
                    .map(Ok)
            }
            _ => None,
        }
    }

    async fn open_clients(&self) -> Vec<Arc<RunRecord>> {
        let mut all = self.all().await;
        all.retain(|record| record.key().kind() == RecordKind::Client && record.status().is_open());
        all
    }

    async fn has_running_client(&self, job: &RunKey) -> bool {
        let open = self.open_clients().await;
        open.iter()
            .any(|client| client.key().run() == job.run() && client.status() == Status::Running)
    }

    /// Makes the change on the record as it was read, whatever became of it since.
    async fn overruled(&self, read: &RunRecord, context: &ChangeContext, command: &Command) -> Option<Changed> {
        let Ok(Change::Applied { record, detail, .. }) = apply(read, context, command, ChangeEvidence::default())
        else {
            return None;
        };
        let record = Arc::from(record);
        self.show(Arc::clone(&record));
        let line = context.line(
            command.action(),
            read.key(),
            Verdict::Changed,
            Some(record.version()),
            detail,
        );
        // A ledger that is not whole takes none.
        let _kept = self.right.record(line).await;
        Some(Changed::Applied {
            record,
            closed: Vec::new(),
        })
    }

    async fn distorted_application(
        &self,
        request: &ChangeRequest,
        before: &Arc<RunRecord>,
        record: Arc<RunRecord>,
        mut closed: Vec<RunKey>,
    ) -> Answer {
        self.remember(&record);
        let (by, at) = (request.context.source.clone(), request.context.at);
        let record = match self.flaw {
            Flaw::RaisesVersionsByTwo => {
                self.touch(record.key(), by, at).await;
                self.shown(record.key()).await.unwrap_or(record)
            }
            Flaw::KeepsTheVersion => self.shown_instead(&record, |json| json["version"] = json!(before.version())),
            Flaw::KeepsTheDeadline => {
                self.shown_instead(&record, |json| json["deadline"] = json!(before.deadline().to_string()))
            }
            Flaw::StaysQueued if before.status() == Status::Queued => {
                self.shown_instead(&record, |json| json["state"] = json!("queued"))
            }
            Flaw::AnswersTheOldRecord => Arc::clone(before),
            Flaw::AnswersWithoutStoring => {
                self.show(Arc::clone(before));
                record
            }
            Flaw::ChangesTouchNeighbours => {
                for neighbour in self.all().await {
                    if neighbour.key() != record.key() && neighbour.key().run() == record.key().run() {
                        self.touch(neighbour.key(), by.clone(), at).await;
                    }
                }
                record
            }
            Flaw::ClosesNothing | Flaw::ClosesRunningClientsOnly => {
                for key in std::mem::take(&mut closed) {
                    let open = self.shadow().open.get(&key).cloned();
                    match open {
                        Some(open) if self.flaw == Flaw::ClosesNothing || open.status() == Status::Queued => {
                            self.show(open);
                        }
                        _ => closed.push(key),
                    }
                }
                record
            }
            Flaw::HidesWhatItClosed => {
                closed.clear();
                record
            }
            _ => record,
        };
        Ok(Changed::Applied { record, closed })
    }

    fn shown_instead(&self, record: &RunRecord, edit: impl FnOnce(&mut Value)) -> Arc<RunRecord> {
        let record = edited(record, edit);
        self.show(Arc::clone(&record));
        record
    }

    async fn distorted_repetition(&self, request: &ChangeRequest, record: Arc<RunRecord>) -> Answer {
        let ending = record.state().ending().cloned();
        match (self.flaw, &request.command, ending) {
            (Flaw::RefusesTheSameEnd, Command::Complete(_), Some(ending))
            | (Flaw::RefusesRepeatsAfterTheEnd, Command::Update(_), Some(ending)) => refused_as_ended(record, ending),
            (Flaw::RepeatedStagesMakeVersions, Command::StartStage { .. }, _) => {
                self.touch(record.key(), request.context.source.clone(), request.context.at)
                    .await;
                let record = self.shown(record.key()).await.unwrap_or(record);
                Ok(Changed::Applied {
                    record,
                    closed: Vec::new(),
                })
            }
            _ => Ok(Changed::Unchanged(record)),
        }
    }

    async fn distorted_refusal(
        &self,
        request: ChangeRequest,
        refusal: ChangeRefusal,
        current: Arc<RunRecord>,
    ) -> Answer {
        let (by, at) = (request.context.source.clone(), request.context.at);
        let (context, command) = (&request.context, &request.command);
        let mut forced = None;
        match (self.flaw, &refusal) {
            (Flaw::TakesReusedIdsForRepeats, ChangeRefusal::UpdateIdReused { .. })
            | (Flaw::EndsStagesTwice, ChangeRefusal::StageEnded { .. }) => return Ok(Changed::Unchanged(current)),
            (Flaw::SucceedsUnstarted, ChangeRefusal::NotStarted { .. }) => {
                forced = Some(Command::Complete(Completion {
                    outcome: Outcome::Skipped,
                    note: None,
                    close_open: true,
                }));
            }
            (Flaw::IgnoresOpenStages, ChangeRefusal::OpenStages { .. }) => forced = Some(closing(command)),
            (Flaw::LosesAtOnce, ChangeRefusal::NotStalled { .. }) => {
                forced = Some(Command::Complete(Completion {
                    outcome: Outcome::Lost,
                    note: None,
                    close_open: true,
                }));
            }
            (Flaw::RefusalsTouch, _) => self.touch(current.key(), by, at).await,
            (Flaw::RefusalsTouchTheJob, _) => self.touch(&current.key().job(), by, at).await,
            (Flaw::RefusalsBlockTheRun, _) => {
                self.shadow().blocked.insert(current.key().run().clone());
            }
            (Flaw::EndsBesideOpenClients, ChangeRefusal::OpenClients { .. }) => {
                if let Some(changed) = self.overruled(&current, context, command).await {
                    return Ok(changed);
                }
            }
            (Flaw::CountsRunningClientsOnly, ChangeRefusal::OpenClients { .. })
                if !self.has_running_client(current.key()).await =>
            {
                if let Some(changed) = self.overruled(&current, context, command).await {
                    return Ok(changed);
                }
            }
            (_, ChangeRefusal::AlreadyEnded { .. }) => {
                if let Some(changed) = self.changed_after_the_end(&request, &current).await {
                    return Ok(changed);
                }
            }
            _ => {}
        }
        match forced {
            Some(command) => self.right.change(ChangeRequest { command, ..request }).await,
            None => Err(ChangeError::Refused { refusal, current }),
        }
    }

    async fn changed_after_the_end(&self, request: &ChangeRequest, ended: &RunRecord) -> Option<Changed> {
        let next = json!(ended.version() + 1);
        let record = match (self.flaw, &request.command) {
            (Flaw::OverwritesEnds, Command::Complete(_)) => {
                let open = self.shadow().open.get(ended.key()).cloned()?;
                return self.overruled(&open, &request.context, &request.command).await;
            }
            (Flaw::NotesAfterTheEnd, Command::Update(Update { note: Some(note), .. })) => {
                let (at, by) = (request.context.at.to_string(), request.context.source.as_str());
                let note = json!([{ "at": at, "source": by, "text": note.as_str() }]);
                self.shown_instead(ended, |json| (json["notes"], json["version"]) = (note, next))
            }
            (Flaw::HeartbeatsAfterTheEnd, Command::Heartbeat) => {
                self.shown_instead(ended, |json| json["version"] = next)
            }
            _ => return None,
        };
        Some(Changed::Applied {
            record,
            closed: Vec::new(),
        })
    }
}

fn refused_as_ended(current: Arc<RunRecord>, ending: Ending) -> Answer {
    let refusal = ChangeRefusal::AlreadyEnded {
        key: current.key().clone(),
        ending: Box::new(ending),
    };
    Err(ChangeError::Refused { refusal, current })
}

fn complete_as_cancelled() -> Command {
    Command::Complete(Completion {
        outcome: Outcome::Cancelled,
        note: None,
        close_open: true,
    })
}

/// The completion with everything closed that is open.
fn closing(command: &Command) -> Command {
    match command.clone() {
        Command::Complete(completion) => Command::Complete(Completion {
            close_open: true,
            ..completion
        }),
        other => other,
    }
}
