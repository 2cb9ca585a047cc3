//! A client of the HTTP API that says whether an answer came: the one thing that a crash test must not have hidden.

use std::fmt::Write as _;
use std::io::{self, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::message::Message;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// One connection, kept alive.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

/// An answer that came in full.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether it says that this was done before.
    pub(crate) replayed: bool,
    pub(crate) body: Value,
}

impl Connection {
    pub(crate) fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Waits so long for each part of an answer.
    pub(crate) fn with_patience(self, patience: Duration) -> io::Result<Self> {
        self.stream.get_ref().set_read_timeout(Some(patience))?;
        Ok(self)
    }

    /// Asks, and waits for the whole answer. An error says that nothing is known about the effect.
    pub(crate) fn ask(&mut self, method: &str, path: &str, key: Option<&str>, body: &Value) -> io::Result<Answer> {
        let mut headers = vec![("Runledger-Source", "orchestrator")];
        headers.extend(key.map(|key| ("Idempotency-Key", key)));
        self.request(method, path, &headers, &body.to_string())?;
        let answer = self.answer()?;
        Ok(Answer {
            status: status(&answer)?,
            replayed: answer.header("idempotency-replayed") == Some("true"),
            body: serde_json::from_slice(&answer.body)?,
        })
    }

    /// Sends these headers and this body, and waits for the whole answer: its status and its text.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<(u16, String)> {
        self.request(method, path, headers, body)?;
        let answer = self.answer()?;
        let status = status(&answer)?;
        let text = String::from_utf8(answer.body).map_err(|_| io::ErrorKind::InvalidData)?;
        Ok((status, text))
    }

    fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> io::Result<()> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").map_err(io::Error::other)?;
        }
        let length = body.len();
        let rest = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        request.push_str(&rest);
        self.stream.get_mut().write_all(request.as_bytes())
    }

    fn answer(&mut self) -> io::Result<Message> {
        Ok(Message::read(&mut self.stream)?.ok_or(io::ErrorKind::UnexpectedEof)?)
    }
}

fn status(answer: &Message) -> io::Result<u16> {
    let status = answer.second_word().and_then(|status| status.parse().ok());
    Ok(status.ok_or(io::ErrorKind::InvalidData)?)
}
