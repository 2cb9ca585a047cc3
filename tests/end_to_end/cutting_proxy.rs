//! A proxy that loses answers: the request reaches the server and is carried out, and then the connection is cut.

use std::io::{self, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::message::Message;

/// The proxy; its thread ends with the tests.
pub(crate) struct CuttingProxy {
    pub(crate) url: String,
    state: Arc<State>,
}

struct State {
    /// Where connections lead.
    server: Mutex<String>,
    /// Where they lead once an answer was lost.
    server_after: Mutex<Option<String>>,
    /// How many answers are still to be lost.
    to_lose: AtomicU64,
    /// How many requests went through.
    requests: AtomicU64,
}

impl CuttingProxy {
    pub(crate) fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            server: Mutex::new(server.to_owned()),
            server_after: Mutex::default(),
            to_lose: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A connection that ends is what the tests are about.
                thread::spawn(move || drop(pass_on(caller, &state)));
            }
        });
        Self { url, state }
    }

    /// Loses the answers to so many requests from now on.
    pub(crate) fn lose(&self, answers: u64) {
        self.state.to_lose.store(answers, Ordering::SeqCst);
    }

    /// Loses the next answer, and leads to another server from then on.
    pub(crate) fn lose_and_lead_to(&self, server: &str) {
        *self.state.server_after.lock().unwrap() = Some(server.to_owned());
        self.lose(1);
    }

    /// How many requests went through.
    pub(crate) fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::SeqCst)
    }
}

fn pass_on(caller: TcpStream, state: &State) -> io::Result<()> {
    let mut caller = BufReader::new(caller);
    let address = state.server.lock().unwrap().clone();
    let mut server = BufReader::new(TcpStream::connect(address)?);
    loop {
        let Some(request) = Message::read(&mut caller)? else {
            return Ok(());
        };
        pass(&request, server.get_mut())?;
        let answer = Message::read(&mut server)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        state.requests.fetch_add(1, Ordering::SeqCst);
        let lose = |left: u64| left.checked_sub(1);
        if state
            .to_lose
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, lose)
            .is_ok()
        {
            if let Some(after) = state.server_after.lock().unwrap().take() {
                *state.server.lock().unwrap() = after;
            }
            return Ok(());
        }
        pass(&answer, caller.get_mut())?;
    }
}

/// Hands one message on, whole.
fn pass(message: &Message, to: &mut TcpStream) -> io::Result<()> {
    to.write_all(&[message.head.as_bytes(), &message.body].concat())
}
