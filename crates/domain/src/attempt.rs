//! Names that make retries safe: the attempt of a creation and the update id of a change (I7).

use alloc::sync::Arc;
use core::str::FromStr;

use crate::text::{Shape, TextError, check_not_missing};

macro_rules! retry_name {
    ($(#[$doc:meta])* $name:ident, $shape:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Arc<str>);

        text_type!($name);

        const $shape: Shape = Shape {
            what: $what,
            first: |c| c.is_ascii_graphic(),
            rest: |c| c.is_ascii_graphic(),
            allowed: "visible ASCII characters",
            min_bytes: 1,
            max_bytes: 128,
        };

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $shape.check(text)?;
                // Taken for a name, `undefined` would make every night's creation a repetition of the first one.
                check_not_missing($what, text)?;
                Ok(Self(Arc::from(text)))
            }
        }
    };
}

retry_name!(
    /// One caller's attempt to create a record: the idempotency key of the creation.
    ///
    /// The same attempt with the same content is answered with the same record at any later time; another attempt on
    /// the same key is a conflict (I7). Visible ASCII, at most 128 bytes.
    AttemptId,
    ATTEMPT,
    "attempt id"
);

retry_name!(
    /// The name of one change, so that a repeated delta counts once (I7). Visible ASCII, at most 128 bytes.
    UpdateId,
    UPDATE,
    "update id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i7_a_missing_value_names_no_attempt_and_no_update() {
        for text in ["undefined", "null", "NaN", "None", "NULL", "none"] {
            assert!(
                matches!(text.parse::<AttemptId>(), Err(TextError::Placeholder { .. })),
                "{text}"
            );
            assert!(
                matches!(text.parse::<UpdateId>(), Err(TextError::Placeholder { .. })),
                "{text}"
            );
        }
        assert!("undefined-1".parse::<AttemptId>().is_ok());
    }
}
