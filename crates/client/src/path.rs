//! Paths and queries, encoded so that no part of one can lead elsewhere.

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
