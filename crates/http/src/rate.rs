//! How many requests may come for one token, or name one client: a bucket for each, that fills at a steady rate. It knows
//! no clock; the time comes in.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use runledger_domain::Timestamp;

/// The most buckets that are kept: far more than there can be tokens, or clients at work in the same seconds.
const BUCKETS_MAX: usize = 65_536;
const MICROS: u64 = 1_000_000;

/// How many requests may come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RateLimit {
    /// Requests a second, in the long run.
    pub per_second: u32,
    /// How many may come at once after a pause.
    pub burst: u32,
}

impl RateLimit {
    /// What a full bucket holds, in millionths of a request.
    fn full(self) -> u64 {
        u64::from(self.burst.max(1)) * MICROS
    }

    /// Requests a second; millionths of one in a microsecond.
    fn rate(self) -> u64 {
        u64::from(self.per_second.max(1))
    }
}

/// The buckets of all tokens, or of all clients. One that is not there is full.
#[derive(Debug)]
pub(crate) struct Buckets<K>(Mutex<HashMap<K, Bucket>>);

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Millionths of a request.
    left: u64,
    filled_at: Timestamp,
}

impl Bucket {
    /// The bucket as it is now. A clock that jumps back fills nothing and takes nothing away (I18).
    fn at(self, limit: RateLimit, now: Timestamp) -> Self {
        let passed = u64::try_from(now.saturating_since(self.filled_at).as_micros()).unwrap_or(u64::MAX);
        Self {
            left: self
                .left
                .saturating_add(passed.saturating_mul(limit.rate()))
                .min(limit.full()),
            filled_at: now,
        }
    }
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    /// Takes one request out of each of these buckets, or none out of any.
    ///
    /// # Errors
    /// The first whose bucket has none, and in how many seconds, at least one, there is one to be had.
    pub(crate) fn take<'k>(&self, keys: &[&'k K], limit: RateLimit, now: Timestamp) -> Result<(), (&'k K, u64)> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = Bucket {
            left: limit.full(),
            filled_at: now,
        };
        let mut taken = Vec::with_capacity(keys.len());
        for key in keys {
            let bucket = buckets.get(*key).map_or(full, |bucket| bucket.at(limit, now));
            let Some(left) = bucket.left.checked_sub(MICROS) else {
                // How it stands is kept, so that a clock that jumped back is not counted twice; nothing is taken.
                buckets.insert((*key).clone(), bucket);
                let missing = MICROS - bucket.left;
                return Err((*key, missing.div_ceil(limit.rate()).div_ceil(MICROS).max(1)));
            };
            taken.push(((*key).clone(), Bucket { left, ..bucket }));
        }
        for (key, bucket) in taken {
            if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&key) {
                make_room(&mut buckets, limit, now);
            }
            buckets.insert(key, bucket);
        }
        Ok(())
    }
}

/// Forgets full buckets, which changes nothing for anybody. When that is not enough, because somebody invents names
/// faster than buckets fill, the fuller half goes: whoever is held up stays so.
fn make_room<K: Clone + Eq + Hash>(buckets: &mut HashMap<K, Bucket>, limit: RateLimit, now: Timestamp) {
    buckets.retain(|_, bucket| {
        *bucket = bucket.at(limit, now);
        bucket.left < limit.full()
    });
    if buckets.len() <= BUCKETS_MAX / 2 {
        return;
    }
    let mut left: Vec<_> = buckets.values().map(|bucket| bucket.left).collect();
    let (_, middle, _) = left.select_nth_unstable(BUCKETS_MAX / 2);
    let middle = *middle;
    let mut room = BUCKETS_MAX / 2;
    let emptier_stay = |bucket: &Bucket| bucket.left < middle;
    room = room.saturating_sub(buckets.values().filter(|bucket| emptier_stay(bucket)).count());
    buckets.retain(|_, bucket| {
        // Of those that are equally full some stay, as many as there is room for.
        emptier_stay(bucket) || {
            let stays = bucket.left == middle && room > 0;
            room -= usize::from(stays);
            stays
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: RateLimit = RateLimit {
        per_second: 2,
        burst: 3,
    };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(millis * 1_000).unwrap()
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate_and_others_have_their_own() {
        let buckets = Buckets::default();
        let taken = |name: &str, times: usize, millis: i64| {
            let name = name.to_owned();
            (0..times)
                .filter(|_| buckets.take(&[&name], LIMIT, at(millis)).is_ok())
                .count()
        };
        assert_eq!(taken("one", 10, 0), 3);
        let one = "one".to_owned();
        assert_eq!(buckets.take(&[&one], LIMIT, at(0)), Err((&one, 1)));
        assert_eq!(taken("other", 10, 0), 3);
        assert_eq!(taken("one", 10, 1_000), 2);
        assert_eq!(taken("one", 10, 500), 0, "the clock went back");
        assert_eq!(taken("one", 10, 3_600_000), 3);
    }

    #[test]
    fn of_several_all_are_taken_or_none() {
        let buckets = Buckets::default();
        let (acme, zen) = ("acme".to_owned(), "zen".to_owned());
        for _ in 0..3 {
            assert_eq!(buckets.take(&[&acme], LIMIT, at(0)), Ok(()));
        }
        for _ in 0..10 {
            assert_eq!(buckets.take(&[&zen, &acme], LIMIT, at(0)), Err((&acme, 1)));
        }
        for _ in 0..3 {
            assert_eq!(buckets.take(&[&zen], LIMIT, at(0)), Ok(()));
        }
        assert_eq!(buckets.take(&[&zen], LIMIT, at(0)), Err((&zen, 1)));
    }

    /// Names cost nothing to invent: they neither fill the memory nor give the one that is held up a new bucket.
    #[test]
    fn invented_names_take_no_memory_beyond_a_bound_and_free_nobody() {
        let buckets = Buckets::default();
        let held_up = u64::MAX;
        while buckets.take(&[&held_up], LIMIT, at(0)).is_ok() {}
        for name in 0..200_000 {
            assert_eq!(buckets.take(&[&name], LIMIT, at(0)), Ok(()));
        }
        assert!(buckets.0.lock().unwrap().len() <= BUCKETS_MAX);
        assert_eq!(buckets.take(&[&held_up], LIMIT, at(0)), Err((&held_up, 1)));
        // Once the others are full again they need no bucket.
        for name in 200_000..300_000 {
            assert_eq!(buckets.take(&[&name], LIMIT, at(10_000)), Ok(()));
        }
        assert!(buckets.0.lock().unwrap().len() <= BUCKETS_MAX);
    }
}
