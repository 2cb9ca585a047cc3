//! Counters by what came of operations and why. The entries grow with what is met, and are bounded.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Effect;

/// The reason that stands for those that found no room of their own.
pub const OTHER_REASONS: &str = "other";

/// How many pairs of effect and reason one tally holds. There are fewer codes than that.
const ENTRIES: usize = 96;

/// How often one thing came of an operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Counted {
    /// What came of it.
    pub effect: Effect,
    /// The code of the refusal, or why the store did not do it; empty for the rest.
    pub reason: &'static str,
    /// How often.
    pub count: u64,
}

/// Counters that are found by comparing: the usual ones stand first.
#[derive(Debug)]
pub(super) struct Tally {
    entries: Box<[OnceLock<Entry>]>,
    /// What found no room.
    beyond: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    effect: Effect,
    reason: &'static str,
    count: AtomicU64,
}

impl Entry {
    const fn new(effect: Effect, reason: &'static str) -> Self {
        Self {
            effect,
            reason,
            count: AtomicU64::new(0),
        }
    }
}

impl Tally {
    /// A tally that shows these effects also as long as they are zero: whoever watches a counter sees its first step.
    pub(super) fn new(shown: &[Effect]) -> Self {
        let shown = shown.iter().map(|effect| Entry::new(*effect, "")).map(OnceLock::from);
        let mut entries: Vec<_> = shown.collect();
        entries.resize_with(ENTRIES, OnceLock::new);
        Self {
            entries: entries.into(),
            beyond: AtomicU64::new(0),
        }
    }

    pub(super) fn count(&self, effect: Effect, reason: &'static str) {
        for slot in &self.entries {
            // Whoever comes first takes the slot; whoever comes second finds it taken and compares.
            let entry = slot.get_or_init(|| Entry::new(effect, reason));
            if entry.effect == effect && entry.reason == reason {
                entry.count.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        self.beyond.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn list(&self) -> Vec<Counted> {
        let known = self.entries.iter().map_while(OnceLock::get).map(|entry| Counted {
            effect: entry.effect,
            reason: entry.reason,
            count: entry.count.load(Ordering::Relaxed),
        });
        let beyond = self.beyond.load(Ordering::Relaxed);
        let beyond = (beyond > 0).then_some(Counted {
            effect: Effect::Refused,
            reason: OTHER_REASONS,
            count: beyond,
        });
        known.chain(beyond).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_and_reasons_are_told_apart_and_shown_ones_begin_at_zero() {
        let tally = Tally::new(&[Effect::Created]);
        tally.count(Effect::Refused, "conflict");
        tally.count(Effect::Refused, "busy");
        tally.count(Effect::Unavailable, "busy");
        tally.count(Effect::Refused, "busy");
        let list: Vec<_> = tally
            .list()
            .into_iter()
            .map(|counted| (counted.effect, counted.reason, counted.count))
            .collect();
        assert_eq!(
            list,
            [
                (Effect::Created, "", 0),
                (Effect::Refused, "conflict", 1),
                (Effect::Refused, "busy", 2),
                (Effect::Unavailable, "busy", 1),
            ]
        );
    }

    #[test]
    fn what_finds_no_room_is_counted_together() {
        let tally = Tally::new(&[]);
        for number in 0..ENTRIES + 3 {
            tally.count(Effect::Refused, Box::leak(number.to_string().into_boxed_str()));
        }
        let list = tally.list();
        assert_eq!(list.len(), ENTRIES + 1);
        assert_eq!(
            list.last().map(|last| (last.reason, last.count)),
            Some((OTHER_REASONS, 3))
        );
    }

    #[test]
    fn threads_that_meet_a_reason_together_lose_no_count() {
        let tally = Tally::new(&[]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for reason in ["a", "b", "c", "d", "e", "f"].into_iter().cycle().take(6_000) {
                        tally.count(Effect::Refused, reason);
                    }
                });
            }
        });
        let counts: Vec<_> = tally.list().iter().map(|counted| counted.count).collect();
        assert_eq!(counts, [4_000; 6]);
    }
}
