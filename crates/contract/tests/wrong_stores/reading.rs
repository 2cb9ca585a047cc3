//! What wrong stores show to readers.

use std::sync::Arc;

use async_trait::async_trait;
use runledger_domain::{
    AttemptId, ChangeContext, Command, JobSummary, Metrics, RecordKind, RunId, RunKey, RunRecord, Source, Status,
    Timestamp,
};
use runledger_ports::{
    ActivityFilter, ActivityPage, ChangeRequest, Counts, Cursor, ListFilter, PageSize, RecordPage, RunChanger,
    RunReader, StalledFilter, Unavailable,
};

use crate::flaws::Flaw;
use crate::store::{WrongStore, entries};

#[async_trait]
impl RunReader for WrongStore {
    async fn get(&self, key: &RunKey) -> Result<Option<Arc<RunRecord>>, Unavailable> {
        match self.must_run() {
            Err(_) if self.hides(Flaw::OutageIsAbsence, Flaw::DoubtIsAbsence) => return Ok(None),
            answer => answer?,
        }
        let Some(record) = self.shown(key).await else {
            if self.flaw == Flaw::GetCreates {
                self.invent(key).await;
            }
            return Ok(None);
        };
        match self.flaw {
            Flaw::ReadsLeaveLines => self.log_a_read().await,
            Flaw::ReadsTheFirstVersion => return Ok(Some(self.first(&record))),
            Flaw::ReadsLag => {
                let before = self.shadow().lagging.insert(key.clone(), Arc::clone(&record));
                return Ok(Some(before.unwrap_or(record)));
            }
            _ => {}
        }
        Ok(Some(record))
    }

    async fn find_minted(&self, source: &Source, attempt: &AttemptId) -> Result<Option<Arc<RunRecord>>, Unavailable> {
        match self.must_run() {
            Err(_) if self.hides(Flaw::OutageHidesStarts, Flaw::DoubtHidesStarts) => return Ok(None),
            answer => answer?,
        }
        Ok(self.found_start(source, attempt).await)
    }

    async fn list(
        &self,
        filter: &ListFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<RecordPage, Unavailable> {
        match self.must_run() {
            Err(_) if self.flaw == Flaw::OutageIsAbsence => return Ok(RecordPage::default()),
            answer => answer?,
        }
        let page = self.page(&self.found(filter).await, after, size);
        if let (Flaw::ListCreates, true, Some(run)) = (self.flaw, page.records.is_empty(), &filter.run) {
            self.invent(&RunKey::Job(run.clone())).await;
        }
        Ok(page)
    }

    async fn stalled(
        &self,
        filter: &StalledFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<RecordPage, Unavailable> {
        match self.must_run() {
            Err(_) if self.flaw == Flaw::OutageEndsStalls => return Ok(RecordPage::default()),
            answer => answer?,
        }
        Ok(self.stalled_page(filter, after, size).await)
    }

    async fn summary(&self, run: &RunId) -> Result<Option<JobSummary>, Unavailable> {
        match self.must_run() {
            Err(_) if self.hides(Flaw::DoubtHidesRuns, Flaw::DoubtHidesRuns) => return Ok(None),
            answer => answer?,
        }
        let kept = self.shadow().summaries.get(run).cloned();
        if self.flaw == Flaw::SummaryIsKept && kept.is_some() {
            return Ok(kept);
        }
        let summary = self.summed_up(run).await?;
        match (&summary, self.flaw) {
            (Some(summary), _) => {
                self.shadow().summaries.insert(run.clone(), summary.clone());
            }
            (None, Flaw::SummaryCreates) => self.invent(&RunKey::Job(run.clone())).await,
            (None, Flaw::SummaryOfNothing) => return Ok(Some(JobSummary::new(run.clone()))),
            (None, _) => {}
        }
        Ok(summary)
    }

    async fn activity(
        &self,
        filter: &ActivityFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<ActivityPage, Unavailable> {
        match self.must_run() {
            Err(_) if self.flaw == Flaw::OutageEmptiesTheLog => return Ok(ActivityPage::default()),
            answer => answer?,
        }
        Ok(self.shown_activity(filter, after, size).await)
    }

    async fn counts(&self, stalled_before: Timestamp) -> Result<Counts, Unavailable> {
        self.must_run()?;
        let mut counts = self.right.counts(stalled_before).await?;
        match self.flaw {
            Flaw::CountsKnowFirstStatus => {
                counts.records.clear();
                for record in self.all().await {
                    *counts.records.entry(self.first(&record).status()).or_default() += 1;
                }
            }
            Flaw::CountsForgetRefusals => counts.lines = counts.records.values().sum(),
            Flaw::CountsEndedAsStalled => counts.stalled = counts.records.values().sum(),
            _ => {}
        }
        Ok(counts)
    }
}

impl WrongStore {
    /// The records that the filter means, in the order in which this store lists them, each with its number. Pages go on
    /// after a number, so it must be the record's own: its place among all records, whatever the filter.
    async fn found(&self, filter: &ListFilter) -> Vec<(u64, Arc<RunRecord>)> {
        let mut filter = filter.clone();
        match self.flaw {
            Flaw::ListIgnoresRun => filter.run = None,
            Flaw::ListIgnoresClient => filter.client = None,
            Flaw::ListIgnoresKind => filter.kind = None,
            Flaw::ListIgnoresStatus => filter.status = None,
            Flaw::ListIgnoresOpen => filter.open = false,
            Flaw::ListIgnoresBatch => filter.batch = None,
            Flaw::ListIgnoresExternalIds => filter.external_id = None,
            Flaw::ListIgnoresWithin => filter.within = None,
            _ => {}
        }
        let mut records = self.all().await;
        match self.flaw {
            Flaw::ListSortsByKey => records.sort_by_key(|record| record.key().clone()),
            Flaw::ListMovesChanged => records.sort_by_key(|record| record.version()),
            Flaw::ListsByTime => records.sort_by_key(|record| record.creation().at),
            Flaw::ListPagesByPlace => records.retain(|record| self.is_listed(&filter, record)),
            _ => {}
        }
        let mut found: Vec<_> = (1..).zip(records).collect();
        found.retain(|(_, record)| self.is_listed(&filter, record));
        found
    }

    fn is_listed(&self, filter: &ListFilter, record: &Arc<RunRecord>) -> bool {
        let key = record.key();
        let status = match self.flaw {
            Flaw::ListKnowsFirstStatus => self.first(record).status(),
            _ => record.status(),
        };
        let references = match self.flaw {
            Flaw::ListKnowsFirstReferences => self.first(record),
            _ => Arc::clone(record),
        };
        filter.run.as_ref().is_none_or(|run| key.run() == run)
            && filter.client.as_ref().is_none_or(|client| key.client() == Some(client))
            && filter.kind.is_none_or(|kind| key.kind() == kind)
            && filter.status.is_none_or(|wanted| wanted == status)
            && (!filter.open || status.is_open())
            && filter.batch.as_ref().is_none_or(|batch| record.batch() == Some(batch))
            && filter
                .external_id
                .as_ref()
                .is_none_or(|id| references.external_ids().contains(id))
            && filter
                .within
                .as_ref()
                .is_none_or(|clients| key.client().is_some_and(|client| clients.contains(client)))
    }

    fn page(&self, found: &[(u64, Arc<RunRecord>)], after: Option<Cursor>, size: PageSize) -> RecordPage {
        let total = found.len();
        let size = entries(size.get().into());
        let begin = match (self.flaw, after) {
            (_, None) => 0,
            (Flaw::ListPagesByPlaceFromTheEnd, Some(after)) => total.saturating_sub(entries(after.id)),
            (_, Some(after)) => found.partition_point(|(number, _)| *number <= after.id),
        };
        let brim = size + usize::from(self.flaw == Flaw::ListFillsOverTheBrim);
        let end = (begin + brim).min(total);
        let page = &found[begin..end];
        let last = page.last().map(|(number, _)| *number);
        let mut next = last.filter(|_| end < total);
        match (self.flaw, &mut next) {
            (Flaw::ListSkipsAtPageEnds, Some(next)) => *next += 1,
            (Flaw::ListRepeatsAtPageEnds, Some(next)) => *next -= u64::from(page.len() > 1),
            (Flaw::ListEndsEarly, _) if total - end < page.len() => next = None,
            (Flaw::ListNeverEnds, next) => *next = last.or(after.map(|after| after.id)),
            (Flaw::ListPagesByPlaceFromTheEnd, Some(next)) => *next = (total - end) as u64,
            _ => {}
        }
        RecordPage {
            records: page.iter().map(|(_, record)| Arc::clone(record)).collect(),
            next: next.map(|id| Cursor { order: 0, id }),
        }
    }

    async fn stalled_page(&self, filter: &StalledFilter, after: Option<Cursor>, size: PageSize) -> RecordPage {
        let before = filter.deadline_before;
        let mut found = Vec::new();
        for (id, record) in (1..).zip(self.all().await) {
            let deadline = match self.flaw {
                Flaw::StalledKnowsFirstDeadline => self.first(&record).deadline(),
                _ => record.deadline(),
            };
            let is_open = match self.flaw {
                Flaw::StalledForgetsQueued => record.status() == Status::Running,
                _ => record.status().is_open(),
            };
            let is_past = deadline < before || (self.flaw == Flaw::StalledAtTheDeadline && deadline == before);
            let order = match self.flaw {
                Flaw::StalledInOrderOfCreation => 0,
                _ => deadline.as_micros(),
            };
            let is_next = match self.flaw {
                Flaw::StalledSkipsEquals => after.is_none_or(|after| order > after.order),
                Flaw::StalledPagesByPlace => true,
                _ => after.is_none_or(|after| Cursor { order, id } > after),
            };
            let is_within = self.flaw == Flaw::StalledIgnoresWithin
                || filter
                    .within
                    .as_ref()
                    .is_none_or(|clients| record.key().client().is_some_and(|client| clients.contains(client)));
            if is_open && is_past && is_next && is_within {
                found.push((Cursor { order, id }, record));
            }
        }
        found.sort_by_key(|(place, _)| *place);
        if self.flaw == Flaw::StalledSweeps {
            for (_, record) in &found {
                self.sweep(record, before).await;
            }
        }
        if self.flaw == Flaw::StalledPagesByPlace {
            for (number, (place, _)) in (1..).zip(&mut found) {
                *place = Cursor { order: 0, id: number };
            }
            found.retain(|(place, _)| after.is_none_or(|after| *place > after));
        }
        let more = found.len() > entries(size.get().into());
        found.truncate(entries(size.get().into()));
        RecordPage {
            next: found.last().filter(|_| more).map(|(place, _)| *place),
            records: found.into_iter().map(|(_, record)| record).collect(),
        }
    }

    async fn sweep(&self, record: &RunRecord, at: Timestamp) {
        let grace = std::time::Duration::ZERO;
        let context = ChangeContext::new("sweeper".parse().expect("a source"), at);
        let sweep = ChangeRequest::new(record.key().clone(), context, Command::DeclareLost { grace });
        let _swept = self.right.change(sweep).await;
    }

    async fn summed_up(&self, run: &RunId) -> Result<Option<JobSummary>, Unavailable> {
        let mut summary = JobSummary::new(run.clone());
        let mut totals = Metrics::default();
        let mut is_there = false;
        for record in self.all().await {
            let is_of_run = record.key().run() == run;
            let is_client = record.key().kind() == RecordKind::Client;
            let counts = match self.flaw {
                Flaw::SumsOpenClientsOnly => is_of_run && is_client && record.status().is_open(),
                Flaw::SumsTheJobToo => is_of_run,
                Flaw::SumsAllRuns => is_client,
                _ => is_of_run && is_client,
            };
            is_there |= is_of_run;
            match self.flaw {
                Flaw::SumsOutOfRangeAsNothing if counts && goes_beyond(&totals, &record) => return Ok(None),
                Flaw::SumsOutOfRangeInPart if counts && goes_beyond(&totals, &record) => break,
                _ => {}
            }
            if counts {
                totals.add_all(record.metrics());
            }
            summary.add(&record);
        }
        summary.totals = totals;
        let needs_job = self.flaw == Flaw::SummaryNeedsAJob && summary.job.is_none();
        Ok((is_there && !needs_job).then_some(summary))
    }
}

/// Whether a total would go beyond what one record may hold.
fn goes_beyond(totals: &Metrics, record: &RunRecord) -> bool {
    record.metrics().iter().any(|(name, value)| {
        totals
            .get(name.as_str())
            .unwrap_or_default()
            .checked_add(value)
            .is_none()
    })
}
