//! Ids: a word of three letters and fourteen letters or digits.

use std::fmt::Write as _;

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How many letters follow the word.
const LENGTH: usize = 14;

/// Draws ids. The same seed draws the same ids.
#[derive(Debug)]
pub(crate) struct Ids {
    state: u64,
}

impl Ids {
    /// Begins at a seed, or at a random place.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        let random = || {
            let mut bytes = [0; 8];
            // Without a source of randomness ids are the same in every run; they are still unique in this one.
            let _ = getrandom::fill(&mut bytes);
            u64::from_le_bytes(bytes)
        };
        Self {
            state: seed.unwrap_or_else(random),
        }
    }

    /// A new id with this prefix, such as `rec`.
    pub(crate) fn next(&mut self, prefix: &str) -> String {
        let mut id = String::with_capacity(prefix.len() + LENGTH);
        let _ = write!(id, "{prefix}");
        for _ in 0..LENGTH {
            let place = usize::try_from(self.draw() % 62).unwrap_or(0);
            id.push(char::from(LETTERS[place]));
        }
        id
    }

    /// A number from 0 up to a thousand, without it.
    pub(crate) fn per_mille(&mut self) -> u64 {
        self.draw() % 1_000
    }

    /// `SplitMix64`: every state comes once.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// Whether a text has the form of an id with this prefix.
pub(crate) fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|rest| rest.len() == LENGTH && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_have_their_form_and_do_not_come_twice() {
        let mut ids = Ids::new(Some(1));
        let drawn: HashSet<_> = (0..10_000).map(|_| ids.next("rec")).collect();
        assert_eq!(drawn.len(), 10_000);
        assert!(drawn.iter().all(|id| is_id(id, "rec") && id.len() == 17));
        assert_eq!(Ids::new(Some(7)).next("rec"), Ids::new(Some(7)).next("rec"));
        for other in ["rec1", "tblAAAAAAAAAAAAAA", "recAAAAAAAAAAAAA-", ""] {
            assert!(!is_id(other, "rec"), "{other}");
        }
    }
}
