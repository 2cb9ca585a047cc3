//! What an outbox was begun for: a place, and whether rows may be there that nobody noted (I14).
//!
//! It is kept with the outbox, for as long as that lasts. Were it a setting alone, a start without it would make rows again
//! that were there before.

use runledger_ports::OutboxHead;

/// Stands behind the place where each row is looked for before it is made.
const LOOKED_FOR: &str = ", rows looked for first";

/// What an outbox is called that is begun for this place.
pub(crate) fn name(target: &str, looks_first: bool) -> String {
    let looked_for = if looks_first { LOOKED_FOR } else { "" };
    format!("{target}{looked_for}")
}

/// Whether rows are looked for before they are made; nothing when the outbox was begun for another place.
pub(crate) fn looks_first(head: &OutboxHead, target: &str) -> Option<bool> {
    match head.target.strip_prefix(target)? {
        "" => Some(false),
        LOOKED_FOR => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_says_for_which_place_it_was_begun_and_how() {
        let begun = |target: &str, first| OutboxHead {
            target: name(target, first),
            position: 0,
            stopped: None,
        };
        for first in [false, true] {
            assert_eq!(looks_first(&begun("a place", first), "a place"), Some(first));
            assert_eq!(looks_first(&begun("a place elsewhere", first), "a place"), None);
            assert_eq!(looks_first(&begun("another", first), "a place"), None);
        }
    }
}
