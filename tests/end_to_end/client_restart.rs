//! A night's batch through the client for Rust, while the server is killed again and again: afterwards each record is
//! there once, each delta counts once, and nothing was created that nobody created (I1, I3, I4, I7).

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use runledger_client::domain::{ClientId, Completion, MetricValue, Outcome, Status};
use runledger_client::{ActivityFilter, Client, Error, Retry, RunError};
use tokio::time::sleep;

use crate::client::{add, clients, key, run, succeeded};
use crate::program::{Place, Server};

const CLIENTS: [&str; 6] = [
    "Guy-Wilson",
    "Dean-Hobin",
    "Ann-Other",
    "Cai-Minh",
    "Eva-Lund",
    "Flo-Berg",
];
const DELTAS: u32 = 30;
/// How many more clients are created one by one, all through the night.
const LATER: usize = 20;
/// What a step of the work takes, so that a night is several lives of the server long on a machine of any speed.
const STEP: Duration = Duration::from_millis(20);
/// How long a server lives before it is killed, and how long there is none.
const LIFE: Duration = Duration::from_millis(150);
const GAP: Duration = Duration::from_millis(30);
/// The servers of this test live so shortly that callers who wait for seconds would miss them.
const RETRY: Retry = Retry {
    deadline: Duration::from_mins(2),
    first_delay: Duration::from_millis(5),
    longest_delay: Duration::from_millis(100),
};

/// Kills the server and starts it again at the same place, until the night is over. Answers how often.
fn kill_and_restart(place: &Place, mut server: Server, is_over: &AtomicBool) -> (Server, u32) {
    let address = server.address.clone();
    let mut kills = 0;
    while !is_over.load(Ordering::SeqCst) {
        thread::sleep(LIFE);
        server.kill();
        kills += 1;
        thread::sleep(GAP);
        server = Server::start_at(&address, &mut place.program(), Stdio::null());
    }
    (server, kills)
}

async fn work_through(client: Client, name: &'static str) {
    let id: ClientId = name.parse().unwrap();
    let ended = client
        .client_run(&run(), &id)
        .heartbeat(Duration::from_millis(20))
        .run(|work| async move {
            for number in 0..DELTAS {
                work.report(add("leads", "1")).await?;
                sleep(STEP).await;
                if number % 10 == 0 {
                    work.note("ten more".parse().unwrap()).await?;
                    // A name with a slip of the pen is refused, server or no server; it creates nothing.
                    let slip = client.report(&key("Guy-Wilsn"), add("leads", "1")).await;
                    let error = slip.unwrap_err();
                    assert_eq!(error.code(), Some("not_found"), "{error:?}");
                }
            }
            let stage = "lead_scoring".parse().unwrap();
            work.start_stage(&stage).await?;
            work.finish_stage(&stage, Outcome::Succeeded, &add("scored", "5"))
                .await?;
            Ok::<_, Error>(())
        });
    let ended: Result<(), RunError<Error>> = ended.await;
    ended.unwrap();
}

/// Creates clients while the server comes and goes; a creation that was asked for twice is a replay of itself.
async fn create_later(client: Client) {
    for number in 0..LATER {
        let id: ClientId = format!("later-{number}").parse().unwrap();
        let created = client.create_client(&run(), id.clone()).await.unwrap();
        assert_eq!(created.get().client_id, Some(id));
        sleep(STEP).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_night_with_a_server_that_is_killed_counts_everything_once() {
    let place = Place::new();
    let server = place.serve();
    let client = Client::builder(&format!("http://{}", server.address))
        .source("orchestrator".parse().unwrap())
        .retry(Some(RETRY))
        .build()
        .unwrap();
    let is_over = AtomicBool::new(false);
    let (place_there, over_there) = (&place, &is_over);
    let (server, kills) = thread::scope(|scope| {
        let killer = scope.spawn(move || kill_and_restart(place_there, server, over_there));
        let night = async {
            client.create_job(run().into()).await.unwrap();
            client.create_clients(clients(&CLIENTS)).await.unwrap();
            let mut workers = tokio::task::JoinSet::new();
            for name in CLIENTS {
                workers.spawn(work_through(client.clone(), name));
            }
            workers.spawn(create_later(client.clone()));
            workers.join_all().await;
            let end = Completion {
                close_open: true,
                ..succeeded()
            };
            client.complete(&key(""), &end).await.unwrap();
        };
        // Whatever comes of it, the killer must end, or the scope waits for ever.
        let night = tokio::task::block_in_place(|| {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                tokio::runtime::Handle::current().block_on(night);
            }))
        });
        is_over.store(true, Ordering::SeqCst);
        let left = killer.join().unwrap();
        if let Err(panic) = night {
            std::panic::resume_unwind(panic);
        }
        left
    });
    assert!(kills >= 3, "the server was killed {kills} times only");

    let summary = client.summary(&run()).await.unwrap();
    assert_eq!(summary.job, Some(Status::Ended(Outcome::Succeeded)));
    assert_eq!(summary.clients, (CLIENTS.len() + LATER) as u64);
    assert_eq!((summary.open, summary.with_errors), (0, 0));
    for name in CLIENTS {
        let record = client.get(&key(name)).await.unwrap();
        assert_eq!(
            record.metrics.get("leads"),
            Some(MetricValue::from_integer(DELTAS)),
            "{name}"
        );
        assert_eq!(record.metrics.get("scored"), Some("5".parse().unwrap()), "{name}");
        assert_eq!(record.notes.len(), 3, "{name}");
    }
    let mut created = 0;
    let filter = ActivityFilter::default();
    let mut page = client.activity(&filter, None).await.unwrap();
    loop {
        created += page.items.iter().filter(|line| line.outcome == "created").count();
        let Some(next) = page.next else { break };
        page = client.activity(&filter, Some(&next)).await.unwrap();
    }
    let expected = 1 + CLIENTS.len() + LATER;
    assert_eq!(created, expected);
    assert_eq!(place.records().len(), expected);
    assert_eq!(server.stop(), Some(0));
    place.verify();
}
