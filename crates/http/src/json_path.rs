//! Finds the name of the place in a JSON text that an error points to: `clients[3].note`. It works on text that was
//! understood as JSON before, never decides whether it is, and takes no part in reading what is right.

use std::fmt::Write as _;
use std::ops::Range;

enum Frame {
    /// In an object: where the present key stands, and whether the next text is a key.
    Object { key: Range<usize>, expects_key: bool },
    /// In an array: the present index.
    Array(usize),
}

/// The path of the value that was being read after `column` bytes of `line` (lines are counted from 1).
pub(crate) fn path_at(json: &[u8], line: usize, column: usize) -> String {
    let before: usize = json
        .split_inclusive(|byte| *byte == b'\n')
        .take(line.saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    let end = (before + column).min(json.len());
    let mut frames = Vec::new();
    let mut at = 0;
    while at < end {
        match json[at] {
            b'"' => {
                let close = end_of_text(json, at);
                if let Some(Frame::Object { key, expects_key }) = frames.last_mut()
                    && *expects_key
                {
                    *key = at + 1..close;
                    *expects_key = false;
                }
                at = close;
            }
            b'{' => frames.push(Frame::Object {
                key: 0..0,
                expects_key: true,
            }),
            b'[' => frames.push(Frame::Array(0)),
            b'}' | b']' => {
                frames.pop();
            }
            b',' => match frames.last_mut() {
                Some(Frame::Object { expects_key, .. }) => *expects_key = true,
                Some(Frame::Array(index)) => *index += 1,
                None => {}
            },
            _ => {}
        }
        at += 1;
    }
    join(json, &frames)
}

fn join(json: &[u8], frames: &[Frame]) -> String {
    let mut path = String::new();
    for frame in frames {
        match frame {
            Frame::Object { key, .. } if key.is_empty() => {}
            Frame::Object { key, .. } => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&String::from_utf8_lossy(&json[key.clone()]));
            }
            // Writing to a String cannot fail.
            Frame::Array(index) => {
                let _ = write!(path, "[{index}]");
            }
        }
    }
    path
}

/// Where the text that begins at `start` ends: the place of its closing quote.
fn end_of_text(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < json.len() {
        match json[at] {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_named() {
        let json = b"{\"a\":[1,{\"b,\\\"{\":\n[0,7]}]}";
        assert_eq!(path_at(json, 1, 5), "a");
        assert_eq!(path_at(json, 1, 6), "a[0]");
        assert_eq!(path_at(json, 2, 3), "a[1].b,\\\"{[1]");
        assert_eq!(path_at(json, 9, 99), "");
        assert_eq!(path_at(b"", 0, 0), "");
    }
}
