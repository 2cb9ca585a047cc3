//! One call, from the operations that go into it to their answers.

use std::sync::Arc;

use runledger_ports::Unavailable;
use tokio::time::Instant;

use super::session::{Sent, Sessions};
use super::{PAUSE, Shared};
use crate::cache::Cache;
use crate::call::{Call, Done};
use crate::draft::{Draft, Drafted};
use crate::error::{GONE, NOT_WHOLE, StoreError, passes};
use crate::evidence::{Evidence, Seen};
use crate::operation::{Answer, Operation, WantedOnce};

/// What a call needs.
pub(super) struct Round<'w> {
    pub(super) sessions: &'w mut Sessions,
    pub(super) cache: &'w mut Cache,
    pub(super) shared: &'w Arc<Shared>,
}

/// What has no answer after a call.
#[derive(Default)]
pub(super) struct Left {
    pub(super) again: Vec<Operation>,
    /// Something failed, apart from evidence that went stale: the next try waits a moment.
    pub(super) failed: bool,
}

/// An operation in a call, with what it will be answered.
struct Placed {
    operation: Operation,
    member: usize,
    answer: Answer,
}

impl Round<'_> {
    pub(super) async fn run(mut self, group: Vec<Operation>) -> Left {
        if self.sessions.ready().await.is_err() {
            return failed(group);
        }
        let mut wanted = WantedOnce::default();
        for operation in &group {
            operation.wants(self.cache, &mut wanted);
        }
        let evidence = match self.sessions.read(wanted.into_wanted()).await {
            Ok(evidence) => evidence,
            Err(error) => {
                self.sessions.lose(error.to_string());
                return failed(group);
            }
        };
        let quotas = group.iter().any(Operation::decides_quota);
        let (placed, mut left, drafted) = self.draft(group, &evidence, quotas);
        let (call, groups) = match drafted {
            Ok(drafted) => drafted,
            Err(error) => {
                fail_all(placed, &error.into());
                return left;
            }
        };
        if call.is_empty() {
            for placed in placed {
                placed.operation.answer(placed.answer);
            }
        } else {
            let rest = self.write(placed, &call, &groups).await;
            left.failed |= rest.failed;
            left.again.splice(0..0, rest.again);
        }
        left
    }

    /// Decides the operations one after the other.
    #[expect(clippy::type_complexity, reason = "what a draft comes to is used once, right here")]
    fn draft(
        &self,
        group: Vec<Operation>,
        evidence: &Evidence,
        quotas: bool,
    ) -> (Vec<Placed>, Left, Result<(Call, Vec<i32>), StoreError>) {
        let mut draft = Draft::new(evidence, self.cache, quotas);
        let (mut placed, mut left) = (Vec::with_capacity(group.len()), Left::default());
        for mut operation in group {
            let member = draft.begin();
            match operation.draft(member, &mut draft) {
                Ok(Drafted::Answer(answer)) => placed.push(Placed {
                    operation,
                    member,
                    answer,
                }),
                Ok(Drafted::LookFirst) => {
                    operation.look_first = true;
                    left.again.push(operation);
                }
                Err(error) => operation.fail(&error.into()),
            }
        }
        (placed, left, draft.finish())
    }

    async fn write(&mut self, placed: Vec<Placed>, call: &Call, groups: &[i32]) -> Left {
        let began = Instant::now();
        match self.sessions.send(call).await {
            Ok(Sent::Done(done)) => {
                self.shared.meter.committed(placed.len(), Some(began.elapsed()));
                self.conclude(placed, call, groups, &done)
            }
            Ok(Sent::RolledBack(reason, code)) => {
                self.shared.meter.failed();
                self.rolled_back(placed, reason, &code)
            }
            Ok(Sent::Unknown) => {
                self.shared.meter.failed();
                self.resolve(placed, call, groups).await
            }
            Err(error) => {
                self.sessions.lose(error.to_string());
                failed(placed.into_iter().map(|placed| placed.operation).collect())
            }
        }
    }

    /// The call is committed: what was not stale is answered.
    fn conclude(&mut self, placed: Vec<Placed>, call: &Call, groups: &[i32], done: &Done) -> Left {
        let mut number = done.first_record;
        for written in &call.written {
            if done.stale.contains(&written.group) {
                self.cache.forget(written.record.key());
                continue;
            }
            let id = written.stored.unwrap_or(number);
            if written.stored.is_none() {
                number += 1;
            }
            self.cache.remember(Seen {
                id,
                record: Arc::clone(&written.record),
            });
        }
        // Before the answers: whoever is answered may ask for the log at once.
        self.shared.tell(done.last_seq);
        let mut left = Left::default();
        for Placed {
            mut operation,
            member,
            answer,
        } in placed
        {
            let group = groups.get(member);
            if group.is_some_and(|group| done.stale.contains(group)) {
                operation.forget(self.cache);
                operation.look_first = true;
                left.again.push(operation);
            } else {
                operation.answer(answer);
            }
        }
        // After the answers: other servers can wait for a moment, callers cannot.
        self.shared.say_written(done.last_seq);
        left
    }

    /// Nothing of the call was done.
    fn rolled_back(&mut self, placed: Vec<Placed>, reason: String, code: &str) -> Left {
        tracing::warn!(reason, "a call was rolled back");
        let mut operations: Vec<_> = placed.into_iter().map(|placed| placed.operation).collect();
        if passes(code) {
            if code == "RL001" {
                self.sessions.forget_server();
            }
            if matches!(code, "25006" | GONE) {
                // Another host may be the primary by now; or the next connection says what the schema is.
                self.sessions.lose(reason);
            }
            return failed(operations);
        }
        if code == NOT_WHOLE {
            let why = Unavailable::Stopped { reason };
            for operation in operations {
                operation.fail(&why);
            }
            return Left::default();
        }
        if operations.len() == 1 {
            let why = Unavailable::Failed { reason };
            for operation in operations {
                operation.fail(&why);
            }
            return Left::default();
        }
        // One of them is to blame: each goes alone, and the others are not its victims (I12).
        for operation in &mut operations {
            operation.alone = true;
            operation.look_first = true;
            operation.forget(self.cache);
        }
        Left {
            again: operations,
            failed: false,
        }
    }

    /// Nobody knows what the call did: asks the database until it says, or until the operations' time is up.
    async fn resolve(&mut self, mut placed: Vec<Placed>, call: &Call, groups: &[i32]) -> Left {
        let mut pause = PAUSE.0;
        loop {
            let now = Instant::now();
            let (overdue, rest): (Vec<_>, Vec<_>) =
                placed.into_iter().partition(|placed| placed.operation.until <= now);
            if !overdue.is_empty() {
                let reason = format!("{}; ask again to know", self.sessions.trouble());
                for placed in overdue {
                    placed.operation.forget(self.cache);
                    placed.operation.doubt(&reason);
                }
            }
            placed = rest;
            let Some(earliest) = placed.iter().map(|placed| placed.operation.until).min() else {
                return Left::default();
            };
            let settled = tokio::time::timeout_at(earliest, self.sessions.settle()).await;
            match settled {
                Ok(Ok(Some(done))) => return self.conclude(placed, call, groups, &done),
                Ok(Ok(None)) => return failed(placed.into_iter().map(|placed| placed.operation).collect()),
                Ok(Err(error)) => {
                    self.sessions.lose(error.to_string());
                    tokio::time::sleep_until(earliest.min(Instant::now() + pause)).await;
                    pause = (pause * 2).min(PAUSE.1);
                }
                Err(_) => self.sessions.lose("the database does not answer".into()),
            }
        }
    }
}

fn failed(again: Vec<Operation>) -> Left {
    Left { again, failed: true }
}

fn fail_all(placed: Vec<Placed>, why: &Unavailable) {
    for placed in placed {
        placed.operation.fail(why);
    }
}
