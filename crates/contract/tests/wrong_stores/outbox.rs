//! The outbox, as wrong stores keep it.

use async_trait::async_trait;
use runledger_domain::{RecordKind, RunKey, Timestamp};
use runledger_ports::{
    Duty, Fence, FencedError, Mark, OutboxCounts, OutboxEntry, OutboxHead, OutboxStop, OutboxStore, PAGE_MAX, PageSize,
    RemovedRow, RowState, Step, StepKind, Unavailable,
};

use crate::doubting::failed;
use crate::flaws::Flaw;
use crate::store::{WrongStore, entries, pause};

type Row = (RunKey, Timestamp, RowState);

impl WrongStore {
    /// The fence that a write goes on with: its own, or with this flaw that of whoever has the duty.
    async fn fence_for(&self, with_any: Flaw, fence: &Fence) -> Fence {
        let is_taken =
            self.flaw == with_any || (self.flaw == Flaw::ProjectsWithAnyFence && fence.duty != Duty::Project);
        let holders = if is_taken {
            self.fence_of(&Duty::Project).await
        } else {
            None
        };
        holders.unwrap_or_else(|| fence.clone())
    }

    /// All entries, in the order of creation.
    async fn all_entries(&self) -> Vec<OutboxEntry> {
        let keys: Vec<RunKey> = self.all().await.iter().map(|record| record.key().clone()).collect();
        let entries = self.right.entries(&keys).await.expect("memory does not fail");
        entries.into_iter().flatten().collect()
    }

    /// A write of the outbox, whatever it is, that falls into doubt.
    async fn in_doubt<W>(&self, write: W) -> Result<(), FencedError>
    where
        W: Future<Output = Result<(), FencedError>> + Send,
    {
        match self.flaw {
            Flaw::KeepsTheOutboxInDoubt => return Ok(()),
            Flaw::NoneButDoubtTakesPlace => write.await?,
            _ => {}
        }
        Err(failed().into())
    }

    fn has_forgotten(&self) -> bool {
        let shadow = self.shadow();
        match self.flaw {
            Flaw::ForgetsTheOutboxOnRestart => shadow.restarted,
            Flaw::KeepsTheOutboxAtTheClose => shadow.crashed,
            _ => false,
        }
    }

    /// What became of marks, as a wrong store has it.
    async fn marked(&self, fence: &Fence, marks: &[Mark], before: Vec<OutboxEntry>) -> Result<(), FencedError> {
        let mut rows: Vec<Row> = Vec::new();
        for entry in self.all_entries().await {
            let stood = before.iter().find(|before| before.key == entry.key);
            let said = marks
                .iter()
                .filter(|mark| mark.key == entry.key)
                .map(|mark| mark.due)
                .min();
            let due = match (self.flaw, stood, said) {
                (Flaw::HastensWhatIsPutOff, _, Some(said)) => entry.due.min(said),
                (Flaw::PutsOffWhatIsDue, _, Some(said)) => entry.due.max(said),
                (Flaw::LeavesTheDueOfBefore, Some(stood), _) => stood.due,
                _ => continue,
            };
            rows.push((entry.key, due, entry.row));
        }
        self.right.keep_rows(fence, rows).await
    }

    fn shown_entry(&self, mut entry: OutboxEntry) -> OutboxEntry {
        let shadow = self.shadow();
        match self.flaw {
            Flaw::LetsWantedGoBack => {
                entry.wanted = shadow.outbox.wanted.get(&entry.key).copied().unwrap_or(entry.wanted);
            }
            Flaw::LetsShownGoBack => {
                entry.row.shown = shadow.outbox.shown.get(&entry.key).copied().unwrap_or(entry.row.shown);
            }
            Flaw::ForgetsWhyRowsAreSetAside => {
                if let Step::Unknown { why, .. } | Step::SetAside { why, .. } = &mut entry.row.step {
                    why.retain(|c| c != '\0');
                }
            }
            _ => {}
        }
        entry
    }
}

#[async_trait]
impl OutboxStore for WrongStore {
    async fn outbox(&self) -> Result<Option<OutboxHead>, Unavailable> {
        if self.flaw != Flaw::ReadsTheOutboxAfterADoubt {
            self.must_run()?;
        }
        let head = self.right.outbox().await?;
        Ok(match self.flaw {
            _ if self.has_forgotten() => None,
            Flaw::RestoresBesideTheOutbox => head.or_else(|| self.shadow().outbox.head.clone()),
            Flaw::LetsThePositionGoBack => head.map(|head| OutboxHead {
                position: self.shadow().outbox.position,
                ..head
            }),
            Flaw::ForgetsUntilWhenItIsStopped => head.map(|mut head| {
                if let Some(stop) = &mut head.stopped {
                    stop.until = None;
                }
                head
            }),
            _ => head,
        })
    }

    async fn begin_outbox(&self, fence: &Fence, target: &str, position: u64) -> Result<(), FencedError> {
        self.must_run()?;
        let fence = &self.fence_for(Flaw::BeginsWithALostFence, fence).await;
        if self.falls_into_doubt() {
            return self.in_doubt(self.right.begin_outbox(fence, target, position)).await;
        }
        let before = self.all_entries().await;
        self.right.begin_outbox(fence, target, position).await?;
        self.shadow().outbox.begins += 1;
        self.shadow().outbox.position = position;
        if self.flaw == Flaw::KeepsEntriesOfBefore {
            let mark = |entry: OutboxEntry| Mark {
                key: entry.key,
                line: entry.wanted,
                due: entry.due,
            };
            self.right
                .mark_outbox(fence, position, before.into_iter().map(mark).collect())
                .await?;
        }
        Ok(())
    }

    async fn mark_outbox(&self, fence: &Fence, position: u64, marks: Vec<Mark>) -> Result<(), FencedError> {
        self.must_run()?;
        let mut fence = self.fence_for(Flaw::MarksWithALostFence, fence).await;
        if self.falls_into_doubt() {
            return self.in_doubt(self.right.mark_outbox(&fence, position, marks)).await;
        }
        if self.flaw == Flaw::LooksAtTheFenceTooEarly && self.fence_of(&Duty::Project).await.as_ref() == Some(&fence) {
            pause().await;
            fence = self.fence_of(&Duty::Project).await.unwrap_or(fence);
        }
        let known: Vec<RunKey> = self.all().await.iter().map(|record| record.key().clone()).collect();
        if self.flaw == Flaw::LeavesAllOutForOne && marks.iter().any(|mark| !known.contains(&mark.key)) {
            return Ok(());
        }
        let before = self.all_entries().await;
        let answer = self.right.mark_outbox(&fence, position, marks.clone()).await;
        if self.flaw == Flaw::MarksBeforeTheBegin && matches!(answer, Err(FencedError::Unavailable(_))) {
            return Ok(());
        }
        answer?;
        self.shadow().outbox.position = position;
        self.shadow()
            .outbox
            .wanted
            .extend(marks.iter().map(|mark| (mark.key.clone(), mark.line)));
        match self.flaw {
            Flaw::LogsTheOutbox => self.log_a_duty().await?,
            Flaw::GoesOnAfterAMark => self.right.stop_outbox(&fence, None).await?,
            Flaw::HastensWhatIsPutOff | Flaw::PutsOffWhatIsDue | Flaw::LeavesTheDueOfBefore => {
                self.marked(&fence, &marks, before).await?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn keep_rows(&self, fence: &Fence, mut rows: Vec<Row>) -> Result<(), FencedError> {
        self.must_run()?;
        let fence = &self.fence_for(Flaw::KeepsRowsWithALostFence, fence).await;
        if self.falls_into_doubt() {
            if self.flaw == Flaw::DoubtKeepsHalfTheRows {
                rows.truncate(1);
                self.right.keep_rows(fence, rows).await?;
                return Err(failed().into());
            }
            return self.in_doubt(self.right.keep_rows(fence, rows)).await;
        }
        match self.flaw {
            Flaw::KeepsTheFirstOfSeveralRows => rows.reverse(),
            Flaw::MakesEntriesByKeeping => {
                let mark = |(key, due, row): &Row| Mark {
                    key: key.clone(),
                    line: row.shown,
                    due: *due,
                };
                self.right
                    .mark_outbox(fence, 0, rows.iter().map(mark).collect())
                    .await?;
            }
            Flaw::NeverForgetsWhatARowShows => {
                let before = self.all_entries().await;
                for (key, _, row) in rows.iter_mut().filter(|(_, _, row)| row.shown == 0) {
                    let stood = before.iter().find(|entry| entry.key == *key);
                    row.shown = stood.map_or(0, |entry| entry.row.shown);
                }
            }
            _ => {}
        }
        let said: Vec<_> = rows.iter().map(|(key, _, row)| (key.clone(), row.shown)).collect();
        self.right.keep_rows(fence, rows).await?;
        self.shadow().outbox.shown.extend(said);
        Ok(())
    }

    async fn stop_outbox(&self, fence: &Fence, stop: Option<OutboxStop>) -> Result<(), FencedError> {
        self.must_run()?;
        let fence = &self.fence_for(Flaw::StopsWithALostFence, fence).await;
        if self.falls_into_doubt() {
            return self.in_doubt(self.right.stop_outbox(fence, stop)).await;
        }
        self.right.stop_outbox(fence, stop).await
    }

    async fn due_entries(
        &self,
        kind: RecordKind,
        now: Timestamp,
        size: PageSize,
    ) -> Result<Vec<OutboxEntry>, Unavailable> {
        self.must_run()?;
        let is_due = |entry: &OutboxEntry| match self.flaw {
            Flaw::DueIgnoresKind => entry.is_waiting() && entry.due <= now,
            Flaw::DueIgnoresTime => entry.is_waiting() && entry.key.kind() == kind,
            Flaw::DueShowsWhatIsUnderWay => {
                entry.wanted > entry.row.shown && entry.key.kind() == kind && entry.due <= now
            }
            _ => entry.is_waiting() && entry.key.kind() == kind && entry.due <= now,
        };
        let mut due = self.all_entries().await;
        due.retain(is_due);
        match self.flaw {
            Flaw::DueInOrderOfCreation => {}
            Flaw::DueInOrderOfKeys => due.sort_by_key(|entry| (entry.due, entry.key.to_string())),
            _ => due.sort_by_key(|entry| entry.due),
        }
        let room = match self.flaw {
            Flaw::DueFillsOverTheBrim => size.get() + 1,
            _ => size.get(),
        };
        due.truncate(entries(room.into()));
        Ok(due)
    }

    async fn entries(&self, keys: &[RunKey]) -> Result<Vec<Option<OutboxEntry>>, Unavailable> {
        self.must_run()?;
        if self.has_forgotten() {
            return Ok(vec![None; keys.len()]);
        }
        let mut found = self.right.entries(keys).await?;
        if self.flaw == Flaw::MakesEntriesWithoutRecords {
            let wanted = self.shadow().outbox.wanted.clone();
            for (key, entry) in keys.iter().zip(&mut found) {
                if let (None, Some(line)) = (&entry, wanted.get(key)) {
                    *entry = Some(OutboxEntry {
                        key: key.clone(),
                        wanted: *line,
                        due: Timestamp::EPOCH,
                        row: RowState::default(),
                    });
                }
            }
        }
        let shown = |entry: Option<OutboxEntry>| entry.map(|entry| self.shown_entry(entry));
        Ok(found.into_iter().map(shown).collect())
    }

    async fn entries_in(
        &self,
        step: StepKind,
        after: Option<&RunKey>,
        size: PageSize,
    ) -> Result<Vec<OutboxEntry>, Unavailable> {
        self.must_run()?;
        if step == StepKind::Idle && self.flaw == Flaw::StepsShowIdle {
            let mut idle = self.all_entries().await;
            idle.retain(|entry| entry.row.step.kind() == step);
            return Ok(idle);
        }
        let all = self
            .right
            .entries_in(step, None, PageSize::new(PAGE_MAX).unwrap_or_default())
            .await?;
        let place = after.and_then(|after| all.iter().position(|entry| entry.key == *after));
        match (self.flaw, place) {
            (Flaw::StepsRepeatAtPageEnds, Some(place)) if place % 2 == 0 => {
                Ok(all.into_iter().skip(place).take(entries(size.get().into())).collect())
            }
            (Flaw::StepsInOrderOfKeys, _) => {
                let mut sorted = all;
                sorted.sort_by_key(|entry| entry.key.to_string());
                sorted.retain(|entry| after.is_none_or(|after| entry.key.to_string() > after.to_string()));
                sorted.truncate(entries(size.get().into()));
                Ok(sorted)
            }
            _ => self.right.entries_in(step, after, size).await,
        }
    }

    async fn outbox_counts(&self) -> Result<OutboxCounts, Unavailable> {
        self.must_run()?;
        let counts = self.right.outbox_counts().await?;
        Ok(match self.flaw {
            Flaw::CountsForgetWhatIsInDoubt => OutboxCounts { unknown: 0, ..counts },
            Flaw::LatestDueIsTheOldest => OutboxCounts {
                latest_due: counts.oldest_due,
                ..counts
            },
            Flaw::OldestDueIsThatOfAnybody => OutboxCounts {
                oldest_due: self.all_entries().await.iter().map(|entry| entry.due).min(),
                ..counts
            },
            _ => counts,
        })
    }

    async fn keep_removed(&self, fence: &Fence, mut rows: Vec<RemovedRow>) -> Result<(), FencedError> {
        self.must_run()?;
        let fence = &self.fence_for(Flaw::RemovesWithALostFence, fence).await;
        if self.falls_into_doubt() {
            return self.in_doubt(self.right.keep_removed(fence, rows)).await;
        }
        if self.flaw == Flaw::KeepsRemovedRowsOnce {
            rows.dedup();
        }
        self.right.keep_removed(fence, rows).await
    }

    async fn removed_rows(&self, after: u64, size: PageSize) -> Result<Vec<RemovedRow>, Unavailable> {
        self.must_run()?;
        let begins = self.shadow().outbox.begins;
        let mut rows = self.right.removed_rows(after, size).await?;
        match self.flaw {
            Flaw::ForgetsRemovedRowsAtTheBegin if begins > 1 => rows.clear(),
            Flaw::ShowsRemovedRowsBackwards => rows.reverse(),
            _ => {}
        }
        Ok(rows)
    }
}
