//! Counters by source. Sources come from callers, so only so many get counters of their own: those that the policy lets
//! create always do, then whoever comes first; the rest are counted together. So no caller can fill the memory, or the
//! store of whoever reads the metrics, with invented names.

use std::sync::OnceLock;

use super::tally::Tally;
use super::{Effect, Operation, SourceStats};

/// How many sources besides the creators of the policy have counters of their own.
pub const SOURCES_NAMED: usize = 32;
/// The name under which all the others are counted.
pub const OTHER_SOURCES: &str = "other";

const OF_CREATES: &[Effect] = &[
    Effect::Created,
    Effect::Replayed,
    Effect::Conflict,
    Effect::Withheld,
    Effect::InDoubt,
];
const OF_CHANGES: &[Effect] = &[Effect::Changed, Effect::Unchanged, Effect::NotFound, Effect::InDoubt];

/// Everything that is counted, by source.
#[derive(Debug)]
pub(super) struct Sources {
    creators: Vec<OfSource>,
    named: Box<[OnceLock<OfSource>]>,
    others: OfSource,
}

/// What is counted of one source.
#[derive(Debug)]
pub(super) struct OfSource {
    name: Box<str>,
    creates: Tally,
    changes: Tally,
    tokens: Tally,
    webhooks: Tally,
    projection: Tally,
}

impl Sources {
    pub(super) fn new<'a>(creators: impl Iterator<Item = &'a str>) -> Self {
        let creators = creators.filter(|source| *source != OTHER_SOURCES);
        Self {
            creators: creators.map(OfSource::new).collect(),
            named: (0..SOURCES_NAMED).map(|_| OnceLock::new()).collect(),
            others: OfSource::new(OTHER_SOURCES),
        }
    }

    /// The counters of a source.
    pub(super) fn of(&self, source: &str) -> &OfSource {
        if source == OTHER_SOURCES {
            return &self.others;
        }
        let is_it = |known: &&OfSource| *known.name == *source;
        if let Some(creator) = self.creators.iter().find(is_it) {
            return creator;
        }
        let named = self.named.iter().map(|slot| slot.get_or_init(|| OfSource::new(source)));
        named.into_iter().find(is_it).unwrap_or(&self.others)
    }

    pub(super) fn list(&self) -> Vec<SourceStats> {
        let named = self.named.iter().map_while(OnceLock::get);
        self.creators
            .iter()
            .chain(named)
            .chain([&self.others])
            .map(|of| SourceStats {
                source: of.name.clone(),
                creates: of.creates.list(),
                changes: of.changes.list(),
                tokens: of.tokens.list(),
                webhooks: of.webhooks.list(),
                projection: of.projection.list(),
            })
            .collect()
    }
}

impl OfSource {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            creates: Tally::new(OF_CREATES),
            changes: Tally::new(OF_CHANGES),
            tokens: Tally::new(&[]),
            webhooks: Tally::new(&[]),
            projection: Tally::new(&[]),
        }
    }

    pub(super) const fn tally(&self, operation: Operation) -> &Tally {
        match operation {
            Operation::Create => &self.creates,
            Operation::Change => &self.changes,
            Operation::Token => &self.tokens,
            Operation::Webhook => &self.webhooks,
            Operation::Projection => &self.projection,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creators_keep_their_counters_whatever_others_call_themselves() {
        let sources = Sources::new(["orchestrator"].into_iter());
        for number in 0..10 * SOURCES_NAMED {
            sources
                .of(&format!("caller_{number}"))
                .changes
                .count(Effect::NotFound, "");
        }
        sources.of("orchestrator").creates.count(Effect::Created, "");
        sources.of("caller_0").changes.count(Effect::Changed, "");
        let list = sources.list();
        assert_eq!(list.len(), 1 + SOURCES_NAMED + 1);
        let count = |source: &str, effect: Effect| {
            let of = list.iter().find(|of| &*of.source == source).unwrap();
            let mut counted = of.creates.iter().chain(&of.changes);
            counted
                .find(|counted| counted.effect == effect)
                .map(|counted| counted.count)
        };
        assert_eq!(count("orchestrator", Effect::Created), Some(1));
        assert_eq!(count("caller_0", Effect::Changed), Some(1));
        assert_eq!(
            count(OTHER_SOURCES, Effect::NotFound),
            Some(9 * u64::try_from(SOURCES_NAMED).unwrap())
        );
    }

    #[test]
    fn who_is_called_like_the_rest_is_counted_with_the_rest() {
        let sources = Sources::new([OTHER_SOURCES].into_iter());
        sources.of(OTHER_SOURCES).creates.count(Effect::Created, "");
        assert_eq!(sources.list().len(), 1);
    }
}
