//! The real clock and the real source of ids: the one lawful place for time and randomness.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use runledger_domain::access::TokenSeed;
use runledger_domain::{AttemptId, Timestamp};
use runledger_ports::{Clock, IdSource, SecretSource, Unavailable};

/// The clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(micros).unwrap_or(Timestamp::EPOCH)
    }
}

/// Attempt ids that nobody made before: 96 random bits for this process, and a count.
#[derive(Debug)]
pub struct RandomIds {
    process: String,
    count: AtomicU64,
}

/// The operating system gave no random bits.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bits: {0}")]
pub struct NoRandomness(getrandom::Error);

impl RandomIds {
    /// Draws the random part.
    ///
    /// # Errors
    /// [`NoRandomness`] when the operating system gives none.
    pub fn new() -> Result<Self, NoRandomness> {
        let mut bytes = [0_u8; 12];
        getrandom::fill(&mut bytes).map_err(NoRandomness)?;
        let mut process = String::with_capacity(24);
        for byte in bytes {
            // Writing to a String cannot fail.
            let _ = write!(process, "{byte:02x}");
        }
        Ok(Self {
            process,
            count: AtomicU64::new(1),
        })
    }
}

impl IdSource for RandomIds {
    fn attempt(&self) -> AttemptId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let text = format!("auto-{}-{count}", self.process);
        text.parse()
            .expect("hex digits and hyphens are visible ASCII, and short")
    }
}

impl SecretSource for RandomIds {
    fn token_seed(&self) -> Result<TokenSeed, Unavailable> {
        let mut seed: TokenSeed = [0; 52];
        getrandom::fill(&mut seed).map_err(|error| Unavailable::Failed {
            reason: NoRandomness(error).to_string(),
        })?;
        Ok(seed)
    }
}
