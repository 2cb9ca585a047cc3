//! Text from data, made safe for a terminal: no control characters, no changes of the writing direction.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with everything escaped that a terminal would act on, save line ends.
pub(crate) fn safe(text: &str) -> Cow<'_, str> {
    escape(text, |letter| letter != '\n' && is_active(letter))
}

/// The text on one line: line ends are escaped too.
pub(crate) fn safe_line(text: &str) -> Cow<'_, str> {
    escape(text, is_active)
}

/// JSON as it came, with everything escaped that a terminal would act on. JSON holds such letters in texts only, so it
/// stays the same JSON.
pub(crate) fn safe_json(json: &str) -> Cow<'_, str> {
    if !json.contains(is_active) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 8);
    for letter in json.chars() {
        if is_active(letter) {
            // Writing to a String cannot fail. All of these letters have four digits at most.
            let _ = write!(escaped, "\\u{:04x}", u32::from(letter));
        } else {
            escaped.push(letter);
        }
    }
    Cow::Owned(escaped)
}

fn escape(text: &str, must_escape: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&must_escape) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '\n' if must_escape('\n') => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            '\r' => escaped.push_str("\\r"),
            letter if must_escape(letter) => {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(letter));
            }
            letter => escaped.push(letter),
        }
    }
    Cow::Owned(escaped)
}

/// Control characters (C0, DEL, C1), and the invisible ones that reorder or hide what stands beside them.
fn is_active(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, lines: &str, line: &str) {
        assert_eq!(safe(text), lines);
        assert_eq!(safe_line(text), line);
    }

    #[test]
    fn json_stays_the_same_json() {
        let json = "{\"a\":\"\u{202e}b\u{9b}\u{7f}é\\n\"}";
        let safe = safe_json(json);
        assert_eq!(safe, "{\"a\":\"\\u202eb\\u009b\\u007fé\\n\"}");
        let parse = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(parse(&safe), parse(json));
    }

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        check("plain é 数 🦀", "plain é 数 🦀", "plain é 数 🦀");
        check("a\nb", "a\nb", "a\\nb");
        check("\u{1b}[2J", "\\u{1b}[2J", "\\u{1b}[2J");
        check("\u{9b}2J\r\t\u{7f}", "\\u{9b}2J\\r\\t\\u{7f}", "\\u{9b}2J\\r\\t\\u{7f}");
        check("a\u{202e}b", "a\\u{202e}b", "a\\u{202e}b");
    }
}
