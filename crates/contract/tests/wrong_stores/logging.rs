//! What wrong stores log, and what they show of it.

use async_trait::async_trait;
use runledger_domain::{Action, Activity, ChainHead, NewActivity, RunKey, Subject, Timestamp, Verdict};
use runledger_ports::{
    ActivityFilter, ActivityLog, ActivityPage, ActivityWatch, Cursor, PageSize, RunReader, Unavailable,
};

use crate::flaws::Flaw;
use crate::store::{WrongStore, entries};

#[async_trait]
impl ActivityLog for WrongStore {
    async fn record(&self, mut line: NewActivity) -> Result<(), Unavailable> {
        self.must_run()?;
        if self.falls_into_doubt() {
            return self.kept_in_doubt(line).await;
        }
        match self.flaw {
            Flaw::ForgetsKeptLines => return Ok(()),
            Flaw::KeepsAsciiOnly => line.detail.retain(|c| c.is_ascii()),
            Flaw::ClipsDetails => line.detail = line.detail.chars().take(12).collect(),
            Flaw::EndsTextsAtNul => line.detail = line.detail.split('\0').next().unwrap_or_default().into(),
            Flaw::RefusesNul if format!("{line:?}").contains("\\0") => {
                let reason = "invalid byte sequence".to_owned();
                return Err(Unavailable::Failed { reason });
            }
            Flaw::LineCreates => {
                let client = line.subject.client.parse().ok();
                if let Ok(key) = RunKey::resolve(&line.subject.run, client.as_ref()) {
                    self.invent(&key).await;
                }
            }
            _ => {}
        }
        self.right.record(line).await
    }
}

#[async_trait]
impl ActivityWatch for WrongStore {
    async fn last_line(&self) -> Result<u64, Unavailable> {
        self.must_run()?;
        let last = self.right.last_line().await?;
        Ok(match self.flaw {
            Flaw::WatchLagsBehind => last.saturating_sub(1),
            _ => last,
        })
    }

    async fn grown(&self, after: u64) -> Result<u64, Unavailable> {
        self.must_run()?;
        match self.flaw {
            Flaw::WatchSleeps => std::future::pending().await,
            Flaw::WatchTellsOfNothing => Ok(after),
            Flaw::WatchForetells => Ok(self.right.grown(after).await? + 1),
            Flaw::WatchTellsTheNextOnly => {
                let last = self.right.last_line().await?;
                self.right.grown(last.max(after)).await
            }
            _ => self.right.grown(after).await,
        }
    }
}

impl WrongStore {
    /// Leaves a line where none belongs.
    pub(crate) async fn log_a_read(&self) {
        let line = NewActivity {
            at: Timestamp::EPOCH,
            action: Action::Update,
            source: "reader".to_owned(),
            subject: Subject::default(),
            verdict: Verdict::Unchanged,
            version: None,
            detail: String::new(),
        };
        // A ledger that is not whole takes none.
        let _kept = self.right.record(line).await;
    }

    /// The lines that this store shows.
    async fn shown_lines(&self) -> Vec<Activity> {
        let mut head = ChainHead::EMPTY;
        let kept = self.kept_lines().await;
        let mut lines: Vec<_> = kept.into_iter().map(|line| head.append(line)).collect();
        let was_busy = self.shadow().was_busy;
        for line in &mut lines {
            match self.flaw {
                Flaw::SkipsNumbers => line.seq += line.seq / 3,
                Flaw::BreaksTheChain if line.seq.is_multiple_of(3) => line.line.detail.push('!'),
                Flaw::BreaksTheChainUnderLoad if was_busy => line.line.detail.push('!'),
                _ => {}
            }
        }
        if self.flaw == Flaw::LogNewestFirst {
            lines.reverse();
        }
        lines
    }

    async fn kept_lines(&self) -> Vec<NewActivity> {
        let mut lines = self.right_lines().await;
        let (lost, lost_last) = self.shadow().lines_lost;
        lines.truncate(lines.len().saturating_sub(lost_last));
        lines.drain(..lost.min(lines.len()));
        lines.retain(|line| !self.forgets(line));
        if self.flaw == Flaw::LogsByTime {
            lines.sort_by_key(|line| line.at);
        }
        for line in &mut lines {
            match self.flaw {
                Flaw::LogsImportsAsCreations => line.action = Action::Create,
                Flaw::LogsItsOwnTime => line.at = Timestamp::EPOCH,
                Flaw::WordsConflictsItsOwnWay if line.verdict.code() == "conflict" => {
                    "the key is taken".clone_into(&mut line.detail);
                }
                Flaw::SaysNoVersionOfAReplay if line.verdict == Verdict::Replayed => line.version = None,
                Flaw::CallsReuseAConflict if line.verdict.code() == "idempotency_key_reused" => {
                    line.verdict = Verdict::Refused("conflict".into());
                }
                Flaw::LogsItself => "runledger".clone_into(&mut line.source),
                Flaw::LogsTheRunOnly => line.subject.client.clear(),
                Flaw::LogsOldVersions => line.version = line.version.map(|version| version.saturating_sub(1)),
                _ => {}
            }
        }
        if self.flaw == Flaw::LogsRefusalsTwice {
            let twice = |line: NewActivity| vec![line.clone(); if line.verdict.is_refused() { 2 } else { 1 }];
            lines = lines.into_iter().flat_map(twice).collect();
        }
        lines
    }

    fn forgets(&self, line: &NewActivity) -> bool {
        let creates = matches!(line.action, Action::Create | Action::Import);
        let code = line.verdict.code();
        match self.flaw {
            Flaw::ForgetsCreated => line.verdict == Verdict::Created,
            Flaw::ForgetsReplayed => line.verdict == Verdict::Replayed,
            Flaw::ForgetsChanged => line.verdict == Verdict::Changed,
            Flaw::ForgetsUnchanged => line.verdict == Verdict::Unchanged,
            Flaw::ForgetsConflicts => code == "conflict",
            Flaw::ForgetsWithheld => code == "withheld",
            Flaw::ForgetsRefusalsOnRestart => line.verdict.is_refused() && self.shadow().restarted,
            Flaw::WritesRefusalsAtTheClose => line.verdict.is_refused() && self.shadow().crashed,
            Flaw::WritesLinesAtTheClose => line.verdict == Verdict::Changed && self.shadow().crashed,
            Flaw::NoneButLateLinesAreLost => {
                matches!(line.verdict, Verdict::Replayed | Verdict::Unchanged) && self.shadow().crashed
            }
            Flaw::ForgetsNotFound => code == "not_found",
            Flaw::HidesLostFences => code == "fenced",
            Flaw::ForgetsRefusedChanges => line.verdict.is_refused() && !creates && code != "not_found",
            Flaw::ForgetsTokenLines => line.action == Action::CreateToken,
            Flaw::ForgetsTokenEnds => line.action == Action::EndToken,
            Flaw::ForgetsLinesOfEnabling => line.action == Action::EnableWebhook,
            Flaw::ClosesWithoutLines => line.detail.contains("closed with its job"),
            _ => false,
        }
    }

    pub(crate) async fn right_lines(&self) -> Vec<NewActivity> {
        let size = PageSize::new(runledger_ports::PAGE_MAX).expect("in range");
        let page = self.right.activity(&ActivityFilter::default(), None, size).await;
        let lines = page.expect("memory does not fail").lines;
        lines.into_iter().map(|line| line.line).collect()
    }

    pub(crate) async fn shown_activity(
        &self,
        filter: &ActivityFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> ActivityPage {
        let mut filter = filter.clone();
        match self.flaw {
            Flaw::LogIgnoresRun => filter.run = None,
            Flaw::LogIgnoresClient => filter.client = None,
            Flaw::LogIgnoresSource => filter.source = None,
            Flaw::LogIgnoresRefused => filter.refused = false,
            Flaw::LogIgnoresWithin => filter.within = None,
            _ => {}
        }
        let lines = self.shown_lines().await;
        let found: Vec<Activity> = lines.into_iter().filter(|line| is_about(&filter, &line.line)).collect();
        let after = after.map_or(0, |cursor| cursor.id);
        let begin = match self.flaw {
            Flaw::LogPlacesAreItsOwn => entries(after).min(found.len()),
            _ => found.iter().filter(|line| line.seq <= after).count(),
        };
        let end = (begin + entries(size.get().into())).min(found.len());
        let mut next = (end < found.len()).then(|| match self.flaw {
            Flaw::LogPlacesAreItsOwn => end as u64,
            _ => found[begin..end].iter().map(|line| line.seq).max().unwrap_or(after),
        });
        match (self.flaw, &mut next) {
            (Flaw::LogPagesSkip, Some(next)) => *next += 1,
            (Flaw::LogPagesOverlap, Some(next)) => *next -= u64::from(end - begin > 1),
            (Flaw::LogPagesEndEarly, _) if found.len() - end < end - begin => next = None,
            _ => {}
        }
        ActivityPage {
            lines: found[begin..end].to_vec(),
            next: next.map(|id| Cursor { order: 0, id }),
        }
    }
}

fn is_about(filter: &ActivityFilter, line: &NewActivity) -> bool {
    filter.run.as_ref().is_none_or(|run| line.subject.run == run.as_str())
        && filter
            .client
            .as_ref()
            .is_none_or(|client| line.subject.client == client.as_str())
        && filter
            .source
            .as_ref()
            .is_none_or(|source| line.source == source.as_str())
        && (!filter.refused || line.verdict.is_refused())
        && filter
            .within
            .as_ref()
            .is_none_or(|clients| clients.iter().any(|client| line.subject.client == client.as_str()))
}
