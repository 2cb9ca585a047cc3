//! Callers who work on the same few records through all servers at once, and note what they ask and what they hear. What
//! they hear no answer to, they ask for again under the same name, at another server.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::history::{Answer, Ask, History, Moment, NEVER, Name, Try, View};
use crate::http::Connection;

/// After so many requests the next run begins.
const REQUESTS_PER_RUN: u64 = 90;
/// How many runs are worked on at the same time.
const RUNS_AT_ONCE: u64 = 3;
/// How long an answer may take: some callers give up long before a server does.
const PATIENCE: [Duration; 3] = [
    Duration::from_secs(6),
    Duration::from_millis(400),
    Duration::from_secs(2),
];
/// One of so many requests goes to another server than most of its caller do, so that one that is silent stops few callers.
const ELSEWHERE: u64 = 40;
/// How long a caller waits between two requests, and after one that got nowhere.
const PAUSE: Duration = Duration::from_millis(2);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(50);
/// How often something is tried that nothing stands in the way of.
const TRIES_MAX: usize = 200;

/// What all callers share.
pub(crate) struct Notebook {
    began: Instant,
    history: Mutex<History>,
    names: AtomicU64,
    requests: AtomicU64,
    over: AtomicBool,
    /// Requests that were answered: nothing was done, because the database is away.
    refused: AtomicU64,
    /// By server: writes that were answered as done.
    done: Vec<AtomicU64>,
}

impl Notebook {
    pub(crate) fn new(servers: usize) -> Self {
        Self {
            began: now(),
            history: Mutex::default(),
            names: AtomicU64::new(1),
            requests: AtomicU64::new(0),
            over: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            done: (0..servers).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// This moment.
    pub(crate) fn moment(&self) -> Moment {
        Moment::try_from(self.began.elapsed().as_nanos()).unwrap()
    }

    /// Tells the callers to end.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// How many writes this server answered as done.
    pub(crate) fn done_at(&self, server: usize) -> u64 {
        self.done[server].load(Ordering::SeqCst)
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::SeqCst)
    }

    /// What was asked and answered so far.
    pub(crate) fn into_history(self) -> History {
        self.history.into_inner().unwrap()
    }

    /// The end of the longest time without an acknowledged write that lies, in part, between these moments.
    pub(crate) fn silence_ends(&self, from: Moment, to: Moment) -> Moment {
        let history = self.history.lock().unwrap();
        let done = history
            .values()
            .flatten()
            .filter(|one| matches!(one.answer, Answer::Done(_)) && one.ask.writes());
        let mut done: Vec<_> = done.map(|one| one.to).collect();
        done.sort_unstable();
        let silences = done.windows(2).filter(|pair| pair[1] > from && pair[0] < to);
        silences
            .max_by_key(|pair| pair[1] - pair[0])
            .map_or(from, |pair| pair[1])
    }

    fn note(&self, run: &str, one: Try) {
        if one.ask.writes() && matches!(one.answer, Answer::Done(_)) {
            self.done[one.by.1].fetch_add(1, Ordering::SeqCst);
        }
        let mut history = self.history.lock().unwrap();
        history.entry(run.to_owned()).or_default().push(one);
    }
}

/// One caller.
pub(crate) struct Caller {
    number: usize,
    patience: Duration,
    servers: Vec<String>,
    connections: Vec<Option<Connection>>,
    /// What was seen last of each run.
    seen: HashMap<String, View>,
    /// What was asked for under a name, by run.
    named: HashMap<String, Vec<Ask>>,
    /// What no answer was heard to, and nobody asked for again.
    owed: Vec<(String, Ask)>,
    chance: RandomState,
    throws: u64,
}

impl Caller {
    pub(crate) fn new(number: usize, servers: &[String]) -> Self {
        Self {
            number,
            patience: PATIENCE[number / servers.len() % PATIENCE.len()],
            servers: servers.to_vec(),
            connections: servers.iter().map(|_| None).collect(),
            seen: HashMap::new(),
            named: HashMap::new(),
            owed: Vec::new(),
            chance: RandomState::new(),
            throws: 0,
        }
    }

    /// Calls until it is told to end.
    pub(crate) fn call(&mut self, notebook: &Notebook) {
        while !notebook.over.load(Ordering::SeqCst) {
            let (run, ask) = self.choose(notebook);
            let mut server = self.number % self.servers.len();
            if self.is_one_of(ELSEWHERE) {
                server = self.below(self.servers.len());
            }
            // Some wishes are left for the end: that is later than any fault.
            let leaves_it = self.is_one_of(4);
            let mut tries = 0;
            let answer = loop {
                let answer = self.ask(notebook, &run, ask, server);
                tries += 1;
                if answer.is_some() || leaves_it || notebook.over.load(Ordering::SeqCst) {
                    break answer;
                }
                sleep(PAUSE_AFTER_FAILURE);
                server = (server + 1) % self.servers.len();
            };
            // What is not there yet may come into being, and then a try that is still on its way has an effect.
            let is_open = answer.is_none() || (tries > 1 && answer == Some(Answer::Absent));
            if is_open && ask.writes() {
                self.owed.push((run, ask));
            }
            sleep(if answer.is_some() { PAUSE } else { PAUSE_AFTER_FAILURE });
        }
    }

    /// Asks again for all that it heard no answer to, until it hears one (L1). Answers how many there were.
    pub(crate) fn settle(&mut self, notebook: &Notebook) -> usize {
        let owed = std::mem::take(&mut self.owed);
        for (run, ask) in &owed {
            let answered = (0..TRIES_MAX).any(|round| {
                let server = (self.number + round) % self.servers.len();
                self.is_answered(notebook, run, *ask, server)
            });
            assert!(
                answered,
                "nothing stands in the way any more, and {ask:?} on {run} has no answer"
            );
        }
        owed.len()
    }

    /// Looks at this run at each server.
    pub(crate) fn look(&mut self, notebook: &Notebook, run: &str) {
        for server in 0..self.servers.len() {
            // A connection that was not used for long is closed by the server, and that may be noticed by its use alone.
            let seen = (0..TRIES_MAX).any(|_| self.is_answered(notebook, run, Ask::Get, server));
            assert!(seen, "{run} cannot be seen at server {server}");
        }
    }

    /// Tries once; waits a moment after a failure.
    fn is_answered(&mut self, notebook: &Notebook, run: &str, ask: Ask, server: usize) -> bool {
        let answered = self.ask(notebook, run, ask, server).is_some();
        if !answered {
            sleep(PAUSE_AFTER_FAILURE);
        }
        answered
    }

    /// One try. Nothing when there is no definite answer, or when nothing was done.
    fn ask(&mut self, notebook: &Notebook, run: &str, ask: Ask, server: usize) -> Option<Answer> {
        let from = notebook.moment();
        let said = match self.send(run, ask, server) {
            Ok(answer) => Answer::read(ask, &answer),
            Err(Failed::BeforeItWasSent) => Err("there is no connection".into()),
            Err(Failed::Unanswered) => Ok(Answer::Unknown),
        };
        let Ok(answer) = said else {
            notebook.refused.fetch_add(1, Ordering::SeqCst);
            return None;
        };
        let known = answer != Answer::Unknown;
        if known || ask.writes() {
            let to = if known { notebook.moment() } else { NEVER };
            let by = (self.number, server);
            notebook.note(
                run,
                Try {
                    ask,
                    from,
                    to,
                    answer,
                    by,
                },
            );
        }
        if let Some(view) = answer.view() {
            self.seen.insert(run.to_owned(), view);
        }
        known.then_some(answer)
    }

    fn send(&mut self, run: &str, ask: Ask, server: usize) -> Result<crate::http::Answer, Failed> {
        let mut connection = match self.connections[server].take() {
            Some(connection) => connection,
            None => Connection::open(&self.servers[server])
                .and_then(|open| open.with_patience(self.patience))
                .map_err(|_| Failed::BeforeItWasSent)?,
        };
        let (method, path, key, body) = request(run, ask);
        let answer: io::Result<_> = connection.ask(method, &path, key.as_deref(), &body);
        // A connection without an answer is given up: an answer that comes late would be taken for the next one.
        let answer = answer.map_err(|_| Failed::Unanswered)?;
        self.connections[server] = Some(connection);
        Ok(answer)
    }

    /// What to do next.
    fn choose(&mut self, notebook: &Notebook) -> (String, Ask) {
        let newest = notebook.requests.fetch_add(1, Ordering::SeqCst) / REQUESTS_PER_RUN;
        let is_old = self.is_one_of(12);
        let number = if is_old {
            newest * self.throw(1_000) / 1_000
        } else {
            newest.saturating_sub(self.throw(RUNS_AT_ONCE))
        };
        let run = format!("fail-over-{number}");
        let name = || notebook.names.fetch_add(1, Ordering::SeqCst);
        let Some(named) = self.named.get_mut(&run) else {
            let create = Ask::Create(name());
            self.named.insert(run.clone(), vec![create]);
            return (run, create);
        };
        let version = self.seen.get(&run).map_or(1, |seen| seen.version);
        let (name, earlier): (Name, _) = (name(), named.clone());
        let ask = match self.throw(100) {
            0..15 => Ask::Set(name, version),
            15..40 => Ask::Get,
            40..50 => earlier[self.below(earlier.len())],
            50..54 => Ask::Create(name),
            54..57 if number < newest => Ask::Complete(name.is_multiple_of(2)),
            _ => Ask::Add(name),
        };
        if ask.name() == Some(name) {
            self.named.entry(run.clone()).or_default().push(ask);
        }
        (run, ask)
    }

    fn throw(&mut self, sides: u64) -> u64 {
        self.throws += 1;
        self.chance.hash_one(self.throws) % sides
    }

    fn below(&mut self, length: usize) -> usize {
        usize::try_from(self.throw(length as u64)).unwrap()
    }

    fn is_one_of(&mut self, sides: u64) -> bool {
        self.throw(sides) == 0
    }
}

/// Why there is no answer.
enum Failed {
    BeforeItWasSent,
    Unanswered,
}

/// How the API wants it: method, path, name, body.
fn request(run: &str, ask: Ask) -> (&'static str, String, Option<String>, Value) {
    let path = format!("/v1/runs/{run}");
    match ask {
        Ask::Create(name) => (
            "POST",
            "/v1/runs".into(),
            Some(format!("attempt-{name}")),
            json!({"run_id": run}),
        ),
        Ask::Add(name) => {
            let body = json!({"metrics": {"add": {"count": 1}}});
            ("PATCH", path, Some(format!("update-{name}")), body)
        }
        Ask::Set(name, version) => {
            let body = json!({"metrics": {"set": {"mark": name}}, "version": version});
            ("PATCH", path, Some(format!("update-{name}")), body)
        }
        Ask::Complete(succeeded) => {
            let status = if succeeded { "succeeded" } else { "failed" };
            ("POST", format!("{path}/complete"), None, json!({"status": status}))
        }
        Ask::Get => ("GET", path, None, Value::Null),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long it took, and in which order, is what the test is about"
)]
fn now() -> Instant {
    Instant::now()
}
