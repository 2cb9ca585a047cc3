//! The older system's run ids: which spellings name a record of the ledger, and the name of every form that does not.
//!
//! Only the timestamp family is taken over (`YYMMDD-HHMMSS` and what the older services hung behind it). The rules are
//! pure: no clock is read, no id is invented, and a canonical key read again is the same key (I15). The forms are
//! numbered B1 to B26, as in the table that the tests walk through.

mod refused;
#[cfg(test)]
mod tests;

use std::fmt;

use runledger_domain::{ClientId, RunId, RunIdError, RunIdReason, RunKey};

pub use refused::RefusedForm;
pub(crate) use refused::{is_apify_id, is_missing_value};

/// How many bytes `YYMMDD-HHMMSS` has.
const BASE_BYTES: usize = 13;

/// A run id of the older system that names a record: its one canonical key, and how it was spelled.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct LegacyId {
    key: RunKey,
    form: Form,
}

/// The spellings that name a record.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Form {
    /// As the ledger writes it: B1 for a job, B2 (`YYMMDD-HHMMSS-<client>`) for a client.
    Canonical,
    /// B1 in a client's row: the client is given apart.
    Bare,
    /// B3: `YYMMDD-HHMMSS-C<client>`; also with the prefix twice.
    CPrefix,
    /// B4: the client twice, or more often.
    DoubleSuffix,
    /// B5: the client behind a colon.
    Colon,
    /// B6: `.0` at the end, as a spreadsheet leaves it.
    DotZero,
    /// More than one of B3, B4 and B6 together, such as `YYMMDD-HHMMSS-<client>-C<client>.0`.
    Combined,
}

/// A run id that names no record of the ledger, and why.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("run id {text:?} is {form}; {}", form.advice())]
pub struct LegacyIdError {
    /// The text as it stood, clipped.
    pub text: String,
    /// What it is instead.
    pub form: RefusedForm,
}

impl Form {
    /// All accepted spellings.
    pub const ALL: [Self; 7] = [
        Self::Canonical,
        Self::Bare,
        Self::CPrefix,
        Self::DoubleSuffix,
        Self::Colon,
        Self::DotZero,
        Self::Combined,
    ];

    /// A stable word for reports, e.g. `c-prefix`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Canonical => "canonical",
            Self::Bare => "bare",
            Self::CPrefix => "c-prefix",
            Self::DoubleSuffix => "double-suffix",
            Self::Colon => "colon",
            Self::DotZero => "dot-zero",
            Self::Combined => "combined",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl LegacyId {
    /// Reads a run id of the older system: of a job, or of the client that is given apart.
    ///
    /// What stands behind the base is compared with that client, and the exact match goes first: `CGuy-Wilson`,
    /// `acme.0` and `a-a` are clients like any other when they are given so.
    ///
    /// ```
    /// use runledger_legacy::{Form, LegacyId, RefusedForm};
    ///
    /// let client = "Guy-Wilson".parse()?;
    /// let id = LegacyId::parse("250925-231841-CGuy-Wilson", Some(&client))?;
    /// assert_eq!((id.key().to_string().as_str(), id.form()), ("250925-231841-Guy-Wilson", Form::CPrefix));
    ///
    /// let refused = LegacyId::parse("8MSTBAfqMzuXPvgB3", Some(&client)).unwrap_err();
    /// assert_eq!(refused.form, RefusedForm::ApifyId);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`LegacyIdError`] with the name of the form.
    pub fn parse(text: &str, client: Option<&ClientId>) -> Result<Self, LegacyIdError> {
        let refuse = |form| LegacyIdError { text: clip(text), form };
        let Some((run, rest)) = split_base(text).map_err(refuse)? else {
            return Err(refuse(RefusedForm::of(text)));
        };
        let Some(client) = client else {
            return match rest {
                "" => Ok(Self::job(run, Form::Canonical)),
                ".0" => Ok(Self::job(run, Form::DotZero)),
                _ => Err(refuse(RefusedForm::behind_base(rest, None))),
            };
        };
        match form_for(rest, client.as_str()) {
            Some(form) => Ok(Self {
                key: RunKey::Client(run, client.clone()),
                form,
            }),
            None => Err(refuse(RefusedForm::behind_base(rest, Some(client.as_str())))),
        }
    }

    /// The one key that every accepted spelling of it leads to.
    pub const fn key(&self) -> &RunKey {
        &self.key
    }

    /// How it was spelled.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// The key alone.
    pub fn into_key(self) -> RunKey {
        self.key
    }

    fn job(run: RunId, form: Form) -> Self {
        Self {
            key: RunKey::Job(run),
            form,
        }
    }
}

/// Splits off a base that is a date and time. `None` when the text does not begin like one at all.
fn split_base(text: &str) -> Result<Option<(RunId, &str)>, RefusedForm> {
    if text.trim() != text || !begins_like_base(text) {
        return Ok(None);
    }
    let (base, rest) = text.split_at(BASE_BYTES);
    // A longer row of digits is another form (or a slip of the hand), not a base with something behind it.
    if rest.starts_with(|c: char| !matches!(c, '-' | ':' | '.')) {
        return Ok(None);
    }
    match base.parse::<RunId>() {
        Ok(run) => Ok(Some((run, rest))),
        Err(RunIdError {
            reason: RunIdReason::Calendar(part),
            ..
        }) => Err(RefusedForm::ImpossibleDate(part)),
        Err(_) => Ok(None),
    }
}

/// Whether the text is a timestamp id with anything behind it, also of a day that does not exist.
pub(crate) fn is_timestamp_id(text: &str) -> bool {
    !matches!(split_base(text), Ok(None))
}

/// Whether the text is an id of a run, accepted or refused, as far as its form tells.
pub(crate) fn has_known_form(text: &str) -> bool {
    use RefusedForm::{Empty, NearMiss, Unknown, Whitespace};
    is_timestamp_id(text) || !matches!(RefusedForm::of(text), Empty | NearMiss | Unknown | Whitespace)
}

/// Which spelling of this client's record stands behind the base, if any.
///
/// One rule for B2, B3, B4, B6 and what they come to together: `.0` is taken from the end, then the client, with or
/// without the prefix and as often as it stands there, and nothing may be left. What the client itself ends with goes
/// first, so that a client `acme.0` keeps its name.
fn form_for(rest: &str, client: &str) -> Option<Form> {
    if rest.strip_prefix(':') == Some(client) {
        return Some(Form::Colon);
    }
    if let Some(suffixes) = Suffixes::of(rest, client) {
        return Some(suffixes.form());
    }
    match Suffixes::of(rest.strip_suffix(".0")?, client)? {
        Suffixes {
            plain: 0 | 1,
            prefixed: 0,
        } => Some(Form::DotZero),
        _ => Some(Form::Combined),
    }
}

/// How often a client stands behind a base, as it is and with a prefix.
#[derive(Clone, Copy)]
struct Suffixes {
    plain: usize,
    prefixed: usize,
}

impl Suffixes {
    /// `None` when anything else stands there too.
    fn of(mut rest: &str, client: &str) -> Option<Self> {
        let mut found = Self { plain: 0, prefixed: 0 };
        while !rest.is_empty() {
            let before = rest.strip_suffix(client)?;
            // The prefix was hung before one that was there already (B10).
            let prefixed = ["-CC", "-C"].iter().find_map(|prefix| before.strip_suffix(prefix));
            (rest, found) = match (prefixed, before.strip_suffix('-')) {
                (Some(left), _) => (
                    left,
                    Self {
                        prefixed: found.prefixed + 1,
                        ..found
                    },
                ),
                (None, Some(left)) => (
                    left,
                    Self {
                        plain: found.plain + 1,
                        ..found
                    },
                ),
                (None, None) => return None,
            };
        }
        Some(found)
    }

    const fn form(self) -> Form {
        match (self.plain, self.prefixed) {
            (0, 0) => Form::Bare,
            (1, 0) => Form::Canonical,
            (_, 0) => Form::DoubleSuffix,
            (0, 1) => Form::CPrefix,
            _ => Form::Combined,
        }
    }
}

fn begins_like_base(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= BASE_BYTES
        && bytes[..BASE_BYTES].iter().enumerate().all(|(place, byte)| {
            if place == 6 {
                *byte == b'-'
            } else {
                byte.is_ascii_digit()
            }
        })
}

/// Clips a refused text to something that fits a message or a cell.
pub(crate) fn clip(text: &str) -> String {
    const SHOWN: usize = 200;
    let mut clipped: String = text.chars().take(SHOWN).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}
