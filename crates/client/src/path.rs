//! Paths and queries, encoded so that no part of one can lead elsewhere.

use runledger_domain::RunKey;

/// Percent-encodes whatever is not plainly part of a word.
///
/// ```
/// let mut path = String::from("/v1/runs/");
/// runledger_client::connection::encode("a/b c", &mut path);
/// assert_eq!(path, "/v1/runs/a%2Fb%20c");
/// ```
pub fn encode(text: &str, target: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            target.push(char::from(byte));
        } else {
            target.push('%');
            target.push(char::from(DIGITS[usize::from(byte >> 4)]));
            target.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// A path of these parts, which are ids and so never empty or dots.
pub(crate) fn path(parts: &[&str]) -> String {
    let mut path = String::from("/v1");
    for part in parts {
        path.push('/');
        encode(part, &mut path);
    }
    path
}

/// The parts of a query, each with a value.
pub(crate) fn query(path: &str, pairs: &[(&str, Option<String>)]) -> String {
    let mut target = path.to_owned();
    let given = pairs.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    for (index, (name, value)) in given.enumerate() {
        target.push(if index == 0 { '?' } else { '&' });
        target.push_str(name);
        target.push('=');
        encode(value, &mut target);
    }
    target
}

/// The path of a record, and what follows behind it.
pub(crate) fn record_path(key: &RunKey, rest: &[&str]) -> String {
    let mut parts = vec!["runs", key.run().as_str()];
    if let Some(client) = key.client() {
        parts.extend(["clients", client.as_str()]);
    }
    parts.extend(rest);
    path(&parts)
}
