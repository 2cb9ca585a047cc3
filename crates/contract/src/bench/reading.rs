//! Reading a store on the bench: one page, all pages, everything.

use std::sync::Arc;

use runledger_domain::{Activity, ChainHead, JobSummary, RunId, RunKey, RunRecord, Timestamp, Verdict};
use runledger_ports::{ActivityFilter, Cursor, ListFilter, PageSize, RecordPage, StalledFilter};

use super::Bench;
use crate::fixture::{key, run};
use crate::rules::Held;

/// The most pages that a rule reads: more than the rules fill, so that a listing without end is noticed.
const PAGES_MAX: usize = 2_000;
/// How many entries the rules read at once when they read everything.
const PAGE_ENTRIES: u32 = 50;

/// All that a store holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Everything {
    pub(crate) records: Vec<Arc<RunRecord>>,
    pub(crate) lines: Vec<Activity>,
}

impl Everything {
    /// The lines that were added; none when the log has become shorter, which the caller's comparison then shows.
    pub(crate) fn lines_since(&self, before: &Self) -> &[Activity] {
        self.lines.get(before.lines.len()..).unwrap_or_default()
    }
}

impl Bench {
    pub(crate) async fn get(&self, key: &RunKey) -> Held<Option<Arc<RunRecord>>> {
        self.available("get", self.store.reader.get(key).await)
    }

    /// The record that must be under the key.
    pub(crate) async fn record(&self, name: &str) -> Held<Arc<RunRecord>> {
        match self.get(&key(name)).await? {
            Some(record) => Ok(record),
            None => self.broken(format!("{name} was created and must be there")),
        }
    }

    pub(crate) async fn summary(&self, run: &RunId) -> Held<Option<JobSummary>> {
        self.available("summary", self.store.reader.summary(run).await)
    }

    /// All records that the filter lists, over pages of `entries`.
    pub(crate) async fn listed(&self, filter: &ListFilter, entries: u32) -> Held<Vec<Arc<RunRecord>>> {
        let (mut records, mut after) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let page = self.list_page(filter, after, entries).await?;
            records.extend(page.records);
            match page.next {
                None => return Ok(records),
                next => after = next,
            }
        }
        self.broken("the pages of a listing never end")
    }

    /// One page of at most `entries` records that the filter lists.
    pub(crate) async fn list_page(&self, filter: &ListFilter, after: Option<Cursor>, entries: u32) -> Held<RecordPage> {
        let size = PageSize::new(entries).unwrap_or_default();
        let page = self.available("list", self.store.reader.list(filter, after, size).await)?;
        self.fits(&page, size)?;
        Ok(page)
    }

    /// One page of at most `entries` records whose deadline lies before that point.
    pub(crate) async fn stalled_page(
        &self,
        deadline_before: Timestamp,
        after: Option<Cursor>,
        entries: u32,
    ) -> Held<RecordPage> {
        let filter = StalledFilter {
            deadline_before,
            within: None,
        };
        self.stalled_page_of(&filter, after, entries).await
    }

    /// A page of the stalled records that the filter means.
    pub(crate) async fn stalled_page_of(
        &self,
        filter: &StalledFilter,
        after: Option<Cursor>,
        entries: u32,
    ) -> Held<RecordPage> {
        let size = PageSize::new(entries).unwrap_or_default();
        let page = self.available("stalled", self.store.reader.stalled(filter, after, size).await)?;
        self.fits(&page, size)?;
        Ok(page)
    }

    fn fits(&self, page: &RecordPage, size: PageSize) -> Held {
        self.holds(page.records.len() <= size.get() as usize, || {
            format!("a page of {size:?} holds {} records", page.records.len())
        })
    }

    /// The records of one run.
    pub(crate) async fn records_of(&self, of: &str) -> Held<Vec<Arc<RunRecord>>> {
        let filter = ListFilter {
            run: Some(run(of)),
            ..ListFilter::default()
        };
        self.listed(&filter, PAGE_ENTRIES).await
    }

    /// All lines that the filter lists, over pages of `entries`.
    pub(crate) async fn lines_of(&self, filter: &ActivityFilter, entries: u32) -> Held<Vec<Activity>> {
        let size = PageSize::new(entries).unwrap_or_default();
        let (mut lines, mut after) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let page = self.available("activity", self.store.reader.activity(filter, after, size).await)?;
            let entries = page.lines.len();
            self.holds(entries <= PageSize::get(size) as usize, || {
                format!("a page of {size:?} holds {entries} lines")
            })?;
            lines.extend(page.lines);
            match page.next {
                None => return Ok(lines),
                next => after = next,
            }
        }
        self.broken("the pages of the activity log never end")
    }

    /// The whole log, whose chain must hold (I6).
    pub(crate) async fn lines(&self) -> Held<Vec<Activity>> {
        let lines = self.lines_of(&ActivityFilter::default(), PAGE_ENTRIES).await?;
        let mut head = ChainHead::EMPTY;
        for line in &lines {
            let before = head.seq;
            self.holds(head.accepts(line), || {
                format!("line {} does not follow line {before} in the chain", line.seq)
            })?;
        }
        Ok(lines)
    }

    /// The lines after the first `count` ones.
    pub(crate) async fn lines_after(&self, count: usize) -> Held<Vec<Activity>> {
        Ok(self.lines().await?.into_iter().skip(count).collect())
    }

    /// Everything that the store holds; the ways to read it must agree.
    pub(crate) async fn everything(&self) -> Held<Everything> {
        let records = self.listed(&ListFilter::default(), PAGE_ENTRIES).await?;
        for record in &records {
            let found = self.get(record.key()).await?;
            self.same(
                "get, and the same record in the list",
                &found,
                &Some(Arc::clone(record)),
            )?;
        }
        let lines = self.lines().await?;
        Ok(Everything { records, lines })
    }

    /// What the store holds, after a rule that must have created these keys and no others, each with one line.
    pub(crate) async fn only_these_were_created(&self, keys: &[&str]) -> Held<Everything> {
        let everything = self.everything().await?;
        let found: Vec<_> = everything
            .records
            .iter()
            .map(|record| record.key().to_string())
            .collect();
        self.same("the records", &found, &keys.iter().map(ToString::to_string).collect())?;
        let created: Vec<_> = everything
            .lines
            .iter()
            .filter(|line| line.line.verdict == Verdict::Created)
            .map(|line| (line.line.subject.run.clone(), line.line.subject.client.clone()))
            .collect();
        let expected = everything
            .records
            .iter()
            .map(|record| {
                let client = record.key().client().map_or("", |client| client.as_str());
                (record.key().run().to_string(), client.to_owned())
            })
            .collect();
        self.same("the lines of creations", &created, &expected)?;
        Ok(everything)
    }
}
