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
mod tests;
