//! The database fails over while three servers of the ledger are at work: the primary is killed, or hangs, and another takes
//! its place, again and again; one server loses its way to the database, another one is stopped in the middle of what it does. Callers
//! note all that they ask and hear. Afterwards everything that was acknowledged is there, exactly once; what was unknown is
//! settled by asking again; and what was seen of each record can be told as one story (I1, I4, I6, I7, I8, I10, L1).
//!
//! `cargo test` runs a short form over two database servers, `cargo xtask verify failover` a long one, and `cargo xtask ha` the
//! same over three machines with Patroni and etcd.

mod callers;
mod cluster;
mod history;
mod linearizable;
pub(crate) mod link;
mod pair;
mod patroni;
mod report;
mod unconfirmed;

use std::thread;
use std::time::Duration;

use self::callers::{Caller, Notebook};
use self::cluster::{Cluster, Loss};
use self::link::{Fault, Link};
use self::pair::Pair;
use self::patroni::Patroni;
use self::report::{Report, Round};
use crate::postgres::program_at;
use crate::program::{Place, Server, ran, until_in};

/// How many times the primary is lost, unless `RUNLEDGER_FAIL_OVER_KILLS` says otherwise.
const KILLS: usize = 2;
const SERVERS: usize = 3;
const CALLERS: usize = 9;
/// The server whose way to the database is broken.
const CUT_OFF: usize = 2;
/// How long each server tries a write, in the words of its configuration.
const WRITE_TIMES: [&str; SERVERS] = ["4s", "1s", "2s"];
/// How many writes are acknowledged between two faults.
const DONE_BETWEEN: u64 = 40;
/// How long a server may take until it writes again, once nothing stands in its way.
const RECOVERY_TIME: Duration = Duration::from_mins(1);

#[test]
fn nothing_acknowledged_is_lost_when_the_primary_is() {
    let mut cluster: Box<dyn Cluster> = match variable("RUNLEDGER_FAIL_OVER_CLUSTER").as_deref() {
        None | Some("pair") => Box::new(Pair::start(make_ledger)),
        Some("patroni") => Box::new(Patroni::start(make_ledger)),
        Some(other) => panic!("there is no cluster {other}"),
    };
    let kills = variable("RUNLEDGER_FAIL_OVER_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let report = survive(&mut *cluster, kills);
    println!("{report}");
}

fn variable(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "`cargo xtask verify failover` and `cargo xtask ha` ask for the long run by variables"
    )]
    std::env::var(name).ok()
}

fn make_ledger(url: &str) {
    let place = Place::new();
    let made = ran(program_at(&place, url).args(["db", "migrate"]));
    made.expect(0).says(&["was made"]);
}

/// The address of a database of which one of these ports is the primary.
fn address(ports: &[u16]) -> String {
    let hosts: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!(
        "postgres://postgres@{}/postgres?target_session_attrs=read-write",
        hosts.join(",")
    )
}

/// Servers at work, and the way of one of them.
struct World {
    /// Each with the directory of what it keeps for itself.
    servers: Vec<(Place, Server)>,
    link: Link,
}

impl World {
    fn start(ports: &[u16]) -> Self {
        let link = Link::to(ports);
        let start = |number| {
            let place = Place::new();
            let url = address(if number == CUT_OFF { &link.ports } else { ports });
            let mut program = program_at(&place, &url);
            program.env("RUNLEDGER_POSTGRES__WRITE_TIME", WRITE_TIMES[number]);
            program.env("RUNLEDGER_POSTGRES__READ_TIME", "4s");
            let server = Server::start(&mut program);
            (place, server)
        };
        let servers = (0..SERVERS).map(start).collect();
        Self { servers, link }
    }

    /// Breaks the way of one server in one way.
    fn break_link(&self, notebook: &Notebook, fault: Fault, round: usize) {
        self.link.set(fault);
        if fault.is_for_one_write() {
            until_in(RECOVERY_TIME, "a write that meets its fault", || {
                self.link.fault() == Fault::None
            });
        } else {
            // Each of them every other time for longer than a write is tried.
            let time = if (round / 2).is_multiple_of(2) { 1_500 } else { 5_000 };
            thread::sleep(Duration::from_millis(time));
            self.link.set(Fault::None);
        }
        await_done(notebook, CUT_OFF, 3);
    }

    /// The primary is lost while a server is stopped; every other time that one goes on before the lost one is back.
    fn fail_over(&self, notebook: &Notebook, cluster: &mut dyn Cluster, round: usize) -> Round {
        let (_, stopped) = &self.servers[round % SERVERS];
        stopped.signal("STOP");
        if round % 3 == 2 {
            self.link.set(Fault::Stall);
        }
        let how = if round % 3 == 1 { Loss::Hung } else { Loss::Killed };
        let lost = notebook.moment();
        cluster.lose_primary(how);
        cluster.take_over();
        let taken_over = notebook.moment();
        let goes_on_early = round.is_multiple_of(2);
        if goes_on_early {
            stopped.signal("CONT");
        }
        cluster.repair();
        let repaired = notebook.moment();
        if !goes_on_early {
            stopped.signal("CONT");
        }
        self.link.set(Fault::None);
        for server in 0..SERVERS {
            await_done(notebook, server, 3);
        }
        Round {
            how,
            lost,
            taken_over,
            repaired,
            first_done: notebook.silence_ends(lost, repaired),
        }
    }
}

/// Waits until this server has acknowledged so many writes more.
fn await_done(notebook: &Notebook, server: usize, more: u64) {
    let goal = notebook.done_at(server) + more;
    until_in(RECOVERY_TIME, &format!("server {server} to write"), || {
        notebook.done_at(server) >= goal
    });
}

/// Loses the primary so many times under load, and checks what is left.
fn survive(cluster: &mut dyn Cluster, kills: usize) -> Report {
    let world = World::start(cluster.ports());
    let notebook = Notebook::new(SERVERS);
    let addresses: Vec<_> = world.servers.iter().map(|(_, server)| server.address.clone()).collect();
    let mut callers: Vec<_> = (0..CALLERS).map(|number| Caller::new(number, &addresses)).collect();
    let rounds = thread::scope(|scope| {
        let ending = Ending(&notebook);
        for caller in &mut callers {
            scope.spawn(|| caller.call(&notebook));
        }
        let rounds: Vec<_> = (0..kills)
            .map(|round| {
                for fault in [2 * round, 2 * round + 1] {
                    await_done(&notebook, round % SERVERS, DONE_BETWEEN);
                    world.break_link(&notebook, Fault::ALL[fault % Fault::ALL.len()], round);
                }
                world.fail_over(&notebook, cluster, round)
            })
            .collect();
        drop(ending);
        rounds
    });
    let ended = notebook.moment();
    let owed = callers.iter_mut().map(|caller| caller.settle(&notebook)).sum();
    let settled = notebook.moment();
    report::check(
        &world,
        notebook,
        &mut callers,
        Report::new(rounds, owed, settled - ended),
    )
}

/// Ends the callers, however the test ends.
struct Ending<'n>(&'n Notebook);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
