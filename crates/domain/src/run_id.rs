//! Run ids: four canonical forms, and a reason for everything that only looks like one (I15).
//!
//! Parsing is pure: it reads no clock, invents nothing and changes nothing. A text is a run id exactly as it stands,
//! or it is refused with the reason; a near miss never becomes a new identity.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

use crate::text::missing_value_in_any_case;
use crate::timestamp::Timestamp;

/// The longest run id, in bytes.
pub const RUN_ID_MAX_BYTES: usize = 64;
pub(crate) const TIMESTAMP_ID_BYTES: usize = 13;
const ULID_BYTES: usize = 26;
const UUID_BYTES: usize = 36;
const UUID_DIGITS: usize = 32;
const APIFY_ID_BYTES: usize = 17;

/// The name of one run.
///
/// ```
/// use runledger_domain::{RunId, RunIdScheme};
///
/// let id: RunId = "250925-231841".parse()?;
/// assert_eq!(id.scheme(), RunIdScheme::Timestamp);
///
/// let refused = "250932-231841".parse::<RunId>().unwrap_err();
/// assert_eq!(refused.to_string(), "run id \"250932-231841\" is not a date and time: there is no such day");
/// # Ok::<(), runledger_domain::RunIdError>(())
/// ```
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RunId(Arc<str>);

text_type!(RunId);

/// The four forms that a run id can have.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum RunIdScheme {
    /// `YYMMDD-HHMMSS`: a label in the form of a UTC date and time, not a clock reading.
    Timestamp,
    /// A ULID: 26 characters of Crockford's base 32, upper case.
    Ulid,
    /// A UUID in lower case with hyphens.
    Uuid,
    /// A name: a letter, then letters, digits, `_`, `.` and `-`.
    Name,
}

impl RunIdScheme {
    /// All schemes.
    pub const ALL: [Self; 4] = [Self::Timestamp, Self::Ulid, Self::Uuid, Self::Name];

    /// The word that configuration uses for the scheme.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Ulid => "ulid",
            Self::Uuid => "uuid",
            Self::Name => "name",
        }
    }
}

impl fmt::Display for RunIdScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a text is not a run id. Displayed, its text is clipped and escaped.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("run id {text:?} {reason}")]
pub struct RunIdError {
    /// The text that was refused, clipped; show it escaped.
    pub text: String,
    /// What is wrong with it.
    pub reason: RunIdReason,
}

/// What keeps a text from being a run id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RunIdReason {
    /// The text is empty.
    #[error("is empty; start a run to get an id, or pass on the id of the run that this belongs to")]
    Empty,
    /// A text that stands for "no value".
    #[error("is a placeholder for a missing value; pass on the id of the run that this belongs to")]
    Placeholder,
    /// White space before or after.
    #[error("has white space around it; send it without")]
    Whitespace,
    /// Longer than [`RUN_ID_MAX_BYTES`].
    #[error("is longer than 64 bytes")]
    TooLong,
    /// A character that no form allows.
    #[error("holds a character that run ids do not have; use letters, digits, '_', '.' and '-'")]
    Character,
    /// `YYMMDD-HHMMSS` by shape, but there is no such date or time.
    #[error("is not a date and time: there is no such {0}")]
    Calendar(CalendarPart),
    /// A timestamp id, ULID or UUID with something behind it that the reader did not expect.
    #[error("has more behind it than a run id has; send the run id and the client id apart")]
    ClientSuffix,
    /// Begins with a digit, but is no timestamp id, ULID or UUID.
    #[error("begins like a timestamp id but is not YYMMDD-HHMMSS (nor a ULID or UUID)")]
    NotTimestamp,
    /// The `SR-` family of an older system.
    #[error("is of the retired SR- family, which has no time of day and cannot be converted")]
    SrFamily,
    /// A ULID or UUID in another spelling.
    #[error("is a {0} in another spelling; {1}")]
    Spelling(&'static str, &'static str),
    /// Has the form of an Apify run id.
    #[error(
        "has the form of an Apify run id; store it on the run as an external id (or put a '-' or '_' into the name)"
    )]
    ForeignId,
}

/// The part of a date and time that does not exist.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CalendarPart {
    /// The month is not 01 to 12.
    Month,
    /// The month has no such day.
    Day,
    /// The time is not 00:00:00 to 23:59:59.
    Time,
}

impl fmt::Display for CalendarPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Month => "month",
            Self::Day => "day",
            Self::Time => "time of day",
        })
    }
}

impl RunId {
    /// Which of the four forms this id has.
    pub fn scheme(&self) -> RunIdScheme {
        let bytes = self.0.as_bytes();
        match bytes.len() {
            TIMESTAMP_ID_BYTES if bytes[0].is_ascii_digit() => RunIdScheme::Timestamp,
            ULID_BYTES if bytes[0].is_ascii_digit() => RunIdScheme::Ulid,
            UUID_BYTES if is_uuid(&self.0) => RunIdScheme::Uuid,
            _ => RunIdScheme::Name,
        }
    }

    /// The timestamp id of the second that `at` lies in, in UTC.
    ///
    /// This is the label for a run that starts then. It is only a proposal: whether the id is free is decided by the
    /// store when the record is created (I1).
    ///
    /// ```
    /// # use runledger_domain::{RunId, Timestamp};
    /// let at: Timestamp = "2025-09-25T23:18:41.9Z".parse()?;
    /// assert_eq!(RunId::from_second(at).as_str(), "250925-231841");
    /// # Ok::<(), runledger_domain::TimestampError>(())
    /// ```
    pub fn from_second(at: Timestamp) -> Self {
        let at = at.civil();
        Self(Arc::from(format!(
            "{:02}{:02}{:02}-{:02}{:02}{:02}",
            at.year().rem_euclid(100),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        )))
    }
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match check(text) {
            Ok(()) => Ok(Self(Arc::from(text))),
            Err(reason) => Err(RunIdError {
                text: clip(text),
                reason,
            }),
        }
    }
}

/// Clips a refused text to something that fits a message or a log line.
pub(crate) fn clip(text: &str) -> String {
    const SHOWN: usize = 96;
    if text.chars().count() <= SHOWN {
        return text.into();
    }
    let mut clipped: String = text.chars().take(SHOWN).collect();
    clipped.push('…');
    clipped
}

fn check(text: &str) -> Result<(), RunIdReason> {
    let Some(first) = text.bytes().next() else {
        return Err(RunIdReason::Empty);
    };
    if text.trim() != text {
        return Err(if text.trim().is_empty() {
            RunIdReason::Empty
        } else {
            RunIdReason::Whitespace
        });
    }
    if is_placeholder(text) {
        return Err(RunIdReason::Placeholder);
    }
    if text.len() > RUN_ID_MAX_BYTES {
        return Err(RunIdReason::TooLong);
    }
    if !text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
    {
        return Err(if begins_like_timestamp(text) {
            RunIdReason::NotTimestamp
        } else {
            RunIdReason::Character
        });
    }
    if text.len() >= 3 && text[..3].eq_ignore_ascii_case("SR-") {
        return Err(RunIdReason::SrFamily);
    }
    if let Some(verdict) = check_uuid(text) {
        return verdict;
    }
    if first.is_ascii_digit() {
        check_digits(text)
    } else {
        check_name(text)
    }
}

fn check_digits(text: &str) -> Result<(), RunIdReason> {
    if begins_like_timestamp(text) {
        check_calendar(text)?;
        return match text.as_bytes().get(TIMESTAMP_ID_BYTES) {
            None => Ok(()),
            Some(b'-') => Err(RunIdReason::ClientSuffix),
            Some(_) => Err(RunIdReason::NotTimestamp),
        };
    }
    let head = head(text);
    if has_ulid_shape(head) {
        return if head.bytes().any(|b| b.is_ascii_lowercase()) {
            Err(RunIdReason::Spelling("ULID", "write it in upper case"))
        } else if head == text {
            Ok(())
        } else {
            Err(RunIdReason::ClientSuffix)
        };
    }
    if is_apify_shape(head) {
        return Err(RunIdReason::ForeignId);
    }
    Err(RunIdReason::NotTimestamp)
}

fn check_name(text: &str) -> Result<(), RunIdReason> {
    if !text.as_bytes()[0].is_ascii_alphabetic() {
        return Err(RunIdReason::Character);
    }
    // `undefined-Guy-Wilson`: a missing run id, or a foreign one, with a client behind it.
    let head = head(text);
    if missing_value_in_any_case(head).is_some() || UNSET.iter().any(|word| head.eq_ignore_ascii_case(word)) {
        return Err(RunIdReason::Placeholder);
    }
    if is_apify_shape(head) {
        return Err(RunIdReason::ForeignId);
    }
    Ok(())
}

/// What stands before the first hyphen.
fn head(text: &str) -> &str {
    text.split_once('-').map_or(text, |(head, _)| head)
}

fn has_ulid_shape(text: &str) -> bool {
    let crockford = |b: u8| {
        b.is_ascii_digit() || (b.is_ascii_alphabetic() && !matches!(b.to_ascii_uppercase(), b'I' | b'L' | b'O' | b'U'))
    };
    text.len() == ULID_BYTES && text.as_bytes()[0] <= b'7' && text.bytes().all(crockford)
}

/// 17 letters and digits in mixed case with no separator, as Apify names its runs.
fn is_apify_shape(text: &str) -> bool {
    text.len() == APIFY_ID_BYTES
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
        && text.bytes().any(|b| b.is_ascii_uppercase())
        && text.bytes().any(|b| b.is_ascii_lowercase())
}

/// What programs write until a run has its id.
const UNSET: [&str; 2] = ["unknown", "initializing"];

fn is_placeholder(text: &str) -> bool {
    missing_value_in_any_case(text).is_some()
        || text.starts_with("[object ")
        || text.eq_ignore_ascii_case("system")
        || UNSET.iter().any(|word| text.eq_ignore_ascii_case(word))
        || text == "00000000-0000-0000-0000-000000000000"
}

/// Whether the first 13 bytes have the shape `dddddd-dddddd`.
pub(crate) fn begins_like_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= TIMESTAMP_ID_BYTES
        && bytes[..TIMESTAMP_ID_BYTES]
            .iter()
            .enumerate()
            .all(|(i, b)| if i == 6 { *b == b'-' } else { b.is_ascii_digit() })
}

/// Checks the date and time in the first 13 bytes, which must have the shape already. Years are 2000 to 2099.
fn check_calendar(text: &str) -> Result<(), RunIdReason> {
    let two = |at: usize| text[at..at + 2].parse::<i8>().unwrap_or(-1);
    let (year, month, day) = (2000 + i16::from(two(0)), two(2), two(4));
    if !(1..=12).contains(&month) {
        return Err(RunIdReason::Calendar(CalendarPart::Month));
    }
    if jiff::civil::Date::new(year, month, day).is_err() {
        return Err(RunIdReason::Calendar(CalendarPart::Day));
    }
    if jiff::civil::Time::new(two(7), two(9), two(11), 0).is_err() {
        return Err(RunIdReason::Calendar(CalendarPart::Time));
    }
    Ok(())
}

/// Whether the first 36 bytes have the shape of a UUID, in either case.
fn begins_like_uuid(text: &str) -> bool {
    text.len() >= UUID_BYTES
        && text.bytes().take(UUID_BYTES).enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

fn is_uuid(text: &str) -> bool {
    text.len() == UUID_BYTES && begins_like_uuid(text) && !text.bytes().any(|b| b.is_ascii_uppercase())
}

/// Decides on whatever begins like a UUID: with more behind it, it is no name, because a key that ends in a client
/// could not be told from it.
fn check_uuid(text: &str) -> Option<Result<(), RunIdReason>> {
    if begins_like_uuid(text) {
        return Some(if text.bytes().take(UUID_BYTES).any(|b| b.is_ascii_uppercase()) {
            Err(RunIdReason::Spelling("UUID", "write it in lower case"))
        } else if text.len() > UUID_BYTES {
            Err(RunIdReason::ClientSuffix)
        } else {
            Ok(())
        });
    }
    let digits = head(text);
    if digits.len() == UUID_DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Some(Err(RunIdReason::Spelling("UUID", "write it with hyphens")));
    }
    None
}

/// How many bytes at the start of `text` are a run id of fixed shape (timestamp, ULID or UUID), if they are one and
/// a hyphen follows. Names have no fixed shape and are never found here.
pub(crate) fn fixed_shape_prefix(text: &str) -> Option<usize> {
    [TIMESTAMP_ID_BYTES, ULID_BYTES, UUID_BYTES]
        .into_iter()
        .find(|&length| {
            text.as_bytes().get(length) == Some(&b'-')
                && text.is_char_boundary(length)
                && text[..length]
                    .parse::<RunId>()
                    .is_ok_and(|id| id.scheme() != RunIdScheme::Name)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<RunIdScheme, RunIdReason>) {
        let found = text.parse::<RunId>().map(|id| id.scheme()).map_err(|e| e.reason);
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn the_four_canonical_forms_are_accepted() {
        check("250925-231841", Ok(RunIdScheme::Timestamp));
        check("240229-000000", Ok(RunIdScheme::Timestamp));
        check("01ARZ3NDEKTSV4RRFFQ69G5FAV", Ok(RunIdScheme::Ulid));
        check("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", Ok(RunIdScheme::Uuid));
        check("0f1d4fae-7dec-11d0-a765-00a0c91e6bf6", Ok(RunIdScheme::Uuid));
        check("nightly_batch.v2-eu", Ok(RunIdScheme::Name));
        check("SRV-1", Ok(RunIdScheme::Name));
    }

    #[test]
    fn a_near_miss_is_refused_with_its_reason() {
        use RunIdReason as R;
        check("", Err(R::Empty));
        check("  ", Err(R::Empty));
        check(" 250925-231841", Err(R::Whitespace));
        check("250925-231841\n", Err(R::Whitespace));
        check("undefined", Err(R::Placeholder));
        check("null", Err(R::Placeholder));
        check("NaN", Err(R::Placeholder));
        check("[object Object]", Err(R::Placeholder));
        check("[object Promise]", Err(R::Placeholder));
        check("INITIALIZING", Err(R::Placeholder));
        check("undefined-Guy-Wilson", Err(R::Placeholder));
        check("250932-231841", Err(R::Calendar(CalendarPart::Day)));
        check("250229-231841", Err(R::Calendar(CalendarPart::Day)));
        check("251325-231841", Err(R::Calendar(CalendarPart::Month)));
        check("250925-241841", Err(R::Calendar(CalendarPart::Time)));
        check("250925-231860", Err(R::Calendar(CalendarPart::Time)));
        check("250925-231841-Guy-Wilson", Err(R::ClientSuffix));
        check("250925-231841.0", Err(R::NotTimestamp));
        check("250925-231841:guy", Err(R::NotTimestamp));
        check("20250925-201849-678", Err(R::NotTimestamp));
        check("202509252318-Guy-Wilson", Err(R::NotTimestamp));
        check("2025-09-26-14-44-00-Guy", Err(R::NotTimestamp));
        check("SR-250922-001-S1-CGuy-Wilson", Err(R::SrFamily));
        check("sr-250922-001", Err(R::SrFamily));
        check(
            "01arz3ndektsv4rrffq69g5fav",
            Err(R::Spelling("ULID", "write it in upper case")),
        );
        check(
            "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6",
            Err(R::Spelling("UUID", "write it in lower case")),
        );
        check(
            "f81d4fae7dec11d0a76500a0c91e6bf6",
            Err(R::Spelling("UUID", "write it with hyphens")),
        );
        check("f81d4fae-7dec-11d0-a765-00a0c91e6bf6-acme", Err(R::ClientSuffix));
        check("f81d4fae-7dec-11d0-a765-00a0c91e6bf6a", Err(R::ClientSuffix));
        check("01ARZ3NDEKTSV4RRFFQ69G5FAV-acme", Err(R::ClientSuffix));
        check(
            "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6-acme",
            Err(R::Spelling("UUID", "write it in lower case")),
        );
        check(
            "f81d4fae7dec11d0a76500a0c91e6bf6-acme",
            Err(R::Spelling("UUID", "write it with hyphens")),
        );
        check("NULL", Err(R::Placeholder));
        check("Undefined-acme", Err(R::Placeholder));
        check("unknown-Guy-Wilson", Err(R::Placeholder));
        check("INITIALIZING-acme", Err(R::Placeholder));
        check("OYkC0ZbuWPOvwkLid-Dean-Hobin", Err(R::ForeignId));
        check("8MSTBAfqMzuXPvgB3-CGuy-Wilson", Err(R::ForeignId));
        check("8MSTBAfqMzuXPvgB3", Err(R::ForeignId));
        check("AeljThOnfXhim2T31", Err(R::ForeignId));
        check("läuft", Err(R::Character));
        check("-run", Err(R::Character));
        check(&"a".repeat(65), Err(R::TooLong));
    }

    #[test]
    fn every_second_of_a_day_is_a_canonical_id() {
        for second in 0..86_400_i64 {
            let id = RunId::from_second(Timestamp::from_micros((1_758_758_400 + second) * 1_000_000).unwrap());
            assert_eq!(id.as_str().parse::<RunId>().unwrap(), id);
        }
    }
}
