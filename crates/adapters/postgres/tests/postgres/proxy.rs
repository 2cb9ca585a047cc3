//! Between a store and the server: a connection that can be lost at the worst moments.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the text of every statement that writes has in it, and what that of one has that only settles.
const WRITE: &[u8] = b" ledger_";
const SETTLEMENT: &[u8] = b" ledger_settle";

/// What happens to what is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// It arrives.
    Through,
    /// The next write is done, and its answer is lost with all connections. From then on nothing gets through.
    LoseAnswerThenAway,
    /// The same, but what comes later gets through.
    LoseAnswer,
    /// The next write is lost before it arrives, with its connection; what comes later gets through.
    LoseRequest,
    /// The next write is kept on its way while its sender believes the connection lost; see [`Proxy::deliver`].
    KeepRequest,
    /// Nothing gets through, and connections are lost.
    Away,
}

/// The way to the server.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    mode: Arc<watch::Sender<Mode>>,
    kept: Arc<Mutex<Option<Kept>>>,
}

/// A write on its way.
struct Kept {
    bytes: Vec<u8>,
    server: OwnedWriteHalf,
    answers: OwnedReadHalf,
}

impl Proxy {
    /// To the server at this port; its tasks end with the runtime.
    pub(crate) async fn start(to: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            mode: Arc::new(watch::Sender::new(Mode::Through)),
            kept: Arc::default(),
        };
        let (mode, kept) = (Arc::clone(&proxy.mode), Arc::clone(&proxy.kept));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *mode.borrow() != Mode::Away
                    && let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await
                {
                    client.set_nodelay(true).unwrap();
                    server.set_nodelay(true).unwrap();
                    tokio::spawn(carry(client, server, Arc::clone(&mode), Arc::clone(&kept)));
                }
            }
        });
        proxy
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// The address, through here, of what is at this address.
    pub(crate) fn url(&self, url: &str) -> String {
        let (before, rest) = url.split_once("127.0.0.1:").unwrap();
        let (_, after) = rest.split_once('/').unwrap();
        format!("{before}127.0.0.1:{}/{after}", self.port)
    }

    /// Whether a write was kept on its way.
    pub(crate) fn has_kept(&self) -> bool {
        self.kept.lock().unwrap().is_some()
    }

    /// Lets the write that was kept arrive, and answers all that the server says to it.
    pub(crate) async fn deliver(&self) -> String {
        let mut kept = self.kept.lock().unwrap().take().expect("a write was kept");
        kept.server.write_all(&kept.bytes).await.unwrap();
        let mut said = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(Ok(size @ 1..)) = tokio::time::timeout(Duration::from_secs(5), kept.answers.read(&mut chunk)).await
        {
            said.extend_from_slice(&chunk[..size]);
            // The server is ready for the next statement: this one is over.
            if said.ends_with(&[b'Z', 0, 0, 0, 5, b'I']) {
                break;
            }
        }
        String::from_utf8_lossy(&said).into_owned()
    }
}

async fn carry(client: TcpStream, server: TcpStream, mode: Arc<watch::Sender<Mode>>, kept: Arc<Mutex<Option<Kept>>>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut changed = mode.subscribe();
    let mut frames = Frames::default();
    let (mut asked, mut said) = (vec![0; 65_536], vec![0; 65_536]);
    let mut lose_answer = false;
    loop {
        tokio::select! {
            () = gone(&mut changed) => return,
            size = from_client.read(&mut asked) => {
                let Ok(size @ 1..) = size else { return };
                let is_write = frames.take(&asked[..size]);
                let now = *mode.borrow();
                match now {
                    Mode::LoseRequest if is_write => {
                        mode.send_replace(Mode::Through);
                        return;
                    }
                    Mode::KeepRequest if is_write => {
                        mode.send_replace(Mode::Through);
                        let bytes = asked[..size].to_vec();
                        *kept.lock().unwrap() = Some(Kept { bytes, server: to_server, answers: from_server });
                        return;
                    }
                    Mode::LoseAnswer | Mode::LoseAnswerThenAway => lose_answer |= is_write,
                    _ => {}
                }
                if to_server.write_all(&asked[..size]).await.is_err() {
                    return;
                }
            }
            size = from_server.read(&mut said) => {
                let Ok(size @ 1..) = size else { return };
                if lose_answer {
                    // The server answers after the commit.
                    mode.send_modify(|mode| {
                        *mode = if *mode == Mode::LoseAnswerThenAway { Mode::Away } else { Mode::Through };
                    });
                    return;
                }
                if to_client.write_all(&said[..size]).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn gone(mode: &mut watch::Receiver<Mode>) {
    let _ = mode.wait_for(|mode| *mode == Mode::Away).await;
}

/// Reads what a client sends, message by message, to find the writes.
#[derive(Default)]
struct Frames {
    waiting: Vec<u8>,
    begun: bool,
    /// The names of the statements that write.
    writes: HashSet<Vec<u8>>,
}

impl Frames {
    /// Takes what was sent; answers whether a write begins in it.
    fn take(&mut self, bytes: &[u8]) -> bool {
        self.waiting.extend_from_slice(bytes);
        let mut found = false;
        loop {
            let kind = usize::from(self.begun);
            let Some(length) = self.waiting.get(kind..kind + 4) else {
                return found;
            };
            let length = u32::from_be_bytes(length.try_into().unwrap()) as usize + kind;
            // The values of a bind come late in it, but the name of its statement comes early.
            if self.begun
                && self.waiting[0] == b'B'
                && statement_of(&self.waiting[5..]).is_some_and(|name| self.writes.contains(name))
            {
                found = true;
            }
            if self.waiting.len() < length {
                return found;
            }
            let message: Vec<u8> = self.waiting.drain(..length).collect();
            if self.begun && message[0] == b'P' && is_write(&message) {
                let end = message[5..].iter().position(|byte| *byte == 0).unwrap();
                self.writes.insert(message[5..5 + end].to_vec());
            }
            // A request for TLS comes before the beginning, which alone names the user.
            self.begun |= message.windows(4).any(|window| window == b"user");
        }
    }
}

/// The statement that a bind message names, behind a portal.
fn statement_of(body: &[u8]) -> Option<&[u8]> {
    let portal = body.iter().position(|byte| *byte == 0)? + 1;
    let length = body[portal..].iter().position(|byte| *byte == 0)?;
    Some(&body[portal..portal + length])
}

fn is_write(parse: &[u8]) -> bool {
    let holds = |text: &[u8]| parse.windows(text.len()).any(|window| window == text);
    holds(WRITE) && !holds(SETTLEMENT)
}
