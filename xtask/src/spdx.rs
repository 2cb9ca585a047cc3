//! The licence expressions that manifests hold: `A OR B`, `A/B`, `A AND B`, parentheses, `A WITH exception`.
//!
//! Only as much of SPDX as decides whether a package may be used; anything else is refused, not guessed.

use std::fmt;

/// A parsed licence expression.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    /// One licence, with its exception if it has one, as it is written.
    Licence(String),
    /// The user chooses one.
    Any(Vec<Expression>),
    /// All bind.
    All(Vec<Expression>),
}

/// An expression that cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    what: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Expression {
    /// Reads an expression. `AND` binds closer than `OR`, as SPDX says; `/` is the old spelling of `OR`.
    ///
    /// # Errors
    /// When the text is empty, a parenthesis is open, or a word is where none can be.
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        let mut words = Words {
            words: spaced.split_whitespace().collect(),
            next: 0,
        };
        let expression = words.any()?;
        match words.peek() {
            None => Ok(expression),
            Some(word) => Err(malformed(format!("`{word}` stands where the expression should end"))),
        }
    }

    /// Do licences that `allowed` accepts suffice to use the package?
    pub(crate) fn is_satisfied(&self, allowed: &impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Licence(licence) => allowed(licence),
            Self::Any(choices) => choices.iter().any(|choice| choice.is_satisfied(allowed)),
            Self::All(parts) => parts.iter().all(|part| part.is_satisfied(allowed)),
        }
    }
}

struct Words<'a> {
    words: Vec<&'a str>,
    next: usize,
}

impl<'a> Words<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.next).copied()
    }

    fn accept(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(word);
        self.next += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Expression, Malformed> {
        let mut choices = vec![self.all()?];
        while self.accept("OR") {
            choices.push(self.all()?);
        }
        Ok(if choices.len() == 1 {
            choices.remove(0)
        } else {
            Expression::Any(choices)
        })
    }

    fn all(&mut self) -> Result<Expression, Malformed> {
        let mut parts = vec![self.one()?];
        while self.accept("AND") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 {
            parts.remove(0)
        } else {
            Expression::All(parts)
        })
    }

    fn one(&mut self) -> Result<Expression, Malformed> {
        if self.accept("(") {
            let inner = self.any()?;
            return if self.accept(")") {
                Ok(inner)
            } else {
                Err(malformed("a parenthesis is not closed"))
            };
        }
        let licence = self.name()?;
        if self.accept("WITH") {
            return Ok(Expression::Licence(format!("{licence} WITH {}", self.name()?)));
        }
        Ok(Expression::Licence(licence.to_owned()))
    }

    fn name(&mut self) -> Result<&'a str, Malformed> {
        let word = self
            .peek()
            .ok_or_else(|| malformed("it ends where a licence should be"))?;
        if matches!(word, "OR" | "AND" | "WITH" | "(" | ")") {
            return Err(malformed(format!("`{word}` stands where a licence should be")));
        }
        self.next += 1;
        Ok(word)
    }
}

fn malformed(what: impl Into<String>) -> Malformed {
    Malformed { what: what.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, satisfied: bool) {
        let allowed =
            |name: &str| ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"].contains(&name);
        assert_eq!(
            Expression::parse(text).expect(text).is_satisfied(&allowed),
            satisfied,
            "{text}"
        );
    }

    #[test]
    fn expressions_are_decided() {
        check("MIT", true);
        check("GPL-3.0-only", false);
        check("MIT OR GPL-3.0-only", true);
        check("GPL-3.0-only OR AGPL-3.0-only", false);
        check("GPL-2.0/MIT", true);
        check("MIT AND GPL-3.0-only", false);
        check("MIT AND Apache-2.0", true);
        check("(MIT OR GPL-3.0-only) AND Unicode-3.0", true);
        check("(MIT OR GPL-3.0-only) AND OpenSSL", false);
        check("Apache-2.0 WITH LLVM-exception", true);
        check("Apache-2.0 WITH Other-exception", false);
        check("((MIT))", true);
    }

    #[test]
    fn and_binds_closer_than_or() {
        check("MIT OR Apache-2.0 AND GPL-3.0-only", true);
        check("(MIT OR Apache-2.0) AND GPL-3.0-only", false);
        check("GPL-3.0-only AND MIT OR Apache-2.0", true);
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        for text in [
            "",
            "  ",
            "OR",
            "MIT OR",
            "MIT AND",
            "AND MIT",
            "(MIT",
            "MIT)",
            "()",
            "MIT Apache-2.0",
            "A WITH",
            "/",
        ] {
            assert!(Expression::parse(text).is_err(), "`{text}` was understood");
        }
    }
}
