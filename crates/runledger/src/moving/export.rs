//! A whole ledger into a file, as it stood at one moment, block by block.

use runledger_domain::ChainHead;
use runledger_ports::{LedgerSnapshot, SnapshotError, next_segment};

use super::Source;
use super::form::{Block, End, Entry, FORMAT, Holds, Line};
use crate::commands::Context;
use crate::failure::{Exit, Failure, Outcome};

/// How many lines of the log a block has at most: what is taken over at once, and held in memory.
const LINES_OF_A_BLOCK: u32 = 1_000;

/// Writes the ledger behind the line `after`, line by line of the file.
///
/// # Errors
/// The ledger cannot be read, or contradicts itself; what `write` says.
pub(crate) async fn export(
    context: &Context<'_>,
    after: u64,
    write: &mut (dyn FnMut(&[u8]) -> Outcome + Send),
) -> Outcome<Written> {
    if context.remote.url.is_some() {
        return Err(
            Failure::usage("a whole ledger is read from its store, not from a server")
                .advise("leave out --url, and name the ledger by --data, or by store.kind and postgres.url"),
        );
    }
    let source = Source::open(context.settings).await?;
    let mut snapshot = source.snapshot().await?;
    let written = write_ledger(snapshot.as_mut(), after, write).await;
    drop(snapshot);
    source.close().await;
    written
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    /// How many records.
    pub(crate) records: u64,
    /// How many lines of the log.
    pub(crate) lines: u64,
    /// The last line.
    pub(crate) to: u64,
}

async fn write_ledger(
    snapshot: &mut dyn LedgerSnapshot,
    after: u64,
    write: &mut (dyn FnMut(&[u8]) -> Outcome + Send),
) -> Outcome<Written> {
    let mut put = |entry: &Entry| {
        let mut line = serde_json::to_vec(entry).map_err(|error| Failure::new(Exit::Fault, error))?;
        line.push(b'\n');
        write(&line)
    };
    let to = snapshot.head();
    let mut at = place(snapshot, after).await?;
    put(&Entry::Ledger(Holds {
        format: FORMAT,
        after: at.into(),
        to: to.into(),
    }))?;
    let mut end = End::default();
    loop {
        let segment = next_segment(snapshot, at, after, LINES_OF_A_BLOCK).await;
        let Some(segment) = segment.map_err(|error| failure(&error))? else {
            break;
        };
        at = segment.to();
        let records = || segment.created().iter().chain(segment.changed());
        let block = Block {
            records: records().count(),
            lines: segment.lines().len(),
            to: at.into(),
        };
        end.records += block.records as u64;
        end.lines += block.lines as u64;
        put(&Entry::Block(block))?;
        for record in records() {
            put(&Entry::Record(Box::new(record.clone())))?;
        }
        for line in segment.lines() {
            put(&Entry::Line(Box::new(Line::from(line))))?;
        }
    }
    if at != to {
        let what = format_args!("the log ends at line {}, and its head says line {}", at.seq, to.seq);
        return Err(Failure::new(Exit::Fault, what).advise("check the ledger with `runledger verify`"));
    }
    for token in snapshot.tokens().await.map_err(Failure::unavailable)? {
        end.tokens += 1;
        put(&Entry::Token(Box::new(token)))?;
    }
    for delivery in snapshot.deliveries().await.map_err(Failure::unavailable)? {
        end.webhooks += 1;
        put(&Entry::Webhook(delivery.into()))?;
    }
    let written = Written {
        records: end.records,
        lines: end.lines,
        to: to.seq,
    };
    put(&Entry::End(end))?;
    Ok(written)
}

/// The place behind a line.
async fn place(snapshot: &mut dyn LedgerSnapshot, after: u64) -> Outcome<ChainHead> {
    if after == 0 {
        return Ok(ChainHead::EMPTY);
    }
    let line = snapshot.lines(after - 1, 1).await.map_err(Failure::unavailable)?.pop();
    let line = line.filter(|line| line.seq == after).ok_or_else(|| {
        let last = snapshot.head().seq;
        Failure::usage(format_args!("the log has no line {after}; its last one is {last}"))
    })?;
    Ok(ChainHead {
        seq: line.seq,
        hash: line.hash,
    })
}

fn failure(error: &SnapshotError) -> Failure {
    match error {
        SnapshotError::Unavailable(error) => Failure::unavailable(error),
        SnapshotError::Segment(_) => Failure::new(Exit::Fault, error),
    }
}
