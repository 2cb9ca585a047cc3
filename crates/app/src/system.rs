//! The real clock, the real source of ids, and what the operating system says about this process: the one lawful place
//! for time and randomness.

use std::fmt::Write as _;
use std::fs;
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

/// What the operating system says about this process; `None` where it does not say.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ProcessFigures {
    /// Memory that is really held, in bytes.
    pub resident_bytes: Option<u64>,
    /// Open files and connections.
    pub open_fds: Option<u64>,
    /// How many may be open.
    pub max_fds: Option<u64>,
}

impl ProcessFigures {
    /// Asks for them. Takes longer the more files are open, so ask apart from what must not wait.
    pub fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let open = fs::read_dir("/proc/self/fd").ok();
        Self {
            resident_bytes: number_after(&status, "VmRSS:").and_then(|kib| kib.checked_mul(1_024)),
            // The listing itself holds one open.
            open_fds: open.and_then(|open| u64::try_from(open.count()).ok()?.checked_sub(1)),
            max_fds: number_after(&limits, "Max open files"),
        }
    }
}

fn number_after(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_whitespace().next()?.parse().ok()
}
