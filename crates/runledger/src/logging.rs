//! The log: one line per operation, on standard error. A server writes it from a thread of its own, so that no request
//! waits for a slow terminal or pipe; when that thread cannot keep up, lines are dropped and counted. What must not be
//! lost is in the ledger's activity log.

use std::env;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::MakeWriter;

use crate::failure::{Exit, Failure, Outcome};
use crate::settings::{Log, LogFormat, LogLevel};

/// How many bytes may wait for the writing thread.
const WAITING_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// How long a line waits for company: under load the writing thread is woken once for many lines.
const COMPANY_WAIT: Duration = Duration::from_millis(5);

/// Keeps the log flowing; dropping it writes what is left.
pub(crate) struct Logging {
    waiting: Arc<Waiting>,
    writer: Option<JoinHandle<()>>,
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.waiting.lines().ended = true;
        self.waiting.changed.notify_one();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Starts the log of a one-shot command: warnings only, unless `RUST_LOG` says otherwise.
///
/// # Errors
/// When `RUST_LOG` cannot be understood.
pub(crate) fn for_command(log: &Log) -> Outcome<Logging> {
    let level = match log.level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        _ => LevelFilter::WARN,
    };
    start(log.format, level, io::stderr)?;
    Ok(Logging {
        waiting: Arc::default(),
        writer: None,
    })
}

/// Starts the log of a server.
///
/// # Errors
/// When `RUST_LOG` cannot be understood, or there is no thread for the log.
pub(crate) fn for_server(log: &Log) -> Outcome<Logging> {
    let level = match log.level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let waiting = Arc::<Waiting>::default();
    let written = Arc::clone(&waiting);
    let writer = thread::Builder::new()
        .name("log".into())
        .spawn(move || write_all(&written))
        .map_err(|error| Failure::new(Exit::Fault, format_args!("no thread for the log: {error}")))?;
    start(log.format, level, Queue(Arc::clone(&waiting)))?;
    Ok(Logging {
        waiting,
        writer: Some(writer),
    })
}

fn start<W>(format: LogFormat, level: LevelFilter, writer: W) -> Outcome
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter(level)?;
    let is_watched = io::stderr().is_terminal();
    let is_json = match format {
        LogFormat::Auto => !is_watched,
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let started = if is_json {
        builder.json().flatten_event(true).with_span_list(false).try_init()
    } else {
        builder
            .with_ansi(is_watched && !no_colour())
            .with_target(false)
            .try_init()
    };
    started.map_err(|error| Failure::new(Exit::Fault, format_args!("cannot start the log: {error}")))
}

fn filter(level: LevelFilter) -> Outcome<EnvFilter> {
    #[expect(
        clippy::disallowed_methods,
        reason = "RUST_LOG is the convention for what is logged, not a setting"
    )]
    let wanted = env::var("RUST_LOG").unwrap_or_default();
    let builder = EnvFilter::builder().with_default_directive(level.into());
    builder.parse(&wanted).map_err(|error| {
        Failure::usage(format_args!("RUST_LOG is {wanted:?}: {error}")).advise("such as RUST_LOG=debug")
    })
}

fn no_colour() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "NO_COLOR is the convention for terminals, not a setting"
    )]
    let asked = env::var_os("NO_COLOR");
    asked.is_some_and(|value| !value.is_empty())
}

/// What waits for the writing thread.
#[derive(Default)]
struct Waiting {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    dropped: u64,
    ended: bool,
}

impl Waiting {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8]) {
        let mut lines = self.lines();
        if lines.text.len() + line.len() > WAITING_BYTES_MAX {
            lines.dropped += 1;
            return;
        }
        let is_first = lines.text.is_empty();
        lines.text.extend_from_slice(line);
        drop(lines);
        if is_first {
            self.changed.notify_one();
        }
    }

    /// Waits for lines, then a little for others, and takes them all; `taken` stays empty when there will be no more.
    /// Answers how many were dropped meanwhile.
    fn take(&self, taken: &mut Vec<u8>) -> u64 {
        taken.clear();
        let mut lines = self.lines();
        while lines.text.is_empty() && !lines.ended {
            lines = self.changed.wait(lines).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut lines, _) = self
            .changed
            .wait_timeout_while(lines, COMPANY_WAIT, |lines| !lines.ended)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut lines.text, taken);
        std::mem::take(&mut lines.dropped)
    }
}

fn write_all(waiting: &Waiting) {
    let mut batch = Vec::with_capacity(64 * 1024);
    loop {
        let dropped = waiting.take(&mut batch);
        if batch.is_empty() {
            return;
        }
        if dropped > 0 {
            // Writing to a Vec cannot fail.
            let _ = writeln!(
                batch,
                "{{\"level\":\"WARN\",\"message\":\"{dropped} lines of the log were dropped\"}}"
            );
        }
        // Nobody is left to tell when standard error cannot be written.
        let _ = io::stderr().write_all(&batch);
    }
}

/// Gives every event a line of its own, which goes to the writing thread when it is complete.
struct Queue(Arc<Waiting>);

struct Line<'a> {
    waiting: &'a Waiting,
    text: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line {
            waiting: &self.0,
            text: Vec::with_capacity(512),
        }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            self.waiting.add(&self.text);
        }
    }
}
