//! Tells code, literals and comments of a Rust file apart, and which of it is compiled for tests only.
//!
//! A scanner, not a parser: it knows comments, strings, characters and brackets. Where it cannot tell, it takes text
//! for code that ships, so that a check over it errs on the side of a report.

/// A Rust file, seen by what its text is. Both views have the length and the lines of the file; what they leave out is
/// blank.
#[derive(Debug)]
pub(crate) struct Source {
    /// Code that ships: no comments, no contents of literals, nothing under `#[cfg(test)]`.
    pub(crate) code: String,
    /// As `code`, with the literals.
    pub(crate) text: String,
    /// The modules that are declared for tests only and live in a file of their own.
    pub(crate) test_modules: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Code,
    Literal,
    Comment,
    Test,
}

impl Source {
    /// Scans the text of a file.
    pub(crate) fn scan(file: &str) -> Self {
        let bytes = file.as_bytes();
        let mut classes = classify(bytes);
        let code = view(bytes, &classes, &[Class::Code]);
        let test_modules = mark_tests(code.as_bytes(), &mut classes);
        Self {
            code: view(bytes, &classes, &[Class::Code]),
            text: view(bytes, &classes, &[Class::Code, Class::Literal]),
            test_modules,
        }
    }
}

/// The line, from 1, that holds this byte.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// Where `needle` stands in `text` and is not the end of a longer word.
pub(crate) fn places(text: &str, needle: &str) -> Vec<usize> {
    let first_is_word = needle.starts_with(is_word);
    text.match_indices(needle)
        .map(|(place, _)| place)
        .filter(|place| !(first_is_word && text[..*place].ends_with(is_word)))
        .collect()
}

/// As [`places`], where case does not matter and any white space, and the end of a line in a string, is one space.
pub(crate) fn places_in_statement(text: &str, needle: &str) -> Vec<usize> {
    let mut folded = String::new();
    let mut origins = Vec::new();
    for (place, byte) in text.bytes().enumerate() {
        let continues = byte == b'\\' && text.as_bytes().get(place + 1) == Some(&b'\n');
        let is_space = byte.is_ascii_whitespace() || continues;
        if is_space && folded.ends_with(' ') {
            continue;
        }
        folded.push(match byte {
            _ if is_space => ' ',
            byte if byte.is_ascii() => byte.to_ascii_lowercase() as char,
            _ => '?',
        });
        origins.push(place);
    }
    places(&folded, &needle.to_ascii_lowercase())
        .into_iter()
        .map(|place| origins[place])
        .collect()
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn view(bytes: &[u8], classes: &[Class], shown: &[Class]) -> String {
    let seen = bytes.iter().zip(classes);
    let seen = seen.map(|(byte, class)| {
        if *byte == b'\n' || shown.contains(class) {
            *byte
        } else {
            b' '
        }
    });
    String::from_utf8_lossy(&seen.collect::<Vec<_>>()).into_owned()
}

fn classify(bytes: &[u8]) -> Vec<Class> {
    let mut classes = vec![Class::Code; bytes.len()];
    let mut place = 0;
    while place < bytes.len() {
        let rest = &bytes[place..];
        let after_word = place > 0 && is_word(char::from(bytes[place - 1]));
        let (class, length) = if rest.starts_with(b"//") {
            (
                Class::Comment,
                rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
            )
        } else if rest.starts_with(b"/*") {
            (Class::Comment, block_comment(rest))
        } else if rest[0] == b'"' {
            (Class::Literal, quoted(rest, 0))
        } else if let Some(length) = raw_string(rest).filter(|_| !after_word) {
            (Class::Literal, length)
        } else if let Some(length) = character(rest) {
            (Class::Literal, length)
        } else {
            (Class::Code, 1)
        };
        let end = (place + length.max(1)).min(bytes.len());
        classes[place..end].fill(class);
        place = end;
    }
    classes
}

/// The length of the comment that begins here; comments nest.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut place) = (0, 0);
    while place < rest.len() {
        if rest[place..].starts_with(b"/*") {
            depth += 1;
            place += 2;
        } else if rest[place..].starts_with(b"*/") {
            depth -= 1;
            place += 2;
            if depth == 0 {
                return place;
            }
        } else {
            place += 1;
        }
    }
    rest.len()
}

/// The length of the string whose opening quote stands at `open`.
fn quoted(rest: &[u8], open: usize) -> usize {
    let mut place = open + 1;
    while place < rest.len() {
        match rest[place] {
            b'\\' => place += 2,
            b'"' => return place + 1,
            _ => place += 1,
        }
    }
    rest.len()
}

/// The length of `r"..."`, `r#"..."#`, `br"..."` or `cr"..."`, if one begins here.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let prefix = usize::from(rest.first().is_some_and(|byte| matches!(byte, b'b' | b'c')));
    if rest.get(prefix) != Some(&b'r') {
        return None;
    }
    let hashes = rest[prefix + 1..].iter().take_while(|byte| **byte == b'#').count();
    let open = prefix + 1 + hashes;
    if rest.get(open) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'#'; hashes + 1];
    close[0] = b'"';
    let length = rest[open + 1..].windows(close.len()).position(|window| window == close);
    Some(length.map_or(rest.len(), |length| open + 1 + length + close.len()))
}

/// The length of a character literal, if one begins here and it is not a lifetime.
fn character(rest: &[u8]) -> Option<usize> {
    if rest[0] != b'\'' {
        return None;
    }
    if rest.get(1) == Some(&b'\\') {
        return rest[3.min(rest.len())..]
            .iter()
            .position(|byte| *byte == b'\'')
            .map(|place| place + 4);
    }
    // One character of one to four bytes, then the quote.
    let letter = std::str::from_utf8(&rest[1..rest.len().min(5)]).ok().or_else(|| {
        (1..4)
            .rev()
            .find_map(|length| std::str::from_utf8(rest.get(1..=length)?).ok())
    })?;
    let length = letter.chars().next()?.len_utf8();
    (rest.get(1 + length) == Some(&b'\'')).then_some(length + 2)
}

/// Marks every item under `#[cfg(test)]`, and names those that are modules in a file of their own.
fn mark_tests(code: &[u8], classes: &mut [Class]) -> Vec<String> {
    let text = String::from_utf8_lossy(code).into_owned();
    let mut modules = Vec::new();
    for needle in ["#[cfg(test)]", "#[cfg(all(test,"] {
        for start in places(&text, needle) {
            let (item, end) = item_after(code, start);
            if let Some(name) = text[item..end].trim_end_matches(';').trim().strip_prefix("mod ")
                && !name.contains('{')
            {
                modules.push(name.trim().to_owned());
            }
            classes[start..end].fill(Class::Test);
        }
    }
    if let Some(start) = text.find("#![cfg(test)]") {
        classes[start..].fill(Class::Test);
    }
    modules
}

/// Where the item begins and ends whose first attribute begins at `start`.
fn item_after(code: &[u8], start: usize) -> (usize, usize) {
    let mut place = start;
    loop {
        while code.get(place).is_some_and(u8::is_ascii_whitespace) {
            place += 1;
        }
        if !code[place..].starts_with(b"#[") {
            break;
        }
        place = matching(code, place + 1);
    }
    let item = place;
    let words = String::from_utf8_lossy(&code[item..(item + 16).min(code.len())]).into_owned();
    let is_item = ITEM_WORDS.iter().any(|word| words.starts_with(word));
    while place < code.len() {
        match code[place] {
            b'(' | b'[' => place = matching(code, place),
            b'{' => return (item, matching(code, place)),
            b';' => return (item, place + 1),
            b',' if !is_item => return (item, place + 1),
            b'}' | b')' | b']' => return (item, place),
            _ => place += 1,
        }
    }
    (item, place)
}

/// Just after the bracket that closes the one at `open`.
fn matching(code: &[u8], open: usize) -> usize {
    let mut depth = 0_usize;
    for (place, byte) in code.iter().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return place + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// How an item begins, as opposed to a field or an arm, which ends at a comma.
const ITEM_WORDS: &[&str] = &[
    "async ",
    "const ",
    "enum ",
    "extern ",
    "fn ",
    "impl",
    "macro_rules!",
    "mod ",
    "pub ",
    "pub(",
    "static ",
    "struct ",
    "trait ",
    "type ",
    "unsafe ",
    "use ",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, code: &str, text: &str) {
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let source = Source::scan(file);
        assert_eq!(source.code.len(), file.len(), "{file}");
        assert_eq!(source.text.len(), file.len(), "{file}");
        assert_eq!(squeeze(&source.code), code, "{file}");
        assert_eq!(squeeze(&source.text), text, "{file}");
    }

    #[test]
    fn comments_and_literals_are_told_apart() {
        check("a // b\nc", "a c", "a c");
        check("a /* b /* c */ d */ e", "a e", "a e");
        check(
            r#"f("// no comment", 'x', '"', '\'', b'\\') // c"#,
            "f( , , , , b )",
            r#"f("// no comment", 'x', '"', '\'', b'\\')"#,
        );
        check(
            r##"f(r#"a " b"#, br"c\", g)"##,
            "f( , , g)",
            r##"f(r#"a " b"#, br"c\", g)"##,
        );
        check(
            "fn f<'a>(x: &'a str) -> &'static str { x }",
            "fn f<'a>(x: &'a str) -> &'static str { x }",
            "fn f<'a>(x: &'a str) -> &'static str { x }",
        );
        check("f('é', '→', '🦀') // é", "f( , , )", "f('é', '→', '🦀')");
        check(
            "let for\"s\" = r\"x\"; r#type",
            "let for = ; r#type",
            "let for\"s\" = r\"x\"; r#type",
        );
        check("\"open", "", "\"open");
        check("/* open", "", "");
    }

    #[test]
    fn what_only_tests_compile_is_left_out() {
        check("a; #[cfg(test)] mod tests { fn f() { \"}\"; } } b;", "a; b;", "a; b;");
        check("#[cfg(test)]\n#[path = \"x\"] use a::{b, c};\nd;", "; d;", "; d;");
        check(
            "#[cfg(all(test, unix))] fn f(a: [u8; 3], b: u8) -> u8 { 1 } g",
            "g",
            "g",
        );
        check(
            "struct S { #[cfg(test)] a: u8, b: u8 }",
            "struct S { b: u8 }",
            "struct S { b: u8 }",
        );
        check("#![cfg(test)]\nfn f() {}", "", "");
        check(
            "#[cfg(any(test, feature = \"x\"))] fn f() {}",
            "#[cfg(any(test, feature = ))] fn f() {}",
            "#[cfg(any(test, feature = \"x\"))] fn f() {}",
        );
        assert_eq!(
            Source::scan("#[cfg(test)]\nmod tests;\n#[cfg(test)] mod b { }").test_modules,
            ["tests"]
        );
    }

    #[test]
    fn needles_are_words_and_statements_ignore_case_and_space() {
        assert_eq!(places("todo!() xtodo!()", "todo!").len(), 1);
        assert_eq!(places_in_statement("on conflict do\n   update", "DO UPDATE").len(), 1);
        assert_eq!(places_in_statement("do \\\n   update", "DO UPDATE").len(), 1);
        assert_eq!(places_in_statement("undo update", "DO UPDATE").len(), 0);
        assert_eq!(line_of("a\nb\nc", 4), 3);
    }
}
