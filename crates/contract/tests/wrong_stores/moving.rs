//! Moving, as wrong stores do it.

use std::sync::Arc;

use async_trait::async_trait;
use runledger_domain::access::TokenRecord;
use runledger_domain::segment::Segment;
use runledger_domain::{Activity, ChainHead, RunKey, RunRecord};
use runledger_ports::{
    DeliveryState, LedgerRestorer, LedgerSnapshot, OutboxStore as _, RestoreError, Restored, SnapshotSource,
    Unavailable, WebhookName,
};

use crate::flaws::Flaw;
use crate::store::{WrongStore, edited};

#[async_trait]
impl SnapshotSource for WrongStore {
    async fn snapshot(&self) -> Result<Box<dyn LedgerSnapshot>, Unavailable> {
        self.must_run()?;
        let taken = self.right.snapshot().await?;
        if self.flaw == Flaw::MovesItsSnapshots {
            // It reads what is there when it is asked.
            return Ok(Box::new(Moving {
                taken,
                right: Arc::clone(&self.right),
            }));
        }
        Ok(taken)
    }
}

#[async_trait]
impl LedgerRestorer for WrongStore {
    async fn head(&self) -> Result<ChainHead, Unavailable> {
        self.must_run()?;
        self.right.head().await
    }

    async fn unfinished(&self) -> Result<Option<u64>, Unavailable> {
        self.must_run()?;
        let (until, head) = (self.right.unfinished().await?, self.right.head().await?.seq);
        let shadow = self.shadow();
        Ok(match self.flaw {
            Flaw::NeverSaysThatItIsNotWhole => None,
            Flaw::ForgetsOnRestartThatItIsNotWhole if shadow.restarted => None,
            Flaw::ForgetsInACrashThatItIsNotWhole if shadow.crashed => None,
            Flaw::IsWholeOnceItHasTheLines => until.filter(|until| *until > head),
            Flaw::GoesAsFarAsWasSaidLast => shadow.until,
            Flaw::IsNeverWhole => shadow.first_until,
            _ => until,
        })
    }

    async fn restore(&self, mut part: Restored) -> Result<(), RestoreError> {
        self.must_run()?;
        {
            let mut shadow = self.shadow();
            shadow.until = part.until;
            shadow.first_until = shadow.first_until.or(part.until);
        }
        if self.flaw == Flaw::WritesBeforeItIsWhole {
            part.until = None;
        }
        match self.flaw {
            Flaw::RestoresNoTokens => part.tokens.clear(),
            Flaw::RestoresNoDeliveries => part.deliveries.clear(),
            Flaw::RestoresOnlyNewRecords => {
                let mut shadow = self.shadow();
                for record in part.segment.created() {
                    shadow.shown.insert(record.key().clone(), Arc::new(record.clone()));
                }
            }
            Flaw::RestoresOlderRecords => {
                for record in part.segment.changed() {
                    self.show(Arc::new(record.clone()));
                }
            }
            Flaw::RestoresBesideTheOutbox => {
                let head = self.right.outbox().await?;
                let mut shadow = self.shadow();
                shadow.outbox.head = head.or(shadow.outbox.head.take());
            }
            Flaw::RestoresAsNewCreations => part.segment = as_new_creations(&part.segment),
            _ => {}
        }
        let taken = self.right.restore(part).await;
        match (self.flaw, &taken) {
            (Flaw::RestoresWhatDoesNotFollow, Err(RestoreError::Elsewhere { .. }))
            | (Flaw::RestoresWhatIsBehind, Err(RestoreError::Behind { .. })) => Ok(()),
            _ => taken,
        }
    }
}

/// The same lines, with records that name other attempts: as an import does that creates everything anew.
fn as_new_creations(segment: &Segment) -> Segment {
    let anew = |record: &RunRecord| {
        let record = edited(record, |json| json["creation"]["attempt"] = "import-1".into());
        (*record).clone()
    };
    let records = segment.created().iter().map(anew);
    let changed = segment.changed().iter().cloned();
    let lines = segment.lines().to_vec();
    Segment::check(segment.from(), lines, records.chain(changed).collect()).expect("the lines are the same")
}

/// A snapshot that goes with the time.
struct Moving {
    taken: Box<dyn LedgerSnapshot>,
    right: Arc<runledger_memory::MemoryStore>,
}

#[async_trait]
impl LedgerSnapshot for Moving {
    fn head(&self) -> ChainHead {
        self.taken.head()
    }

    async fn lines(&mut self, after: u64, most: u32) -> Result<Vec<Activity>, Unavailable> {
        self.taken.lines(after, most).await
    }

    async fn records(&mut self, keys: &[RunKey]) -> Result<Vec<Option<Arc<RunRecord>>>, Unavailable> {
        self.right.snapshot().await?.records(keys).await
    }

    async fn records_by_key(&mut self, after: Option<&RunKey>, most: u32) -> Result<Vec<Arc<RunRecord>>, Unavailable> {
        self.right.snapshot().await?.records_by_key(after, most).await
    }

    async fn tokens(&mut self) -> Result<Vec<TokenRecord>, Unavailable> {
        self.taken.tokens().await
    }

    async fn deliveries(&mut self) -> Result<Vec<(WebhookName, DeliveryState)>, Unavailable> {
        self.taken.deliveries().await
    }
}
