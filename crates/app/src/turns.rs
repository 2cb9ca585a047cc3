//! Turns at the writer: a bounded number of writes is under way, and whoever has to wait waits among its own (I12).
//!
//! Each client has a lane of its own, and the records of a run that are no client's have one. When a write is done, the
//! lanes with somebody waiting are served one after the other, so a client that sends a hundred times its share waits a
//! hundred times as long, and the others wait for one turn. No lane has more than its part under way, so that there is
//! room when others come. A lane that is full is refused instead of growing.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use runledger_domain::{ClientId, RunId, RunKey};
use runledger_ports::Unavailable;

/// How many writes are under way at most: as many as make a full group for one flush of the disk.
pub(crate) const UNDER_WAY_MAX: usize = 64;
/// How many writes of one lane are under way at most.
pub(crate) const LANE_UNDER_WAY_MAX: usize = 16;
/// How many may wait in one lane.
pub(crate) const WAITING_MAX: usize = 1_024;

/// Whose turn it is to be.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Lane {
    Client(ClientId),
    Run(RunId),
}

impl Lane {
    fn of(key: &RunKey) -> Self {
        match key {
            RunKey::Client(_, client) => Self::Client(client.clone()),
            RunKey::Job(run) => Self::Run(run.clone()),
        }
    }
}

/// The turns of one ledger.
#[derive(Debug)]
pub(crate) struct Turns {
    queues: Mutex<Queues>,
    bounds: Bounds,
}

/// How many writes are under way and wait.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TurnStats {
    /// Writes that the store is at.
    pub under_way: usize,
    /// Writes that wait for their turn.
    pub waiting: usize,
}

/// How many may be under way and wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) under_way: usize,
    pub(crate) lane_under_way: usize,
    pub(crate) lane_waiting: usize,
}

#[derive(Debug, Default)]
struct Queues {
    under_way: usize,
    /// The lanes in which somebody is under way or waits.
    lanes: HashMap<Lane, LaneState>,
    /// The lanes in which somebody waits and may go, in the order in which they are served.
    round: VecDeque<Lane>,
}

#[derive(Debug, Default)]
struct LaneState {
    under_way: usize,
    waiting: VecDeque<Arc<Place>>,
}

/// A place in a lane.
#[derive(Debug, Default)]
struct Place(Mutex<PlaceState>);

#[derive(Debug, Default)]
enum PlaceState {
    #[default]
    New,
    Waiting(Waker),
    /// It is this one's turn.
    Called,
    /// Whoever waited here has gone.
    Left,
}

impl Place {
    fn state(&self) -> MutexGuard<'_, PlaceState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the turn to this place; `false` when nobody is there any more.
    fn call(&self) -> bool {
        let mut state = self.state();
        match std::mem::replace(&mut *state, PlaceState::Called) {
            PlaceState::Left => {
                *state = PlaceState::Left;
                false
            }
            PlaceState::Waiting(waker) => {
                drop(state);
                waker.wake();
                true
            }
            PlaceState::New | PlaceState::Called => true,
        }
    }
}

/// A write that is under way; dropping it gives the turn on.
#[must_use]
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    lane: Lane,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.give_on(&self.lane);
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self::new(Bounds {
            under_way: UNDER_WAY_MAX,
            lane_under_way: LANE_UNDER_WAY_MAX,
            lane_waiting: WAITING_MAX,
        })
    }
}

impl Turns {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            queues: Mutex::default(),
            bounds,
        }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are now.
    pub(crate) fn stats(&self) -> TurnStats {
        let queues = self.queues();
        TurnStats {
            under_way: queues.under_way,
            waiting: queues.lanes.values().map(|lane| lane.waiting.len()).sum(),
        }
    }

    /// Waits for a turn to write to the record.
    ///
    /// # Errors
    /// [`Unavailable::Busy`] when too many wait in the same lane.
    pub(crate) async fn take(&self, key: &RunKey) -> Result<Turn<'_>, Unavailable> {
        let lane = Lane::of(key);
        let place = {
            let mut queues = self.queues();
            let Queues {
                under_way,
                lanes,
                round,
            } = &mut *queues;
            let state = lanes.entry(lane.clone()).or_default();
            let has_room = state.under_way < self.bounds.lane_under_way;
            if has_room && *under_way < self.bounds.under_way {
                *under_way += 1;
                state.under_way += 1;
                return Ok(Turn { turns: self, lane });
            }
            if state.waiting.len() >= self.bounds.lane_waiting {
                return Err(Unavailable::Busy);
            }
            let place = Arc::new(Place::default());
            state.waiting.push_back(Arc::clone(&place));
            if has_room && state.waiting.len() == 1 {
                round.push_back(lane.clone());
            }
            place
        };
        Wait {
            turns: self,
            lane: Some(lane),
            place,
        }
        .await
    }

    /// Ends a turn of a lane, and gives it to the next lane in which somebody waits, or back.
    fn give_on(&self, lane: &Lane) {
        let mut queues = self.queues();
        let Queues {
            under_way,
            lanes,
            round,
        } = &mut *queues;
        *under_way -= 1;
        if let Some(state) = lanes.get_mut(lane) {
            state.under_way -= 1;
            let had_no_room = state.under_way + 1 == self.bounds.lane_under_way;
            if state.waiting.is_empty() && state.under_way == 0 {
                lanes.remove(lane);
            } else if had_no_room && !state.waiting.is_empty() {
                round.push_back(lane.clone());
            }
        }
        while *under_way < self.bounds.under_way
            && let Some(next) = round.pop_front()
        {
            let Some(state) = lanes.get_mut(&next) else { continue };
            if state.waiting.pop_front().is_some_and(|place| place.call()) {
                *under_way += 1;
                state.under_way += 1;
            }
            if state.waiting.is_empty() {
                if state.under_way == 0 {
                    lanes.remove(&next);
                }
            } else if state.under_way < self.bounds.lane_under_way {
                round.push_back(next);
            }
        }
    }
}

/// Waiting in a lane. Dropped while it waits, it leaves the lane; dropped when it was just called, it gives the turn on.
struct Wait<'a> {
    turns: &'a Turns,
    /// `None` once the turn is taken.
    lane: Option<Lane>,
    place: Arc<Place>,
}

impl<'a> Future for Wait<'a> {
    type Output = Result<Turn<'a>, Unavailable>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.place.state();
        if !matches!(*state, PlaceState::Called) {
            *state = PlaceState::Waiting(context.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        let turns = self.turns;
        // Asked again after it was ready, it waits for ever, as any future may.
        match self.lane.take() {
            Some(lane) => Poll::Ready(Ok(Turn { turns, lane })),
            None => Poll::Pending,
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let Some(lane) = self.lane.take() else { return };
        let was_called = {
            let mut state = self.place.state();
            matches!(std::mem::replace(&mut *state, PlaceState::Left), PlaceState::Called)
        };
        if was_called {
            self.turns.give_on(&lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn one_at_a_time(lane_waiting: usize) -> Bounds {
        Bounds {
            under_way: 1,
            lane_under_way: 1,
            lane_waiting,
        }
    }

    fn key(text: &str) -> RunKey {
        text.parse().expect("a key")
    }

    fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    type Named<'a> = (
        &'static str,
        Pin<Box<dyn Future<Output = Result<Turn<'a>, Unavailable>> + 'a>>,
    );

    /// The names of those who are called, one after the other, when each gives its turn on at once.
    fn served(waiting: &mut Vec<Named<'_>>) -> Vec<&'static str> {
        let mut order = Vec::new();
        while !waiting.is_empty() {
            let ready = waiting.iter_mut().position(|(_, wait)| match poll(wait) {
                Poll::Ready(turn) => {
                    drop(turn);
                    true
                }
                Poll::Pending => false,
            });
            let Some(place) = ready else { break };
            order.push(waiting.remove(place).0);
        }
        order
    }

    #[test]
    fn i12_whoever_floods_waits_among_its_own() {
        let turns = Turns::new(one_at_a_time(10));
        let (flood, other, job) = (
            key("250925-231841-flood"),
            key("250925-231841-other"),
            key("250925-231841"),
        );
        let Poll::Ready(Ok(first)) = poll(&mut Box::pin(turns.take(&flood))) else {
            panic!("the first need not wait")
        };
        let mut waiting: Vec<(&'static str, Pin<Box<dyn Future<Output = _>>>)> = Vec::new();
        for (name, key) in [
            ("flood", &flood),
            ("flood", &flood),
            ("flood", &flood),
            ("other", &other),
            ("job", &job),
            ("other", &other),
        ] {
            let mut wait = Box::pin(turns.take(key));
            assert!(poll(&mut wait).is_pending());
            waiting.push((name, wait));
        }
        drop(first);
        assert_eq!(
            served(&mut waiting),
            ["other", "job", "flood", "other", "flood", "flood"]
        );
        assert_eq!(turns.queues().under_way, 0);
    }

    #[test]
    fn i12_a_flood_leaves_room_for_others() {
        let turns = Turns::new(Bounds {
            under_way: 3,
            lane_under_way: 2,
            lane_waiting: 10,
        });
        let (flood, other) = (key("250925-231841-flood"), key("250925-231841-other"));
        let mut floods: Vec<_> = (0..4).map(|_| Box::pin(turns.take(&flood))).collect();
        let mut held: Vec<_> = floods.iter_mut().map(poll).filter(Poll::is_ready).collect();
        assert_eq!(held.len(), 2);
        let at_once = poll(&mut Box::pin(turns.take(&other)));
        assert!(matches!(at_once, Poll::Ready(Ok(_))));
        held.pop();
        let called: Vec<_> = floods.iter_mut().skip(2).map(poll).filter(Poll::is_ready).collect();
        assert_eq!(called.len(), 1);
    }

    #[test]
    fn a_full_lane_is_refused_and_leaves_the_others_alone() {
        let turns = Turns::new(one_at_a_time(2));
        let (flood, other) = (key("250925-231841-flood"), key("250925-231841-other"));
        let held = poll(&mut Box::pin(turns.take(&flood)));
        let mut waits: Vec<_> = (0..2).map(|_| Box::pin(turns.take(&flood))).collect();
        assert!(waits.iter_mut().all(|wait| poll(wait).is_pending()));
        let refused = poll(&mut Box::pin(turns.take(&flood)));
        assert!(matches!(refused, Poll::Ready(Err(Unavailable::Busy))));
        assert!(poll(&mut Box::pin(turns.take(&other))).is_pending());
        drop(held);
    }

    #[test]
    fn who_stops_waiting_takes_no_turn_away() {
        let turns = Turns::new(one_at_a_time(10));
        let one = key("250925-231841-one");
        let held = poll(&mut Box::pin(turns.take(&one)));
        let (mut gone, mut called, mut last) = (
            Box::pin(turns.take(&one)),
            Box::pin(turns.take(&one)),
            Box::pin(turns.take(&one)),
        );
        assert!(poll(&mut gone).is_pending() && poll(&mut called).is_pending() && poll(&mut last).is_pending());
        drop(gone);
        drop(held);
        // Called, and gone before it could begin.
        drop(called);
        assert!(matches!(poll(&mut last), Poll::Ready(Ok(_))));
        drop(last);
        assert_eq!(turns.queues().under_way, 0);
        assert!(turns.queues().lanes.is_empty());
    }
}
