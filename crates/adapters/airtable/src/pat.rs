//! The personal access token. It is shown to Airtable and to nobody else.

use std::fmt;
use std::str::FromStr;

/// A personal access token. It has no `Display` and is not serialised; `Debug` hides it.
#[derive(Clone, Eq, PartialEq)]
pub struct Pat(String);

/// The text is no token. It is not repeated here.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the Airtable token is empty or holds other than visible ASCII characters; give it whole, as Airtable showed it"
)]
pub struct PatError;

impl Pat {
    /// The header that shows it; marked as sensitive, so that it is not printed either.
    pub(crate) fn header(&self) -> Result<http::HeaderValue, PatError> {
        let mut value = http::HeaderValue::from_str(&format!("Bearer {}", self.0)).map_err(|_| PatError)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl FromStr for Pat {
    type Err = PatError;

    fn from_str(text: &str) -> Result<Self, PatError> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PatError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Pat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pat(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_printed() {
        let pat: Pat = "patSECRET.abc".parse().unwrap();
        assert!(!format!("{pat:?}").contains("SECRET"));
        assert!(!format!("{:?}", pat.header().unwrap()).contains("SECRET"));
        for wrong in ["", "  ", "pat SECRET", "patSECRET\n1", "pätSECRET"] {
            let error = wrong.parse::<Pat>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("SECRET"), "{wrong:?}");
        }
    }
}
