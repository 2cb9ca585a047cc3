//! How wrong stores count what a client holds.

use std::num::NonZeroU32;

use runledger_domain::creation::AttemptLine;
use runledger_domain::{
    ChangeContext, ClientId, ClientLoad, CreationPermit, CreationPolicy, CreationRefusal, Quotas, RunRecord, Status,
};
use runledger_ports::{ChangeRequest, CreateError, CreateOutcome, RunCreator as _};

use crate::flaws::Flaw;
use crate::store::{WrongStore, mint, pause};

/// What came of creating by a count of its own.
pub(crate) enum Counting {
    /// It was decided by that count.
    Done(Vec<CreateOutcome>),
    /// The flaw is another one.
    Left(Vec<CreationPermit>),
}

impl WrongStore {
    /// Decides the quota of open records by what this store takes for a client's load, ahead of the right store.
    pub(crate) async fn spend_by_its_own_count(&self, permits: Vec<CreationPermit>) -> Result<Counting, CreateError> {
        if !permits.iter().any(CreationPermit::needs_load) {
            return Ok(Counting::Left(permits));
        }
        let mut outcomes = Vec::new();
        let mut failed = false;
        for permit in &permits {
            let quotas = permit.quotas();
            let Some(client) = permit.key().client() else {
                outcomes.push(CreateOutcome::Withheld);
                continue;
            };
            let Some(load) = self.load_by_its_own_count(client, &permits).await else {
                return Ok(Counting::Left(permits));
            };
            let is_there = self.shown(permit.key()).await.is_some() && self.flaw != Flaw::RefusesRetriesAtTheQuota;
            let client = client.clone();
            let refusal = match (quotas.stands_against_a_record(load), quotas.stands_against_a_note(load)) {
                _ if is_there => None,
                (Some(bound), _) => Some(CreationRefusal::OpenRecordsQuota { client, bound }),
                (None, Some(bound)) if permit.intent().content.note.is_some() => {
                    Some(CreationRefusal::NotesQuota { client, bound })
                }
                (None, _) => None,
            };
            failed |= refusal.is_some();
            outcomes.push(refusal.map_or(CreateOutcome::Withheld, CreateOutcome::Refused));
        }
        if failed {
            for (permit, outcome) in permits.iter().zip(&outcomes) {
                if self.flaw != Flaw::HidesRefusalsOfQuotas {
                    self.log_refusal(permit, outcome).await;
                }
            }
            return Ok(Counting::Done(outcomes));
        }
        let unbounded = permits
            .into_iter()
            .map(|permit| mint(&CreationPolicy::default(), permit.into_intent()));
        Ok(Counting::Done(self.right.create(unbounded.collect()).await?))
    }

    /// What this store takes for the load of a client; `None` when it leaves that to the right store.
    async fn load_by_its_own_count(&self, client: &ClientId, permits: &[CreationPermit]) -> Option<ClientLoad> {
        let counted = match self.flaw {
            Flaw::IgnoresTheQuotaOfRecords => return Some(ClientLoad::default()),
            Flaw::ForgetsWhatClientsHold if self.shadow().restarted => return Some(ClientLoad::default()),
            Flaw::CountsBeforeTheBatch if permits.len() > 1 => self.load_where(|r| is_of(r, client)).await,
            Flaw::HidesRefusalsOfQuotas | Flaw::RefusesRetriesAtTheQuota => {
                self.load_where(|record| is_of(record, client)).await
            }
            Flaw::CountsRunningRecordsOnly => {
                self.load_where(|record| is_of(record, client) && record.status() == Status::Running)
                    .await
            }
            Flaw::CountsEndedRecords => {
                let all = self.all().await;
                let count = all
                    .iter()
                    .filter(|record| record.key().client() == Some(client))
                    .count();
                ClientLoad {
                    records: u64::try_from(count).unwrap_or(u64::MAX),
                    notes: 0,
                }
            }
            Flaw::CountsAllClients => self.load_where(|record| record.key().client().is_some()).await,
            Flaw::CountsRecordsTooEarly => {
                let load = self.load_where(|record| is_of(record, client)).await;
                pause().await;
                load
            }
            Flaw::ForgetsFirstNotes => ClientLoad {
                notes: 0,
                ..self.load_where(|record| is_of(record, client)).await
            },
            _ => return None,
        };
        Some(counted)
    }

    /// Decides the quota of notes by a count of its own: by lifting the quota, or by setting it to what is reached.
    pub(crate) async fn count_notes_its_own_way(&self, request: &mut ChangeRequest) {
        if !request.context.needs_load(&request.key, &request.command) {
            return;
        }
        let (Some(bound), Some(client)) = (request.context.quotas.notes, request.key.client()) else {
            return;
        };
        let counted = match self.flaw {
            Flaw::IgnoresTheQuotaOfNotes => ClientLoad::default(),
            Flaw::ForgetsWhatClientsHold if self.shadow().restarted => ClientLoad::default(),
            Flaw::CountsNotesOfAllClients => self.load_where(|record| record.key().client().is_some()).await,
            Flaw::CountsNotesOfEachRecord => self.load_where(|record| *record.key() == request.key).await,
            Flaw::CountsNotesTooEarly => {
                let load = self.load_where(|record| is_of(record, client)).await;
                pause().await;
                load
            }
            _ => return,
        };
        let stands = request.context.quotas.stands_against_a_note(counted).is_some();
        let own = self.load_where(|record| is_of(record, client)).await.notes;
        // A bound at or below what is held refuses; the right store then answers with it.
        let notes = if stands {
            NonZeroU32::new(u32::try_from(own).unwrap_or(u32::MAX).clamp(1, bound.get()))
        } else {
            None
        };
        if stands && own == 0 {
            // Nothing that the right store would refuse: a version that nobody can have seen does it.
            request.context.expected = Some(u64::MAX);
        }
        let quotas = Quotas {
            notes,
            ..request.context.quotas
        };
        request.context = ChangeContext {
            quotas,
            ..request.context.clone()
        };
    }

    async fn load_where(&self, counts: impl Fn(&RunRecord) -> bool) -> ClientLoad {
        let all = self.all().await;
        ClientLoad::of(all.iter().map(|record| &**record).filter(|record| counts(record)))
    }

    async fn log_refusal(&self, permit: &CreationPermit, outcome: &CreateOutcome) {
        let (code, detail) = match outcome {
            CreateOutcome::Refused(refusal) => (refusal.code(), refusal.to_string()),
            _ => ("withheld", String::new()),
        };
        let line = AttemptLine::of(permit.intent()).refused(code, detail);
        let _kept = runledger_ports::ActivityLog::record(&*self.right, line).await;
    }
}

/// Whether a record is one of the client's.
fn is_of(record: &RunRecord, client: &ClientId) -> bool {
    record.key().client() == Some(client)
}
