//! Spending permits inside a transaction: all of a batch, or nothing of it (I1, I2, I7, I9).

use std::collections::HashMap;
use std::sync::Arc;

use runledger_domain::creation::{AttemptLine, CreateDecision, JobEvidence, NewRecord};
use runledger_domain::{
    AttemptId, BatchLabel, ClientId, ClientLoad, CreationIntent, CreationPermit, RecordKind, RunKey, RunRecord, Source,
};
use runledger_ports::CreateOutcome;
use rusqlite::{OptionalExtension as _, params};

use super::{Transaction, check_rows, stored};
use crate::columns::{encode, is_open, key_columns, status_code, version_column};
use crate::error::StoreError;

const INSERT_RUN: &str = "INSERT INTO run(run_id, client_id, status, version, deadline, batch, body)
     VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
const SELECT_JOB_STATUS: &str = "SELECT status FROM run WHERE run_id = ?1 AND client_id = ''";
const SELECT_MINTED: &str =
    "SELECT run.id, run.body FROM minted JOIN run ON run.id = minted.run WHERE source = ?1 AND attempt = ?2";
const INSERT_MINTED: &str = "INSERT INTO minted(source, attempt, run) VALUES(?1, ?2, ?3)";

/// A permit whose record is written as JSON already, by the caller, so that the writer need not.
pub(crate) struct Prepared {
    permit: CreationPermit,
    body: String,
}

impl Prepared {
    pub(crate) fn new(permit: CreationPermit) -> Result<Self, StoreError> {
        let body = encode(permit.record())?;
        Ok(Self { permit, body })
    }
}

impl Transaction<'_> {
    /// Creates all of these records, or none (I1, I2, I7, I9).
    pub(crate) fn create(&mut self, mut permits: Vec<Prepared>) -> Result<Vec<CreateOutcome>, StoreError> {
        if permits.len() == 1
            && let Some(permit) = permits.pop()
        {
            return Ok(vec![self.create_one(permit)?]);
        }
        self.create_batch(permits)
    }

    /// The usual case: insert, and let the unique key say whether the record was absent.
    fn create_one(&mut self, Prepared { permit, body }: Prepared) -> Result<CreateOutcome, StoreError> {
        let job = self.job_evidence(&permit)?;
        let load = self.load_evidence(&permit)?;
        let look_first = is_minted_job(permit.intent()) || permit.check(job, load).is_err();
        let existing = if look_first {
            self.existing(permit.intent())?
        } else {
            None
        };
        let attempt = AttemptLine::of(permit.intent());
        match permit.decide(existing.as_deref(), job, load) {
            CreateDecision::Insert(new) => {
                if self.insert(&new, &body)? {
                    return Ok(CreateOutcome::Created(Arc::new(new.into_record())));
                }
                let existing = self.load(new.record().key())?.map(|stored| Arc::new(stored.record));
                let decision = new.against(
                    existing
                        .as_deref()
                        .ok_or_else(|| compared_with_nothing(new.record().key()))?,
                );
                self.settle(attempt, decision, existing)
            }
            decision => self.settle(attempt, decision, existing),
        }
    }

    /// Decides all of a batch first; writes records only if nothing stands against any of them.
    fn create_batch(&mut self, permits: Vec<Prepared>) -> Result<Vec<CreateOutcome>, StoreError> {
        let mut batch: Vec<BatchItem> = Vec::with_capacity(permits.len());
        let mut places = Places::default();
        for Prepared { permit, body } in permits {
            let intent = permit.intent();
            let job = match places.insert_under(&batch, &intent.key.job()) {
                Some(record) => JobEvidence::of(Some(record)),
                None => self.job_evidence(&permit)?,
            };
            let (existing, durable) = self.met(&places, &batch, intent)?;
            let attempt = AttemptLine::of(intent);
            let load = places.load_with(self.load_evidence(&permit)?, &intent.key);
            let decision = permit.decide(existing.as_deref(), job, load);
            if let CreateDecision::Insert(new) = &decision {
                places.note(new.record(), batch.len());
            }
            batch.push(BatchItem {
                attempt,
                decision,
                body,
                existing,
                durable,
            });
        }
        let fails = batch.iter().any(|item| {
            matches!(
                item.decision,
                CreateDecision::Conflict { .. } | CreateDecision::Refuse(_)
            )
        });
        batch.into_iter().map(|item| self.conclude(item, fails)).collect()
    }

    /// What a permit of a batch has to be compared with, and whether that is stored, or only to be inserted by a permit
    /// before it. What the same attempt started comes first, wherever it is, and then whatever holds the key (I7).
    fn met(
        &self,
        places: &Places,
        batch: &[BatchItem],
        intent: &CreationIntent,
    ) -> Result<(Option<Arc<RunRecord>>, bool), StoreError> {
        if let Some(started) = self.started_before(intent)? {
            return Ok((Some(started), true));
        }
        if let Some(record) = places.started_before(batch, intent) {
            return Ok((Some(Arc::new(record.clone())), false));
        }
        if let Some(stored) = self.load(&intent.key)? {
            return Ok((Some(Arc::new(stored.record)), true));
        }
        let record = places.insert_under(batch, &intent.key);
        Ok((record.map(|record| Arc::new(record.clone())), false))
    }

    fn conclude(&mut self, item: BatchItem, batch_fails: bool) -> Result<CreateOutcome, StoreError> {
        let BatchItem {
            attempt,
            decision,
            body,
            existing,
            durable,
        } = item;
        let withheld = match &decision {
            CreateDecision::Insert(_) => batch_fails,
            // What it repeats is not created either.
            CreateDecision::Replay => batch_fails && !durable,
            CreateDecision::Conflict { .. } | CreateDecision::Refuse(_) => false,
        };
        if withheld {
            self.line(attempt.withheld())?;
            return Ok(CreateOutcome::Withheld);
        }
        if let CreateDecision::Insert(new) = decision {
            if !self.insert(&new, &body)? {
                return Err(StoreError::Inconsistent(format!(
                    "{} came into being unseen",
                    new.record().key()
                )));
            }
            return Ok(CreateOutcome::Created(Arc::new(new.into_record())));
        }
        self.settle(attempt, decision, existing)
    }

    /// Answers a creation that inserts nothing, and leaves its line.
    fn settle(
        &mut self,
        attempt: AttemptLine,
        decision: CreateDecision,
        existing: Option<Arc<RunRecord>>,
    ) -> Result<CreateOutcome, StoreError> {
        match (decision, existing) {
            (CreateDecision::Refuse(refusal), _) => {
                self.line(attempt.refused(refusal.code(), refusal.to_string()))?;
                Ok(CreateOutcome::Refused(refusal))
            }
            (CreateDecision::Conflict { differs_in }, Some(existing)) => {
                self.line(attempt.conflict(&existing, &differs_in))?;
                Ok(CreateOutcome::Conflict { existing, differs_in })
            }
            (CreateDecision::Replay, Some(existing)) => {
                self.deferred.push(attempt.replayed(&existing));
                Ok(CreateOutcome::Replayed(existing))
            }
            (_, _) => Err(compared_with_nothing(attempt.key())),
        }
    }

    /// Inserts a record with its line; `false` when its key is taken, and then nothing is written.
    fn insert(&mut self, new: &NewRecord, body: &str) -> Result<bool, StoreError> {
        if !self.insert_record(new.record(), body)? {
            return Ok(false);
        }
        self.line(new.activity())?;
        Ok(true)
    }

    /// Inserts a record with what it is found by. Its line is the caller's (I2).
    pub(super) fn insert_record(&mut self, record: &RunRecord, body: &str) -> Result<bool, StoreError> {
        let (run, client) = key_columns(record.key());
        let rows = self.connection.prepare_cached(INSERT_RUN)?.execute(params![
            run,
            client,
            status_code(record.status()),
            version_column(record.version())?,
            record.deadline().as_micros(),
            record.batch().map(BatchLabel::as_str),
            body,
        ])?;
        if rows == 0 {
            return Ok(false);
        }
        check_rows(rows, "a new record")?;
        self.wrote = true;
        self.tally(None, record.status());
        self.keep_load(None, record)?;
        let id = self.connection.last_insert_rowid();
        if record.creation().minted && record.key().kind() == RecordKind::Job {
            let creation = record.creation();
            let rows = self.connection.prepare_cached(INSERT_MINTED)?.execute(params![
                creation.source.as_str(),
                creation.attempt.as_str(),
                id
            ])?;
            check_rows(rows, "a minted attempt")?;
        }
        self.add_references(id, record.external_ids())?;
        Ok(true)
    }

    fn job_evidence(&self, permit: &CreationPermit) -> Result<JobEvidence, StoreError> {
        if permit.key().kind() == RecordKind::Job {
            return Ok(JobEvidence::Missing);
        }
        let run = permit.key().run().as_str();
        let status: Option<i64> = self
            .connection
            .prepare_cached(SELECT_JOB_STATUS)?
            .query_row([run], |row| row.get(0))
            .optional()?;
        Ok(match status {
            None => JobEvidence::Missing,
            Some(code) if is_open(code) => JobEvidence::Open,
            Some(_) => JobEvidence::Ended,
        })
    }

    /// What the client's open records come to, if a quota of it is to be decided.
    fn load_evidence(&self, permit: &CreationPermit) -> Result<ClientLoad, StoreError> {
        match permit.key().client() {
            Some(client) if permit.needs_load() => self.load_of(client),
            _ => Ok(ClientLoad::default()),
        }
    }

    /// What an intent has to be compared with: the record of its minted attempt, or the one under its key.
    fn existing(&self, intent: &CreationIntent) -> Result<Option<Arc<RunRecord>>, StoreError> {
        if let Some(started) = self.started_before(intent)? {
            return Ok(Some(started));
        }
        Ok(self.load(&intent.key)?.map(|stored| Arc::new(stored.record)))
    }

    /// The run that the same source started in the same attempt, under whatever id (I7).
    fn started_before(&self, intent: &CreationIntent) -> Result<Option<Arc<RunRecord>>, StoreError> {
        if !is_minted_job(intent) {
            return Ok(None);
        }
        let mut statement = self.connection.prepare_cached(SELECT_MINTED)?;
        let mut rows = statement.query(params![intent.source.as_str(), intent.attempt.as_str()])?;
        let found = rows
            .next()?
            .map(|row| stored(row, || format!("of attempt {}", intent.attempt)));
        Ok(found.transpose()?.map(|stored| Arc::new(stored.record)))
    }
}

/// What is to become of one permit of a batch, before anything is written.
struct BatchItem {
    attempt: AttemptLine,
    decision: CreateDecision,
    body: String,
    existing: Option<Arc<RunRecord>>,
    /// Whether `existing` is stored, or only to be inserted by a permit before this one.
    durable: bool,
}

/// Where in a batch the records are that its permits are to insert.
#[derive(Default)]
struct Places {
    by_key: HashMap<RunKey, usize>,
    by_minted_attempt: HashMap<(Source, AttemptId), usize>,
    /// What the batch is to add to what its clients hold.
    loads: HashMap<ClientId, ClientLoad>,
}

impl Places {
    fn note(&mut self, record: &RunRecord, place: usize) {
        self.by_key.insert(record.key().clone(), place);
        if let Some(client) = record.key().client() {
            let load = self.loads.entry(client.clone()).or_default();
            *load = *load + ClientLoad::of([record]);
        }
        let creation = record.creation();
        if creation.minted && record.key().kind() == RecordKind::Job {
            self.by_minted_attempt
                .insert((creation.source.clone(), creation.attempt.clone()), place);
        }
    }

    /// What is stored of the client's open records, with what the batch is to add to it so far.
    fn load_with(&self, stored: ClientLoad, key: &RunKey) -> ClientLoad {
        let added = key.client().and_then(|client| self.loads.get(client));
        stored + added.copied().unwrap_or_default()
    }

    fn insert_under<'b>(&self, batch: &'b [BatchItem], key: &RunKey) -> Option<&'b RunRecord> {
        self.by_key.get(key).and_then(|place| to_insert(&batch[*place]))
    }

    /// The run that a permit before this one is to start in the same attempt.
    fn started_before<'b>(&self, batch: &'b [BatchItem], intent: &CreationIntent) -> Option<&'b RunRecord> {
        if !is_minted_job(intent) {
            return None;
        }
        let attempt = (intent.source.clone(), intent.attempt.clone());
        self.by_minted_attempt
            .get(&attempt)
            .and_then(|place| to_insert(&batch[*place]))
    }
}

fn to_insert(item: &BatchItem) -> Option<&RunRecord> {
    match &item.decision {
        CreateDecision::Insert(new) => Some(new.record()),
        CreateDecision::Replay | CreateDecision::Conflict { .. } | CreateDecision::Refuse(_) => None,
    }
}

fn is_minted_job(intent: &CreationIntent) -> bool {
    intent.minted && intent.key.kind() == RecordKind::Job
}

fn compared_with_nothing(key: &RunKey) -> StoreError {
    StoreError::Inconsistent(format!("the key {key} is taken by no record"))
}
