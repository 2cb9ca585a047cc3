//! Whole numbers on the wire. To JSON `276` and `276.0` are one number, and some languages write the second.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// From here on a float no longer tells one whole number from the next: 2^53.
const FLOAT_EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// A whole number that is never negative.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole(u64);

impl Whole {
    pub(crate) const fn get(self) -> u64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 0 on")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
                Ok(Whole(number))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Whole, E> {
                // Its text is exact here: digits alone.
                let text = format!("{number:.0}");
                match text.parse() {
                    Ok(whole) if number.fract() == 0.0 && number <= FLOAT_EXACT_MAX => Ok(Whole(whole)),
                    _ => Err(E::invalid_type(Unexpected::Float(number), &self)),
                }
            }
        }
        deserializer.deserialize_u64(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_whole_is_read_however_it_is_written() {
        for (text, number) in [
            ("0", 0),
            ("276", 276),
            ("276.0", 276),
            ("2.76e2", 276),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(serde_json::from_str::<Whole>(text).unwrap().get(), number, "{text}");
        }
        for text in [
            "-1",
            "-1.0",
            "1.5",
            "1e300",
            "9007199254740994.0",
            "\"1\"",
            "null",
            "true",
            "18446744073709551616",
        ] {
            assert!(serde_json::from_str::<Whole>(text).is_err(), "{text}");
        }
    }
}
