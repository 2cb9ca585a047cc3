//! The way from one server of the ledger to the database servers, which can be broken in the ways of a network.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request of so many bytes is a write: what else a server sends is shorter, once it is connected.
const WRITE_BYTES: usize = 700;
/// How often what is held back looks whether the way is free again.
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// What happens to what is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Fault {
    /// It arrives.
    None,
    /// Nothing moves, in either direction, and no connection ends. What was on its way arrives when this is over.
    Stall,
    /// The next write is done, and its answer is lost with its connection.
    CutAnswer,
    /// The next write is lost with its connection.
    CutRequest,
    /// All connections end, and new ones are refused.
    Cut,
}

impl Fault {
    pub(crate) const ALL: [Self; 4] = [Self::CutAnswer, Self::Stall, Self::CutRequest, Self::Cut];

    /// Whether it is over once it has met a write.
    pub(crate) const fn is_for_one_write(self) -> bool {
        matches!(self, Self::CutAnswer | Self::CutRequest)
    }

    fn of(code: u8) -> Self {
        let known = Self::ALL.into_iter().find(|fault| *fault as u8 == code);
        known.unwrap_or(Self::None)
    }
}

/// The way to all database servers, one port for each; its threads end with the tests.
pub(crate) struct Link {
    pub(crate) ports: Vec<u16>,
    state: Arc<State>,
}

struct State {
    fault: AtomicU8,
    /// How many writes met their fault.
    writes_cut: AtomicU32,
    open: Mutex<Vec<TcpStream>>,
}

impl Link {
    pub(crate) fn to(ports: &[u16]) -> Self {
        let state = Arc::new(State {
            fault: AtomicU8::new(Fault::None as u8),
            writes_cut: AtomicU32::new(0),
            open: Mutex::default(),
        });
        let listen = |to: &u16| {
            let (to, state) = (*to, Arc::clone(&state));
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            thread::spawn(move || {
                for server in listener.incoming().flatten() {
                    state.carry(server, to);
                }
            });
            port
        };
        Self {
            ports: ports.iter().map(listen).collect(),
            state,
        }
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.state.fault.store(fault as u8, Ordering::SeqCst);
        if fault == Fault::Cut {
            for stream in self.state.open.lock().unwrap().drain(..) {
                // It may have ended by itself.
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }

    pub(crate) fn fault(&self) -> Fault {
        self.state.fault()
    }

    /// How many writes met their fault.
    pub(crate) fn writes_cut(&self) -> u32 {
        self.state.writes_cut.load(Ordering::SeqCst)
    }
}

impl State {
    fn fault(&self) -> Fault {
        Fault::of(self.fault.load(Ordering::SeqCst))
    }

    /// Whether this fault was still to come; it is over then.
    fn takes(&self, fault: Fault) -> bool {
        let none = Fault::None as u8;
        let taken = self
            .fault
            .compare_exchange(fault as u8, none, Ordering::SeqCst, Ordering::SeqCst);
        self.writes_cut.fetch_add(u32::from(taken.is_ok()), Ordering::SeqCst);
        taken.is_ok()
    }

    fn carry(self: &Arc<Self>, server: TcpStream, to: u16) {
        // A refused connection and one that ends at once look alike from here on.
        let Ok(database) = TcpStream::connect(("127.0.0.1", to)) else {
            return;
        };
        let mut open = self.open.lock().unwrap();
        if self.fault() == Fault::Cut {
            return;
        }
        for stream in [&server, &database] {
            stream.set_nodelay(true).unwrap();
            open.push(stream.try_clone().unwrap());
        }
        let back = (database.try_clone().unwrap(), server.try_clone().unwrap());
        // Whether the next that comes back answers a write and is to be lost.
        let lose_answer = Arc::new(AtomicU8::new(0));
        let (state, lose) = (Arc::clone(self), Arc::clone(&lose_answer));
        thread::spawn(move || {
            pass_on(server, database, |size| {
                if size >= WRITE_BYTES && state.fault() == Fault::CutAnswer {
                    lose.store(u8::from(state.takes(Fault::CutAnswer)), Ordering::SeqCst);
                }
                state.hold();
                size < WRITE_BYTES || !state.takes(Fault::CutRequest)
            });
        });
        let state = Arc::clone(self);
        thread::spawn(move || {
            pass_on(back.0, back.1, |_| {
                state.hold();
                lose_answer.load(Ordering::SeqCst) == 0
            });
        });
    }

    /// Waits while nothing moves.
    fn hold(&self) {
        while self.fault() == Fault::Stall {
            thread::sleep(LOOK_PAUSE);
        }
    }
}

/// Passes on what comes, as long as it may; then both ends are closed.
fn pass_on(mut from: TcpStream, mut to: TcpStream, may_pass: impl Fn(usize) -> bool) {
    let mut bytes = vec![0; 65_536];
    while let Ok(size @ 1..) = from.read(&mut bytes) {
        if !may_pass(size) || to.write_all(&bytes[..size]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
