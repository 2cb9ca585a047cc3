//! How wrong stores create.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use runledger_domain::creation::{CreateDecision, JobEvidence};
use runledger_domain::{
    ClientLoad, CreationField, CreationIntent, CreationPermit, CreationPolicy, CreationRefusal, EXTERNAL_IDS_MAX,
    Initial, RunKey, RunRecord,
};
use runledger_ports::{CreateError, CreateOutcome, RunCreator, RunReader};

use crate::flaws::Flaw;
use crate::quotas::Counting;
use crate::store::{WrongStore, mint, pause};

#[async_trait]
impl RunCreator for WrongStore {
    async fn create(&self, permits: Vec<CreationPermit>) -> Result<Vec<CreateOutcome>, CreateError> {
        let intents: Vec<CreationIntent> = permits.iter().map(|permit| permit.intent().clone()).collect();
        match self.must_run() {
            Ok(()) => {}
            Err(_) if self.flaw == Flaw::OutageCreates => {}
            Err(stopped) if self.doubts_when_stopped() => {
                let _outcomes = self.right.create(permits).await?;
                let reason = stopped.to_string();
                return Err(CreateError::Indeterminate { intents, reason });
            }
            Err(stopped) => {
                if matches!(self.flaw, Flaw::WritesUnsaidInDoubt | Flaw::DoesWhatItCalledUnavailable) {
                    let _outcomes = self.right.create(permits).await?;
                }
                return Err(stopped.into());
            }
        }
        if self.falls_into_doubt() {
            return self.created_in_doubt(permits, intents).await;
        }
        let permits = permits
            .into_iter()
            .map(|permit| self.distorted_permit(permit))
            .collect();
        let outcomes = match self.spend_by_its_own_count(permits).await? {
            Counting::Done(outcomes) => outcomes,
            Counting::Left(permits) => self.spend(permits, &intents).await?,
        };
        let withheld = outcomes.contains(&CreateOutcome::Withheld);
        let mut shown = Vec::with_capacity(outcomes.len());
        for (outcome, intent) in outcomes.into_iter().zip(&intents) {
            if let CreateOutcome::Created(record) = &outcome {
                self.remember(record);
            }
            shown.push(self.distorted_outcome(outcome, intent, withheld).await);
        }
        if self.flaw == Flaw::ReversesOutcomes {
            shown.reverse();
        }
        Ok(shown)
    }
}

impl WrongStore {
    /// The permit for what this store makes of what was asked for.
    fn distorted_permit(&self, permit: CreationPermit) -> CreationPermit {
        let policy = CreationPolicy::default();
        let mut intent = permit.intent().clone();
        let content = &mut intent.content;
        match self.flaw {
            Flaw::NeedsNoJob => return mint(&policy.require_job(false), intent),
            Flaw::AlwaysNeedsAJob => {}
            Flaw::DropsTheBatchLabel => content.batch = None,
            Flaw::BeginsQueuedRecords if content.initial == Initial::Queued => content.initial = Initial::Running,
            Flaw::ImportsWithoutHistory => content.initial = Initial::Running,
            Flaw::CutsContentToFit => {
                content.client_name = None;
                content.external_ids.truncate(EXTERNAL_IDS_MAX);
            }
            Flaw::StartsAnew | Flaw::StartsTwiceInARace => intent.minted = false,
            Flaw::ForgetsStartsOnRestart if self.shadow().restarted => intent.minted = false,
            flaw => match content
                .note
                .as_ref()
                .and_then(|note| crate::texts::distorted(flaw, note))
            {
                Some(note) => content.note = Some(note),
                None => return permit,
            },
        }
        mint(&policy, intent)
    }

    /// Spends the permits, all at once unless the flaw is not to.
    async fn spend(
        &self,
        mut permits: Vec<CreationPermit>,
        intents: &[CreationIntent],
    ) -> Result<Vec<CreateOutcome>, CreateError> {
        let Some(first) = intents.first() else {
            if self.flaw == Flaw::LogsEmptyBatches {
                self.log_a_read().await;
            }
            return self.right.create(permits).await;
        };
        let keys: Vec<&RunKey> = intents.iter().map(|intent| &intent.key).collect();
        let is_twice = keys.iter().collect::<BTreeSet<_>>().len() < keys.len();
        match self.flaw {
            Flaw::CreatesWithoutStoring => Ok(permits.into_iter().map(decided_without_looking).collect()),
            Flaw::CreatesBatchesInPart | Flaw::CreatesHalfWay => self.spend_one_by_one(permits).await,
            Flaw::CreatesTheFirstOfTwo if is_twice => self.spend_one_by_one(permits).await,
            Flaw::CreatesBatchesInReverse => {
                permits.reverse();
                let mut outcomes = self.right.create(permits).await?;
                outcomes.reverse();
                Ok(outcomes)
            }
            Flaw::TearsRacingBatches => {
                for key in keys {
                    if self.shown(key).await.is_some() {
                        return self.right.create(permits).await;
                    }
                }
                pause().await;
                self.spend_one_by_one(permits).await
            }
            Flaw::CreatesTwiceInARace | Flaw::CreatesForEachRacingRetry => {
                let was_free = self.shown(&first.key).await.is_none();
                pause().await;
                let outcomes = self.right.create(permits).await?;
                Ok(outcomes
                    .into_iter()
                    .map(|outcome| self.believes(was_free, outcome))
                    .collect())
            }
            Flaw::CreatesWhatIsNotRefused => {
                let mut outcomes = self.right.create(permits).await?;
                for (outcome, intent) in outcomes.iter_mut().zip(intents) {
                    if *outcome == CreateOutcome::Withheld {
                        let permit = mint(&CreationPolicy::default(), intent.clone());
                        *outcome = self.right.create(vec![permit]).await?.remove(0);
                    }
                }
                Ok(outcomes)
            }
            Flaw::ReplaysBatchesAsAWhole if intents.len() > 1 && self.shown(&first.key).await.is_some() => {
                let mut outcomes = Vec::new();
                for key in keys {
                    let found = self.shown(key).await;
                    outcomes.push(found.map_or(CreateOutcome::Withheld, CreateOutcome::Replayed));
                }
                Ok(outcomes)
            }
            Flaw::LooksAtTheKeyFirst if intents.len() > 1 => {
                for (permit, intent) in permits.iter_mut().zip(intents) {
                    if intent.minted && self.shown(&intent.key).await.is_some() {
                        let minted = false;
                        *permit = mint(
                            &CreationPolicy::default(),
                            CreationIntent {
                                minted,
                                ..intent.clone()
                            },
                        );
                    }
                }
                self.right.create(permits).await
            }
            Flaw::StartsTwiceInARace if intents.iter().all(|intent| intent.minted) => {
                self.start_by_its_own_list(permits, first).await
            }
            _ => self.right.create(permits).await,
        }
    }

    async fn spend_one_by_one(&self, permits: Vec<CreationPermit>) -> Result<Vec<CreateOutcome>, CreateError> {
        let mut outcomes = Vec::new();
        for permit in permits {
            outcomes.extend(self.right.create(vec![permit]).await?);
            pause().await;
        }
        Ok(outcomes)
    }

    /// Whoever found the key free believes to have created the record.
    fn believes(&self, was_free: bool, outcome: CreateOutcome) -> CreateOutcome {
        match (self.flaw, outcome) {
            (Flaw::CreatesTwiceInARace, CreateOutcome::Conflict { existing, .. }) if was_free => {
                CreateOutcome::Created(existing)
            }
            (Flaw::CreatesForEachRacingRetry, CreateOutcome::Replayed(record)) if was_free => {
                CreateOutcome::Created(record)
            }
            (_, outcome) => outcome,
        }
    }

    /// Looks for the start in a list of its own, and enters it there afterwards.
    async fn start_by_its_own_list(
        &self,
        permits: Vec<CreationPermit>,
        intent: &CreationIntent,
    ) -> Result<Vec<CreateOutcome>, CreateError> {
        let start = (intent.source.clone(), intent.attempt.clone());
        let known = self.shadow().starts.get(&start).cloned();
        if let Some(key) = known {
            return Ok(self
                .shown(&key)
                .await
                .map(CreateOutcome::Replayed)
                .into_iter()
                .collect());
        }
        pause().await;
        let outcomes = self.right.create(permits).await?;
        self.shadow().starts.insert(start, intent.key.clone());
        Ok(outcomes)
    }

    /// What this store answers in the place of an outcome.
    async fn distorted_outcome(
        &self,
        outcome: CreateOutcome,
        intent: &CreationIntent,
        withheld: bool,
    ) -> CreateOutcome {
        if self.flaw == Flaw::TakesAttemptsForStarts && intent.minted {
            let attempt = &intent.attempt;
            let other = self
                .all()
                .await
                .into_iter()
                .find(|record| record.creation().attempt == *attempt && *record.key() != intent.key);
            if let Some(other) = other {
                return CreateOutcome::Replayed(other);
            }
        }
        match outcome {
            CreateOutcome::Replayed(record) => self.distorted_replay(record, intent, withheld).await,
            CreateOutcome::Conflict { existing, differs_in } => {
                self.distorted_conflict(existing, differs_in, intent).await
            }
            CreateOutcome::Refused(CreationRefusal::JobEnded { .. }) if self.flaw == Flaw::NeedsNoOpenJob => {
                let outcome = decided_without_looking(mint(&CreationPolicy::default(), intent.clone()));
                if let CreateOutcome::Created(record) = &outcome {
                    self.show(Arc::clone(record));
                }
                outcome
            }
            other => other,
        }
    }

    async fn distorted_replay(&self, record: Arc<RunRecord>, intent: &CreationIntent, withheld: bool) -> CreateOutcome {
        let as_conflict = |existing| CreateOutcome::Conflict {
            existing,
            differs_in: vec![CreationField::Attempt],
        };
        match self.flaw {
            Flaw::ReplaysAsConflict => as_conflict(record),
            Flaw::TakesTwiceForConflict if record.version() == 1 => as_conflict(record),
            Flaw::ReplaysAsCreated => CreateOutcome::Created(record),
            Flaw::ReplaysTheFirstVersion => CreateOutcome::Replayed(self.first(&record)),
            Flaw::ReplaysMakeAVersion => {
                self.touch(record.key(), intent.source.clone(), intent.at).await;
                CreateOutcome::Replayed(record)
            }
            Flaw::ForgetsAttemptsOfEndedRecords if !record.status().is_open() => as_conflict(record),
            Flaw::RefusesRetriesUnderAnEndedJob if self.has_ended_job(record.key()).await => {
                let run = record.key().run().clone();
                CreateOutcome::Refused(CreationRefusal::JobEnded { run })
            }
            Flaw::WithholdsReplays if withheld => CreateOutcome::Withheld,
            _ => CreateOutcome::Replayed(record),
        }
    }

    async fn has_ended_job(&self, key: &RunKey) -> bool {
        let job = self.shown(&key.job()).await;
        key.client().is_some() && job.is_some_and(|job| !job.status().is_open())
    }

    async fn distorted_conflict(
        &self,
        existing: Arc<RunRecord>,
        mut differs_in: Vec<CreationField>,
        intent: &CreationIntent,
    ) -> CreateOutcome {
        let is_other_attempt = differs_in.contains(&CreationField::Attempt);
        let mut holder = Arc::clone(&existing);
        match self.flaw {
            Flaw::CreatesTwice => {
                let outcome = decided_without_looking(mint(&CreationPolicy::default(), intent.clone()));
                if let CreateOutcome::Created(record) = &outcome {
                    self.show(Arc::clone(record));
                }
                return outcome;
            }
            Flaw::ReplaysOtherContent if !is_other_attempt => return CreateOutcome::Replayed(existing),
            Flaw::ReplaysOtherStarts if intent.minted && !is_other_attempt => return CreateOutcome::Replayed(existing),
            Flaw::ConflictShowsTheFirstVersion => holder = self.first(&existing),
            Flaw::ConflictShowsAnotherRecord => {
                let others = self.all().await;
                holder = others
                    .into_iter()
                    .find(|r| r.key() != existing.key())
                    .unwrap_or(existing);
            }
            Flaw::ConflictNamesNothing => differs_in.clear(),
            Flaw::ConflictNamesOneField => differs_in.truncate(1),
            _ => {}
        }
        CreateOutcome::Conflict {
            existing: holder,
            differs_in,
        }
    }
}

/// Decides as if the key were free and the job open.
pub(crate) fn decided_without_looking(permit: CreationPermit) -> CreateOutcome {
    match permit.decide(None, JobEvidence::Open, ClientLoad::default()) {
        CreateDecision::Insert(new) => CreateOutcome::Created(Arc::new(new.into_record())),
        CreateDecision::Refuse(refusal) => CreateOutcome::Refused(refusal),
        CreateDecision::Replay | CreateDecision::Conflict { .. } => CreateOutcome::Withheld,
    }
}

impl WrongStore {
    /// The start that this store finds.
    pub(crate) async fn found_start(
        &self,
        source: &runledger_domain::Source,
        attempt: &runledger_domain::AttemptId,
    ) -> Option<Arc<RunRecord>> {
        let all = self.all().await;
        let is_job = |record: &RunRecord| record.key().client().is_none();
        match self.flaw {
            Flaw::FindsNoStart => None,
            Flaw::ForgetsStartsOnRestart if self.shadow().restarted => None,
            Flaw::FindsStartsOfAnybody => all
                .into_iter()
                .find(|record| record.creation().minted && record.creation().attempt == *attempt),
            Flaw::FindsWhatCallersNamed => all.into_iter().find(|record| {
                let creation = record.creation();
                is_job(record) && creation.source == *source && creation.attempt == *attempt
            }),
            Flaw::StartsTwiceInARace => {
                let key = self.shadow().starts.get(&(source.clone(), attempt.clone())).cloned()?;
                self.shown(&key).await
            }
            _ => self
                .right
                .find_minted(source, attempt)
                .await
                .expect("memory does not fail"),
        }
    }
}
