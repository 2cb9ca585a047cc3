//! Pacing: requests to a base are evenly apart, and so are all requests of the token.
//!
//! Airtable takes 5 requests a second for a base and 50 for a token, and shuts the door for 30 seconds after one too
//! many. Requests that are evenly apart stay below that even when the way to Airtable bunches them up; a burst at the
//! start of each second would not. A lone request is not held up.

use crate::ids::BaseId;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// For how long Airtable refuses a base after too many requests.
pub const LOCK_OUT: Duration = Duration::from_secs(30);

/// Tells how much time has passed, and waits. Injected, so that tests move it.
pub trait Time: Send + Sync + std::fmt::Debug {
    /// Since some beginning; never goes back.
    fn now(&self) -> Duration;
    /// Waits.
    fn wait(&self, how_long: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The time of the runtime.
#[derive(Debug)]
pub struct TokioTime(tokio::time::Instant);

impl Default for TokioTime {
    fn default() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl Time for TokioTime {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wait(&self, how_long: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(how_long))
    }
}

/// How many requests a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaceSettings {
    /// To one base.
    pub base_per_second: f64,
    /// With the token, over all bases.
    pub token_per_second: f64,
}

impl Default for PaceSettings {
    /// 4 for a base, 50 for the token.
    fn default() -> Self {
        Self {
            base_per_second: 4.0,
            token_per_second: 50.0,
        }
    }
}

/// Gives requests their turn. A copy shares it: there is one for each token.
#[derive(Clone, Debug)]
pub struct Pace {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    time: Arc<dyn Time>,
    base_apart: Duration,
    token_apart: Duration,
    turns: Mutex<Turns>,
}

#[derive(Debug, Default)]
struct Turns {
    /// From when on the token may be used again.
    token_free: Duration,
    bases: HashMap<BaseId, BaseTurns>,
}

#[derive(Debug, Default)]
struct BaseTurns {
    free: Duration,
    locked_until: Duration,
    /// Whoever waits for a base stands in line.
    line: Arc<tokio::sync::Mutex<()>>,
}

impl Turns {
    /// How long a request to this base would have to wait; nothing when it would not.
    fn wait(&self, base: &BaseId, now: Duration) -> Option<Duration> {
        let of_base = self.bases.get(base);
        let free = of_base.map_or(Duration::ZERO, |of_base| of_base.free.max(of_base.locked_until));
        let wait = free.max(self.token_free).checked_sub(now);
        wait.filter(|wait| !wait.is_zero())
    }
}

impl Pace {
    /// A pace; rates that are no positive numbers are the slowest there are, one request in an hour.
    pub fn new(settings: PaceSettings, time: Arc<dyn Time>) -> Self {
        Self {
            inner: Arc::new(Inner {
                time,
                base_apart: apart(settings.base_per_second),
                token_apart: apart(settings.token_per_second),
                turns: Mutex::new(Turns::default()),
            }),
        }
    }

    /// Waits for the turn of a request to this base. Requests to one base have their turns in the order in which they came.
    pub async fn turn(&self, base: &BaseId) {
        let line = Arc::clone(&self.turns().bases.entry(base.clone()).or_default().line);
        let _place = line.lock().await;
        while let Some(wait) = self.take(base) {
            self.inner.time.wait(wait).await;
        }
    }

    /// Waits until a request to this base would not have to wait, and takes no turn.
    pub async fn ready(&self, base: &BaseId) {
        while let Some(wait) = self.wait(base) {
            self.inner.time.wait(wait).await;
        }
    }

    fn wait(&self, base: &BaseId) -> Option<Duration> {
        let now = self.inner.time.now();
        self.turns().wait(base, now)
    }

    /// Takes a turn now, or says how long to wait. A base that waits does not use up the token's turns.
    fn take(&self, base: &BaseId) -> Option<Duration> {
        let now = self.inner.time.now();
        let mut turns = self.turns();
        if let Some(wait) = turns.wait(base, now) {
            return Some(wait);
        }
        turns.bases.entry(base.clone()).or_default().free = now + self.inner.base_apart;
        turns.token_free = now + self.inner.token_apart;
        None
    }

    /// Holds a base back, as Airtable does after too many requests.
    pub fn lock(&self, base: &BaseId, how_long: Duration) {
        let until = self.inner.time.now() + how_long;
        let mut turns = self.turns();
        let of_base = turns.bases.entry(base.clone()).or_default();
        of_base.locked_until = of_base.locked_until.max(until);
    }

    /// How long a base is still held back after too many requests; nothing when it is not.
    pub fn locked_for(&self, base: &BaseId) -> Option<Duration> {
        let now = self.inner.time.now();
        let turns = self.turns();
        let until = turns.bases.get(base)?.locked_until;
        until.checked_sub(now).filter(|left| !left.is_zero())
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.inner.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apart(per_second: f64) -> Duration {
    const SLOWEST: Duration = Duration::from_hours(1);
    Duration::try_from_secs_f64(1.0 / per_second).map_or(SLOWEST, |apart| apart.min(SLOWEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Passes only by being waited for.
    #[derive(Debug, Default)]
    struct Played(AtomicU64);

    impl Time for Played {
        fn now(&self) -> Duration {
            Duration::from_micros(self.0.load(Ordering::SeqCst))
        }

        fn wait(&self, how_long: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            let micros = u64::try_from(how_long.as_micros()).unwrap();
            self.0.fetch_add(micros, Ordering::SeqCst);
            Box::pin(std::future::ready(()))
        }
    }

    fn base(number: usize) -> BaseId {
        format!("app{number:014}").parse().unwrap()
    }

    #[tokio::test]
    async fn a_lone_request_is_not_held_up_and_the_next_is_a_quarter_of_a_second_apart() {
        let time = Arc::new(Played::default());
        let pace = Pace::new(PaceSettings::default(), time.clone());
        let mut at = Vec::new();
        for _ in 0..9 {
            pace.turn(&base(1)).await;
            at.push(time.now().as_millis());
        }
        assert_eq!(at, [0, 250, 500, 750, 1000, 1250, 1500, 1750, 2000]);
    }

    #[tokio::test]
    async fn no_second_has_more_than_fifty_requests_over_all_bases() {
        let time = Arc::new(Played::default());
        let pace = Pace::new(PaceSettings::default(), time.clone());
        let mut at = Vec::new();
        for turn in 0..400 {
            pace.turn(&base(turn % 100)).await;
            at.push(time.now());
        }
        for window in at.windows(51) {
            assert!(window[50] >= window[0] + Duration::from_secs(1), "{window:?}");
        }
    }

    #[tokio::test]
    async fn a_locked_base_waits_and_holds_up_no_other() {
        let time = Arc::new(Played::default());
        let pace = Pace::new(PaceSettings::default(), time.clone());
        pace.turn(&base(1)).await;
        pace.lock(&base(1), LOCK_OUT);
        // A shorter lock does not end it.
        pace.lock(&base(1), Duration::from_secs(1));
        assert_eq!(pace.locked_for(&base(1)), Some(LOCK_OUT));
        assert_eq!(pace.locked_for(&base(2)), None);
        pace.turn(&base(2)).await;
        assert!(time.now() < Duration::from_secs(1), "{:?}", time.now());
        pace.turn(&base(1)).await;
        assert!(time.now() >= LOCK_OUT, "{:?}", time.now());
        assert_eq!(pace.locked_for(&base(1)), None);
    }

    #[tokio::test]
    async fn whoever_waits_until_a_base_is_ready_takes_no_turn() {
        let time = Arc::new(Played::default());
        let pace = Pace::new(PaceSettings::default(), time.clone());
        pace.ready(&base(1)).await;
        pace.ready(&base(1)).await;
        pace.turn(&base(1)).await;
        assert_eq!(time.now(), Duration::ZERO);
        pace.ready(&base(1)).await;
        pace.turn(&base(1)).await;
        assert_eq!(time.now(), Duration::from_millis(250));
        pace.lock(&base(1), LOCK_OUT);
        pace.ready(&base(1)).await;
        assert_eq!(time.now(), Duration::from_millis(250) + LOCK_OUT);
    }

    #[tokio::test]
    async fn rates_that_are_none_are_the_slowest() {
        for rate in [0.0, -1.0, f64::NAN, 1e-300] {
            assert_eq!(apart(rate), Duration::from_hours(1), "{rate}");
        }
        assert_eq!(apart(f64::INFINITY), Duration::ZERO);
    }
}
