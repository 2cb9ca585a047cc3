//! Percent-encoding, as paths and queries have it.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// A text as a part of a URL.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A part of a path as a text.
pub(crate) fn decode(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

/// A query as names and values, in their order. A plus sign is a space.
pub(crate) fn query(query: &str) -> Vec<(String, String)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let text = |part: &str| decode(&part.replace('+', " "));
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (text(name), text(value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_taken_apart_as_clients_write_them() {
        let found = query("fields%5B%5D=Key&fields[]=A+B&&filterByFormula=%7BKey%7D%3D%27%C3%BC%27&x");
        let found: Vec<_> = found
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("fields[]", "Key"),
                ("fields[]", "A B"),
                ("filterByFormula", "{Key}='ü'"),
                ("x", "")
            ]
        );
        assert_eq!(decode("Run%20Records"), "Run Records");
        assert_eq!(encode("a b/ü'"), "a%20b%2F%C3%BC%27");
    }
}
