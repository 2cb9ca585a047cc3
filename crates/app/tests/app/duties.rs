//! Duties of several servers over one store of leases, in a time that passes by itself.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::num::NonZeroU64;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use runledger_app::{Duties, HeldLease, Terms};
use runledger_domain::Source;
use runledger_ports::{Duty, Fence, FencedError, Lease, LeaseStore, Taken, Unavailable};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep, timeout};

use super::source;

const TIME: Duration = Duration::from_secs(12);

/// Leases by the time of the test, which a server can be cut off from.
#[derive(Default)]
struct Leases(Mutex<BTreeMap<Duty, (u64, Source, Instant)>>);

impl Leases {
    fn lost_by(&self, fence: &Fence) -> bool {
        self.0.lock().unwrap().get(&fence.duty).map(|lease| lease.0) != Some(fence.epoch.get())
    }
}

/// How a server reaches the leases.
#[derive(Default)]
struct Way {
    leases: Arc<Leases>,
    is_cut: AtomicBool,
    is_silent: AtomicBool,
}

impl Way {
    async fn pass(&self) -> Result<(), Unavailable> {
        if self.is_silent.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if self.is_cut.load(Ordering::Relaxed) {
            let reason = "cut off".into();
            return Err(Unavailable::Failed { reason });
        }
        Ok(())
    }
}

#[async_trait]
impl LeaseStore for Way {
    async fn take_lease(&self, duty: &Duty, holder: &Source, time: Duration) -> Result<Taken, Unavailable> {
        self.pass().await?;
        let mut leases = self.leases.0.lock().unwrap();
        let now = Instant::now();
        let epoch = match leases.get(duty) {
            Some((_, holder, until)) if *until > now => {
                return Ok(Taken::Elsewhere {
                    holder: holder.clone(),
                    left: *until - now,
                });
            }
            last => last.map_or(1, |last| last.0 + 1),
        };
        leases.insert(duty.clone(), (epoch, holder.clone(), now + time));
        Ok(Taken::Held(Fence {
            duty: duty.clone(),
            epoch: NonZeroU64::new(epoch).unwrap(),
        }))
    }

    async fn keep_lease(&self, fence: &Fence, time: Duration) -> Result<(), FencedError> {
        self.pass().await?;
        if self.leases.lost_by(fence) {
            let duty = fence.duty.clone();
            return Err(FencedError::Lost { duty });
        }
        self.leases.0.lock().unwrap().get_mut(&fence.duty).unwrap().2 = Instant::now() + time;
        Ok(())
    }

    async fn end_lease(&self, fence: &Fence) -> Result<(), Unavailable> {
        self.pass().await?;
        if !self.leases.lost_by(fence) {
            self.leases.0.lock().unwrap().get_mut(&fence.duty).unwrap().2 = Instant::now();
        }
        Ok(())
    }

    async fn leases(&self) -> Result<Vec<Lease>, Unavailable> {
        self.pass().await?;
        let leases = self.leases.0.lock().unwrap();
        let lease = |(duty, (epoch, holder, until)): (&Duty, &(u64, Source, Instant))| Lease {
            fence: Fence {
                duty: duty.clone(),
                epoch: NonZeroU64::new(*epoch).unwrap(),
            },
            holder: holder.clone(),
            left: until.saturating_duration_since(Instant::now()),
        };
        Ok(leases.iter().map(lease).collect())
    }
}

/// A server, whose worker says each second that it is there.
struct Server {
    way: Arc<Way>,
    duties: Arc<Duties>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

type Worked = Arc<Mutex<Vec<(&'static str, u64)>>>;

impl Server {
    fn start(name: &'static str, leases: &Arc<Leases>, worked: &Worked) -> Self {
        let worked = Arc::clone(worked);
        Self::working(name, leases, move |mut lease: HeldLease| {
            let worked = Arc::clone(&worked);
            async move {
                let working = async {
                    loop {
                        worked.lock().unwrap().push((name, lease.fence.epoch.get()));
                        sleep(Duration::from_secs(1)).await;
                    }
                };
                tokio::select! {
                    () = working => {}
                    _ = lease.stop.wait_for(|stop| *stop) => {}
                }
                // Noting the place takes longer than a lease does.
                sleep(TIME * 2).await;
                worked.lock().unwrap().push((name, 0));
            }
        })
    }

    fn working<F>(name: &str, leases: &Arc<Leases>, work: impl FnMut(HeldLease) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let way = Arc::new(Way {
            leases: Arc::clone(leases),
            ..Way::default()
        });
        let duties = Arc::new(Duties::new(way.clone()));
        let terms = Terms {
            holder: source(name),
            time: TIME,
        };
        let (stop, stopped) = watch::channel(false);
        let performing = Arc::clone(&duties);
        let task = tokio::spawn(async move { performing.perform(&terms, &Duty::Sweep, stopped, work).await });
        Self {
            way,
            duties,
            stop,
            task,
        }
    }

    fn lost(&self) -> u64 {
        self.duties.here()[0].1.lost
    }
}

/// The epochs in which somebody worked, in their order.
fn epochs(worked: &Worked) -> Vec<(&'static str, u64)> {
    let mut seen = worked.lock().unwrap().clone();
    seen.dedup();
    seen
}

/// Lets time pass, with everybody at work meanwhile.
async fn pass(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_server_at_a_time_does_a_duty_and_another_follows_the_one_that_is_lost() {
    let (leases, worked) = (Arc::default(), Worked::default());
    let one = Server::start("server-one", &leases, &worked);
    pass(Duration::from_millis(10)).await;
    let other = Server::start("server-other", &leases, &worked);
    pass(TIME * 10).await;
    assert_eq!(
        epochs(&worked),
        [("server-one", 1)],
        "it is kept for as long as it is done"
    );
    let listed = other.duties.list().await.unwrap();
    assert_eq!(
        (listed[0].lease.holder.as_str(), listed[0].is_here),
        ("server-one", false)
    );
    assert!(one.duties.list().await.unwrap()[0].is_here);
    one.task.abort();
    pass(TIME / 2).await;
    assert_eq!(epochs(&worked), [("server-one", 1)], "its time is not over yet");
    pass(TIME).await;
    assert_eq!(epochs(&worked), [("server-one", 1), ("server-other", 2)]);
    assert_eq!(other.lost(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_told_to_end_notes_its_place_under_its_lease_and_gives_it_up() {
    let (leases, worked) = (Arc::default(), Worked::default());
    let one = Server::start("server-one", &leases, &worked);
    pass(Duration::from_millis(10)).await;
    let _other = Server::start("server-other", &leases, &worked);
    pass(TIME).await;
    let told = Instant::now();
    one.stop.send(true).unwrap();
    timeout(TIME * 3, one.task).await.unwrap().unwrap();
    assert!(told.elapsed() >= TIME * 2, "the worker was waited for");
    pass(TIME / 2).await;
    let expected = [("server-one", 1), ("server-one", 0), ("server-other", 2)];
    assert_eq!(epochs(&worked), expected, "nobody waited for its time to be over");
}

/// Both ways of not knowing: an error, and no answer at all.
#[tokio::test(start_paused = true)]
async fn a_worker_stops_before_another_server_can_have_its_duty() {
    for is_silent in [false, true] {
        let (leases, worked) = (Arc::default(), Worked::default());
        let one = Server::start("server-one", &leases, &worked);
        pass(TIME).await;
        let _other = Server::start("server-other", &leases, &worked);
        pass(TIME).await;
        let cut = if is_silent { &one.way.is_silent } else { &one.way.is_cut };
        cut.store(true, Ordering::Relaxed);
        pass(TIME * 3).await;
        assert_eq!(epochs(&worked), [("server-one", 1), ("server-other", 2)]);
        assert_eq!(one.lost(), 1);
        cut.store(false, Ordering::Relaxed);
        pass(TIME * 3).await;
        assert_eq!(epochs(&worked), [("server-one", 1), ("server-other", 2)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_duty_was_taken_is_stopped_when_that_is_known() {
    let (leases, worked) = (Arc::new(Leases::default()), Worked::default());
    let one = Server::start("server-one", &leases, &worked);
    pass(Duration::from_secs(2)).await;
    let usurper = (2, source("operator"), Instant::now() + TIME * 100);
    leases.0.lock().unwrap().insert(Duty::Sweep, usurper);
    pass(TIME / 2).await;
    let seen = worked.lock().unwrap().len();
    pass(TIME * 2).await;
    assert_eq!(worked.lock().unwrap().len(), seen);
    assert_eq!(one.lost(), 1);
    assert_eq!(one.duties.here()[0].1.held, None);
}

/// As when the whole process was stopped: the clock has gone on, and what wakes the worker comes before any timer does.
#[tokio::test(start_paused = true)]
async fn a_worker_that_wakes_after_its_time_is_not_looked_at_again() {
    let leases = Arc::default();
    let (wake, went_on) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (woken, noted) = (Arc::clone(&wake), Arc::clone(&went_on));
    let one = Server::working("server-one", &leases, move |_| {
        let (woken, noted) = (Arc::clone(&woken), Arc::clone(&noted));
        async move {
            woken.notified().await;
            noted.store(true, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
    });
    pass(Duration::from_millis(500)).await;
    one.way.is_silent.store(true, Ordering::Relaxed);
    let mut advancing = pin!(advance(TIME * 2));
    let moved = poll_fn(|context| Poll::Ready(advancing.as_mut().poll(context))).await;
    assert!(moved.is_pending(), "the clock has moved, and no timer was looked at");
    wake.notify_one();
    advancing.await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(one.lost(), 1);
    assert!(!went_on.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_returns_offers_its_duty_to_all() {
    let leases = Arc::default();
    let times = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&times);
    let _one = Server::working("server-one", &leases, move |_| {
        *counted.lock().unwrap() += 1;
        std::future::ready(())
    });
    pass(Duration::from_millis(10)).await;
    let worked = Worked::default();
    let _other = Server::start("server-other", &leases, &worked);
    pass(TIME).await;
    assert_eq!(*times.lock().unwrap(), 1);
    assert_eq!(epochs(&worked), [("server-other", 2)]);
}
