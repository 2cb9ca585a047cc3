//! Whose turn it is: new rows and changed ones never share a request, and requests that are not full are few.
//!
//! A full request of rows whose time has come goes out at once. Fewer rows go out as well, but not again within the time
//! for filling: what comes meanwhile shares the next request.

use std::collections::BTreeMap;

use runledger_domain::{RecordKind, Timestamp};
use runledger_ports::OutboxEntry;

use super::ProjectionOptions;

/// How rows are written.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Way {
    /// They are made.
    Make,
    /// They are changed.
    Change,
}

impl Way {
    /// How a row would be written.
    pub(super) fn of(entry: &OutboxEntry) -> Self {
        if entry.row.id.is_none() {
            Self::Make
        } else {
            Self::Change
        }
    }
}

/// What is to be sent, and when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Turn {
    /// Not before.
    pub(super) at: Timestamp,
    pub(super) way: Way,
    /// Whether it is of rows that were refused: they go apart from the others.
    pub(super) were_refused: bool,
}

/// When requests went out that were not full.
#[derive(Debug, Default)]
pub(super) struct Unfilled(BTreeMap<(RecordKind, Way), Timestamp>);

impl Unfilled {
    /// One goes out.
    pub(super) fn note(&mut self, kind: RecordKind, way: Way, at: Timestamp) {
        self.0.insert((kind, way), at);
    }

    /// It had no effect: the next one need not wait for that.
    pub(super) fn forget(&mut self, kind: RecordKind, way: Way) {
        self.0.remove(&(kind, way));
    }

    /// Whose turn is the earliest, of entries of one kind that wait, the earliest first.
    pub(super) fn turn(
        &self,
        kind: RecordKind,
        entries: &[OutboxEntry],
        now: Timestamp,
        rows_max: usize,
        options: &ProjectionOptions,
    ) -> Option<Turn> {
        let soon = now.saturating_add(options.gather);
        let mut earliest: Option<Turn> = None;
        for way in [Way::Make, Way::Change] {
            for were_refused in [true, false] {
                let mut of_turn = entries
                    .iter()
                    .filter(|entry| Way::of(entry) == way && (entry.row.failures > 0) == were_refused)
                    .peekable();
                let Some(due) = of_turn.peek().map(|first| first.due) else {
                    continue;
                };
                // Those that may as well wait do not make a request full that would not be sent without them.
                let is_full = of_turn.filter(|entry| entry.due <= soon).count() >= rows_max;
                let last = self.0.get(&(kind, way)).filter(|_| !is_full && !were_refused);
                let at = last.map_or(due, |last| due.max(last.saturating_add(options.fill)));
                if earliest.is_none_or(|turn| at < turn.at) {
                    earliest = Some(Turn { at, way, were_refused });
                }
            }
        }
        earliest
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use runledger_ports::RowState;

    use super::*;

    const NOW: u64 = 1_000;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH.saturating_add(Duration::from_secs(seconds))
    }

    fn entry(due: u64, way: Way, failures: u64) -> OutboxEntry {
        OutboxEntry {
            key: "nightly".parse().unwrap(),
            wanted: 1,
            due: at(due),
            row: RowState {
                id: (way == Way::Change).then(|| "row-1".parse().unwrap()),
                failures,
                ..RowState::default()
            },
        }
    }

    /// After a request that was not full went out 20 s ago, for each way.
    fn check(entries: &[OutboxEntry], expected: (u64, Way, bool)) {
        let options = ProjectionOptions {
            gather: Duration::from_secs(5),
            fill: Duration::from_mins(1),
            ..ProjectionOptions::default()
        };
        let mut unfilled = Unfilled::default();
        for way in [Way::Make, Way::Change] {
            unfilled.note(RecordKind::Client, way, at(NOW - 20));
        }
        let turn = unfilled
            .turn(RecordKind::Client, entries, at(NOW), 3, &options)
            .unwrap();
        assert_eq!(
            turn,
            Turn {
                at: at(expected.0),
                way: expected.1,
                were_refused: expected.2
            }
        );
    }

    #[test]
    fn a_request_that_is_not_full_waits_for_more_rows_and_a_full_one_does_not() {
        let make = |due| entry(due, Way::Make, 0);
        check(&[make(990), make(991)], (1_040, Way::Make, false));
        check(&[make(990), make(991), make(1_004)], (990, Way::Make, false));
        // One that may wait for long does not fill it.
        check(&[make(990), make(991), make(1_500)], (1_040, Way::Make, false));
        // Its time has not come.
        check(&[make(1_100)], (1_100, Way::Make, false));
    }

    #[test]
    fn rows_of_the_other_way_neither_fill_a_request_nor_hold_it_up() {
        let (make, change) = (|due| entry(due, Way::Make, 0), |due| entry(due, Way::Change, 0));
        check(&[make(980), change(981), make(982)], (1_040, Way::Make, false));
        check(
            &[make(980), change(981), change(982), change(983)],
            (981, Way::Change, false),
        );
    }

    #[test]
    fn rows_that_were_refused_are_tried_when_their_time_has_come() {
        check(
            &[entry(980, Way::Change, 0), entry(995, Way::Change, 2)],
            (995, Way::Change, true),
        );
    }

    #[test]
    fn the_first_request_of_a_kind_need_not_be_full() {
        let entries = [entry(990, Way::Make, 0)];
        let turn = |unfilled: &Unfilled| {
            let options = ProjectionOptions::default();
            unfilled
                .turn(RecordKind::Job, &entries, at(NOW), 10, &options)
                .unwrap()
                .at
        };
        let mut unfilled = Unfilled::default();
        unfilled.note(RecordKind::Client, Way::Make, at(999));
        assert_eq!(turn(&unfilled), at(990));
        unfilled.note(RecordKind::Job, Way::Make, at(999));
        assert!(turn(&unfilled) > at(NOW));
        unfilled.forget(RecordKind::Job, Way::Make);
        assert_eq!(turn(&unfilled), at(990));
    }
}
