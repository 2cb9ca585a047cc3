//! The outbox: which of its entries are found, in which order, and how they are counted (I14).

use runledger_domain::{RecordKind, RunKey, Timestamp};
use runledger_ports::{OutboxCounts, OutboxEntry, PageSize, RowState, StepKind};

use crate::bench::Bench;
use crate::fixture::{JOB, at, key};
use crate::rules::Held;
use crate::rules::outbox::{entry, every_row, shows};
use crate::store::StoreUnderTest;

fn keys(entries: &[OutboxEntry]) -> Vec<String> {
    entries.iter().map(|entry| entry.key.to_string()).collect()
}

async fn due(bench: &Bench, kind: RecordKind, now: i64, entries: u32) -> Held<Vec<OutboxEntry>> {
    let size = PageSize::new(entries).unwrap_or_default();
    match bench.store.outbox.due_entries(kind, at(now), size).await {
        Ok(due) => Ok(due),
        Err(error) => bench.broken(format!("due_entries of a healthy store: {error}")),
    }
}

/// Due are those of a kind that are idle, lack something and whose time has come: the earliest first, then in the order of
/// creation, as many as are asked for.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn due_are_those_that_wait_earliest_first(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("due_are_those_that_wait_earliest_first", store).await;
    let clients: Vec<String> = (0..6).map(|number| format!("{JOB}-c{}", 9 - number)).collect();
    let names: Vec<&str> = clients.iter().map(String::as_str).collect();
    bench.job_with(&[JOB]).await?;
    bench.job_with(&names).await?;
    let fence = bench.begun().await?;
    let dues = [7, 5, 7, 5, 5, 8];
    let marks: Vec<_> = names
        .iter()
        .zip(dues)
        .map(|(name, due)| (*name, 5, due))
        .rev()
        .collect();
    bench.mark(&fence, 5, &marks).await?;
    bench.mark(&fence, 5, &[(JOB, 5, 1)]).await?;
    let expect = |places: &[usize]| places.iter().map(|place| clients[*place].clone()).collect::<Vec<_>>();
    for (now, size, expected) in [
        (4, 10, &[][..]),
        (5, 10, &[1, 3, 4][..]),
        (7, 10, &[1, 3, 4, 0, 2][..]),
        (7, 4, &[1, 3, 4, 0][..]),
        (90, 10, &[1, 3, 4, 0, 2, 5][..]),
    ] {
        let found = due(&bench, RecordKind::Client, now, size).await?;
        bench.same("what is due", &keys(&found), &expect(expected))?;
    }
    let found = due(&bench, RecordKind::Job, 90, 10).await?;
    bench.same(
        "the jobs that are due",
        &found,
        &vec![entry(JOB, 5, 1, RowState::default())],
    )?;
    // Whatever is under way, set aside or shown is not due, and comes back as it goes on.
    let rows = every_row().into_iter().skip(2).zip(&names);
    let rows = rows.map(|(row, name)| (key(name), at(5), row)).collect();
    bench.keep_rows(&fence, rows).await?;
    let shown = [names[3], names[4]].map(|name| (key(name), at(5), shows(5)));
    bench.keep_rows(&fence, shown.to_vec()).await?;
    let found = due(&bench, RecordKind::Client, 90, 10).await?;
    bench.same("what waits yet", &keys(&found), &expect(&[5]))?;
    bench.keep_rows(&fence, vec![(key(names[2]), at(6), shows(4))]).await?;
    let found = due(&bench, RecordKind::Client, 90, 10).await?;
    bench.same("what waits again", &keys(&found), &expect(&[2, 5]))
}

/// The entries at a step come in the order of creation, each once, page by page; and they are counted.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn entries_at_a_step_are_found_and_counted(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("entries_at_a_step_are_found_and_counted", store).await;
    let clients: Vec<String> = (0..10).map(|number| format!("{JOB}-c{:02}", 99 - number)).collect();
    let names: Vec<&str> = clients.iter().map(String::as_str).collect();
    bench.job_with(&[JOB]).await?;
    bench.job_with(&names).await?;
    let fence = bench.begun().await?;
    let marks: Vec<_> = names
        .iter()
        .zip(1..)
        .map(|(name, due)| (*name, 20, 100 - due))
        .collect();
    bench.mark(&fence, 20, &marks).await?;
    let rows = every_row();
    // Every fifth has a step of its own; those of the first show nothing, those of the second too little.
    let kept = names.iter().zip(rows.iter().cycle()).zip(1..);
    let kept = kept
        .map(|((name, row), due)| (key(name), at(100 - due), row.clone()))
        .collect();
    bench.keep_rows(&fence, kept).await?;
    let steps = [StepKind::Sending, StepKind::Unknown, StepKind::SetAside];
    for (step, place) in steps.into_iter().zip(2..) {
        let expected = vec![clients[place].clone(), clients[place + 5].clone()];
        for page in [1, 2, 50] {
            let found = bench.entries_in(step, page).await?;
            bench.same(&format!("the entries at {step:?}"), &keys(&found), &expected)?;
        }
    }
    let idle = bench.entries_in(StepKind::Idle, 50).await?;
    bench.same("the idle entries", &idle, &Vec::new())?;
    let nowhere = key("nowhere");
    let after = bench
        .store
        .outbox
        .entries_in(StepKind::Sending, Some(&nowhere), PageSize::default());
    let after = after.await.map(|entries| entries.len());
    bench.same("the entries after that of no record", &after, &Ok(2))?;
    let mut expected = OutboxCounts {
        waiting: 4,
        sending: 2,
        unknown: 2,
        set_aside: 2,
        oldest_due: Some(at(93)),
        latest_due: Some(at(99)),
    };
    bench.same("the counts", &bench.counts_of_outbox().await?, &expected)?;
    let shown: Vec<(RunKey, Timestamp, RowState)> = names.iter().map(|name| (key(name), at(0), shows(20))).collect();
    bench.keep_rows(&fence, shown).await?;
    expected = OutboxCounts::default();
    bench.same(
        "the counts when nothing is lacking",
        &bench.counts_of_outbox().await?,
        &expected,
    )
}
