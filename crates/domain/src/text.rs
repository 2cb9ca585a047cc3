//! The shape that every validated text of this crate shares: a private string, one door in, no way to change it.

/// Serialises a type as its text, and reads it back through its one door (`FromStr`), so that a stored or received
/// value is checked exactly like one that was typed.
macro_rules! text_serde {
    ($name:ident) => {
        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                        f.write_str(concat!("the text of a ", stringify!($name)))
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

/// Gives a newtype over `Arc<str>` its reading side: `as_str`, `Display`, `Debug`, `AsRef`.
macro_rules! text_type {
    ($name:ident) => {
        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        text_serde!($name);
    };
}

/// Why a text does not fit its type.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// Nothing but the empty text was given.
    #[error("{what} is empty; leave it out or give a value")]
    Empty {
        /// What was being read.
        what: &'static str,
    },
    /// The text is longer than allowed.
    #[error("{what} is too long: {length} {unit}, at most {limit} are kept")]
    TooLong {
        /// What was being read.
        what: &'static str,
        /// How long it is.
        length: usize,
        /// The bound.
        limit: usize,
        /// What the lengths count: bytes or characters.
        unit: &'static str,
    },
    /// A character that the type does not hold.
    #[error("{what} may not hold {found:?} at position {position}; allowed: {allowed}")]
    Character {
        /// What was being read.
        what: &'static str,
        /// The character.
        found: char,
        /// Its place, counted in bytes from 0.
        position: usize,
        /// What is allowed instead.
        allowed: &'static str,
    },
    /// The text stands for "no value" in the program that sent it.
    #[error("{what} is the placeholder {found:?}: the caller sent a missing value; send the real one")]
    Placeholder {
        /// What was being read.
        what: &'static str,
        /// The placeholder.
        found: &'static str,
    },
}

/// One field's shape: the first character, the others, and how many bytes.
pub(crate) struct Shape {
    pub(crate) what: &'static str,
    pub(crate) first: fn(char) -> bool,
    pub(crate) rest: fn(char) -> bool,
    pub(crate) allowed: &'static str,
    pub(crate) min_bytes: usize,
    pub(crate) max_bytes: usize,
}

impl Shape {
    pub(crate) fn check(&self, text: &str) -> Result<(), TextError> {
        if text.is_empty() {
            return Err(TextError::Empty { what: self.what });
        }
        for (position, found) in text.char_indices() {
            let fits = if position == 0 {
                (self.first)(found)
            } else {
                (self.rest)(found)
            };
            if !fits {
                return Err(TextError::Character {
                    what: self.what,
                    found,
                    position,
                    allowed: self.allowed,
                });
            }
        }
        if text.len() > self.max_bytes || text.len() < self.min_bytes {
            return Err(TextError::TooLong {
                what: self.what,
                length: text.len(),
                limit: self.max_bytes,
                unit: "bytes",
            });
        }
        Ok(())
    }
}

/// Checks free text that people read: not blank, no NUL, bounded in characters.
pub(crate) fn check_prose(what: &'static str, text: &str, max_chars: usize) -> Result<(), TextError> {
    if text.trim().is_empty() {
        return Err(TextError::Empty { what });
    }
    if let Some(position) = text.find('\0') {
        return Err(TextError::Character {
            what,
            found: '\0',
            position,
            allowed: "any text without NUL",
        });
    }
    let length = text.chars().count();
    if length > max_chars {
        return Err(TextError::TooLong {
            what,
            length,
            limit: max_chars,
            unit: "characters",
        });
    }
    Ok(())
}

/// Texts that programs send when they mean "no value".
pub(crate) const MISSING_VALUES: [&str; 4] = ["undefined", "null", "NaN", "None"];

/// The placeholder that the text is, exactly as programs write it: a client may be called `Null`.
pub(crate) fn missing_value(text: &str) -> Option<&'static str> {
    MISSING_VALUES.into_iter().find(|value| *value == text)
}

/// The placeholder that the text is, in any case: for ids that programs make and nobody is called by.
pub(crate) fn missing_value_in_any_case(text: &str) -> Option<&'static str> {
    MISSING_VALUES
        .into_iter()
        .find(|value| value.eq_ignore_ascii_case(text))
}

/// Refuses a text that stands for "no value".
pub(crate) fn check_not_missing(what: &'static str, text: &str) -> Result<(), TextError> {
    match missing_value_in_any_case(text) {
        Some(found) => Err(TextError::Placeholder { what, found }),
        None => Ok(()),
    }
}
