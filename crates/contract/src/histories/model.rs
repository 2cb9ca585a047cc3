//! What a ledger is, in as few words as possible. Must not call anything that a store calls.

use std::collections::BTreeMap;

use super::operations::{Content, Key, OUTCOMES, Order, SOURCES, Wanted};

/// How long a record may be silent, in seconds, unless it says otherwise.
pub(super) const SPAN_SECONDS: i64 = 100;
/// The same for those that are in a hurry.
pub(super) const HURRIED_SECONDS: i64 = 30;

/// How a stage ended, and what it reported.
type StageEnd = (&'static str, Option<u16>);

/// One record.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) key: Key,
    by: usize,
    attempt: u8,
    content: Content,
    minted: bool,
    pub(super) version: u64,
    pub(super) status: &'static str,
    /// In thousandths.
    pub(super) metrics: BTreeMap<usize, i128>,
    pub(super) notes: usize,
    ended_with_note: bool,
    updates: BTreeMap<u8, Order>,
    /// Each stage in the order of its start, with its end: how, and what it reported.
    stages: Vec<(usize, Option<StageEnd>)>,
    pub(super) last_sign: i64,
}

/// The ledger.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// In the order of creation.
    pub(super) records: Vec<Record>,
    /// What came of each attempt, in order.
    pub(super) verdicts: Vec<String>,
    pub(super) now: i64,
}

/// Who may create job records, and who may create client run records.
pub(super) fn may_create(by: usize, key: Key) -> bool {
    let (jobs, clients) = match SOURCES[by] {
        "orchestrator" | "batch_process" => (true, true),
        "job_maker" => (true, false),
        "client_maker" => (false, true),
        _ => (false, false),
    };
    if key.1.is_none() { jobs } else { clients }
}

impl Record {
    fn new(by: usize, wanted: &Wanted, minted: bool, now: i64) -> Self {
        Self {
            key: wanted.key,
            by,
            attempt: wanted.attempt,
            content: wanted.content,
            minted,
            version: 1,
            status: if wanted.content == Content::Queued {
                "queued"
            } else {
                "running"
            },
            metrics: BTreeMap::new(),
            notes: usize::from(wanted.content == Content::Noted),
            ended_with_note: false,
            updates: BTreeMap::new(),
            stages: Vec::new(),
            last_sign: now,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.status == "queued" || self.status == "running"
    }

    /// The last second at which the record is not stalled.
    pub(super) fn deadline(&self) -> i64 {
        let span = if self.content == Content::Hurried {
            HURRIED_SECONDS
        } else {
            SPAN_SECONDS
        };
        self.last_sign + span
    }

    fn has_open_stage(&self) -> bool {
        self.stages.iter().any(|(_, end)| end.is_none())
    }

    fn end(&mut self, status: &'static str, of_stages: &'static str) {
        for (_, end) in &mut self.stages {
            end.get_or_insert((of_stages, None));
        }
        self.status = status;
    }

    fn touch(&mut self, now: i64) {
        self.version += 1;
        self.last_sign = now;
    }

    /// Whether the order was carried out before; an error when its id was used for something else.
    fn repeats(&self, order: &Order) -> Result<bool, &'static str> {
        Ok(match order {
            Order::Add {
                update_id: Some(id), ..
            } => match self.updates.get(id) {
                Some(known) if known == order => true,
                Some(_) => return Err("update_id_reused"),
                None => false,
            },
            Order::Begin => self.status == "running",
            Order::StartStage { stage } => self.stages.contains(&(*stage, None)),
            Order::FinishStage {
                stage,
                outcome,
                thousandths,
            } => self
                .stages
                .contains(&(*stage, Some((OUTCOMES[*outcome], *thousandths)))),
            Order::Complete { outcome, noted, .. } => {
                self.status == OUTCOMES[*outcome] && self.ended_with_note == *noted
            }
            _ => false,
        })
    }

    /// Carries the order out on an open record, or says why not.
    fn obey(&mut self, order: &Order, now: i64, open_clients: bool) -> Result<(), &'static str> {
        match *order {
            Order::Add {
                metric,
                thousandths,
                update_id,
            } => {
                *self.metrics.entry(metric).or_default() += i128::from(thousandths);
                if let Some(id) = update_id {
                    self.updates.insert(id, order.clone());
                }
            }
            Order::Raise { metric, thousandths } => {
                let value = self.metrics.entry(metric).or_default();
                *value = (*value).max(i128::from(thousandths));
            }
            Order::Set { metric, thousandths } => {
                self.metrics.insert(metric, i128::from(thousandths));
            }
            Order::AddAndSet => return Err("metric_named_twice"),
            Order::Note => self.notes += 1,
            Order::Begin => self.status = "running",
            Order::Nothing => return Err("nothing_to_change"),
            Order::StartStage { stage } => {
                if self.stages.iter().any(|(known, _)| *known == stage) {
                    return Err("stage_ended");
                }
                self.status = "running";
                self.stages.push((stage, None));
            }
            Order::FinishStage {
                stage,
                outcome,
                thousandths,
            } => {
                let known = self.stages.iter_mut().find(|(known, _)| *known == stage);
                let (_, end) = known.ok_or("stage_not_started")?;
                if end.is_some() {
                    return Err("stage_ended");
                }
                *end = Some((OUTCOMES[outcome], thousandths));
                if let Some(thousandths) = thousandths {
                    *self.metrics.entry(0).or_default() += i128::from(thousandths);
                }
            }
            Order::Heartbeat => {}
            Order::Complete {
                outcome,
                noted,
                close_open,
            } => {
                let outcome = OUTCOMES[outcome];
                if self.status == "queued" && outcome.starts_with("succeeded") {
                    return Err("not_started");
                }
                if !close_open && self.has_open_stage() {
                    return Err("open_stages");
                }
                if !close_open && open_clients {
                    return Err("open_clients");
                }
                self.ended_with_note = noted;
                self.end(outcome, "cancelled");
            }
            Order::DeclareLost { grace_seconds } => {
                if now <= self.deadline() + i64::from(grace_seconds) {
                    return Err("not_stalled");
                }
                if open_clients {
                    return Err("open_clients");
                }
                self.end("lost", "lost");
            }
        }
        Ok(())
    }
}

impl Model {
    pub(super) fn find(&self, key: Key) -> Option<&Record> {
        self.records.iter().find(|record| record.key == key)
    }

    /// What the policy does not let through leaves its line.
    pub(super) fn refuse(&mut self) {
        self.verdicts.push("refused source_not_authorised".to_owned());
    }

    /// All of them, or none.
    pub(super) fn create(&mut self, by: usize, wanted: &[Wanted], minted: bool) {
        let stored = self.records.len();
        let mut verdicts = Vec::new();
        for one in wanted {
            let verdict = match self.holder(by, one, minted) {
                Some(place) => {
                    let held = &self.records[place];
                    let same = (held.by, held.attempt, held.content) == (by, one.attempt, one.content);
                    match (same, place < stored) {
                        (true, true) => "replayed",
                        (true, false) => "replayed within",
                        (false, _) if (held.by, held.attempt) == (by, one.attempt) => "refused idempotency_key_reused",
                        (false, _) => "refused conflict",
                    }
                }
                None => match self.check(one) {
                    Ok(()) => {
                        self.records.push(Record::new(by, one, minted, self.now));
                        "created"
                    }
                    Err(refusal) => refusal,
                },
            };
            verdicts.push(verdict);
        }
        let fails = verdicts.iter().any(|verdict| verdict.starts_with("refused"));
        if fails {
            self.records.truncate(stored);
        }
        self.verdicts.extend(verdicts.into_iter().map(|verdict| {
            let verdict = match verdict {
                "created" | "replayed within" if fails => "refused withheld",
                "replayed within" => "replayed",
                other => other,
            };
            verdict.to_owned()
        }));
    }

    /// The place of the record that a creation meets.
    fn holder(&self, by: usize, wanted: &Wanted, minted: bool) -> Option<usize> {
        let started = self.records.iter().position(|record| {
            minted && record.minted && record.key.1.is_none() && (record.by, record.attempt) == (by, wanted.attempt)
        });
        started.or_else(|| self.records.iter().position(|record| record.key == wanted.key))
    }

    fn check(&self, wanted: &Wanted) -> Result<(), &'static str> {
        let (run, client) = wanted.key;
        if client.is_none() {
            return if wanted.content == Content::Named {
                Err("refused client_name_on_job")
            } else {
                Ok(())
            };
        }
        match self.find((run, None)) {
            None => Err("refused job_missing"),
            Some(job) if !job.is_open() => Err("refused job_ended"),
            Some(_) => Ok(()),
        }
    }

    /// Carries an order out on the record under the key, if there is one.
    pub(super) fn change(&mut self, key: Key, order: &Order, expected: Option<u64>) {
        let is_open_client = |record: &Record| key.1.is_none() && is_client_of(record, key) && record.is_open();
        let open_clients = self.records.iter().any(is_open_client);
        let now = self.now;
        let Some(record) = self.records.iter_mut().find(|record| record.key == key) else {
            self.verdicts.push("refused not_found".to_owned());
            return;
        };
        let verdict = match record.repeats(order) {
            Ok(true) => Ok("unchanged"),
            Err(code) => Err(code),
            Ok(false) if !record.is_open() => Err("already_ended"),
            Ok(false) if expected.is_some_and(|expected| expected != record.version) => Err("version_mismatch"),
            Ok(false) => record.obey(order, now, open_clients).map(|()| "changed"),
        };
        self.verdicts.push(match verdict {
            Ok(word) => word.to_owned(),
            Err(code) => format!("refused {code}"),
        });
        if verdict != Ok("changed") {
            return;
        }
        record.touch(now);
        if !record.is_open() && key.1.is_none() {
            self.close_clients(key);
        }
    }

    /// The job has ended: what is still open under it ends with it.
    fn close_clients(&mut self, job: Key) {
        let now = self.now;
        let open = self
            .records
            .iter_mut()
            .filter(|record| is_client_of(record, job) && record.is_open());
        for record in open {
            record.end("cancelled", "cancelled");
            record.touch(now);
            self.verdicts.push("changed".to_owned());
        }
    }
}

/// Whether this is a client run record of the job's run.
pub(super) fn is_client_of(record: &Record, job: Key) -> bool {
    record.key.0 == job.0 && record.key.1.is_some()
}
