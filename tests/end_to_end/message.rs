//! One message of HTTP as it comes in, a request or an answer: its head, and as much as that announces.

use std::io::{self, BufRead};

/// A message that came in full.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// As it came, with the empty line behind it.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The next one; nothing when the other side has ended before it, and an error when it ends in the middle.
    pub(crate) fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if from.read_line(&mut head)? == 0 {
                return if head.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
        let mut message = Self { head, body: Vec::new() };
        let length = message.header("content-length").map_or(Ok(0), str::parse);
        message.body.resize(length.map_err(|_| io::ErrorKind::InvalidData)?, 0);
        from.read_exact(&mut message.body)?;
        Ok(Some(message))
    }

    /// The second word of its first line: the target of a request, the status of an answer.
    pub(crate) fn second_word(&self) -> Option<&str> {
        self.head.lines().next()?.split(' ').nth(1)
    }

    /// The value of this header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        headers.find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value.trim()))
    }
}
