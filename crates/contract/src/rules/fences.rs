//! Changes and deliveries that go with a duty: made for as long as it is the caller's, in one step with the look at the
//! fence (I11, I13).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use runledger_domain::Command;
use runledger_ports::{ChangeError, ChangeRequest, Changed, DeliveryState, Duty, Fence, FencedError, WebhookName};

use crate::bench::{Bench, LONG, SHORT, mark};
use crate::fixture::{ACME, JOB, OTHER_ACME, request, text};
use crate::rules::Held;
use crate::store::StoreUnderTest;

/// How often the race for a duty is run.
const ROUNDS: u32 = 4;
/// How often the writer writes yet after the duty was taken: of a right store not even once.
const WRITES_AFTERWARDS: u32 = 20;

fn billing() -> WebhookName {
    text("billing")
}

fn delivered(position: u64) -> DeliveryState {
    DeliveryState {
        position,
        ..DeliveryState::default()
    }
}

fn with(fence: &Fence, request: ChangeRequest) -> ChangeRequest {
    ChangeRequest {
        fence: Some(fence.clone()),
        ..request
    }
}

/// A change with a fence that is lost is refused, with a line of its own, whatever there is under its key; with one that is
/// held it is made.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_lost_fence_changes_nothing_but_the_log(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_lost_fence_changes_nothing_but_the_log", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    let first = bench.take(&Duty::Sweep, "first_server", LONG).await?;
    bench
        .applied(with(&first, request(ACME, 1, Command::Heartbeat)))
        .await?;
    let never_taken = Fence {
        duty: Duty::Project,
        ..first.clone()
    };
    bench.end(&first).await?;
    let mut before = bench.everything().await?;
    let mut second = None;
    for lost in [&first, &never_taken, &first] {
        for of in [ACME, JOB, OTHER_ACME] {
            let asked = with(lost, request(of, 2, Command::Heartbeat));
            let (expected, line) = asked.fenced(&lost.duty);
            bench.same("the answer", &bench.change(asked).await?, &Err(expected))?;
            let now = bench.everything().await?;
            bench.same("the records", &now.records, &before.records)?;
            let lines: Vec<_> = now.lines_since(&before).iter().map(|line| &line.line).collect();
            bench.same("the lines", &lines, &vec![&line])?;
            before = now;
        }
        if second.is_none() {
            // Taken by another, it is lost as well.
            second = Some(bench.take(&Duty::Sweep, "second_server", LONG).await?);
        }
    }
    let Some(second) = second else { return Ok(()) };
    bench
        .applied(with(&second, request(ACME, 3, Command::Heartbeat)))
        .await?;
    let found = bench
        .change(with(&second, request(OTHER_ACME, 3, Command::Heartbeat)))
        .await?;
    bench.holds(matches!(found, Err(ChangeError::NotFound { .. })), || {
        format!("a change of what is not there, by who holds the duty: {found:?}")
    })
}

/// A delivery with a fence that is lost, or that is not of this webhook, keeps nothing; with one that is held it does.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_lost_fence_keeps_no_delivery(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_lost_fence_keeps_no_delivery", store).await;
    let duty = Duty::Deliver(billing());
    let first = bench.take(&duty, "first_server", LONG).await?;
    let others = [Duty::Sweep, Duty::Deliver(text("other"))];
    let deliveries = &bench.store.deliveries;
    let kept = deliveries.keep_delivery(&first, &billing(), delivered(3)).await;
    bench.same("the state that is answered", &kept, &Ok(delivered(3)))?;
    let mut lost = Vec::new();
    for other in &others {
        lost.push(bench.take(other, "first_server", LONG).await?);
    }
    bench.end(&first).await?;
    lost.push(first);
    let stands = Ok(vec![(billing(), delivered(3))]);
    for taken_again in [false, true] {
        if taken_again {
            lost.push(bench.take(&duty, "second_server", LONG).await?);
        }
        let still_lost = lost.len() - usize::from(taken_again);
        for fence in lost.iter().take(still_lost) {
            let kept = deliveries.keep_delivery(fence, &billing(), delivered(9)).await;
            bench.is_lost("keep_delivery", fence, &kept)?;
            bench.same("the states", &deliveries.deliveries().await, &stands)?;
        }
    }
    let Some(held) = lost.last() else { return Ok(()) };
    let kept = deliveries.keep_delivery(held, &billing(), delivered(9)).await;
    bench.same("the state that is answered", &kept, &Ok(delivered(9)))?;
    let lines = bench.lines().await?;
    bench.same("the lines", &lines, &Vec::new())
}

/// Something that is written over and over with a fence.
#[derive(Clone, Copy)]
pub(super) enum Writer {
    Changes,
    Delivers,
    Marks,
}

impl Writer {
    fn duty(self) -> Duty {
        match self {
            Self::Changes => Duty::Sweep,
            Self::Delivers => Duty::Deliver(billing()),
            Self::Marks => Duty::Project,
        }
    }

    /// Whether it was written; an error when the store broke down.
    async fn write(self, bench: &Bench, fence: &Fence, number: u64) -> Held<bool> {
        match self {
            Self::Changes => match bench.change(with(fence, request(ACME, 1, Command::Heartbeat))).await? {
                Ok(Changed::Applied { .. }) => Ok(true),
                Err(ChangeError::Fenced { .. }) => Ok(false),
                other => bench.broken(format!("a change with a fence: {other:?}")),
            },
            Self::Delivers => {
                let (webhook, state) = (billing(), delivered(number));
                let kept = bench.store.deliveries.keep_delivery(fence, &webhook, state);
                is_written(bench, kept.await.map(drop))
            }
            Self::Marks => {
                let marks = vec![mark(JOB, number, 0)];
                is_written(bench, bench.store.outbox.mark_outbox(fence, number, marks).await)
            }
        }
    }

    /// What shows whether anything was written.
    async fn written(self, bench: &Bench) -> Held<u64> {
        match self {
            Self::Changes => Ok(bench.record(ACME).await?.version()),
            Self::Delivers => match bench.store.deliveries.deliveries().await {
                Ok(states) => Ok(states.iter().map(|(_, state)| state.position).sum()),
                Err(error) => bench.broken(format!("the states of a healthy store: {error}")),
            },
            Self::Marks => {
                let entries = bench.entries(&[JOB]).await?;
                let wanted: u64 = entries.iter().flatten().map(|entry| entry.wanted).sum();
                Ok(wanted + bench.head().await?.map_or(0, |head| head.position))
            }
        }
    }
}

fn is_written(bench: &Bench, answer: Result<(), FencedError>) -> Held<bool> {
    match answer {
        Ok(()) => Ok(true),
        Err(FencedError::Lost { .. }) => Ok(false),
        Err(error) => bench.broken(format!("a write of a healthy store: {error}")),
    }
}

/// Once somebody has taken a duty over, nothing more is changed or kept by who had it, not even what was under way.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn nothing_is_changed_past_a_taking(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("nothing_is_changed_past_a_taking", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    for writer in [Writer::Changes, Writer::Delivers] {
        let fence = bench.take(&writer.duty(), "first_server", LONG).await?;
        past_a_taking(&bench, writer, fence).await?;
    }
    Ok(())
}

/// Has the holder of a duty write as often as it goes, so that one of its writes is under way when the duty is taken, and
/// looks whether anything of it is written after that.
pub(super) async fn past_a_taking(bench: &Bench, writer: Writer, first: Fence) -> Held {
    let mut fence = first;
    for round in 1..=ROUNDS {
        bench.kept("keep_lease", bench.store.leases.keep_lease(&fence, SHORT).await)?;
        let (holder, old) = (bench.clone(), fence.clone());
        let taken = Arc::new(AtomicBool::new(false));
        let is_taken = Arc::clone(&taken);
        let writing = tokio::spawn(async move {
            let mut afterwards = 0;
            for number in u64::from(round) * 1_000_000.. {
                // A store in memory never lets go of its thread.
                tokio::task::yield_now().await;
                afterwards += u32::from(is_taken.load(Ordering::SeqCst));
                if afterwards > WRITES_AFTERWARDS {
                    return holder.broken("who has lost the duty writes on");
                }
                if !writer.write(&holder, &old, number).await? {
                    break;
                }
            }
            Ok(())
        });
        let taking = async {
            let fence = bench.take_over(&writer.duty(), "next_server", LONG).await?;
            Ok((fence, writer.written(bench).await?))
        };
        let taking = taking.await;
        taken.store(true, Ordering::SeqCst);
        let (next, at_the_taking) = taking?;
        fence = next;
        match writing.await {
            Ok(written) => written?,
            Err(error) => return bench.broken(format!("the writer ended early: {error}")),
        }
        let afterwards = writer.written(bench).await?;
        bench.same("what is written after the taking", &afterwards, &at_the_taking)?;
    }
    Ok(())
}
