//! Waiting until a record is shown.

use std::sync::atomic::Ordering;
use std::time::Duration;

use runledger_domain::{Action, RunKey, Source, Subject, Verdict};
use runledger_ports::{Step, Unavailable};
use tokio::time::{Instant, sleep_until};

use super::{Projection, lock};

/// How often it is looked when another server does the work: nobody tells this one.
const LOOKED_EVERY: Duration = Duration::from_millis(500);

/// For how many rows another server is told that somebody waits. More of them fill requests by themselves.
const TOLD_ELSEWHERE_MAX: usize = 10;

/// Whether a record is shown as it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Shown {
    /// Its row shows it.
    Yes,
    /// Not within the time; it goes on.
    NotYet,
    /// Its row was set aside.
    SetAside {
        /// Why.
        why: String,
    },
    /// Nothing is sent at all.
    Stopped {
        /// Why.
        why: String,
    },
}

/// Whoever waits for rows; while this is there, they are sent without being gathered.
struct Urgent<'a> {
    projection: &'a Projection,
    keys: &'a [RunKey],
}

impl<'a> Urgent<'a> {
    fn new(projection: &'a Projection, keys: &'a [RunKey]) -> Self {
        let mut urgent = lock(&projection.urgent);
        for key in keys {
            *urgent.entry(key.clone()).or_default() += 1;
        }
        drop(urgent);
        projection.tell();
        Self { projection, keys }
    }
}

impl Drop for Urgent<'_> {
    fn drop(&mut self) {
        let mut urgent = lock(&self.projection.urgent);
        for key in self.keys {
            if let Some(times) = urgent.get_mut(key) {
                *times -= 1;
                if *times == 0 {
                    urgent.remove(key);
                }
            }
        }
    }
}

impl Projection {
    /// Waits until the rows of these records show everything that the log says now, for so long at most. Where another
    /// server sends, it learns of that from the log.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    pub async fn wait_until_shown(
        &self,
        by: &Source,
        keys: &[RunKey],
        at_most: Duration,
    ) -> Result<Shown, Unavailable> {
        let until = Instant::now() + at_most;
        let line = self.events.last_line().await?;
        let mut kept = self.kept.subscribe();
        let _urgent = Urgent::new(self, keys);
        self.tell_elsewhere(by, keys, line).await?;
        loop {
            kept.mark_unchanged();
            match self.look(keys, line).await? {
                Shown::NotYet if Instant::now() < until => {}
                shown => return Ok(shown),
            }
            let look_again = until.min(Instant::now() + LOOKED_EVERY);
            tokio::select! {
                _ = kept.changed() => {}
                () = sleep_until(look_again) => {}
            }
        }
    }

    async fn tell_elsewhere(&self, by: &Source, keys: &[RunKey], line: u64) -> Result<(), Unavailable> {
        if self.is_at_work.load(Ordering::Relaxed) || keys.len() > TOLD_ELSEWHERE_MAX {
            return Ok(());
        }
        if self.look(keys, line).await? != Shown::NotYet {
            return Ok(());
        }
        for key in keys {
            let (subject, detail) = (Subject::of(key), "somebody waits for its row".to_owned());
            self.log(by, Action::RetryRow, subject, Verdict::Unchanged, detail)
                .await?;
        }
        Ok(())
    }

    async fn look(&self, keys: &[RunKey], line: u64) -> Result<Shown, Unavailable> {
        // Asked before the entries: what stops it later is seen the next time.
        let head = self.store.outbox().await?;
        let is_read = head.as_ref().is_some_and(|head| head.position >= line);
        if let Some(stop) = head.and_then(|head| head.stopped) {
            return Ok(Shown::Stopped { why: stop.reason });
        }
        if let Some(why) = lock(&self.trouble).clone() {
            return Ok(Shown::Stopped { why });
        }
        if !is_read {
            return Ok(Shown::NotYet);
        }
        for entry in self.store.entries(keys).await? {
            match entry {
                None => return Ok(Shown::NotYet),
                Some(entry) => match entry.row.step {
                    Step::SetAside { why, .. } => return Ok(Shown::SetAside { why }),
                    Step::Idle if entry.wanted <= entry.row.shown => {}
                    _ => return Ok(Shown::NotYet),
                },
            }
        }
        Ok(Shown::Yes)
    }
}
