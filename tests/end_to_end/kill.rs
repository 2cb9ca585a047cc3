//! SIGKILL at any moment: what was acknowledged is there afterwards, once, with its line; what was not can be asked for
//! again (I1, I4, I6, I7, I9, I10).

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::http::Connection;
use crate::program::{Place, Server, until};

/// How many times the server is killed, and how many callers it has.
const ROUNDS: u64 = 8;
const ROUNDS_LONG: u64 = 150;
const CALLERS: u64 = 6;
/// Every so many runs, all callers ask for the same one.
const SHARED_EVERY: u64 = 5;
/// At most so many requests of one caller in one round.
const REQUESTS_MAX: u64 = 20_000;

/// What is known about one record, from the answers alone.
#[derive(Clone, Debug, Default)]
struct Known {
    /// The attempts that were answered *created*. More than one would be a second creation.
    created: Vec<String>,
    /// The attempts that were answered *replayed* after an answer of theirs was lost.
    replayed: Vec<String>,
    /// The highest version that was answered.
    version: u64,
    /// How many deltas were acknowledged, and how many may or may not have taken place.
    deltas: u64,
    doubtful: u64,
}

#[derive(Default)]
struct Notebook {
    records: Mutex<HashMap<String, Known>>,
    acknowledged: AtomicU64,
}

impl Notebook {
    fn note(&self, run: &str, note: impl FnOnce(&mut Known)) {
        note(self.records.lock().unwrap().entry(run.to_owned()).or_default());
    }
}

/// One caller: it creates runs and adds to them, until the server is gone. What it did not hear an answer to, it asks
/// for again in the next round, under the same name.
struct Caller {
    name: u64,
    next: u64,
    unanswered: Option<(String, String)>,
}

impl Caller {
    fn call(&mut self, server: &str, notebook: &Notebook) {
        let Ok(mut connection) = Connection::open(server) else {
            return;
        };
        if let Some((run, attempt)) = self.unanswered.take()
            && !self.create(&mut connection, notebook, run, attempt)
        {
            return;
        }
        for _ in 0..REQUESTS_MAX {
            let number = self.next;
            self.next += 1;
            let run = if number.is_multiple_of(SHARED_EVERY) {
                format!("shared-{number}")
            } else {
                format!("run-{}-{number}", self.name)
            };
            let attempt = format!("attempt-{}-{number}", self.name);
            if !self.create(&mut connection, notebook, run.clone(), attempt) || !add(&mut connection, notebook, &run) {
                return;
            }
        }
    }

    /// Answers whether the server is still there.
    fn create(&mut self, connection: &mut Connection, notebook: &Notebook, run: String, attempt: String) -> bool {
        let Ok(answer) = connection.ask("POST", "/v1/runs", Some(&attempt), &json!({"run_id": run})) else {
            self.unanswered = Some((run, attempt));
            return false;
        };
        let version = answer.body["version"].as_u64().unwrap_or_default();
        match answer.status {
            201 => notebook.note(&run, |known| known.created.push(attempt)),
            200 => notebook.note(&run, |known| known.replayed.push(attempt)),
            // Somebody else has it, and that must be durable (I9).
            409 => notebook.note(&run, |known| {
                let holder = answer.body["existing"]["attempt"].as_str().unwrap().to_owned();
                assert_ne!(holder, attempt);
                known.replayed.push(holder);
            }),
            _ => panic!("{answer:?}"),
        }
        notebook.note(&run, |known| known.version = known.version.max(version));
        notebook.acknowledged.fetch_add(1, Ordering::Relaxed);
        true
    }
}

/// Adds one to a metric of the run. Answers whether the server is still there.
fn add(connection: &mut Connection, notebook: &Notebook, run: &str) -> bool {
    let body = json!({"metrics": {"add": {"count": 1}}});
    let Ok(answer) = connection.ask("PATCH", &format!("/v1/runs/{run}"), None, &body) else {
        notebook.note(run, |known| known.doubtful += 1);
        return false;
    };
    assert_eq!(answer.status, 200, "{answer:?}");
    let version = answer.body["version"].as_u64().unwrap();
    notebook.note(run, |known| {
        known.deltas += 1;
        known.version = known.version.max(version);
    });
    notebook.acknowledged.fetch_add(1, Ordering::Relaxed);
    true
}

fn check(place: &Place, notebook: &Notebook) {
    place.verify();
    let mut records: HashMap<String, Value> = place
        .records()
        .into_iter()
        .map(|record| (record["run_id"].as_str().unwrap().to_owned(), record))
        .collect();
    let mut created: HashMap<String, u64> = HashMap::new();
    for line in place.run(&["activity", "--all", "--json"]).expect(0).json() {
        if line["outcome"] == "created" {
            *created.entry(line["run_id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert_eq!(created.len(), records.len());
    assert!(created.values().all(|count| *count == 1), "created twice: {created:?}");
    for (run, known) in notebook.records.lock().unwrap().iter() {
        let record = records
            .remove(run)
            .unwrap_or_else(|| panic!("{run} was acknowledged and is gone: {known:?}"));
        assert!(known.created.len() <= 1, "{run} was created twice: {known:?}");
        let attempt = record["attempt"].as_str().unwrap();
        assert!(
            known
                .created
                .iter()
                .chain(&known.replayed)
                .all(|answered| answered == attempt),
            "{run} is of {attempt}: {known:?}"
        );
        assert!(
            record["version"].as_u64().unwrap() >= known.version,
            "{run}: {known:?} {record}"
        );
        let count = record["metrics"]["count"].as_u64().unwrap_or_default();
        assert!(
            (known.deltas..=known.deltas + known.doubtful).contains(&count),
            "{run} counts {count}: {known:?}"
        );
        assert_eq!(record["version"].as_u64().unwrap(), count + 1, "{run}: {record}");
    }
    // What is left was created without an answer: at most one run of each caller.
    assert!(records.len() as u64 <= CALLERS, "{records:?}");
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_done_twice() {
    #[expect(
        clippy::disallowed_methods,
        reason = "`cargo xtask verify` asks for the long run by this variable"
    )]
    let is_long = std::env::var_os("RUNLEDGER_VERIFY").is_some_and(|value| value == "long");
    let rounds = if is_long { ROUNDS_LONG } else { ROUNDS };
    let place = Place::new();
    let notebook = Notebook::default();
    let chance = RandomState::new();
    let mut callers: Vec<_> = (0..CALLERS)
        .map(|name| Caller {
            name,
            next: 0,
            unanswered: None,
        })
        .collect();
    for round in 0..rounds {
        let server = place.serve();
        let address = server.address.clone();
        let goal = notebook.acknowledged.load(Ordering::Relaxed) + 20 + chance.hash_one(round) % 400;
        thread::scope(|scope| {
            for caller in &mut callers {
                let (address, notebook) = (&address, &notebook);
                scope.spawn(move || caller.call(address, notebook));
            }
            until("enough acknowledgements", || {
                notebook.acknowledged.load(Ordering::Relaxed) >= goal
            });
            Server::kill(server);
        });
        // Every fourth time a server comes up on what was left before anybody looks.
        if round % 4 != 3 || round + 1 == rounds {
            check(&place, &notebook);
        }
    }
    // The unanswered are answered now: each was done once, or is done now.
    let server = place.serve();
    for caller in &mut callers {
        let mut connection = Connection::open(&server.address).unwrap();
        if let Some((run, attempt)) = caller.unanswered.take() {
            assert!(caller.create(&mut connection, &notebook, run, attempt));
        }
    }
    assert_eq!(server.stop(), Some(0));
    check(&place, &notebook);
    assert_eq!(place.records().len(), notebook.records.lock().unwrap().len());
}
