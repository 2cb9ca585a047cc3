//! Tokens: a text that is shown once, and the record that stays.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use sha2::{Digest, Sha256};

use super::grant::Grant;
use crate::activity::{Action, NewActivity, Subject, Verdict};
use crate::client_id::ClientId;
use crate::run_id::clip;
use crate::source::Source;
use crate::text::{Shape, TextError, check_not_missing};
use crate::timestamp::Timestamp;

/// What every token begins with: secret scanners know it by this.
pub const TOKEN_PREFIX: &str = "rlt_";
const ID_CHARS: usize = 12;
const SECRET_CHARS: usize = 40;
const CHECK_CHARS: usize = 6;
const TOKEN_CHARS: usize = TOKEN_PREFIX.len() + ID_CHARS + 1 + SECRET_CHARS + CHECK_CHARS;
/// Base 32 after Crockford, in lower case: no letter that is taken for another one.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The random bytes that a token is made of: 60 bits name it, 200 keep it secret.
pub type TokenSeed = [u8; ID_CHARS + SECRET_CHARS];

/// The public part of a token, by which it is listed and revoked.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TokenId(Arc<str>);

text_type!(TokenId);

impl TokenId {
    /// The line of an attempt to end a token that is not there.
    pub fn line_of_absence(&self, by: &Source, at: Timestamp) -> NewActivity {
        let verdict = Verdict::Refused("token_not_found".into());
        line(Action::EndToken, by, at, verdict, format!("there is no token {self}"))
    }
}

/// Why a text is no [`TokenId`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is no token id; `token list` shows them, 12 letters and digits each")]
pub struct TokenIdError {
    /// The text as sent, clipped.
    pub text: String,
}

impl FromStr for TokenId {
    type Err = TokenIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == ID_CHARS && text.bytes().all(|b| ALPHABET.contains(&b)) {
            Ok(Self(Arc::from(text)))
        } else {
            // Who pastes a whole token here must not find it in a log.
            let shown = if text.starts_with(TOKEN_PREFIX) {
                TOKEN_PREFIX
            } else {
                text
            };
            Err(TokenIdError { text: clip(shown) })
        }
    }
}

/// What a token is for, in the words of those who made it.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TokenName(Arc<str>);

text_type!(TokenName);

const NAME: Shape = Shape {
    what: "token name",
    first: |c| c.is_ascii_alphanumeric(),
    rest: |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ' ' | '@'),
    allowed: "a letter or digit, then letters, digits, spaces and '_', '.', '-', '@'",
    min_bytes: 1,
    max_bytes: 64,
};

impl FromStr for TokenName {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        NAME.check(text)?;
        check_not_missing(NAME.what, text)?;
        Ok(Self(Arc::from(text)))
    }
}

/// A whole token: a secret. It is written out by [`reveal`](Self::reveal) alone; `Debug` hides it, and there is no
/// `Display`, no serde, no comparison of texts.
///
/// `rlt_`, the id, `_`, the secret, and a checksum by which a mistyped or cut token is told from a foreign one without
/// asking anybody.
#[derive(Clone)]
pub struct TokenText(Arc<str>);

/// Why a text is no token.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It has not the form of one.
    #[error("the token is none of this ledger's: they begin with rlt_ and have 63 characters")]
    Form,
    /// A character of it was changed, or it was cut.
    #[error("the token is mistyped or cut: its checksum does not fit; copy it whole")]
    Checksum,
}

impl TokenText {
    /// Makes a token of random bytes. The same bytes give the same token.
    pub fn from_seed(seed: &TokenSeed) -> Self {
        let mut text = String::with_capacity(TOKEN_CHARS);
        text.push_str(TOKEN_PREFIX);
        for (place, byte) in seed.iter().enumerate() {
            if place == ID_CHARS {
                text.push('_');
            }
            text.push(letter(*byte));
        }
        let check = checksum(&text);
        text.push_str(&check);
        Self(Arc::from(text))
    }

    /// The whole secret, to be shown to whoever asked for it, once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Its public part.
    pub fn id(&self) -> TokenId {
        TokenId(Arc::from(&self.0[TOKEN_PREFIX.len()..TOKEN_PREFIX.len() + ID_CHARS]))
    }

    /// What is kept of it. The secret is random and long, so one round of SHA-256 is enough.
    fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenText({TOKEN_PREFIX}..)")
    }
}

impl FromStr for TokenText {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix(TOKEN_PREFIX).ok_or(TokenError::Form)?;
        let (id, secret) = rest.split_once('_').ok_or(TokenError::Form)?;
        let in_alphabet = |part: &str| part.bytes().all(|b| ALPHABET.contains(&b));
        if id.len() != ID_CHARS || secret.len() != SECRET_CHARS + CHECK_CHARS {
            return Err(TokenError::Form);
        }
        if !in_alphabet(id) || !in_alphabet(secret) {
            return Err(TokenError::Checksum);
        }
        let (body, check) = text.split_at(text.len() - CHECK_CHARS);
        if checksum(body) == check {
            Ok(Self(Arc::from(text)))
        } else {
            Err(TokenError::Checksum)
        }
    }
}

fn letter(byte: u8) -> char {
    char::from(ALPHABET[usize::from(byte % 32)])
}

fn checksum(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .take(CHECK_CHARS)
        .map(|byte| letter(*byte))
        .collect()
}

/// How a token ends before anybody asks for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenEnd {
    /// It was revoked.
    Revoked {
        /// When.
        at: Timestamp,
    },
    /// Its time is over.
    Expired {
        /// Since when.
        at: Timestamp,
    },
}

/// What may happen to a token after it was made: it ends, sooner than was meant. Nothing ever makes one last longer, so
/// two such changes in either order come to the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenChange {
    /// It counts no more.
    Revoke {
        /// From when on.
        at: Timestamp,
    },
    /// It counts no more from a time on.
    EndAt {
        /// From when on.
        at: Timestamp,
    },
}

/// What is kept of a token: everything but its secret.
#[derive(Clone, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TokenRecord {
    id: TokenId,
    name: TokenName,
    grant: Grant,
    hash: [u8; 32],
    created_at: Timestamp,
    created_by: Source,
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    expires_at: Option<Timestamp>,
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    revoked_at: Option<Timestamp>,
}

impl TokenRecord {
    /// The record of a new token.
    pub fn new(
        text: &TokenText,
        name: TokenName,
        grant: Grant,
        created_by: Source,
        created_at: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> Self {
        Self {
            id: text.id(),
            name,
            grant,
            hash: text.hash(),
            created_at,
            created_by,
            expires_at,
            revoked_at: None,
        }
    }

    /// Its id.
    pub const fn id(&self) -> &TokenId {
        &self.id
    }

    /// What it is for.
    pub const fn name(&self) -> &TokenName {
        &self.name
    }

    /// What it allows.
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// When it was made.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// By whom.
    pub const fn created_by(&self) -> &Source {
        &self.created_by
    }

    /// From when on it counts no more, if that was set.
    pub const fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// When it was revoked, if it was.
    pub const fn revoked_at(&self) -> Option<Timestamp> {
        self.revoked_at
    }

    /// Whether this is the token, compared in a time that says nothing about how much of it fits.
    pub fn is(&self, text: &TokenText) -> bool {
        let differences = self
            .hash
            .iter()
            .zip(text.hash())
            .fold(0_u8, |differences, (kept, sent)| differences | (kept ^ sent));
        core::hint::black_box(differences) == 0
    }

    /// Whether it counts no more at `now`, and why.
    pub fn end(&self, now: Timestamp) -> Option<TokenEnd> {
        if let Some(at) = self.revoked_at {
            return Some(TokenEnd::Revoked { at });
        }
        self.expires_at
            .filter(|at| *at <= now)
            .map(|at| TokenEnd::Expired { at })
    }

    /// The record after the change. An end that lies earlier stays.
    #[must_use]
    pub fn after(&self, change: TokenChange) -> Self {
        let sooner = |before: Option<Timestamp>, at: Timestamp| Some(before.map_or(at, |before| before.min(at)));
        let mut after = self.clone();
        match change {
            TokenChange::Revoke { at } => after.revoked_at = sooner(self.revoked_at, at),
            TokenChange::EndAt { at } => after.expires_at = sooner(self.expires_at, at),
        }
        after
    }

    /// The line about a new token.
    pub fn line_of_creation(&self) -> NewActivity {
        let grant = &self.grant;
        let words = |texts: &mut dyn Iterator<Item = &str>| texts.collect::<Vec<_>>().join(", ");
        let mut detail = format!(
            "token {} ({}): may {}",
            self.id,
            self.name,
            words(&mut grant.scopes().iter().map(|scope| scope.as_str()))
        );
        if !grant.sources().is_empty() {
            let sources = words(&mut grant.sources().iter().map(Source::as_str));
            detail = format!("{detail} as {sources}");
        }
        if let Some(clients) = grant.clients() {
            let clients = words(&mut clients.iter().map(ClientId::as_str));
            detail = format!("{detail}, for {clients} alone");
        }
        if let Some(at) = self.expires_at {
            detail = format!("{detail}, until {at}");
        }
        line(
            Action::CreateToken,
            &self.created_by,
            self.created_at,
            Verdict::Created,
            detail,
        )
    }

    /// The line about its end, as `by` wants it.
    pub fn line_of_end(&self, change: TokenChange, by: &Source, at: Timestamp) -> NewActivity {
        let detail = match change {
            TokenChange::Revoke { .. } => format!("token {} ({}): revoked", self.id, self.name),
            TokenChange::EndAt { at } => format!("token {} ({}): ends at {at}", self.id, self.name),
        };
        line(Action::EndToken, by, at, Verdict::Changed, detail)
    }
}

/// A line about a token: it concerns no record.
fn line(action: Action, by: &Source, at: Timestamp, verdict: Verdict, detail: String) -> NewActivity {
    NewActivity {
        at,
        action,
        source: by.to_string(),
        subject: Subject::default(),
        verdict,
        version: None,
        detail,
    }
}

impl fmt::Debug for TokenRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRecord")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("grant", &self.grant)
            .field("created_at", &self.created_at)
            .field("expires_at", &self.expires_at)
            .field("revoked_at", &self.revoked_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Scope;

    fn token(byte: u8) -> TokenText {
        TokenText::from_seed(&[byte; ID_CHARS + SECRET_CHARS])
    }

    fn record(text: &TokenText) -> TokenRecord {
        let grant = Grant::new([], [Scope::Read]).unwrap();
        let (name, by) = ("dashboard".parse().unwrap(), "token_desk".parse().unwrap());
        TokenRecord::new(text, name, grant, by, Timestamp::EPOCH, None)
    }

    #[test]
    fn a_token_survives_being_written_and_read_and_no_changed_one_is_read() {
        let token = token(7);
        let text = token.reveal();
        assert_eq!((text.len(), token.id().as_str()), (63, "777777777777"));
        assert_eq!(text.parse::<TokenText>().unwrap().reveal(), text);
        for place in 0..text.len() {
            let mut changed = String::from(text);
            let other = if &text[place..=place] == "8" { "9" } else { "8" };
            changed.replace_range(place..=place, other);
            assert!(changed.parse::<TokenText>().is_err(), "{place}");
        }
        for cut in ["", "rlt_", &text[..62], &format!("{text}0"), "Bearer x", "rlt_é"] {
            assert!(cut.parse::<TokenText>().is_err(), "{cut}");
        }
    }

    #[test]
    fn a_record_knows_its_own_token_and_no_other() {
        let record = record(&token(7));
        assert!(record.is(&token(7)));
        assert!(!record.is(&token(8)));
    }

    #[test]
    fn no_secret_is_shown_by_debug() {
        let token = token(9);
        let shown = format!("{token:?} {:?} {:?}", record(&token), token.reveal().parse::<TokenId>());
        assert!(!shown.contains(&token.reveal()[17..57]), "{shown}");
        assert!(!shown.contains("hash"), "{shown}");
    }

    #[test]
    fn a_token_ends_when_its_time_is_over_or_it_is_revoked_once() {
        let at = |second: i64| Timestamp::from_micros(second * 1_000_000).unwrap();
        let record = record(&token(1));
        assert_eq!(record.end(at(1_000_000)), None);
        let end = |second| TokenChange::EndAt { at: at(second) };
        let revoke = |second| TokenChange::Revoke { at: at(second) };
        let ending = record.after(end(10)).after(end(20));
        assert_eq!(ending.end(at(9)), None);
        assert_eq!(ending.end(at(10)), Some(TokenEnd::Expired { at: at(10) }));
        let revoked = ending.after(revoke(5)).after(revoke(6));
        assert_eq!(revoked.end(at(1)), Some(TokenEnd::Revoked { at: at(5) }));
    }
}
