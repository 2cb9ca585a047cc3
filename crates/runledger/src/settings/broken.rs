//! What is wrong with a text that is no TOML: the line, the key, and what was expected there. Nothing of the text is
//! quoted, because any line may hold a secret: a broken one above all, for nobody can say which key it belongs to.

use toml::de::DeTable;

use super::keys::KEYS;

/// What is wrong with the text, without a word of it; nothing when it is TOML after all.
pub(super) fn describe(text: &str) -> Option<String> {
    let error = DeTable::parse(text).err()?;
    // The parser's own words; they name what it looked for, not what it found.
    let what = error.message();
    let Some(at) = error.span().map(|span| span.start) else {
        return Some(what.to_owned());
    };
    let before = text.get(..at).unwrap_or(text);
    let number = before.matches('\n').count() + 1;
    Some(match key_at(text, number) {
        Some(key) => format!("line {number} (key {key}): {what}"),
        None => format!("line {number}: {what}"),
    })
}

/// The known key that the line gives, as far as it can be told: by the table above it and the word at its beginning.
fn key_at(text: &str, number: usize) -> Option<&'static str> {
    let lines: Vec<_> = text.lines().take(number).collect();
    let (line, above) = lines.split_last()?;
    let table = above.iter().rev().find_map(|line| table_of(line)).unwrap_or_default();
    let word = line.split('=').next().unwrap_or_default().trim();
    let name = match (table_of(line), table) {
        (Some(table), _) => table.to_owned(),
        (None, "") => word.to_owned(),
        (None, table) => format!("{table}.{word}"),
    };
    // Below a key that is a table as a whole stand words of the user.
    let is_at = |key: &str| name == key || name.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
    KEYS.iter().map(|key| key.name).find(|key| is_at(key))
}

/// The name in `[name]` or `[[name]]`.
fn table_of(line: &str) -> Option<&str> {
    let inner = line.trim().strip_prefix('[')?;
    let name = inner.trim_start_matches('[').split(']').next()?;
    Some(name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_and_its_key_are_named_and_nothing_is_quoted() {
        for (text, words) in [
            ("listen = \n", "line 1 (key listen): "),
            ("\n[deadline]\ngrace = marzipan\n", "line 3 (key deadline.grace): "),
            (
                "[traces]\nheaders = { authorization = marzipan }\n",
                "line 2 (key traces.headers): ",
            ),
            (
                "[traces.headers]\nauthorization = \"Bearer marzipan\n",
                "line 2 (key traces.headers): ",
            ),
            (
                "[traces.headers]\na = 'marzipan'\na = 'marzipan'\n",
                "line 3 (key traces.headers): ",
            ),
            ("[[webhooks]]\nsecret = marzipan\n", "line 2 (key webhooks): "),
            ("[[webhooks]]\nsecret = \"whsec_marzipan\n", "line 2 (key webhooks): "),
            ("[[webhooks]]\nurl = 'a'\nurl = 'marzipan'\n", "line 3 (key webhooks): "),
            ("webhooks = [{ secret = 'marzipan' ]\n", "line 1 (key webhooks): "),
            ("marzipan marzipan\n", "line 1: "),
            ("listen = 'x' marzipan\n", "line 1 (key listen): "),
            ("data = '''\nmarzipan\n", "line "),
            ("data = \"\\marzipan\"\n", "line 1 (key data): "),
            ("[marzipan\n", "line 1: "),
            ("marzipan = 1\nmarzipan = 2\n", "line 2: "),
        ] {
            let described = describe(text).unwrap();
            assert!(described.starts_with(words), "{text:?}: {described}");
            assert!(!described.contains("marzipan"), "{text:?}: {described}");
        }
        assert_eq!(describe("listen = 'x'\n"), None);
    }
}
