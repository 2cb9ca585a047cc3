//! Whether what callers saw of one record can be told as one story (I8): every try takes effect at one moment between its
//! beginning and its answer, in an order in which the rules give all the answers that were given. A try without an answer
//! takes effect at some moment after its beginning, or never. Several tries of one wish have one name, and the rules give
//! it one effect.
//!
//! The search goes through the orders depth first and leaves out what it has seen (Wing and Gong's way, with Lowe's
//! memory). The rules are written here anew, in the words of the API: nothing of the ledger judges itself.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;

use super::history::{Answer, Ask, Moment, NEVER, Name, Try, View};

/// More steps than this mean that the history is not understood, which is no success.
const STEPS_MAX: usize = 5_000_000;

/// A record, as the rules have it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Record {
    attempt: Name,
    version: u64,
    count: u64,
    mark: Name,
    ended: Option<bool>,
    /// The names of the updates that took effect.
    updates: BTreeSet<Name>,
}

/// There may be none.
type State = Option<Record>;

impl Record {
    fn view(&self) -> View {
        View {
            attempt: self.attempt,
            version: self.version,
            count: self.count,
            mark: self.mark,
            ended: self.ended,
        }
    }
}

/// The rules: what one request makes of a record, and what it is answered.
fn step(state: &State, ask: Ask) -> (State, Answer) {
    let Some(record) = state else {
        return match ask {
            Ask::Create(attempt) => {
                let new = Record {
                    attempt,
                    version: 1,
                    count: 0,
                    mark: 0,
                    ended: None,
                    updates: BTreeSet::new(),
                };
                let view = new.view();
                (Some(new), Answer::Done(view))
            }
            _ => (None, Answer::Absent),
        };
    };
    let mut next = record.clone();
    let unchanged = |answer: fn(View) -> Answer| (state.clone(), answer(record.view()));
    match ask {
        Ask::Get => return unchanged(Answer::Shown),
        Ask::Create(attempt) if attempt == record.attempt => return unchanged(Answer::Replayed),
        Ask::Create(_) => return unchanged(Answer::Taken),
        Ask::Add(name) | Ask::Set(name, _) if record.updates.contains(&name) => return unchanged(Answer::Replayed),
        Ask::Complete(succeeded) if record.ended == Some(succeeded) => return unchanged(Answer::Replayed),
        _ if record.ended.is_some() => return unchanged(Answer::Ended),
        Ask::Set(_, version) if version != record.version => return unchanged(Answer::OtherVersion),
        Ask::Add(name) => {
            next.count += 1;
            next.updates.insert(name);
        }
        Ask::Set(name, _) => {
            next.mark = name;
            next.updates.insert(name);
        }
        Ask::Complete(succeeded) => next.ended = Some(succeeded),
    }
    next.version += 1;
    let view = next.view();
    (Some(next), Answer::Done(view))
}

/// The tries that have their place in the order.
#[derive(Clone, Eq, Hash, PartialEq)]
struct Placed(Vec<u64>);

impl Placed {
    fn none_of(tries: usize) -> Self {
        Self(vec![0; tries.div_ceil(64)])
    }

    fn has(&self, index: usize) -> bool {
        self.0[index / 64] >> (index % 64) & 1 == 1
    }

    fn flip(&mut self, index: usize) {
        self.0[index / 64] ^= 1 << (index % 64);
    }
}

/// A place in the search: the record there, the try that led to it, and where to go on when the way behind it is closed.
struct Place {
    state: State,
    by: Option<usize>,
    next: usize,
}

/// Checks the tries of one record.
///
/// # Errors
/// Says which tries no order explains.
pub(crate) fn check(tries: &[Try]) -> Result<(), String> {
    let mut tries: Vec<_> = tries.iter().collect();
    tries.sort_by_key(|one| (one.from, one.to));
    let mut left = tries.iter().filter(|one| one.to != NEVER).count();
    let mut placed = Placed::none_of(tries.len());
    let mut seen = HashSet::new();
    let mut way = vec![Place {
        state: None,
        by: None,
        next: 0,
    }];
    let mut farthest = (left, None, placed.clone());
    for _ in 0..STEPS_MAX {
        if left == 0 {
            return Ok(());
        }
        let Some(place) = way.last_mut() else {
            return Err(story(&tries, &farthest.1, &farthest.2));
        };
        let Some((index, state)) = next_try(&tries, &placed, place) else {
            let by = place.by;
            way.pop();
            if let Some(index) = by {
                placed.flip(index);
                left += usize::from(tries[index].to != NEVER);
            }
            continue;
        };
        place.next = index + 1;
        placed.flip(index);
        if !seen.insert((placed.clone(), state.clone())) {
            placed.flip(index);
            continue;
        }
        left -= usize::from(tries[index].to != NEVER);
        if left < farthest.0 {
            farthest = (left, state.clone(), placed.clone());
        }
        way.push(Place {
            state,
            by: Some(index),
            next: 0,
        });
    }
    Err(format!("{} tries are too many to tell: {STEPS_MAX} steps", tries.len()))
}

/// The next try that may come now, with what it makes of the record.
fn next_try(tries: &[&Try], placed: &Placed, place: &Place) -> Option<(usize, State)> {
    let mut earliest_end = Moment::MAX;
    for (index, one) in tries.iter().enumerate() {
        if placed.has(index) {
            continue;
        }
        // Another try had its answer before this one began; so have all that follow.
        if one.from > earliest_end {
            return None;
        }
        earliest_end = earliest_end.min(one.to);
        if index < place.next {
            continue;
        }
        let (state, answer) = step(&place.state, one.ask);
        let fits = match one.answer {
            // Without an effect it need not be told.
            Answer::Unknown => state != place.state,
            given => given == answer,
        };
        if fits && too_late(tries, placed, index, &state).is_none() {
            return Some((index, state));
        }
    }
    None
}

/// A try that is left and saw, or did, what is past once `next` has its place: versions grow, and nothing is ever gone.
fn too_late<'t>(tries: &[&'t Try], placed: &Placed, next: usize, state: &State) -> Option<&'t Try> {
    let reached = state.as_ref()?.version;
    let saw_less = |answer: Answer| match answer {
        Answer::Unknown => false,
        Answer::Done(view) => view.version <= reached,
        answer => answer.view().is_none_or(|view| view.version < reached),
    };
    let mut left = tries
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != next && !placed.has(*index));
    left.find(|(_, one)| saw_less(one.answer)).map(|(_, one)| *one)
}

/// What can be told of it, and what comes in the way.
fn story(tries: &[&Try], state: &State, placed: &Placed) -> String {
    let mut text = format!("after all that can be told the record is {state:?}, and none of these can come next:\n");
    let mut earliest_end = Moment::MAX;
    for (index, one) in tries.iter().enumerate() {
        if !placed.has(index) && one.from <= earliest_end {
            earliest_end = earliest_end.min(one.to);
            let (next, answer) = step(state, one.ask);
            // Writing to a text does not fail.
            let _ = match too_late(tries, placed, index, &next) {
                Some(other) if answer == one.answer => writeln!(text, "  {one}, and then this is too late: {other}"),
                _ => writeln!(text, "  {one}, and by the rules it is {answer:?}"),
            };
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    const ONE: View = View {
        attempt: 1,
        version: 1,
        count: 0,
        mark: 0,
        ended: None,
    };
    const TWO: View = View {
        version: 2,
        count: 1,
        ..ONE
    };

    fn one(from: Moment, to: Moment, ask: Ask, answer: Answer) -> Try {
        Try {
            ask,
            from,
            to,
            answer,
            by: (0, 0),
        }
    }

    fn unknown(from: Moment, ask: Ask) -> Try {
        one(from, NEVER, ask, Answer::Unknown)
    }

    /// A record that was created, and nothing else.
    fn created() -> Try {
        one(0, 10, Ask::Create(1), Answer::Done(ONE))
    }

    fn fits(tries: &[Try]) {
        check(tries).unwrap();
        let backwards: Vec<_> = tries.iter().rev().cloned().collect();
        check(&backwards).unwrap();
    }

    /// No order explains it, and the first of these tries is among those that are named.
    fn is_wrong(tries: &[Try], named: &Try) {
        let said = check(tries).unwrap_err();
        assert!(said.contains(&named.to_string()), "{said}");
    }

    #[test]
    fn what_follows_the_rules_fits() {
        let ended = View {
            version: 4,
            mark: 3,
            ended: Some(true),
            ..TWO
        };
        fits(&[
            one(0, 5, Ask::Get, Answer::Absent),
            one(1, 9, Ask::Create(1), Answer::Done(ONE)),
            one(2, 12, Ask::Create(7), Answer::Taken(ONE)),
            one(10, 20, Ask::Add(2), Answer::Done(TWO)),
            one(21, 22, Ask::Add(2), Answer::Replayed(TWO)),
            one(23, 24, Ask::Set(3, 1), Answer::OtherVersion(TWO)),
            one(
                25,
                26,
                Ask::Set(3, 2),
                Answer::Done(View {
                    version: 3,
                    mark: 3,
                    ..TWO
                }),
            ),
            one(30, 40, Ask::Complete(true), Answer::Done(ended)),
            one(41, 42, Ask::Complete(true), Answer::Replayed(ended)),
            one(41, 42, Ask::Complete(false), Answer::Ended(ended)),
            one(43, 44, Ask::Add(2), Answer::Replayed(ended)),
            one(45, 46, Ask::Add(9), Answer::Ended(ended)),
        ]);
    }

    #[test]
    fn what_overlaps_may_come_in_either_order() {
        for shown in [ONE, TWO] {
            fits(&[
                created(),
                one(20, 40, Ask::Add(2), Answer::Done(TWO)),
                one(30, 50, Ask::Get, Answer::Shown(shown)),
            ]);
        }
    }

    #[test]
    fn a_read_that_misses_a_write_answered_before_it_is_wrong() {
        let stale = one(30, 40, Ask::Get, Answer::Shown(ONE));
        is_wrong(
            &[created(), one(15, 20, Ask::Add(2), Answer::Done(TWO)), stale.clone()],
            &stale,
        );
        let gone = one(30, 40, Ask::Get, Answer::Absent);
        is_wrong(&[created(), gone.clone()], &gone);
    }

    #[test]
    fn reads_that_go_back_are_wrong() {
        let back = one(30, 35, Ask::Get, Answer::Shown(ONE));
        let adding = one(15, 40, Ask::Add(2), Answer::Done(TWO));
        is_wrong(
            &[
                created(),
                adding,
                one(20, 25, Ask::Get, Answer::Shown(TWO)),
                back.clone(),
            ],
            &back,
        );
    }

    #[test]
    fn a_lost_update_is_wrong() {
        let lost = one(30, 40, Ask::Add(3), Answer::Done(TWO));
        is_wrong(
            &[created(), one(15, 20, Ask::Add(2), Answer::Done(TWO)), lost.clone()],
            &lost,
        );
        // Both found the version that they expected.
        let two = View {
            version: 2,
            mark: 2,
            ..ONE
        };
        let both = one(15, 40, Ask::Set(3, 1), Answer::Done(View { mark: 3, ..two }));
        is_wrong(
            &[created(), one(15, 20, Ask::Set(2, 1), Answer::Done(two)), both.clone()],
            &both,
        );
    }

    #[test]
    fn a_second_creation_is_wrong() {
        let second = one(5, 30, Ask::Create(4), Answer::Done(View { attempt: 4, ..ONE }));
        is_wrong(&[created(), second.clone()], &second);
        let replayed = one(20, 30, Ask::Create(4), Answer::Replayed(View { attempt: 4, ..ONE }));
        is_wrong(&[created(), replayed.clone()], &replayed);
    }

    #[test]
    fn a_try_without_an_answer_takes_effect_late_or_never() {
        let adding = unknown(15, Ask::Add(2));
        fits(&[created(), adding.clone(), one(20, 30, Ask::Get, Answer::Shown(ONE))]);
        fits(&[
            created(),
            adding.clone(),
            one(20, 30, Ask::Get, Answer::Shown(ONE)),
            one(40, 50, Ask::Get, Answer::Shown(TWO)),
        ]);
        // Not before it began.
        let early = one(11, 14, Ask::Get, Answer::Shown(TWO));
        is_wrong(&[created(), adding, early.clone()], &early);
    }

    #[test]
    fn several_tries_of_one_wish_have_one_effect() {
        let tries = [created(), unknown(15, Ask::Add(2)), unknown(20, Ask::Add(2))];
        for answer in [Answer::Done(TWO), Answer::Replayed(TWO)] {
            fits(&[&tries[..], &[one(30, 40, Ask::Add(2), answer)]].concat());
        }
        let three = View {
            version: 3,
            count: 2,
            ..ONE
        };
        let twice = one(30, 40, Ask::Add(2), Answer::Done(three));
        is_wrong(&[&tries[..], from_ref(&twice)].concat(), &twice);
        let seen_twice = one(50, 60, Ask::Get, Answer::Shown(three));
        is_wrong(&[&tries[..], from_ref(&seen_twice)].concat(), &seen_twice);
        // A repetition of what never was.
        let repeated = one(30, 40, Ask::Add(2), Answer::Replayed(TWO));
        is_wrong(&[created(), repeated.clone()], &repeated);
    }

    #[test]
    fn an_end_that_is_undone_is_wrong() {
        let ended = View {
            version: 2,
            ended: Some(true),
            ..ONE
        };
        let ending = one(15, 20, Ask::Complete(true), Answer::Done(ended));
        let after = one(
            30,
            40,
            Ask::Add(2),
            Answer::Done(View {
                version: 3,
                count: 1,
                ..ended
            }),
        );
        is_wrong(&[created(), ending.clone(), after.clone()], &after);
        let other = one(
            30,
            40,
            Ask::Complete(false),
            Answer::Done(View {
                version: 3,
                ended: Some(false),
                ..ONE
            }),
        );
        is_wrong(&[created(), ending, other.clone()], &other);
    }

    /// As many at once as a test has, most of them without an answer: the search must come to an end.
    #[test]
    fn long_histories_are_told() {
        let mut tries = vec![created()];
        for number in 0..150 {
            let (from, version) = (20 + 10 * number, number + 2);
            if number % 7 == 0 {
                tries.push(unknown(from, Ask::Add(5_000 + number)));
                tries.push(unknown(from, Ask::Set(6_000 + number, version + 1_000)));
            }
            let view = View {
                version,
                count: number + 1,
                ..ONE
            };
            tries.push(one(from, from + 30, Ask::Add(10 + number), Answer::Done(view)));
        }
        fits(&tries);
        let stale = one(20_000, 20_010, Ask::Get, Answer::Shown(ONE));
        tries.push(stale.clone());
        is_wrong(&tries, &stale);
    }
}
