//! A formula's text as tokens: what is quoted, what is a name, where each stands.

use crate::FormulaError;

/// A word of a formula.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A number literal.
    Number(f64),
    /// A quoted text, its escapes undone.
    Text(String),
    /// A field in braces, its escapes undone.
    Field(String),
    /// A name without braces: a function, or a field of one word.
    Name(String),
    /// An operator, a bracket or a comma.
    Sign(&'static str),
}

/// Two letters first, so that `<=` is not read as `<`.
const SIGNS: [&str; 14] = ["<=", ">=", "!=", "(", ")", ",", "&", "+", "-", "*", "/", "=", "<", ">"];

/// Takes a formula apart.
///
/// # Errors
/// A quote or a brace is not closed, or a letter stands where none may.
pub(crate) fn tokens(formula: &str) -> Result<Vec<Token>, FormulaError> {
    let mut found = Vec::new();
    let mut rest = formula;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return Ok(found);
        };
        let (token, length) = match first {
            '\'' | '"' => text(rest, first)?,
            '{' => field(rest)?,
            _ if first.is_ascii_digit() || first == '.' => number(rest)?,
            _ if first.is_alphabetic() || first == '_' => name(rest),
            _ => sign(rest)?,
        };
        found.push(token);
        rest = &rest[length..];
    }
}

/// A quoted text. A backslash takes the next letter as it is, but for `\n`, `\r` and `\t`.
fn text(rest: &str, quote: char) -> Result<(Token, usize), FormulaError> {
    let mut text = String::new();
    let mut letters = rest.char_indices().skip(1);
    while let Some((place, letter)) = letters.next() {
        if letter == quote {
            return Ok((Token::Text(text), place + letter.len_utf8()));
        }
        if letter != '\\' {
            text.push(letter);
            continue;
        }
        let (_, escaped) = letters.next().ok_or(FormulaError::Syntax)?;
        text.push(match escaped {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            other => other,
        });
    }
    Err(FormulaError::Syntax)
}

/// A field in braces. A backslash is itself, but before a closing brace.
fn field(rest: &str) -> Result<(Token, usize), FormulaError> {
    let mut name = String::new();
    let mut letters = rest.char_indices().skip(1).peekable();
    while let Some((place, letter)) = letters.next() {
        match letter {
            '}' if name.is_empty() => return Err(FormulaError::Syntax),
            '}' => return Ok((Token::Field(name), place + 1)),
            '\\' if letters.next_if(|(_, next)| *next == '}').is_some() => name.push('}'),
            _ => name.push(letter),
        }
    }
    Err(FormulaError::Syntax)
}

fn number(rest: &str) -> Result<(Token, usize), FormulaError> {
    let length = rest
        .find(|letter: char| !(letter.is_ascii_digit() || letter == '.'))
        .unwrap_or(rest.len());
    let number = rest[..length].parse().map_err(|_| FormulaError::Syntax)?;
    Ok((Token::Number(number), length))
}

fn name(rest: &str) -> (Token, usize) {
    let length = rest
        .find(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
        .unwrap_or(rest.len());
    (Token::Name(rest[..length].to_owned()), length)
}

fn sign(rest: &str) -> Result<(Token, usize), FormulaError> {
    let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
    sign.map(|sign| (Token::Sign(sign), sign.len()))
        .ok_or(FormulaError::Syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_braces_and_escapes_are_taken_apart() {
        let text = |text: &str| Token::Text(text.into());
        for (formula, expected) in [
            (r"'a'", vec![text("a")]),
            (r#""it's""#, vec![text("it's")]),
            (r"'it\'s'", vec![text("it's")]),
            (r"'a\\'", vec![text("a\\")]),
            (r"'a\nb\tc\rd'", vec![text("a\nb\tc\rd")]),
            ("'}{,)'", vec![text("}{,)")]),
            (r"{Run Key}", vec![Token::Field("Run Key".into())]),
            (r"{a\}b}", vec![Token::Field("a}b".into())]),
            (r"{a\b}", vec![Token::Field(r"a\b".into())]),
            ("{'}", vec![Token::Field("'".into())]),
            (
                "A<=1.5",
                vec![Token::Name("A".into()), Token::Sign("<="), Token::Number(1.5)],
            ),
        ] {
            assert_eq!(tokens(formula), Ok(expected), "{formula}");
        }
        for open in ["'a", "\"a'", "{a", r"{a\}", r"'a\'", "{}", "1.2.3", "#"] {
            assert_eq!(tokens(open), Err(FormulaError::Syntax), "{open}");
        }
    }
}
