//! The outbox: what is to be copied elsewhere is kept as it is said, and never goes back (I14).

use runledger_domain::{RecordKind, Timestamp};
use runledger_ports::{
    FencedError, OutboxCounts, OutboxEntry, OutboxHead, OutboxStop, PageSize, RemovedRow, RowState, Step,
};

use crate::bench::{Bench, TARGET, mark};
use crate::fixture::{ACME, JOB, OTHER_ACME, OTHER_JOB, ZEN, at, key, text};
use crate::rules::Held;
use crate::rules::log::play;
use crate::store::StoreUnderTest;

/// A text that not every store keeps by itself.
const STRANGE: &str = "Ärger: \"no\" option \0\u{1a}0\u{1a} 🚀\n";
/// The records of most rules, in the order of their creation.
const ALL: [&str; 4] = [OTHER_JOB, JOB, ZEN, ACME];

pub(crate) async fn with_records(bench: &Bench) -> Held {
    bench.job_with(&ALL).await
}

pub(crate) fn entry(of: &str, wanted: u64, due: i64, row: RowState) -> OutboxEntry {
    OutboxEntry {
        key: key(of),
        wanted,
        due: at(due),
        row,
    }
}

/// A row that shows everything up to a line.
pub(crate) fn shows(line: u64) -> RowState {
    RowState {
        id: Some(text("recAAAAAAAAAAAAAA")),
        shown: line,
        digest: Some([7; 32]),
        ..RowState::default()
    }
}

fn stepping(step: Step) -> RowState {
    RowState { step, ..shows(1) }
}

/// One row of each step, with something in every field, and one with nothing.
pub(crate) fn every_row() -> Vec<RowState> {
    let steps = [
        Step::Idle,
        Step::Sending { at: at(1), line: 3 },
        Step::Unknown {
            at: at(2),
            line: 2,
            why: STRANGE.into(),
        },
        Step::SetAside {
            at: at(3),
            line: 4,
            why: String::new(),
        },
    ];
    let mut rows: Vec<RowState> = vec![RowState::default()];
    rows.extend(steps.into_iter().zip(1..).map(|(step, failures)| RowState {
        failures,
        ..stepping(step)
    }));
    rows
}

/// An outbox begins without entries; begun again it is empty again, whatever the target, and the rows that were removed
/// stay.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn an_outbox_begins_empty(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("an_outbox_begins_empty", store).await;
    with_records(&bench).await?;
    bench.same("the outbox before it is begun", &bench.head().await?, &None)?;
    bench.same("its counts", &bench.counts_of_outbox().await?, &OutboxCounts::default())?;
    let fence = bench.begun().await?;
    let removed = removed(JOB, "rec1", 5);
    bench.kept(
        "keep_removed",
        bench.store.outbox.keep_removed(&fence, vec![removed.clone()]).await,
    )?;
    for (target, position) in [("another", 3), ("another", 1), (TARGET, 2)] {
        bench.mark(&fence, 9, &[(JOB, 9, 0)]).await?;
        let stop = Some(stop(None));
        bench.kept("stop_outbox", bench.store.outbox.stop_outbox(&fence, stop).await)?;
        let begun = bench.store.outbox.begin_outbox(&fence, target, position).await;
        bench.kept("begin_outbox", begun)?;
        let head = OutboxHead {
            target: target.into(),
            position,
            stopped: None,
        };
        let expected = (Some(head), vec![None], vec![removed.clone()]);
        bench.same(
            "an outbox that was begun",
            &bench.all_of_outbox(&[JOB]).await?,
            &expected,
        )?;
        bench.same("its counts", &bench.counts_of_outbox().await?, &OutboxCounts::default())?;
    }
    Ok(())
}

/// Before the outbox is begun nothing is marked, and nothing is stopped.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn an_outbox_that_was_not_begun_takes_nothing(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("an_outbox_that_was_not_begun_takes_nothing", store).await;
    with_records(&bench).await?;
    let fence = bench
        .take(&runledger_ports::Duty::Project, "first_server", crate::bench::LONG)
        .await?;
    let answers = [
        bench.store.outbox.mark_outbox(&fence, 1, vec![mark(JOB, 1, 0)]).await,
        bench.store.outbox.stop_outbox(&fence, Some(stop(None))).await,
    ];
    for answer in answers {
        bench.holds(matches!(answer, Err(FencedError::Unavailable(_))), || {
            format!("an outbox that was not begun: {answer:?}")
        })?;
    }
    let nothing = (None, vec![None], Vec::new());
    bench.same("the outbox", &bench.all_of_outbox(&[JOB]).await?, &nothing)
}

/// Marks make entries and raise what they are to show; the position and what is wanted never go back, and who lacked
/// something already stays due when it was.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn marks_raise_what_is_wanted(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("marks_raise_what_is_wanted", store).await;
    with_records(&bench).await?;
    let fence = bench.begun().await?;
    let fresh = RowState::default;
    bench
        .mark(&fence, 4, &[(ACME, 2, 30), (JOB, 4, 50), (ACME, 3, 20), (ACME, 1, 40)])
        .await?;
    let expected = vec![
        Some(entry(JOB, 4, 50, fresh())),
        Some(entry(ACME, 3, 20, fresh())),
        None,
    ];
    bench.same(
        "after the first marks",
        &bench.entries(&[JOB, ACME, ZEN]).await?,
        &expected,
    )?;
    // What comes late or again takes nothing back, and what lacks something is not hastened and not put off.
    bench
        .mark(&fence, 3, &[(JOB, 3, 10), (ACME, 6, 90), (ZEN, 5, 60)])
        .await?;
    let expected = vec![
        Some(entry(JOB, 4, 50, fresh())),
        Some(entry(ACME, 6, 20, fresh())),
        Some(entry(ZEN, 5, 60, fresh())),
    ];
    bench.same(
        "after marks out of order",
        &bench.entries(&[JOB, ACME, ZEN]).await?,
        &expected,
    )?;
    let position = bench.head().await?.map(|head| head.position);
    bench.same("the position", &position, &Some(4))?;
    // A try that was put off stays put off; a row that lacks nothing is due when a mark says that it does.
    bench
        .keep_rows(
            &fence,
            vec![(key(JOB), at(500), fresh()), (key(ACME), at(500), shows(6))],
        )
        .await?;
    bench.mark(&fence, 9, &[(JOB, 8, 70), (ACME, 6, 80)]).await?;
    let expected = vec![Some(entry(JOB, 8, 500, fresh())), Some(entry(ACME, 6, 500, shows(6)))];
    bench.same(
        "what was put off, and what lacks nothing",
        &bench.entries(&[JOB, ACME]).await?,
        &expected,
    )?;
    bench.mark(&fence, 9, &[(ACME, 9, 80)]).await?;
    let expected = vec![Some(entry(ACME, 9, 80, shows(6)))];
    bench.same("what lacks something again", &bench.entries(&[ACME]).await?, &expected)?;
    let position = bench.head().await?.map(|head| head.position);
    bench.same("the position", &position, &Some(9))
}

/// There are entries of records alone, made by marks alone; what came along with what is left out is kept.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn only_marks_of_records_make_entries(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("only_marks_of_records_make_entries", store).await;
    with_records(&bench).await?;
    let fence = bench.begun().await?;
    bench
        .mark(&fence, 3, &[(OTHER_ACME, 1, 0), (JOB, 2, 0), ("nowhere", 3, 0)])
        .await?;
    bench
        .keep_rows(&fence, vec![(key(ZEN), at(0), shows(1)), (key(JOB), at(0), shows(1))])
        .await?;
    bench
        .keep_rows(&fence, vec![(key(OTHER_ACME), at(0), shows(1))])
        .await?;
    let found = bench.entries(&[OTHER_ACME, JOB, "nowhere", ZEN]).await?;
    let expected = vec![None, Some(entry(JOB, 2, 0, shows(1))), None, None];
    bench.same("the entries", &found, &expected)?;
    let waiting = bench.counts_of_outbox().await?.waiting;
    bench.same("how many wait", &waiting, &1)?;
    bench.only_these_were_created(&[OTHER_JOB, JOB, ZEN, ACME]).await?;
    Ok(())
}

/// What is known of a row is kept as it was said, whatever its step, and `wanted` with it.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn rows_are_kept_as_they_are(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("rows_are_kept_as_they_are", store).await;
    with_records(&bench).await?;
    let fence = bench.begun().await?;
    bench.mark(&fence, 4, &[(JOB, 4, 0), (ACME, 4, 0)]).await?;
    for row in every_row() {
        bench.keep_rows(&fence, vec![(key(JOB), at(-5), row.clone())]).await?;
        let expected = vec![
            Some(entry(JOB, 4, -5, row)),
            Some(entry(ACME, 4, 0, RowState::default())),
        ];
        bench.same("the entries", &bench.entries(&[JOB, ACME]).await?, &expected)?;
    }
    // Of several of one key the last counts.
    let last = RowState {
        failures: 9,
        ..shows(3)
    };
    let several = [shows(2), stepping(Step::Sending { at: at(4), line: 2 }), last.clone()];
    let several = several.into_iter().map(|row| (key(ACME), at(6), row)).collect();
    bench.keep_rows(&fence, several).await?;
    let expected = vec![Some(entry(ACME, 4, 6, last))];
    bench.same("the last of several", &bench.entries(&[ACME]).await?, &expected)
}

/// What a row shows never goes back, but to nothing.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn what_a_row_shows_never_goes_back(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("what_a_row_shows_never_goes_back", store).await;
    with_records(&bench).await?;
    let fence = bench.begun().await?;
    bench.mark(&fence, 9, &[(JOB, 9, 0)]).await?;
    let digest = |line| RowState {
        digest: Some([9; 32]),
        ..shows(line)
    };
    for (kept, shown) in [
        (shows(5), shows(5)),
        (digest(4), digest(5)),
        (digest(7), digest(7)),
        (shows(0), shows(0)),
        (shows(3), shows(3)),
    ] {
        bench.keep_rows(&fence, vec![(key(JOB), at(0), kept)]).await?;
        let expected = vec![Some(entry(JOB, 9, 0, shown))];
        bench.same("the entry", &bench.entries(&[JOB]).await?, &expected)?;
    }
    Ok(())
}

fn stop(until: Option<Timestamp>) -> OutboxStop {
    OutboxStop {
        at: at(7),
        until,
        reason: STRANGE.into(),
    }
}

/// Why nothing is sent is kept until it goes on.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn why_nothing_is_sent_is_kept(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("why_nothing_is_sent_is_kept", store).await;
    with_records(&bench).await?;
    let fence = bench.begun().await?;
    for stopped in [Some(stop(None)), Some(stop(Some(at(90)))), None] {
        let kept = bench.store.outbox.stop_outbox(&fence, stopped.clone()).await;
        bench.kept("stop_outbox", kept)?;
        bench.mark(&fence, 6, &[(JOB, 6, 0)]).await?;
        let head = OutboxHead {
            target: TARGET.into(),
            position: 6,
            stopped,
        };
        bench.same("the outbox", &bench.head().await?, &Some(head))?;
    }
    Ok(())
}

fn removed(of: &str, id: &str, seconds: i64) -> RemovedRow {
    RemovedRow {
        key: key(of),
        id: text(id),
        at: at(seconds),
        by: format!("{STRANGE} by"),
        cells: format!("{{\"Note\":\"{STRANGE}\"}}"),
    }
}

/// Rows that are removed elsewhere are kept as they were, each as often as it is said, oldest first.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn removed_rows_are_kept_as_they_were(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("removed_rows_are_kept_as_they_were", store).await;
    let fence = bench.begun().await?;
    // They may be rows of what the ledger does not know.
    let rows = [
        removed(OTHER_ACME, "rec2", 9),
        removed(JOB, "rec1", 5),
        removed(JOB, "rec1", 5),
        removed(JOB, "rec3", 1),
    ];
    for some in [&rows[..1], &rows[1..3], &[], &rows[3..]] {
        let kept = bench.store.outbox.keep_removed(&fence, some.to_vec()).await;
        bench.kept("keep_removed", kept)?;
    }
    for (after, size) in [(0, 1), (0, 10), (1, 2), (3, 10), (4, 1)] {
        let found = bench
            .store
            .outbox
            .removed_rows(after, PageSize::new(size).unwrap_or_default())
            .await;
        let skipped = usize::try_from(after).unwrap_or(usize::MAX);
        let expected: Vec<RemovedRow> = rows.iter().skip(skipped).take(size as usize).cloned().collect();
        bench.same("the removed rows", &found, &Ok(expected))?;
    }
    Ok(())
}

/// Nothing that is done with the outbox touches a record or the log.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn the_outbox_touches_no_record_and_no_line(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("the_outbox_touches_no_record_and_no_line", store).await;
    play(&bench).await?;
    let before = bench.everything().await?;
    let fence = bench.begun().await?;
    bench
        .mark(&fence, 4, &[(JOB, 4, 0), (ACME, 4, 0), (OTHER_ACME, 4, 0)])
        .await?;
    bench.keep_rows(&fence, vec![(key(JOB), at(0), shows(3))]).await?;
    bench.kept(
        "stop_outbox",
        bench.store.outbox.stop_outbox(&fence, Some(stop(None))).await,
    )?;
    let rows = vec![removed(JOB, "rec1", 5)];
    bench.kept("keep_removed", bench.store.outbox.keep_removed(&fence, rows).await)?;
    let _due = bench
        .store
        .outbox
        .due_entries(RecordKind::Job, at(9), PageSize::default())
        .await;
    bench.same("all records and lines", &bench.everything().await?, &before)
}
