//! The creation point: the only object that can create, and the only one that mints permits (I2).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use runledger_domain::creation::{AttemptLine, is_attempt_reused};
use runledger_domain::{
    AttemptId, ClientId, Creation, CreationContent, CreationField, CreationIntent, CreationPermit, CreationPolicy,
    CreationRefusal, NewActivity, NotAuthorisedReason, RunId, RunIdScheme, RunKey, RunRecord, Source, Subject,
    Timestamp, Verdict,
};
use runledger_ports::{CreateError, CreateOutcome, IdSource, RunCreator, Unavailable};

use crate::shared::Shared;
use crate::stats::{Effect, Operation};

/// The most client run records that one call creates.
pub const CLIENTS_MAX: usize = 1_000;
/// How far ahead of the clock a run id may be chosen, in seconds, when the present second is taken.
pub const MINT_SECONDS: u64 = 60;

/// What a new job is to be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StartJob {
    /// Its run id; chosen by the ledger when not given.
    pub run: Option<RunId>,
    /// The attempt; one that nobody used when not given, so that a second call is a conflict, never a replay.
    pub attempt: Option<AttemptId>,
    /// What it holds.
    pub content: CreationContent,
}

/// What a new client run record is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StartClient {
    /// The client.
    pub client: ClientId,
    /// What it holds.
    pub content: CreationContent,
}

/// A record that this call, or an earlier one of the same attempt, created.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Started {
    /// The record as it stands.
    pub record: Arc<RunRecord>,
    /// Whether it was there before (I7).
    pub replayed: bool,
}

/// Why nothing was created, or why that is not known.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CreationError {
    /// The policy does not allow it.
    #[error("{reason}")]
    NotAuthorised {
        /// The key that was asked for.
        key: RunKey,
        /// Why.
        reason: NotAuthorisedReason,
    },
    /// The key is taken by another creation.
    #[error("{} exists already: created by {} at {} in another attempt (differs in {})",
        existing.key(), existing.creation().source, existing.creation().at, fields(differs_in))]
    Conflict {
        /// The record that holds the key.
        existing: Arc<RunRecord>,
        /// In what the two creations differ.
        differs_in: Vec<CreationField>,
    },
    /// The same source sent other content in the same attempt before.
    #[error("attempt {} of {} created {} with other content (differs in {}); a new creation needs an attempt id of its own",
        existing.creation().attempt, existing.creation().source, existing.key(), fields(differs_in))]
    AttemptReused {
        /// The record that the attempt created.
        existing: Arc<RunRecord>,
        /// In what the two contents differ.
        differs_in: Vec<CreationField>,
    },
    /// The rules do not allow it now.
    #[error("{refusal}")]
    Refused {
        /// The key that was asked for.
        key: RunKey,
        /// Why.
        refusal: CreationRefusal,
    },
    /// Every second of the coming minute is taken.
    #[error("every timestamp id of the next {MINT_SECONDS} seconds is taken; start the run with a ULID as its run id")]
    NoFreeSecond,
    /// The ledger does not accept timestamp ids, so it cannot choose one.
    #[error("this ledger does not accept timestamp ids and chooses no others; send a run id")]
    CannotMint,
    /// A batch without clients, or with more than [`CLIENTS_MAX`].
    #[error("{count} clients in one call; send 1 to {CLIENTS_MAX}")]
    BatchSize {
        /// How many there were.
        count: usize,
    },
    /// It is not known whether the record was created. The same call with the same attempt is safe at any time (I10).
    #[error("it is not known whether the record was created ({reason}); repeat the call with the same attempt id")]
    Indeterminate {
        /// What happened.
        reason: String,
    },
    /// Nothing was created.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

fn no_answer() -> Unavailable {
    Unavailable::Failed {
        reason: "the store gave no answer for a permit".into(),
    }
}

fn fields(fields: &[CreationField]) -> String {
    fields.iter().map(|field| field.as_str()).collect::<Vec<_>>().join(", ")
}

/// The one object that creates records (I2). It holds the store's creating side and the policy; nothing else does.
pub struct CreationPoint {
    shared: Arc<Shared>,
    creator: Arc<dyn RunCreator>,
    policy: CreationPolicy,
    ids: Arc<dyn IdSource>,
}

impl CreationPoint {
    pub(crate) fn new(
        shared: Arc<Shared>,
        creator: Arc<dyn RunCreator>,
        policy: CreationPolicy,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self {
            shared,
            creator,
            policy,
            ids,
        }
    }

    /// The policy in force.
    pub const fn policy(&self) -> &CreationPolicy {
        &self.policy
    }

    /// Starts a run: creates its job record, and chooses its id when none is given.
    ///
    /// # Errors
    /// [`CreationError`]; every refusal is in the activity log before it is answered (I6).
    pub async fn start_job(&self, source: &Source, start: StartJob) -> Result<Started, CreationError> {
        let StartJob { run, attempt, content } = start;
        let at = self.shared.clock.now();
        let known = match (&run, &attempt) {
            // A retry finds the run that its attempt started, at whatever second.
            (None, Some(attempt)) => self.shared.reader.find_minted(source, attempt).await?,
            (Some(_), _) | (None, None) => None,
        };
        let attempt = attempt.unwrap_or_else(|| self.ids.attempt());
        if let Some(run) = run {
            let intent = CreationIntent::new(RunKey::Job(run), source.clone(), attempt, at).with_content(content);
            return self.create_one(intent).await;
        }
        if let Some(known) = known {
            let mut intent =
                CreationIntent::new(known.key().clone(), source.clone(), attempt, at).with_content(content);
            intent.minted = true;
            return self.create_one(intent).await;
        }
        self.mint(source, attempt, content, at).await
    }

    /// Creates client run records of one run: all of them, or none.
    ///
    /// # Errors
    /// [`CreationError`] of the first client that stands against it; every client leaves a line (I6).
    pub async fn start_clients(
        &self,
        source: &Source,
        run: &RunId,
        attempt: Option<AttemptId>,
        clients: Vec<StartClient>,
    ) -> Result<Vec<Started>, CreationError> {
        let attempt = attempt.unwrap_or_else(|| self.ids.attempt());
        let record = |StartClient { client, content }| (RunKey::Client(run.clone(), client), content);
        let records = clients.into_iter().map(record).collect();
        self.start_all(source, &attempt, records).await
    }

    /// Creates records of whatever runs and kinds: all of them, or none.
    ///
    /// # Errors
    /// [`CreationError`] of the first record that stands against it; every record leaves a line (I6).
    pub async fn start_all(
        &self,
        source: &Source,
        attempt: &AttemptId,
        records: Vec<(RunKey, CreationContent)>,
    ) -> Result<Vec<Started>, CreationError> {
        if records.is_empty() || records.len() > CLIENTS_MAX {
            return Err(CreationError::BatchSize { count: records.len() });
        }
        let at = self.shared.clock.now();
        let intents = records
            .into_iter()
            .map(|(key, content)| CreationIntent::new(key, source.clone(), attempt.clone(), at).with_content(content));
        self.create_all(intents.collect()).await
    }

    /// Creates records that have a history, as many as possible at once. The policy allows it to the import command
    /// alone.
    ///
    /// Each record is decided by itself: what stands against one of them is answered in its place and keeps no other
    /// from being created. All that are created become durable together.
    ///
    /// # Errors
    /// [`CreationError`] when none of the answers is known; the same call is safe at any time (I10). In the place of a
    /// record only [`CreationError::Conflict`], [`CreationError::AttemptReused`] and [`CreationError::Refused`].
    pub async fn import(
        &self,
        source: &Source,
        attempt: &AttemptId,
        records: Vec<(RunKey, CreationContent)>,
    ) -> Result<Vec<Result<Started, CreationError>>, CreationError> {
        let at = self.shared.clock.now();
        let mut answers: Vec<_> = records.iter().map(|_| None).collect();
        let mut waiting: Vec<_> = (0..records.len()).collect();
        while !waiting.is_empty() {
            let intents = waiting.iter().map(|place| {
                let (key, content) = records[*place].clone();
                CreationIntent::new(key, source.clone(), attempt.clone(), at).with_content(content)
            });
            let mut withheld = Vec::new();
            for (place, sorted) in waiting.iter().zip(self.spend(intents.collect()).await?) {
                match sorted {
                    Sorted::Started(started) => answers[*place] = Some(Ok(started)),
                    Sorted::Failed(error) => answers[*place] = Some(Err(error)),
                    // A store creates all of a batch or nothing: what nothing stands against is sent again without the rest.
                    Sorted::Withheld => withheld.push(*place),
                }
            }
            if withheld.len() == waiting.len() {
                return Err(no_answer().into());
            }
            waiting = withheld;
        }
        answers
            .into_iter()
            .map(|answer| answer.ok_or_else(|| no_answer().into()))
            .collect()
    }

    /// Chooses the first free second, at most a minute ahead. Whether it is free is decided by the create itself.
    async fn mint(
        &self,
        source: &Source,
        attempt: AttemptId,
        content: CreationContent,
        at: Timestamp,
    ) -> Result<Started, CreationError> {
        if !self.policy.accepts(RunIdScheme::Timestamp) {
            return Err(CreationError::CannotMint);
        }
        for second in 0..=MINT_SECONDS {
            let key = RunKey::Job(RunId::from_second(at.saturating_add(Duration::from_secs(second))));
            // Looked at first only to leave no line for seconds that are plainly taken; the create decides.
            let is_ours = |creation: &Creation| creation.source == *source && creation.attempt == attempt;
            let taken = self.shared.reader.get(&key).await?;
            if taken.is_some_and(|record| !is_ours(record.creation())) {
                continue;
            }
            let mut intent =
                CreationIntent::new(key, source.clone(), attempt.clone(), at).with_content(content.clone());
            intent.minted = true;
            match self.create_one(intent).await {
                // Somebody else took this second in between.
                Err(CreationError::Conflict { .. }) => {}
                other => return other,
            }
        }
        Err(CreationError::NoFreeSecond)
    }

    async fn create_one(&self, intent: CreationIntent) -> Result<Started, CreationError> {
        let mut started = self.create_all(vec![intent]).await?;
        started.pop().ok_or_else(|| no_answer().into())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that mints permits (I2)")]
    async fn authorise(&self, intents: Vec<CreationIntent>) -> Result<Vec<CreationPermit>, CreationError> {
        let mut permits = Vec::with_capacity(intents.len());
        let mut refused = None;
        for intent in intents {
            match self.policy.authorise(intent) {
                Ok(permit) => permits.push(permit),
                Err(not) => {
                    let line = AttemptLine::of(&not.intent).refused(not.reason.code(), not.reason.to_string());
                    self.shared.log.record(line).await?;
                    self.shared
                        .stats
                        .count_refused(Operation::Create, not.intent.source.as_str(), not.reason.code());
                    self.shared.trace(
                        "create",
                        &not.intent.key,
                        not.intent.source.as_str(),
                        not.reason.code(),
                        not.intent.at,
                    );
                    refused.get_or_insert(CreationError::NotAuthorised {
                        key: not.intent.key,
                        reason: not.reason,
                    });
                }
            }
        }
        let Some(refused) = refused else { return Ok(permits) };
        // All or nothing: what would have been allowed is withheld, and says so in the log.
        for permit in permits {
            let intent = permit.into_intent();
            let source = intent.source.clone();
            self.shared.log.record(AttemptLine::of(&intent).withheld()).await?;
            self.shared
                .stats
                .count(Operation::Create, source.as_str(), Effect::Withheld);
        }
        Err(refused)
    }

    /// Creates all of the records, or none.
    async fn create_all(&self, intents: Vec<CreationIntent>) -> Result<Vec<Started>, CreationError> {
        if intents.is_empty() {
            return Err(CreationError::BatchSize { count: 0 });
        }
        let mut started = Vec::with_capacity(intents.len());
        let mut refused = None;
        for sorted in self.spend(intents).await? {
            match sorted {
                Sorted::Started(record) => started.push(record),
                Sorted::Withheld => {}
                Sorted::Failed(error) => {
                    refused.get_or_insert(error);
                }
            }
        }
        refused.map_or(Ok(started), Err)
    }

    /// Has the intents authorised and spends the permits in one batch. What became of each, in their order.
    async fn spend(&self, intents: Vec<CreationIntent>) -> Result<Vec<Sorted>, CreationError> {
        let Some(first) = intents.first() else {
            return Ok(Vec::new());
        };
        let (source, began) = (first.source.clone(), first.at);
        let keys: Vec<_> = intents.iter().map(|intent| intent.key.clone()).collect();
        let permits = self.authorise(intents).await?;
        let trace = |key: &RunKey, word| self.shared.trace("create", key, source.as_str(), word, began);
        if let [permit] = &permits[..]
            && let Some(started) = self.repeated(permit).await?
        {
            trace(permit.key(), "replayed");
            return Ok(vec![Sorted::Started(started)]);
        }
        let lane = if let [key] = &keys[..] {
            key.clone()
        } else {
            keys[0].job()
        };
        let turn = self.shared.turns.take(&lane).await;
        let turn = turn.map_err(|busy| self.not_done(&keys[0], &source, busy.into(), began))?;
        let mut announced = Vec::new();
        let mut runs = BTreeSet::new();
        for key in &keys {
            if runs.insert(key.run()) {
                announced.push(self.shared.registry.announce(key, keys.len() > 1));
            }
        }
        let created = self.creator.create(permits).await;
        drop(turn);
        let outcomes = match created {
            Ok(outcomes) => outcomes,
            Err(error) => {
                for announced in announced {
                    announced.finish(&[]);
                }
                return Err(self.not_done(&keys[0], &source, error, began));
            }
        };
        let mut sorted = Vec::with_capacity(outcomes.len());
        let mut records = Vec::new();
        for (key, outcome) in keys.iter().zip(outcomes) {
            let outcome = self.sort(key, &source, outcome);
            let word = match &outcome {
                Sorted::Started(started) => {
                    records.push(Arc::clone(&started.record));
                    if started.replayed { "replayed" } else { "created" }
                }
                Sorted::Withheld => "withheld",
                Sorted::Failed(_) => "refused",
            };
            trace(key, word);
            sorted.push(outcome);
        }
        for announced in announced {
            announced.finish(&records);
        }
        Ok(sorted)
    }

    /// Counts and logs a creation that the store has not done, or not for certain.
    fn not_done(&self, key: &RunKey, source: &Source, error: CreateError, began: Timestamp) -> CreationError {
        let stats = &self.shared.stats;
        let (word, error) = match error {
            CreateError::Indeterminate { reason, .. } => {
                stats.count(Operation::Create, source.as_str(), Effect::InDoubt);
                (Effect::InDoubt.as_str(), CreationError::Indeterminate { reason })
            }
            CreateError::Unavailable(unavailable) => {
                stats.count_unavailable(Operation::Create, source.as_str(), &unavailable);
                (unavailable.code(), CreationError::Unavailable(unavailable))
            }
        };
        self.shared.trace("create", key, source.as_str(), word, began);
        error
    }

    /// A creation whose record is remembered needs no store to be recognised as a repetition: the record is there for
    /// ever. Its line is kept like any other.
    async fn repeated(&self, permit: &CreationPermit) -> Result<Option<Started>, CreationError> {
        let Some(record) = self
            .shared
            .registry
            .peek(permit.key())
            .filter(|record| permit.repeats(record))
        else {
            return Ok(None);
        };
        let intent = permit.intent();
        let line = NewActivity {
            at: intent.at,
            action: intent.action(),
            source: intent.source.to_string(),
            subject: Subject::of(&intent.key),
            verdict: Verdict::Replayed,
            version: Some(record.version()),
            detail: String::new(),
        };
        self.shared.log.record(line).await?;
        self.shared
            .stats
            .count(Operation::Create, permit.intent().source.as_str(), Effect::Replayed);
        Ok(Some(Started { record, replayed: true }))
    }

    fn sort(&self, key: &RunKey, source: &Source, outcome: CreateOutcome) -> Sorted {
        let stats = &self.shared.stats;
        let count = |effect| stats.count(Operation::Create, source.as_str(), effect);
        match outcome {
            CreateOutcome::Created(record) => {
                count(Effect::Created);
                Sorted::Started(Started {
                    record,
                    replayed: false,
                })
            }
            CreateOutcome::Replayed(record) => {
                count(Effect::Replayed);
                Sorted::Started(Started { record, replayed: true })
            }
            CreateOutcome::Conflict { existing, differs_in } => {
                count(Effect::Conflict);
                Sorted::Failed(if is_attempt_reused(&differs_in) {
                    CreationError::AttemptReused { existing, differs_in }
                } else {
                    CreationError::Conflict { existing, differs_in }
                })
            }
            CreateOutcome::Refused(refusal) => {
                stats.count_refused(Operation::Create, source.as_str(), refusal.code());
                Sorted::Failed(CreationError::Refused {
                    key: key.clone(),
                    refusal,
                })
            }
            CreateOutcome::Withheld => {
                count(Effect::Withheld);
                Sorted::Withheld
            }
        }
    }
}

enum Sorted {
    Started(Started),
    Withheld,
    Failed(CreationError),
}
