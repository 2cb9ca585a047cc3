//! What is right compiles and works: a permit from the policy, spent once by a creator; a change by a changer.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use runledger_domain::change::{Change, ChangeContext, ChangeEvidence, Command, Completion, apply};
use runledger_domain::creation::{CreateDecision, JobEvidence};
use runledger_domain::{ClientLoad, CreationIntent, CreationPermit, CreationPolicy, Outcome, RunRecord, Status, Timestamp};
use runledger_ports::{ChangeError, ChangeRequest, Changed, CreateError, CreateOutcome, RunChanger, RunCreator};

/// Room for one record.
#[derive(Default)]
struct OneRecord(Mutex<Option<Arc<RunRecord>>>);

#[async_trait]
impl RunCreator for OneRecord {
    async fn create(&self, permits: Vec<CreationPermit>) -> Result<Vec<CreateOutcome>, CreateError> {
        let mut held = self.0.lock().unwrap();
        let mut outcomes = Vec::new();
        for permit in permits {
            let job = JobEvidence::Missing;
            let outcome = match (permit.decide(held.as_deref(), job, ClientLoad::default()), held.clone()) {
                (CreateDecision::Insert(new), _) => {
                    let record = Arc::new(new.into_record());
                    *held = Some(Arc::clone(&record));
                    CreateOutcome::Created(record)
                }
                (CreateDecision::Conflict { differs_in }, Some(existing)) => {
                    CreateOutcome::Conflict { existing, differs_in }
                }
                (CreateDecision::Replay, Some(record)) => CreateOutcome::Replayed(record),
                (other, _) => panic!("{other:?}"),
            };
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }
}

#[async_trait]
impl RunChanger for OneRecord {
    async fn change(&self, request: ChangeRequest) -> Result<Changed, ChangeError> {
        let mut held = self.0.lock().unwrap();
        let Some(current) = held.clone().filter(|record| *record.key() == request.key) else {
            return Err(ChangeError::NotFound { key: request.key });
        };
        match apply(&current, &request.context, &request.command, ChangeEvidence::default()) {
            Ok(Change::Applied { record, .. }) => {
                let record: Arc<RunRecord> = Arc::from(record);
                *held = Some(Arc::clone(&record));
                Ok(Changed::Applied {
                    record,
                    closed: Vec::new(),
                })
            }
            Ok(Change::Unchanged) => Ok(Changed::Unchanged(current)),
            Err(refusal) => Err(ChangeError::Refused { refusal, current }),
        }
    }
}

/// Runs what never waits.
fn now<F: Future>(call: F) -> F::Output {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("this store never waits"),
    }
}

fn main() {
    let store = Arc::new(OneRecord::default());
    let creator: Arc<dyn RunCreator> = store.clone();
    let changer: Arc<dyn RunChanger> = store;

    let intent = CreationIntent::new(
        "250925-231841".parse().unwrap(),
        "orchestrator".parse().unwrap(),
        "attempt-1".parse().unwrap(),
        Timestamp::EPOCH,
    );
    let permit = CreationPolicy::default().authorise(intent.clone()).unwrap();
    let created = now(creator.create(vec![permit])).unwrap();
    assert!(matches!(&created[..], [CreateOutcome::Created(record)] if record.version() == 1));

    let request = ChangeRequest {
        key: intent.key,
        context: ChangeContext {
            expected: Some(1),
            ..ChangeContext::new("batch_process".parse().unwrap(), Timestamp::EPOCH)
        },
        command: Command::Complete(Completion {
            outcome: Outcome::Succeeded,
            note: None,
            close_open: false,
        }),
        fence: None,
    };
    let changed = now(changer.change(request)).unwrap();
    assert_eq!(changed.record().status(), Status::Ended(Outcome::Succeeded));
}
