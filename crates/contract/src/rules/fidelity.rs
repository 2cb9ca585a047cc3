//! Rules about data: texts survive byte for byte, and no rule depends on the clock (I15, I18).

use runledger_domain::{
    ClientName, Command, Completion, CreationContent, CreationIntent, DeadlineAfter, NoteText, Outcome,
};

use crate::bench::Bench;
use crate::fixture::{
    ACME, JOB, OTHER_JOB, ZEN, add, at, complete, finish_stage, intent, note, request, start_stage, text,
};
use crate::rules::Held;
use crate::rules::creation::replayed;
use crate::store::StoreUnderTest;

/// Names, notes and labels survive byte for byte: any script, any length, text that looks like code; after a restart
/// as well.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn texts_survive_byte_for_byte(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("texts_survive_byte_for_byte", store).await;
    bench.job_with(&[JOB]).await?;
    let odd = [
        "  Zoë 'O''Brien'; DROP TABLE records; -- ",
        "日本語 русский العربية 🚀👩‍👩‍👧",
        "e\u{301} is not \u{e9}, \u{feff}and neither is nothing",
        "line one\r\nline two\ttab \u{1b}[31m \u{7f} \u{2028}",
        "{\"json\": [null, \"\\u0000\"], 'quote': %s $1 ?1 :x @y}",
    ];
    let long = "ß🦀".repeat(40_000);
    for (number, name) in odd.into_iter().enumerate() {
        let of = format!("{JOB}-client{number}");
        let creation = intent(&of, "attempt-1").with_content(CreationContent {
            client_name: Some(text(name)),
            note: Some(text(&long)),
            batch: Some(text("Stream 1: a/b_c.d")),
            external_ids: vec![text("apify:`~!@#$%^&*()'\"\\|;<>?")],
            ..CreationContent::default()
        });
        let _created = bench.created(creation).await?;
        bench.applied(request(&of, 1, note(name))).await?;
        let end = Command::Complete(Completion {
            outcome: Outcome::Succeeded,
            note: Some(text(name)),
            close_open: false,
        });
        bench.applied(request(&of, 2, end)).await?;
    }
    let before = bench.everything().await?;
    for (number, name) in odd.into_iter().enumerate() {
        let record = bench.record(&format!("{JOB}-client{number}")).await?;
        let notes: Vec<_> = record.notes().iter().map(|note| note.text.as_str()).collect();
        bench.same("the notes", &notes, &vec![&*long, name])?;
        bench.same("the name", &record.client_name().map(ClientName::as_str), &Some(name))?;
        let ending = record.state().ending().and_then(|end| end.note.as_ref());
        bench.same("the last word", &ending.map(NoteText::as_str), &Some(name))?;
    }
    let Ok(bench) = bench.reopen().await else {
        return Ok(());
    };
    bench.same("everything after a restart", &bench.everything().await?, &before)
}

/// With a clock that jumps back between any two calls, order, versions, retries and ends are as ever.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_clock_that_jumps_back_breaks_nothing(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_clock_that_jumps_back_breaks_nothing", store).await;
    let created_at = |name, seconds| CreationIntent {
        at: at(seconds),
        ..intent(name, "attempt-1")
    };
    bench.created(created_at(JOB, 10_000)).await?;
    bench.created(created_at(ACME, 500)).await?;
    bench.created(created_at(ZEN, -500)).await?;
    bench.created(created_at(OTHER_JOB, 499)).await?;
    bench.applied(request(ACME, 400, start_stage("scoring"))).await?;
    bench
        .applied(request(ACME, 300, finish_stage("scoring", Outcome::Succeeded)))
        .await?;
    let delta = |seconds| request(ACME, seconds, add("items", "2", Some("update-1")));
    bench.applied(delta(200)).await?;
    bench.unchanged(delta(-9_000)).await?;
    let ended = bench.applied(request(ACME, 100, complete(Outcome::Succeeded))).await?;
    bench.same("the version", &ended.version(), &5)?;
    bench.same("the duration", &ended.duration(), &Some(std::time::Duration::ZERO))?;
    bench
        .unchanged(request(ACME, -9_000, complete(Outcome::Succeeded)))
        .await?;
    bench
        .refused(request(ACME, -9_000, Command::Heartbeat), "already_ended")
        .await?;
    replayed(&bench, created_at(ACME, -9_000)).await?;
    let everything = bench.only_these_were_created(&[JOB, ACME, ZEN, OTHER_JOB]).await?;
    let times: Vec<_> = everything.lines.iter().map(|line| line.line.at).collect();
    let expected = [
        10_000, 500, -500, 499, 400, 300, 200, -9_000, 100, -9_000, -9_000, -9_000,
    ]
    .map(at);
    bench.same("the times in the log", &times, &expected.to_vec())?;
    // The deadline follows the last sign of life, also backwards.
    let deadline = bench.applied(request(ZEN, -700, Command::Heartbeat)).await?.deadline();
    bench.same("the deadline", &deadline, &DeadlineAfter::DEFAULT.from(at(-700)))
}
