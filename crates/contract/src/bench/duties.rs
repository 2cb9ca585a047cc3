//! Duties on the bench: taking them, and what their holders write.

use std::time::Duration;

use runledger_domain::{RunKey, Timestamp};
use runledger_ports::{
    Duty, Fence, FencedError, Lease, Mark, OutboxCounts, OutboxEntry, OutboxHead, PageSize, RemovedRow, RowState,
    StepKind, Taken,
};

use super::Bench;
use crate::fixture::{at, key, source};
use crate::rules::Held;

/// Longer than any rule takes.
pub(crate) const LONG: Duration = Duration::from_hours(1);
/// Over by the time that somebody looks.
pub(crate) const SHORT: Duration = Duration::from_millis(10);
/// How often a duty whose time is about to be over is asked for: a machine that stands still in between is no fault.
const ASKED_MAX: u32 = 400;
/// How long to wait before asking again.
const ASK_AGAIN: Duration = Duration::from_millis(5);

impl Bench {
    // Leases.

    pub(crate) async fn want(&self, duty: &Duty, holder: &str, time: Duration) -> Held<Taken> {
        self.available(
            "take_lease",
            self.store.leases.take_lease(duty, &source(holder), time).await,
        )
    }

    /// Takes a duty that nobody has.
    pub(crate) async fn take(&self, duty: &Duty, holder: &str, time: Duration) -> Held<Fence> {
        match self.want(duty, holder, time).await? {
            Taken::Held(fence) => Ok(fence),
            Taken::Elsewhere { holder, left } => {
                self.broken(format!("nobody has the duty {duty}, but {holder} for {left:?} yet"))
            }
        }
    }

    /// Takes a duty as soon as the time of whoever has it is over.
    pub(crate) async fn take_over(&self, duty: &Duty, holder: &str, time: Duration) -> Held<Fence> {
        for _ in 0..ASKED_MAX {
            if let Taken::Held(fence) = self.want(duty, holder, time).await? {
                return Ok(fence);
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        self.broken(format!("the duty {duty} never ends"))
    }

    pub(crate) async fn end(&self, fence: &Fence) -> Held {
        self.available("end_lease", self.store.leases.end_lease(fence).await)
    }

    pub(crate) async fn all_leases(&self) -> Held<Vec<Lease>> {
        self.available("leases", self.store.leases.leases().await)
    }

    /// What was written, or not, with a fence that is lost.
    pub(crate) fn is_lost<T: std::fmt::Debug>(
        &self,
        what: &str,
        fence: &Fence,
        answer: &Result<T, FencedError>,
    ) -> Held {
        let is_lost = matches!(answer, Err(FencedError::Lost { duty }) if *duty == fence.duty);
        self.holds(is_lost, || format!("{what} with the lost {fence:?}: {answer:?}"))
    }

    // The outbox.

    pub(crate) fn kept<T>(&self, what: &str, answer: Result<T, FencedError>) -> Held<T> {
        answer.or_else(|error| self.broken(format!("{what} of a healthy store, by who holds the duty: {error}")))
    }

    /// Takes the duty to project, and begins the outbox.
    pub(crate) async fn begun(&self) -> Held<Fence> {
        let fence = self.take(&Duty::Project, "first_server", LONG).await?;
        self.kept("begin_outbox", self.store.outbox.begin_outbox(&fence, TARGET, 0).await)?;
        Ok(fence)
    }

    pub(crate) async fn mark(&self, fence: &Fence, position: u64, marks: &[(&str, u64, i64)]) -> Held {
        let marks = marks.iter().map(|(of, line, due)| mark(of, *line, *due)).collect();
        self.kept(
            "mark_outbox",
            self.store.outbox.mark_outbox(fence, position, marks).await,
        )
    }

    pub(crate) async fn keep_rows(&self, fence: &Fence, rows: Vec<(RunKey, Timestamp, RowState)>) -> Held {
        self.kept("keep_rows", self.store.outbox.keep_rows(fence, rows).await)
    }

    pub(crate) async fn head(&self) -> Held<Option<OutboxHead>> {
        self.available("outbox", self.store.outbox.outbox().await)
    }

    pub(crate) async fn entries(&self, of: &[&str]) -> Held<Vec<Option<OutboxEntry>>> {
        let keys: Vec<RunKey> = of.iter().map(|name| key(name)).collect();
        self.available("entries", self.store.outbox.entries(&keys).await)
    }

    /// The entries at a step, page by page.
    pub(crate) async fn entries_in(&self, step: StepKind, page: u32) -> Held<Vec<OutboxEntry>> {
        const PAGES_MAX: usize = 100;
        let (mut found, mut after) = (Vec::<OutboxEntry>::new(), None);
        for _ in 0..PAGES_MAX {
            let size = PageSize::new(page).unwrap_or_default();
            let entries = self.store.outbox.entries_in(step, after.as_ref(), size).await;
            let entries = self.available("entries_in", entries)?;
            self.holds(entries.len() <= page as usize, || "a page holds too much".to_owned())?;
            let Some(last) = entries.last() else {
                return Ok(found);
            };
            after = Some(last.key.clone());
            found.extend(entries);
        }
        self.broken("the entries at a step never end")
    }

    pub(crate) async fn counts_of_outbox(&self) -> Held<OutboxCounts> {
        self.available("outbox_counts", self.store.outbox.outbox_counts().await)
    }

    /// Everything of the outbox that concerns these records.
    pub(crate) async fn all_of_outbox(&self, of: &[&str]) -> Held<AllOfOutbox> {
        let removed = self.store.outbox.removed_rows(0, PageSize::default()).await;
        let removed = self.available("removed_rows", removed)?;
        Ok((self.head().await?, self.entries(of).await?, removed))
    }
}

/// All that there is in an outbox.
pub(crate) type AllOfOutbox = (Option<OutboxHead>, Vec<Option<OutboxEntry>>, Vec<RemovedRow>);

/// What the outbox of the rules is copied to.
pub(crate) const TARGET: &str = "airtable appÄ\0\u{1a}0/\"tbl\"";

/// What the log says of the row of a record.
pub(crate) fn mark(of: &str, line: u64, due: i64) -> Mark {
    Mark {
        key: key(of),
        line,
        due: at(due),
    }
}
