//! A whole ledger from a file, block by block. Each block is taken over as a whole or not at all, so that the log of the
//! ledger says how far it is: an import that was interrupted goes on there.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use runledger_domain::access::TokenRecord;
use runledger_domain::segment::{Segment, speaks_of};
use runledger_domain::{Activity, ChainHead, RunRecord};
use runledger_ports::{DeliveryState, LedgerRestorer, RestoreError, Restored, SnapshotSource, WebhookName};
use serde_json::json;

use super::form::{Block, End, Entry, FORMAT, Holds, Place};
use crate::cli::LedgerArgs;
use crate::commands::Context;
use crate::connect;
use crate::failure::{Exit, Failure, Outcome};
use crate::ledger::{Held, OpenLedger, Use};
use crate::server_file;

/// The longest line that a file may have, in bytes: more than any record comes to.
const LINE_BYTES_MAX: u64 = 64 << 20;
/// How often a part of which nobody knows what became is looked for.
const DOUBTS_MAX: u32 = 5;

/// Takes over a whole ledger.
///
/// # Errors
/// The file cannot be understood; the ledger is another one; a server holds the data directory; the store fails.
pub(crate) async fn import(context: &Context<'_>, args: &LedgerArgs) -> Outcome {
    let mut file = Reader::open(&args.file)?;
    let holds = file.holds()?;
    let settings = context.settings;
    if let Some(server) = server_file::find(&settings.data) {
        return Err(Failure::unavailable(format_args!(
            "the server at {} (process {}) holds this ledger; nothing was imported",
            server.url, server.pid
        ))
        .advise("a ledger is taken over before a server runs on it; stop the server"));
    }
    let OpenLedger { ledger, store } = connect::open(settings, Use::Move, settings.policy()?).await?;
    drop(ledger);
    let taken = match &store {
        Held::Embedded(store) => take_all(context, &mut file, &holds, store.as_ref()).await,
        Held::Postgres(store) => take_all(context, &mut file, &holds, store.as_ref()).await,
    };
    store.close().await;
    let (found, taken) = taken?;
    if context.output.is_json() {
        return context.output.value(&json!({
            "records": taken.records, "lines": taken.lines, "from": found.seq, "to": holds.to.line,
        }));
    }
    context.output.line(&match taken.lines {
        0 => format!("the ledger holds all of it already, up to line {}", found.seq),
        lines => format!(
            "{} records and {lines} lines of the log taken over; the log ends at line {}",
            taken.records, holds.to.line
        ),
    })
}

/// How much was taken over.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    records: u64,
    lines: u64,
}

/// Takes over what is missing. Answers where the log ended before.
async fn take_all<S: LedgerRestorer + SnapshotSource>(
    context: &Context<'_>,
    file: &mut Reader,
    holds: &Holds,
    store: &S,
) -> Outcome<(ChainHead, Taken)> {
    let found = store.head().await.map_err(Failure::unavailable)?;
    let (from, to) = (file.place(&holds.after)?, file.place(&holds.to)?);
    if found.seq < from.seq {
        return Err(Failure::usage(format_args!(
            "the file begins behind line {}, and the log of this ledger ends at line {}; nothing was imported",
            from.seq, found.seq
        ))
        .advise(format_args!(
            "export what came after: runledger export --format ledger --after {}",
            found.seq
        )));
    }
    check_beginning(store, found, from, to).await?;
    let bar = progress_bar(context, from, to);
    let (mut head, mut done, mut read) = (found, Taken::default(), End::default());
    let mut rest = Rest::default();
    while let Some((number, entry)) = file.next()? {
        match entry {
            Entry::Block(block) => {
                let (records, lines) = (block.records as u64, block.lines as u64);
                (read.records, read.lines) = (read.records + records, read.lines + lines);
                bar.set_position(block.to.line.saturating_sub(from.seq));
                if let Some(segment) = file.block(&block, number, head)? {
                    let added = (segment.created().len() as u64, segment.lines().len() as u64);
                    let after = segment.to();
                    restore(store, bare(segment, to))
                        .await
                        .map_err(|error| refusal(&error, file, number))?;
                    head = after;
                    (done.records, done.lines) = (done.records + added.0, done.lines + added.1);
                }
            }
            Entry::Token(token) => rest.tokens.push(*token),
            Entry::Webhook(webhook) => {
                rest.deliveries
                    .push(webhook.try_into().map_err(|error| file.refuse(number, error))?);
            }
            Entry::End(end) => {
                let counted = (rest.tokens.len() as u64, rest.deliveries.len() as u64);
                (read.tokens, read.webhooks) = counted;
                if read != end {
                    return Err(file.refuse(number, "it says that the file holds more, or less, than was read"));
                }
                finish(store, head, to, rest)
                    .await
                    .map_err(|error| refusal(&error, file, number))?;
                bar.finish_and_clear();
                return Ok((found, done));
            }
            Entry::Ledger(_) | Entry::Record(_) | Entry::Line(_) => {
                return Err(file.refuse(number, "it stands where no such line belongs"));
            }
        }
    }
    Err(Failure::usage(format_args!(
        "{} ends at its line {}, and is not whole; {} lines of the log were taken over",
        file.name, file.number, done.lines
    ))
    .advise("export the ledger again, and import that: it goes on where this one ended"))
}

/// Tokens and webhooks, which come last.
#[derive(Debug, Default)]
struct Rest {
    tokens: Vec<TokenRecord>,
    deliveries: Vec<(WebhookName, DeliveryState)>,
}

/// Puts tokens and webhooks beside the lines: when the ledger ends where the file does.
async fn finish(store: &impl LedgerRestorer, head: ChainHead, to: ChainHead, rest: Rest) -> Result<(), RestoreError> {
    if head != to {
        // It is further than the file: what it knows of tokens and webhooks is newer.
        return Ok(());
    }
    let Ok(nothing) = Segment::check(head, Vec::new(), Vec::new()) else {
        return Ok(());
    };
    let part = Restored {
        segment: nothing,
        tokens: rest.tokens,
        deliveries: rest.deliveries,
        until: None,
    };
    restore(store, part).await
}

/// Lines with their records, of a ledger whose log ends there. What has no lines comes last.
fn bare(segment: Segment, to: ChainHead) -> Restored {
    Restored {
        segment,
        tokens: Vec::new(),
        deliveries: Vec::new(),
        until: Some(to.seq),
    }
}

/// Takes over one part, and asks what became of it when nobody knows.
async fn restore(store: &impl LedgerRestorer, part: Restored) -> Result<(), RestoreError> {
    let (from, to) = (part.segment.from(), part.segment.to());
    let mut doubts = 0;
    loop {
        match store.restore(part.clone()).await {
            Err(RestoreError::Indeterminate { reason }) if doubts < DOUBTS_MAX => {
                doubts += 1;
                tracing::warn!(reason, "what became of a part is not known; looking");
                let head = store.head().await?;
                if head == to && from != to {
                    return Ok(());
                }
            }
            answer => return answer,
        }
    }
}

/// The ledger must hold the beginning of what is in the file, as far as that can be seen.
async fn check_beginning(store: &impl SnapshotSource, found: ChainHead, from: ChainHead, to: ChainHead) -> Outcome {
    for known in [from, to] {
        if known.seq == 0 || known.seq > found.seq {
            continue;
        }
        let mut snapshot = store.snapshot().await.map_err(Failure::unavailable)?;
        let line = snapshot
            .lines(known.seq - 1, 1)
            .await
            .map_err(Failure::unavailable)?
            .pop();
        if line.is_none_or(|line| line.hash != known.hash) {
            return Err(another(known.seq));
        }
    }
    Ok(())
}

fn another(line: u64) -> Failure {
    Failure::new(
        Exit::Conflict,
        format_args!(
            "this ledger is another one than that of the file: they differ at line {line} of the log, or before"
        ),
    )
    .advise("a whole ledger is taken over by an empty ledger, or by one that holds its beginning and nothing else")
}

fn refusal(error: &RestoreError, file: &Reader, number: u64) -> Failure {
    match error {
        // That it is the ledger of the file was looked at before.
        RestoreError::Elsewhere { head } => Failure::unavailable(format_args!(
            "somebody else writes to this ledger: its log ends at line {} now, which was not so a moment ago",
            head.seq
        ))
        .advise("run the same again when nobody else does: it goes on, or says that this has become another ledger"),
        RestoreError::Unavailable(error) => Failure::unavailable(error),
        RestoreError::Indeterminate { .. } => {
            Failure::unavailable(error).advise("run the same import again: it goes on where it was")
        }
        error => file.refuse(number, error),
    }
}

/// The file, line by line.
struct Reader {
    name: String,
    input: Box<dyn BufRead + Send>,
    number: u64,
    line: Vec<u8>,
}

impl Reader {
    fn open(path: &Path) -> Outcome<Self> {
        let mut name = path.display().to_string();
        let input: Box<dyn BufRead + Send> = if path == Path::new("-") {
            "standard input".clone_into(&mut name);
            Box::new(BufReader::new(io::stdin()))
        } else {
            let opened = File::open(path)
                .map_err(|error| Failure::usage(format_args!("cannot read {}: {error}", path.display())))?;
            Box::new(BufReader::with_capacity(1 << 18, opened))
        };
        Ok(Self {
            name,
            input,
            number: 0,
            line: Vec::new(),
        })
    }

    /// A line of the file that is not taken over, and why.
    fn refuse(&self, number: u64, why: impl std::fmt::Display) -> Failure {
        Failure::usage(format_args!("line {number} of {}: {why}", self.name))
            .advise("nothing of its block, or of what follows, was taken over; what came before was, and stays")
    }

    fn place(&self, place: &Place) -> Outcome<ChainHead> {
        place.try_into().map_err(|error| self.refuse(1, error))
    }

    /// Reads the next line, without understanding it; `false` at the end.
    fn read(&mut self) -> Outcome<bool> {
        self.line.clear();
        let mut limited = io::Read::take(&mut self.input, LINE_BYTES_MAX);
        let read = limited.read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| Failure::usage(format_args!("cannot read {}: {error}", self.name)))?;
        self.number += u64::from(read > 0);
        // The last line of a whole file ends as every other.
        Ok(self.line.pop_if(|last| *last == b'\n').is_some())
    }

    fn next(&mut self) -> Outcome<Option<(u64, Entry)>> {
        if !self.read()? {
            return Ok(None);
        }
        let entry = serde_json::from_slice(&self.line).map_err(|error| self.refuse(self.number, explained(&error)))?;
        Ok(Some((self.number, entry)))
    }

    /// What the file holds.
    fn holds(&mut self) -> Outcome<Holds> {
        let begins = self.read()?;
        match serde_json::from_slice(if begins { &self.line } else { b"" }) {
            Ok(Entry::Ledger(holds)) if holds.format == FORMAT => Ok(holds),
            Ok(Entry::Ledger(holds)) => Err(Failure::usage(format_args!(
                "{} has the format {}, and this program knows {FORMAT}",
                self.name, holds.format
            ))
            .advise("use the version of runledger that made it, or a newer one")),
            _ => Err(
                Failure::usage(format_args!("{} is no ledger that was exported", self.name))
                    .advise("make one: runledger export --format ledger --out FILE"),
            ),
        }
    }

    /// What of a block is to be taken over by a log that ends at `head`; nothing when it has all of it. The block is named
    /// by the number of its first line.
    fn block(&mut self, block: &Block, number: u64, head: ChainHead) -> Outcome<Option<Segment>> {
        let to = self
            .place(&block.to)
            .map_err(|_| self.refuse(number, "its hash cannot be read"))?;
        if to.seq <= head.seq {
            if to.seq == head.seq && to.hash != head.hash {
                return Err(another(head.seq));
            }
            for _ in 0..block.records + block.lines {
                if !self.read()? {
                    break;
                }
            }
            return Ok(None);
        }
        let mut records: Vec<RunRecord> = Vec::new();
        let mut lines: Vec<Activity> = Vec::new();
        let mut is_part = false;
        for place in 0..block.records + block.lines {
            let Some((number, entry)) = self.next()? else { break };
            match entry {
                Entry::Record(record) if place < block.records => records.push(*record),
                Entry::Line(line) if place >= block.records => {
                    let line: Activity = (*line).try_into().map_err(|error| self.refuse(number, error))?;
                    if line.seq > head.seq {
                        lines.push(line);
                        continue;
                    }
                    is_part = true;
                    if line.seq == head.seq && line.hash != head.hash {
                        return Err(another(head.seq));
                    }
                }
                _ => return Err(self.refuse(number, "it stands where no such line belongs")),
            }
        }
        if lines.last().map(|line| line.seq) != Some(to.seq) {
            // The end of the file, which is said where it is noticed.
            return Ok(None);
        }
        if is_part {
            // Records of the lines that are there already are there as well.
            let named = |record: &RunRecord| {
                let mut keys = lines.iter().filter_map(|line| speaks_of(line).ok().flatten());
                keys.any(|(key, _)| key == *record.key())
            };
            records.retain(named);
        }
        let segment = Segment::check(head, lines, records).map_err(|error| self.refuse(number, error))?;
        Ok(Some(segment))
    }
}

/// Why a line is not understood, without what stands in it.
fn explained(error: &serde_json::Error) -> String {
    format!(
        "it cannot be read, from its column {} on: {}",
        error.column(),
        match error.classify() {
            serde_json::error::Category::Data => "it is not what such a line holds",
            serde_json::error::Category::Eof => "it ends too early",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
        }
    )
}

/// Drawn on a terminal only.
fn progress_bar(context: &Context<'_>, from: ChainHead, to: ChainHead) -> ProgressBar {
    let target = if context.output.is_json() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(Some(to.seq.saturating_sub(from.seq)), target);
    let style = ProgressStyle::with_template("{msg:<16} [{bar:30}] {percent:>3} %  {pos}/{len} lines");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message("taking over")
}
