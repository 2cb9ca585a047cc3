//! The log: one line per operation, on standard error. A server writes it from a thread of its own, so that no request
//! waits for a slow terminal or pipe; when that thread cannot keep up, lines are dropped and counted. What must not be
//! lost is in the ledger's activity log.

use std::env;
use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::MakeWriter;

use crate::failure::{Exit, Failure, Outcome};
use crate::settings::{Log, LogFormat, LogLevel};

/// How many lines may wait for the writing thread.
const LINES_WAITING_MAX: usize = 16_384;

/// Keeps the log flowing; dropping it writes what is left.
pub(crate) struct Logging {
    lines: Option<SyncSender<Vec<u8>>>,
    writer: Option<JoinHandle<()>>,
}

impl Drop for Logging {
    fn drop(&mut self) {
        // The subscriber holds a sender for ever, so the end is said by an empty line.
        if let Some(lines) = self.lines.take() {
            let _ = lines.send(Vec::new());
        }
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
        lines: None,
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
    let (lines, waiting) = sync_channel(LINES_WAITING_MAX);
    let dropped = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&dropped);
    let writer = thread::Builder::new()
        .name("log".into())
        .spawn(move || write_all(&waiting, &count))
        .map_err(|error| Failure::new(Exit::Fault, format_args!("no thread for the log: {error}")))?;
    let queue = Queue {
        lines: lines.clone(),
        dropped,
    };
    start(log.format, level, queue)?;
    Ok(Logging {
        lines: Some(lines),
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
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init()
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

fn write_all(waiting: &Receiver<Vec<u8>>, dropped: &AtomicU64) {
    let mut batch = Vec::with_capacity(64 * 1024);
    while let Ok(line) = waiting.recv() {
        let mut is_end = line.is_empty();
        batch.extend_from_slice(&line);
        while batch.len() < 60 * 1024 && !is_end {
            let Ok(line) = waiting.try_recv() else { break };
            is_end = line.is_empty();
            batch.extend_from_slice(&line);
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            // Writing to a Vec cannot fail.
            let _ = writeln!(
                batch,
                "{{\"level\":\"WARN\",\"message\":\"{lost} lines of the log were dropped\"}}"
            );
        }
        // Nobody is left to tell when standard error cannot be written.
        let _ = io::stderr().write_all(&batch);
        batch.clear();
        if is_end {
            return;
        }
    }
}

/// Gives every event a line of its own, which goes to the writing thread when it is complete.
struct Queue {
    lines: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
}

struct Line<'a> {
    queue: &'a Queue,
    text: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line {
            queue: self,
            text: Vec::with_capacity(256),
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
        let line = std::mem::take(&mut self.text);
        if !line.is_empty() && self.queue.lines.try_send(line).is_err() {
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
