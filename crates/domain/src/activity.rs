//! The activity log: one line for every attempt, accepted or refused, gapless and hash-chained (I6).

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use sha2::{Digest, Sha256};

use crate::record::Version;
use crate::run_id::clip;
use crate::run_key::RunKey;
use crate::status::WordError;
use crate::timestamp::Timestamp;

/// What somebody tried to do.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Action {
    /// Create a record at the start of a process.
    Create,
    /// Create a record that has a history.
    Import,
    /// Change the contents.
    Update,
    /// Begin a stage.
    StartStage,
    /// End a stage.
    FinishStage,
    /// Keep alive.
    Heartbeat,
    /// End the record.
    Complete,
    /// End it as lost.
    DeclareLost,
    /// Make a token.
    CreateToken,
    /// End a token, now or at a time.
    EndToken,
    /// Let a webhook go on.
    EnableWebhook,
    /// Send a webhook an event to try it.
    TestWebhook,
    /// Let a row elsewhere go on that was set aside, or that waits for others; or all of those that were set aside.
    RetryRow,
    /// Let a projection that was stopped go on.
    ResumeProjection,
    /// Have a row elsewhere that differs from its record looked at, and put right.
    RepairRow,
    /// Delete rows elsewhere of a record that has several.
    RemoveRows,
    /// Learn which rows elsewhere are those of imported records.
    AdoptRows,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 17] = [
        Self::Create,
        Self::Import,
        Self::Update,
        Self::StartStage,
        Self::FinishStage,
        Self::Heartbeat,
        Self::Complete,
        Self::DeclareLost,
        Self::CreateToken,
        Self::EndToken,
        Self::EnableWebhook,
        Self::TestWebhook,
        Self::RetryRow,
        Self::ResumeProjection,
        Self::RepairRow,
        Self::RemoveRows,
        Self::AdoptRows,
    ];

    /// The word for the action.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Import => "import",
            Self::Update => "update",
            Self::StartStage => "start_stage",
            Self::FinishStage => "finish_stage",
            Self::Heartbeat => "heartbeat",
            Self::Complete => "complete",
            Self::DeclareLost => "declare_lost",
            Self::CreateToken => "create_token",
            Self::EndToken => "end_token",
            Self::EnableWebhook => "enable_webhook",
            Self::TestWebhook => "test_webhook",
            Self::RetryRow => "retry_row",
            Self::ResumeProjection => "resume_projection",
            Self::RepairRow => "repair_row",
            Self::RemoveRows => "remove_rows",
            Self::AdoptRows => "adopt_rows",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Action {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|action| action.as_str() == text)
            .ok_or_else(|| WordError {
                what: "an action",
                text: clip(text),
                allowed: "create, import, update, start_stage, finish_stage, heartbeat, complete, declare_lost, \
                          create_token, end_token, enable_webhook, test_webhook, retry_row, resume_projection, \
                          repair_row, remove_rows, adopt_rows",
            })
    }
}

/// What came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// A record came into being.
    Created,
    /// A creation that had taken place before was asked for again.
    Replayed,
    /// A record changed.
    Changed,
    /// A change that had been made before was asked for again, or there was nothing to do.
    Unchanged,
    /// Nothing happened; the word says why.
    Refused(Cow<'static, str>),
}

impl Verdict {
    /// `created`, `replayed`, `changed`, `unchanged` or `refused`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Replayed => "replayed",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Refused(_) => "refused",
        }
    }

    /// Why it was refused; empty for what was accepted.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(code) => code,
            Self::Created | Self::Replayed | Self::Changed | Self::Unchanged => "",
        }
    }

    /// Puts a verdict together again from its two words, as a store kept them; only a refusal has a code.
    pub fn from_words(word: &str, code: &str) -> Option<Self> {
        Some(match (word, code) {
            ("created", "") => Self::Created,
            ("replayed", "") => Self::Replayed,
            ("changed", "") => Self::Changed,
            ("unchanged", "") => Self::Unchanged,
            ("refused", code) => Self::Refused(String::from(code).into()),
            _ => return None,
        })
    }

    /// Whether the attempt was refused.
    pub const fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

/// What an attempt was aimed at: the parts of a key, or the texts that were sent in their place.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Subject {
    /// The run id; as sent (clipped) when it is none; empty when none was sent.
    pub run: String,
    /// The client id, likewise; empty for a job.
    pub client: String,
}

impl Subject {
    /// The subject of an attempt on a real key.
    pub fn of(key: &RunKey) -> Self {
        Self {
            run: key.run().as_str().into(),
            client: key.client().map_or_else(String::new, |c| c.as_str().into()),
        }
    }

    /// The subject of an attempt whose texts are no key. They are clipped; control characters become `?`.
    pub fn claimed(run: &str, client: &str) -> Self {
        Self {
            run: printable(run),
            client: printable(client),
        }
    }
}

/// A text from outside, made safe for a log line: clipped, control characters replaced.
pub fn printable(text: &str) -> String {
    clip(text)
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// A line that is not in the log yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewActivity {
    /// When it was attempted.
    pub at: Timestamp,
    /// What.
    pub action: Action,
    /// By whom: a source, or the text that was sent for one (printable), or empty.
    pub source: String,
    /// On what.
    pub subject: Subject,
    /// What came of it.
    pub verdict: Verdict,
    /// The version of the record after it, when there is one.
    pub version: Option<Version>,
    /// More for people: what changed, or why not.
    pub detail: String,
}

/// A line of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Activity {
    /// Its number: 1 for the first line, no gaps.
    pub seq: u64,
    /// What happened.
    pub line: NewActivity,
    /// The hash over this line and the hash of the one before.
    pub hash: ChainHash,
}

/// A link of the chain: a SHA-256 hash.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// What the first line is chained to.
    pub const GENESIS: Self = Self([0; 32]);

    /// Takes the bytes that a store kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a store to keep.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The text is not a hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a hash of the log is 64 hexadecimal digits")]
pub struct ChainHashError;

impl FromStr for ChainHash {
    type Err = ChainHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !text.is_ascii() {
            return Err(ChainHashError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let digit = |place: usize| pair.get(place).and_then(|digit| char::from(*digit).to_digit(16));
            let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                return Err(ChainHashError);
            };
            *byte = u8::try_from(high * 16 + low).map_err(|_| ChainHashError)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainHash({self})")
    }
}

/// The end of the chain: what the next line is chained to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ChainHead {
    /// The number of the last line; 0 when there is none.
    pub seq: u64,
    /// Its hash.
    pub hash: ChainHash,
}

impl ChainHead {
    /// The head of an empty log.
    pub const EMPTY: Self = Self {
        seq: 0,
        hash: ChainHash::GENESIS,
    };

    /// Numbers and chains a line; the head moves on to it.
    pub fn append(&mut self, line: NewActivity) -> Activity {
        self.seq += 1;
        self.hash = link(&self.hash, self.seq, &line);
        Activity {
            seq: self.seq,
            line,
            hash: self.hash,
        }
    }

    /// Whether `next` is the line that follows this head; the head moves on to it if so.
    pub fn accepts(&mut self, next: &Activity) -> bool {
        let follows = next.seq == self.seq + 1 && next.hash == link(&self.hash, next.seq, &next.line);
        if follows {
            *self = Self {
                seq: next.seq,
                hash: next.hash,
            };
        }
        follows
    }
}

fn link(previous: &ChainHash, seq: u64, line: &NewActivity) -> ChainHash {
    let mut hash = Sha256::new();
    hash.update(previous.0);
    hash.update(seq.to_be_bytes());
    each_chained_part(line, |part| hash.update(part));
    ChainHash(hash.finalize().into())
}

/// What a line adds to its link of the chain, in one piece. The link is the SHA-256 of the hash of the line before (of
/// [`ChainHash::GENESIS`] for the first), the line's number as eight bytes, the highest first, and these bytes: for a
/// store that chains where the number is given out.
///
/// ```
/// use runledger_domain::activity::chained_bytes;
/// use runledger_domain::{Action, NewActivity, Subject, Timestamp, Verdict};
///
/// let line = NewActivity {
///     at: Timestamp::EPOCH,
///     action: Action::Create,
///     source: "a".into(),
///     subject: Subject::claimed("r", ""),
///     verdict: Verdict::Created,
///     version: Some(1),
///     detail: String::new(),
/// };
/// // The time, the version, and seven texts behind their lengths.
/// assert_eq!(chained_bytes(&line).len(), 8 + 9 + 7 * 8 + "create".len() + "a".len() + "r".len() + "created".len());
/// ```
pub fn chained_bytes(line: &NewActivity) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(192);
    each_chained_part(line, |part| bytes.extend_from_slice(part));
    bytes
}

/// The parts of a line in the order in which they are chained. Every text comes behind its length, so that none can run
/// into the next.
fn each_chained_part(line: &NewActivity, mut take: impl FnMut(&[u8])) {
    take(&line.at.as_micros().to_be_bytes());
    take(&[u8::from(line.version.is_some())]);
    take(&line.version.unwrap_or(0).to_be_bytes());
    let texts = [
        line.action.as_str(),
        &line.source,
        &line.subject.run,
        &line.subject.client,
        line.verdict.as_str(),
        line.verdict.code(),
        &line.detail,
    ];
    for text in texts {
        take(&(text.len() as u64).to_be_bytes());
        take(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(source: &str, run: &str) -> NewActivity {
        NewActivity {
            at: Timestamp::EPOCH,
            action: Action::Create,
            source: source.into(),
            subject: Subject {
                run: run.into(),
                client: String::new(),
            },
            verdict: Verdict::Created,
            version: Some(1),
            detail: String::new(),
        }
    }

    #[test]
    fn i6_a_changed_moved_or_missing_line_breaks_the_chain() {
        let mut head = ChainHead::EMPTY;
        let lines = [
            head.append(line("a1", "r1")),
            head.append(line("a2", "r2")),
            head.append(line("a3", "r3")),
        ];
        let mut reader = ChainHead::EMPTY;
        assert!(lines.iter().all(|line| reader.accepts(line)));
        assert_eq!(reader, head);

        let mut forged = lines[1].clone();
        forged.line.source = "a9".into();
        let mut reader = ChainHead::EMPTY;
        assert!(reader.accepts(&lines[0]));
        assert!(!reader.accepts(&forged));
        assert!(!reader.accepts(&lines[2]));
        assert!(reader.accepts(&lines[1]));
    }

    #[test]
    fn i6_whoever_chains_by_the_bytes_of_a_line_gets_the_same_chain() {
        let (mut head, mut by_bytes) = (ChainHead::EMPTY, ChainHead::EMPTY);
        for (source, run) in [("a1", "r1"), ("", "r\u{e9}2")] {
            let line = line(source, run);
            let mut hash = Sha256::new();
            hash.update(by_bytes.hash.as_bytes());
            hash.update((by_bytes.seq + 1).to_be_bytes());
            hash.update(chained_bytes(&line));
            by_bytes = ChainHead {
                seq: by_bytes.seq + 1,
                hash: ChainHash::from_bytes(hash.finalize().into()),
            };
            head.append(line);
            assert_eq!(by_bytes, head);
        }
    }

    #[test]
    fn i6_text_cannot_move_from_one_field_to_the_next() {
        let first_hash = |source: &str, run: &str| {
            let mut head = ChainHead::EMPTY;
            head.append(line(source, run)).hash
        };
        assert_ne!(first_hash("ab", "c"), first_hash("a", "bc"));
    }

    #[test]
    fn i6_a_line_without_a_version_is_not_one_with_version_zero_and_only_a_refusal_has_a_code() {
        let mut head = ChainHead::EMPTY;
        let mut forged = head.append(line("a1", "r1"));
        forged.line.version = match forged.line.version {
            None => Some(0),
            Some(_) => None,
        };
        assert!(!ChainHead::EMPTY.clone().accepts(&forged));
        assert_eq!(Verdict::from_words("created", ""), Some(Verdict::Created));
        assert_eq!(Verdict::from_words("created", "x"), None);
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let mut head = ChainHead::EMPTY;
        let hash = head.append(line("a1", "r1")).hash;
        assert_eq!(std::string::ToString::to_string(&hash).parse(), Ok(hash));
        for wrong in ["", "0", &"g".repeat(64), &"0".repeat(65), &"é".repeat(32)] {
            assert_eq!(wrong.parse::<ChainHash>(), Err(ChainHashError), "{wrong}");
        }
    }

    #[test]
    fn a_claimed_subject_is_safe_to_print() {
        let subject = Subject::claimed("a\u{1b}[31m\n", &"x".repeat(500));
        assert_eq!(subject.run, "a?[31m?");
        assert_eq!(subject.client.chars().count(), 97);
    }
}
