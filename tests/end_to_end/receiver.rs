//! A receiver of webhooks: it checks signatures, notes what came, and answers as it is told.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::message::Message;

/// What deliveries are signed with.
pub(crate) const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What a receiver does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Answer {
    Take,
    Fail,
    Hang,
    Cut,
    Redirect,
    Gone,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) target: String,
    pub(crate) content_type: String,
    pub(crate) body: Value,
    is_taken: bool,
}

/// A receiver of webhooks, in threads of the test.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    came: Arc<Mutex<Vec<Delivery>>>,
}

impl Receiver {
    /// Begins to listen, in clear.
    pub(crate) fn start(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_over(|stream| stream, answer)
    }

    /// Begins to listen over what is made of each connection.
    pub(crate) fn start_over<S: Read + Write>(
        over: impl Fn(TcpStream) -> S + Send + Sync + 'static,
        answer: impl Fn(usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let came = Arc::new(Mutex::new(Vec::new()));
        let (noted, count) = (Arc::clone(&came), AtomicUsize::new(0));
        thread::spawn(move || {
            let with = Arc::new((over, answer));
            for stream in listener.incoming().flatten() {
                let (noted, with) = (Arc::clone(&noted), Arc::clone(&with));
                let number = count.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || receive(with.0(stream), with.1(number), &noted));
            }
        });
        Self { port, came }
    }

    pub(crate) fn came(&self) -> Vec<Delivery> {
        self.came.lock().unwrap().clone()
    }

    /// The deliveries that were taken, each id at its first time.
    pub(crate) fn taken(&self) -> Vec<Delivery> {
        let mut ids = std::collections::BTreeSet::new();
        let came = self.came().into_iter();
        came.filter(|delivery| delivery.is_taken && ids.insert(delivery.id.clone()))
            .collect()
    }
}

/// Reads a request, checks its signature, notes it, answers it. A request that is cut off by a kill is none.
fn receive(stream: impl Read + Write, answer: Answer, noted: &Mutex<Vec<Delivery>>) {
    let mut reader = BufReader::new(stream);
    let Ok(Some(request)) = Message::read(&mut reader) else {
        return;
    };
    let header = |name| request.header(name).unwrap();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(KEY).unwrap()).unwrap();
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(&request.body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(header("webhook-signature"), expected);
    let delivery = Delivery {
        id: id.to_owned(),
        target: request.second_word().unwrap().to_owned(),
        content_type: header("content-type").to_owned(),
        body: serde_json::from_slice(&request.body).unwrap(),
        is_taken: answer == Answer::Take,
    };
    // Before the answer: what comes next may be at another thread by then.
    noted.lock().unwrap().push(delivery);
    let (status, more) = match answer {
        Answer::Take => ("204 No Content", ""),
        Answer::Fail => ("503 Service Unavailable", "Retry-After: 1\r\n"),
        Answer::Redirect => ("302 Found", "Location: /elsewhere\r\n"),
        Answer::Gone => ("410 Gone", ""),
        Answer::Cut => return,
        // Longer than anybody waits.
        Answer::Hang => return thread::sleep(Duration::from_mins(1)),
    };
    let text = format!("HTTP/1.1 {status}\r\n{more}Content-Length: 0\r\n\r\n");
    // Who asked may have been killed.
    let _ = reader.get_mut().write_all(text.as_bytes());
}
