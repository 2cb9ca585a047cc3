//! What is left after all faults: checked, and summed up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::callers::{Caller, Notebook};
use super::cluster::Loss;
use super::history::{Answer, Ask, Moment, NEVER, Name, Try, View};
use super::linearizable;
use super::{World, address};
use crate::postgres::program_at;
use crate::program::ran;

/// One fail-over.
pub(super) struct Round {
    pub(super) how: Loss,
    pub(super) lost: Moment,
    /// There is a new primary.
    pub(super) taken_over: Moment,
    /// The lost one is back, and commits wait for a standby again.
    pub(super) repaired: Moment,
    /// A write was acknowledged again.
    pub(super) first_done: Moment,
}

/// What came of it.
pub(super) struct Report {
    rounds: Vec<Round>,
    /// From the first request to the last.
    took: Moment,
    /// What was still unknown when the faults ended, and how long it took to settle it.
    owed: usize,
    settling: Moment,
    records: usize,
    tries: usize,
    reads: usize,
    acknowledged: usize,
    unknown: usize,
    refused: u64,
    writes_cut: u32,
}

impl Report {
    pub(super) fn new(rounds: Vec<Round>, owed: usize, settling: Moment) -> Self {
        Self {
            rounds,
            took: 0,
            owed,
            settling,
            records: 0,
            tries: 0,
            reads: 0,
            acknowledged: 0,
            unknown: 0,
            refused: 0,
            writes_cut: 0,
        }
    }
}

/// Checks all that is left. Nobody asks for anything any more, and nothing is unknown.
pub(super) fn check(world: &World, notebook: Notebook, callers: &mut [Caller], mut report: Report) -> Report {
    let ledger = Ledger::read(world);
    for run in ledger.records.keys() {
        callers[0].look(&notebook, run);
    }
    report.took = notebook.moment();
    report.refused = notebook.refused();
    report.writes_cut = world.link.writes_cut();
    let history = notebook.into_history();
    let mut wrong = Vec::new();
    for (run, tries) in &history {
        wrong.extend(ledger.compare(run, tries));
        wrong.extend(linearizable::check(tries).err().map(|story| format!("{run}: {story}")));
        let count = |is: fn(&Try) -> bool| tries.iter().filter(|one| is(one)).count();
        report.tries += tries.len();
        report.reads += count(|one| !one.ask.writes());
        report.unknown += count(|one| one.to == NEVER);
        report.acknowledged +=
            count(|one| one.ask.writes() && matches!(one.answer, Answer::Done(_) | Answer::Replayed(_)));
    }
    report.records = ledger.records.len();
    let strays: Vec<_> = ledger
        .records
        .keys()
        .filter(|run| !history.contains_key(*run))
        .collect();
    assert!(strays.is_empty(), "nobody asked for {strays:?}");
    assert!(wrong.is_empty(), "{report}\n{}", wrong.join("\n"));
    report
}

/// The records, and the lines of the log about each.
struct Ledger {
    records: BTreeMap<String, View>,
    created: BTreeMap<String, usize>,
    changed: BTreeMap<String, u64>,
}

impl Ledger {
    /// Reads all of it past the servers; it must hold together (I6).
    fn read(world: &World) -> Self {
        let json = |arguments: &[&str]| {
            let url = address(&world.link.ports);
            // A place of its own: no server is asked.
            let place = crate::program::Place::new();
            ran(program_at(&place, &url).args(arguments)).expect(0).json()
        };
        let verified = json(&["verify", "--json"]);
        assert_eq!(verified[0]["clean"], true, "{verified:?}");
        let mut ledger = Self {
            records: BTreeMap::new(),
            created: BTreeMap::new(),
            changed: BTreeMap::new(),
        };
        for record in json(&["list", "--all", "--json"]) {
            let twice = ledger.records.insert(run_of(&record), View::read(&record));
            assert_eq!(twice, None, "two records: {record}");
        }
        for (number, line) in json(&["activity", "--all", "--json"]).iter().enumerate() {
            assert_eq!(line["seq"], number + 1, "the log has a gap");
            match line["outcome"].as_str().unwrap() {
                "created" => *ledger.created.entry(run_of(line)).or_default() += 1,
                "changed" => *ledger.changed.entry(run_of(line)).or_default() += 1,
                _ => {}
            }
        }
        ledger
    }

    /// Compares what callers know of a run with what is there.
    fn compare(&self, run: &str, tries: &[Try]) -> Vec<String> {
        let names = |is: fn(Ask) -> bool| -> BTreeSet<Name> {
            let acknowledged = tries
                .iter()
                .filter(|one| is(one.ask) && matches!(one.answer, Answer::Done(_) | Answer::Replayed(_)));
            acknowledged.filter_map(|one| one.ask.name()).collect()
        };
        let creations = names(|ask| matches!(ask, Ask::Create(_)));
        let adds = names(|ask| matches!(ask, Ask::Add(_)));
        let sets = names(|ask| matches!(ask, Ask::Set(..)));
        let Some(record) = self.records.get(run) else {
            let lost = creations.len() + adds.len() + sets.len();
            return (lost > 0)
                .then(|| format!("{run} is lost, with {lost} acknowledgements"))
                .into_iter()
                .collect();
        };
        let mut wrong = Vec::new();
        let mut must = |is_so: bool, what: String| {
            if !is_so {
                wrong.push(format!("{run}: {what}; the record is {record:?}"));
            }
        };
        must(
            creations == BTreeSet::from([record.attempt]),
            format!("created in the attempts {creations:?}"),
        );
        must(
            record.count == adds.len() as u64,
            format!("{} deltas are known to have been added", adds.len()),
        );
        must(
            record.mark == 0 || sets.contains(&record.mark),
            format!("it was set by {sets:?}"),
        );
        let ends = u64::from(record.ended.is_some());
        let version = 1 + adds.len() as u64 + sets.len() as u64 + ends;
        must(
            record.version == version,
            format!("by what is known it has version {version}"),
        );
        let created = self.created.get(run).copied().unwrap_or_default();
        must(created == 1, format!("the log has {created} creations"));
        let changed = self.changed.get(run).copied().unwrap_or_default();
        must(changed + 1 == record.version, format!("the log has {changed} changes"));
        wrong
    }
}

fn run_of(value: &Value) -> String {
    value["run_id"].as_str().unwrap().to_owned()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |from: Moment, to: Moment| Duration::from_nanos(to - from).as_secs_f64();
        writeln!(
            f,
            "{} primaries lost and replaced in {:.0} s; {} records, {} tries ({} reads), {} writes acknowledged, {} tries unknown, {} refused for \
             want of the database, {} writes cut on their way",
            self.rounds.len(),
            seconds(0, self.took),
            self.records,
            self.tries,
            self.reads,
            self.acknowledged,
            self.unknown,
            self.refused,
            self.writes_cut
        )?;
        writeln!(
            f,
            "{} wishes were left for the end and settled in {:.1} s",
            self.owed,
            seconds(0, self.settling)
        )?;
        let mut outages: Vec<_> = self
            .rounds
            .iter()
            .map(|round| seconds(round.lost, round.first_done))
            .collect();
        outages.sort_by(f64::total_cmp);
        for (number, round) in self.rounds.iter().enumerate() {
            writeln!(
                f,
                "{} {:?}: new primary after {:.1} s, first acknowledgement after {:.1} s, standby back after {:.1} s",
                number + 1,
                round.how,
                seconds(round.lost, round.taken_over),
                seconds(round.lost, round.first_done),
                seconds(round.lost, round.repaired)
            )?;
        }
        if let [first, .., last] = &outages[..] {
            let median = outages[outages.len() / 2];
            write!(
                f,
                "first acknowledgement: {first:.1} s to {last:.1} s, median {median:.1} s"
            )?;
        }
        Ok(())
    }
}
