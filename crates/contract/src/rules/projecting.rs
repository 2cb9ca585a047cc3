//! Who writes the outbox: its holder alone, in one step with the look at the fence; and what it wrote stays (I4, I10, I13).

use runledger_ports::{Duty, Fence, FencedError, OutboxStop, RemovedRow};

use crate::bench::{Bench, LONG, SHORT, mark};
use crate::fixture::{ACME, JOB, ZEN, at, key, text};
use crate::rules::Held;
use crate::rules::fences::{Writer, past_a_taking};
use crate::rules::outbox::{shows, with_records};
use crate::store::{AfterDoubt, StoreUnderTest};

/// The writes of an outbox.
#[derive(Clone, Copy, Debug)]
enum Write {
    Begin,
    Mark,
    KeepRows,
    Stop,
    KeepRemoved,
}

const WRITES: [Write; 5] = [
    Write::Begin,
    Write::Mark,
    Write::KeepRows,
    Write::Stop,
    Write::KeepRemoved,
];

impl Write {
    /// Writes something that can be seen, about two records.
    async fn with(self, bench: &Bench, fence: &Fence) -> Result<(), FencedError> {
        let outbox = &bench.store.outbox;
        match self {
            Self::Begin => outbox.begin_outbox(fence, "another", 7).await,
            Self::Mark => {
                outbox
                    .mark_outbox(fence, 8, vec![mark(ACME, 8, 3), mark(ZEN, 8, 3)])
                    .await
            }
            Self::KeepRows => {
                let rows = [JOB, ACME].map(|of| (key(of), at(8), shows(2)));
                outbox.keep_rows(fence, rows.to_vec()).await
            }
            Self::Stop => {
                let stop = OutboxStop {
                    at: at(8),
                    until: None,
                    reason: "the quota is used up".into(),
                };
                outbox.stop_outbox(fence, Some(stop)).await
            }
            Self::KeepRemoved => {
                let row = |id: &str| RemovedRow {
                    key: key(JOB),
                    id: text(id),
                    at: at(8),
                    by: "operator".into(),
                    cells: "{}".into(),
                };
                outbox.keep_removed(fence, vec![row("rec1"), row("rec2")]).await
            }
        }
    }
}

const SEEN: [&str; 3] = [JOB, ACME, ZEN];

/// An outbox with two entries and what is written with its fence.
async fn marked(bench: &Bench) -> Held<Fence> {
    with_records(bench).await?;
    let fence = bench.begun().await?;
    bench.mark(&fence, 4, &[(JOB, 3, 0), (ACME, 4, 0)]).await?;
    Ok(fence)
}

/// Whatever is written with a fence that is lost, was given up or is that of another duty is refused, and changes nothing.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_lost_fence_writes_no_outbox(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_lost_fence_writes_no_outbox", store).await;
    let first = marked(&bench).await?;
    let other = bench.take(&Duty::Sweep, "first_server", LONG).await?;
    let before = bench.all_of_outbox(&SEEN).await?;
    for write in WRITES {
        bench.is_lost("a write", &other, &write.with(&bench, &other).await)?;
    }
    bench.end(&first).await?;
    for write in WRITES {
        bench.is_lost("a write", &first, &write.with(&bench, &first).await)?;
    }
    let second = bench.take(&Duty::Project, "second_server", LONG).await?;
    for write in WRITES {
        bench.is_lost("a write", &first, &write.with(&bench, &first).await)?;
    }
    let unheard_of = Fence {
        epoch: second.epoch.saturating_add(1),
        ..second.clone()
    };
    for write in WRITES {
        bench.is_lost("a write", &unheard_of, &write.with(&bench, &unheard_of).await)?;
    }
    bench.same("the outbox", &bench.all_of_outbox(&SEEN).await?, &before)?;
    // Who holds it writes; also when the time is over and nobody wants it.
    bench.kept("keep_lease", bench.store.leases.keep_lease(&second, SHORT).await)?;
    tokio::time::sleep(SHORT * 2).await;
    for write in WRITES.into_iter().rev() {
        let before = bench.all_of_outbox(&SEEN).await?;
        bench.kept("a write", write.with(&bench, &second).await)?;
        let after = bench.all_of_outbox(&SEEN).await?;
        bench.holds(before != after, || format!("{write:?} wrote nothing"))?;
    }
    Ok(())
}

/// Once somebody has taken the duty over, nothing more is written by who had it, not even what was under way.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn nothing_is_written_past_a_taking(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("nothing_is_written_past_a_taking", store).await;
    with_records(&bench).await?;
    let fence = bench.begun().await?;
    past_a_taking(&bench, Writer::Marks, fence).await
}

/// All that was kept is there after a restart and after a crash, and still does not go back.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn an_outbox_outlives_its_store(store: &dyn StoreUnderTest) -> Held {
    for crashes in [false, true] {
        let bench = Bench::open("an_outbox_outlives_its_store", store).await;
        let fence = marked(&bench).await?;
        for write in [Write::KeepRemoved, Write::Stop, Write::KeepRows, Write::Mark] {
            bench.kept("a write", write.with(&bench, &fence).await)?;
        }
        let before = bench.all_of_outbox(&SEEN).await?;
        let counts = bench.counts_of_outbox().await?;
        bench.kept("keep_lease", bench.store.leases.keep_lease(&fence, SHORT).await)?;
        let bench = if crashes {
            bench.crash().await
        } else {
            bench.reopen().await
        };
        let Ok(bench) = bench else { return Ok(()) };
        bench.same("the outbox", &bench.all_of_outbox(&SEEN).await?, &before)?;
        bench.same("its counts", &bench.counts_of_outbox().await?, &counts)?;
        let fence = bench.take_over(&Duty::Project, "second_server", LONG).await?;
        bench.mark(&fence, 1, &[(JOB, 1, 0)]).await?;
        bench.same(
            "the outbox after an old mark",
            &bench.all_of_outbox(&SEEN).await?,
            &before,
        )?;
        bench.kept("keep_removed", Write::KeepRemoved.with(&bench, &fence).await)?;
        let removed = bench.all_of_outbox(&SEEN).await?.2.len();
        bench.same("the number of removed rows", &removed, &4)?;
    }
    Ok(())
}

/// A write whose commit has an unknown outcome is not answered as kept; all of it was, or nothing, and the outbox can be
/// written again.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn an_outbox_in_doubt_is_kept_whole_or_not(store: &dyn StoreUnderTest) -> Held {
    for write in WRITES {
        let bench = Bench::open("an_outbox_in_doubt_is_kept_whole_or_not", store).await;
        let fence = marked(&bench).await?;
        let before = bench.all_of_outbox(&SEEN).await?;
        bench.kept("keep_lease", bench.store.leases.keep_lease(&fence, SHORT * 50).await)?;
        if !bench.doubt().await {
            return Ok(());
        }
        let answer = write.with(&bench, &fence).await;
        bench.holds(matches!(answer, Err(FencedError::Unavailable(_))), || {
            format!("{write:?} in doubt was answered: {answer:?}")
        })?;
        if bench.after_doubt().await == AfterDoubt::Stops {
            // Nothing is known until it is opened again: neither what is kept, nor that the duty is still the caller's.
            let read = bench.store.outbox.outbox().await;
            bench.holds(read.is_err(), || format!("the outbox after a doubt: {read:?}"))?;
            let kept = bench.store.leases.keep_lease(&fence, SHORT).await;
            bench.holds(kept.is_err(), || format!("keep_lease after a doubt: {kept:?}"))?;
        }
        let Ok(bench) = bench.reopen().await else {
            return Ok(());
        };
        let found = bench.all_of_outbox(&SEEN).await?;
        let fence = bench.take_over(&Duty::Project, "second_server", LONG).await?;
        let settled = bench.all_of_outbox(&SEEN).await?;
        bench.same("the outbox once the duty is taken", &settled, &found)?;
        bench.kept("a write", write.with(&bench, &fence).await)?;
        let whole = bench.all_of_outbox(&SEEN).await?;
        let done_before = match write {
            // Kept again, the same rows are other copies.
            Write::KeepRemoved => found.2.len() == 2,
            Write::Begin | Write::Mark | Write::KeepRows | Write::Stop => found == whole,
        };
        bench.holds(done_before || found == before, || {
            format!("{write:?} was kept in part: {found:?}")
        })?;
    }
    Ok(())
}
