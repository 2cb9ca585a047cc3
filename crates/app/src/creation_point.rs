//! The creation point: the only object that can create, and the only one that mints permits (I2).

use std::sync::Arc;
use std::time::Duration;

use runledger_domain::creation::is_attempt_reused;
use runledger_domain::{
    AttemptId, ClientId, Creation, CreationContent, CreationField, CreationIntent, CreationPermit, CreationPolicy,
    CreationRefusal, NewActivity, NotAuthorisedReason, RunId, RunIdScheme, RunKey, RunRecord, Source, Subject,
    Timestamp, Verdict,
};
use runledger_ports::{CreateError, CreateOutcome, IdSource, RunCreator, Unavailable};

use crate::shared::Shared;
use crate::stats::Stats;

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
        if clients.is_empty() || clients.len() > CLIENTS_MAX {
            return Err(CreationError::BatchSize { count: clients.len() });
        }
        let at = self.shared.clock.now();
        let attempt = attempt.unwrap_or_else(|| self.ids.attempt());
        let intents = clients.into_iter().map(|StartClient { client, content }| {
            let key = RunKey::Client(run.clone(), client);
            CreationIntent::new(key, source.clone(), attempt.clone(), at).with_content(content)
        });
        self.create_all(intents.collect()).await
    }

    /// Creates a record that has a history. The policy allows it to the import command alone.
    ///
    /// # Errors
    /// [`CreationError`].
    pub async fn import(
        &self,
        source: &Source,
        key: RunKey,
        attempt: AttemptId,
        content: CreationContent,
    ) -> Result<Started, CreationError> {
        let intent = CreationIntent::new(key, source.clone(), attempt, self.shared.clock.now());
        self.create_one(intent.with_content(content)).await
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
        started.pop().ok_or_else(|| {
            CreationError::Unavailable(Unavailable::Failed {
                reason: "the store gave no answer for a permit".into(),
            })
        })
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that mints permits (I2)")]
    async fn authorise(&self, intents: Vec<CreationIntent>) -> Result<Vec<CreationPermit>, CreationError> {
        let mut permits = Vec::with_capacity(intents.len());
        let mut refused = None;
        for intent in intents {
            match self.policy.authorise(intent) {
                Ok(permit) => permits.push(permit),
                Err(not) => {
                    let line = not.intent.refused(not.reason.code(), not.reason.to_string());
                    self.shared.log.record(line).await?;
                    Stats::count(&self.shared.stats.refused);
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
            self.shared
                .log
                .record(intent.refused("withheld", "another record of the same call was refused".into()))
                .await?;
        }
        Err(refused)
    }

    async fn create_all(&self, intents: Vec<CreationIntent>) -> Result<Vec<Started>, CreationError> {
        let Some(first) = intents.first() else {
            return Err(CreationError::BatchSize { count: 0 });
        };
        let (run_key, source, began) = (first.key.clone(), first.source.clone(), first.at);
        let keys: Vec<_> = intents.iter().map(|intent| intent.key.clone()).collect();
        let permits = self.authorise(intents).await?;
        if let [permit] = &permits[..]
            && let Some(started) = self.repeated(permit).await?
        {
            self.shared
                .trace("create", &run_key, source.as_str(), "replayed", began);
            return Ok(vec![started]);
        }
        let announced = self.shared.registry.announce(&run_key, keys.len() > 1);
        let outcomes = match self.creator.create(permits).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                announced.finish(&[]);
                Stats::count(&self.shared.stats.in_doubt);
                self.shared
                    .trace("create", &run_key, source.as_str(), "in_doubt", began);
                return Err(match error {
                    CreateError::Indeterminate { reason, .. } => CreationError::Indeterminate { reason },
                    CreateError::Unavailable(unavailable) => CreationError::Unavailable(unavailable),
                });
            }
        };
        let mut started = Vec::with_capacity(outcomes.len());
        let mut refused = None;
        for (key, outcome) in keys.iter().zip(outcomes) {
            let word = match self.sort(key, outcome) {
                Sorted::Started(record) => {
                    let word = if record.replayed { "replayed" } else { "created" };
                    started.push(record);
                    word
                }
                Sorted::Withheld => "withheld",
                Sorted::Failed(error) => {
                    refused.get_or_insert(error);
                    "refused"
                }
            };
            self.shared.trace("create", key, source.as_str(), word, began);
        }
        let records: Vec<_> = started.iter().map(|started| Arc::clone(&started.record)).collect();
        announced.finish(&records);
        refused.map_or(Ok(started), Err)
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
        Stats::count(&self.shared.stats.replayed);
        Ok(Some(Started { record, replayed: true }))
    }

    fn sort(&self, key: &RunKey, outcome: CreateOutcome) -> Sorted {
        let stats = &self.shared.stats;
        match outcome {
            CreateOutcome::Created(record) => {
                Stats::count(&stats.created);
                Sorted::Started(Started {
                    record,
                    replayed: false,
                })
            }
            CreateOutcome::Replayed(record) => {
                Stats::count(&stats.replayed);
                Sorted::Started(Started { record, replayed: true })
            }
            CreateOutcome::Conflict { existing, differs_in } => {
                Stats::count(&stats.conflicts);
                Sorted::Failed(if is_attempt_reused(&differs_in) {
                    CreationError::AttemptReused { existing, differs_in }
                } else {
                    CreationError::Conflict { existing, differs_in }
                })
            }
            CreateOutcome::Refused(refusal) => {
                Stats::count(&stats.refused);
                Sorted::Failed(CreationError::Refused {
                    key: key.clone(),
                    refusal,
                })
            }
            CreateOutcome::Withheld => Sorted::Withheld,
        }
    }
}

enum Sorted {
    Started(Started),
    Withheld,
    Failed(CreationError),
}
