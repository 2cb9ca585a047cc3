//! The use cases over the memory store, and over stores that fail on purpose.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets an error it does not expect ends there"
)]

mod creation;
mod doubt;
mod duties;
mod projection;
mod registry;
mod sweeping;
mod tokens;
mod webhooks;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use runledger_app::{Ledger, Ports, Registry};
use runledger_domain::access::TokenSeed;
use runledger_domain::{AttemptId, CreationPolicy, Source, Timestamp};
use runledger_memory::MemoryStore;
use runledger_ports::{Clock, IdSource, SecretSource, Unavailable};

/// A clock that stands until it is told to go on.
struct Stopped(AtomicI64);

impl Stopped {
    fn at(text: &str) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(text.parse::<Timestamp>().unwrap().as_micros())))
    }

    fn go_on(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }
}

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

#[derive(Default)]
struct Counted(AtomicU64);

impl IdSource for Counted {
    fn attempt(&self) -> AttemptId {
        format!("counted-{}", self.0.fetch_add(1, Ordering::Relaxed))
            .parse()
            .unwrap()
    }
}

impl SecretSource for Counted {
    fn token_seed(&self) -> Result<TokenSeed, Unavailable> {
        let mut seed: TokenSeed = [0; 52];
        seed[..8].copy_from_slice(&self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        Ok(seed)
    }
}

fn ports(store: &Arc<MemoryStore>, clock: &Arc<Stopped>) -> Ports {
    Ports {
        secrets: Arc::new(Counted::default()),
        ..Ports::of(store, clock.clone(), Arc::new(Counted::default()))
    }
}

fn ledger(store: &Arc<MemoryStore>, clock: &Arc<Stopped>) -> Ledger {
    Ledger::new(
        ports(store, clock),
        CreationPolicy::default(),
        Registry::new(1_000, true),
    )
}

fn source(text: &str) -> Source {
    text.parse().unwrap()
}
