//! Rules about the activity log: one line for every attempt, gapless, chained, found again (I6).

use runledger_domain::{Action, Activity, Command, NewActivity, Outcome, Subject, Verdict};
use runledger_ports::{ActivityFilter, ChangeRequest};

use crate::bench::{Bench, verdicts};
use crate::fixture::{
    ACME, JOB, OTHER_ACME, OTHER_JOB, ZEN, add, at, client, complete, expecting, intent, key, request, run, source,
    start_stage,
};
use crate::rules::Held;
use crate::rules::races::race;
use crate::store::StoreUnderTest;

/// The place of a line, and what it must say: by whom, at which second, what, on which key, which version it made.
type Expected = (usize, &'static str, i64, Action, &'static str, Option<u64>);

/// Every attempt leaves exactly one line, in the order of the attempts, with what came of it.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn every_attempt_leaves_one_line(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("every_attempt_leaves_one_line", store).await;
    play(&bench).await?;
    let found = verdicts(&bench.lines().await?);
    let expected = [
        "created",
        "replayed",
        "refused conflict",
        "refused job_missing",
        "created",
        "changed",
        "unchanged",
        "refused version_mismatch",
        "refused not_found",
        "changed",
        "refused already_ended",
        "unchanged",
        "refused source_not_authorised",
    ];
    bench.same("the lines", &found, &expected.map(str::to_owned).to_vec())
}

/// A line says who tried what on which key when, what came of it, and which version it made.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_line_says_who_what_and_when(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_line_says_who_what_and_when", store).await;
    play(&bench).await?;
    let lines = bench.lines().await?;
    bench.same("the number of lines", &lines.len(), &13)?;
    let expected: [Expected; 12] = [
        (0, "orchestrator", 0, Action::Create, JOB, Some(1)),
        (1, "orchestrator", 0, Action::Create, JOB, Some(1)),
        (2, "orchestrator", 0, Action::Create, JOB, None),
        (3, "orchestrator", 0, Action::Create, OTHER_ACME, None),
        (4, "orchestrator", 0, Action::Create, ACME, Some(1)),
        (5, "batch_process", 1, Action::Update, ACME, Some(2)),
        (6, "batch_process", 2, Action::Update, ACME, Some(2)),
        (7, "batch_process", 3, Action::Heartbeat, ACME, None),
        (8, "batch_process", 4, Action::Heartbeat, ZEN, None),
        (9, "batch_process", 5, Action::Complete, ACME, Some(3)),
        (10, "batch_process", 6, Action::StartStage, ACME, None),
        (11, "batch_process", 7, Action::Complete, ACME, Some(3)),
    ];
    for (number, by, seconds, action, name, version) in expected {
        let line = &lines[number].line;
        let found = (&*line.source, line.at, line.action, &line.subject);
        let expected = (by, at(seconds), action, &Subject::of(&key(name)));
        bench.same(
            &format!("who, when, what and where of line {}", number + 1),
            &found,
            &expected,
        )?;
        // Which version a refused attempt met is for people; which one an accepted attempt made is a promise.
        if version.is_some() {
            bench.same(&format!("the version in line {}", number + 1), &line.version, &version)?;
        }
    }
    Ok(())
}

/// The lines of many callers at once are numbered without a gap and chained one to the next.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn lines_are_gapless_and_chained(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("lines_are_gapless_and_chained", store).await;
    bench.job_with(&[JOB, ACME, ZEN]).await?;
    let callers = bench.clone();
    let attempts = race(12, move |number| {
        let bench = callers.clone();
        async move {
            let delta = add("items", "1", None);
            match number % 4 {
                0 => bench.applied(request(ACME, 1, delta)).await.map(|_| ()),
                1 => {
                    let outdated = expecting(request(ZEN, 1, delta), 7);
                    bench.refused(outdated, "version_mismatch").await.map(|_| ())
                }
                2 => {
                    let other = intent(ACME, &format!("attempt-{number}"));
                    bench.create_one(other).await.map(|_| ())
                }
                _ => bench.keep(refused_line("not on the list")).await,
            }
        }
    });
    attempts.await.into_iter().collect::<Held>()?;
    // `lines` checks the chain itself.
    let lines = bench.lines().await?;
    let numbers: Vec<u64> = lines.iter().map(|line| line.seq).collect();
    bench.same("the numbers", &numbers, &(1..=15).collect())
}

/// The line of an attempt that its caller answered without this store is kept exactly as it is, whatever texts it holds.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_kept_line_is_kept_as_it_is(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_kept_line_is_kept_as_it_is", store).await;
    let plain = refused_line("not on the list");
    let odd = NewActivity {
        at: at(-86_400),
        action: Action::Import,
        source: String::new(),
        subject: Subject::claimed("[object Object]\n", "Zoë' OR 1=1; --"),
        verdict: Verdict::Refused("not_a_run_id".into()),
        version: None,
        detail: "é\u{301} 🚀 \"quoted\" 'single' \\ %_ \u{202e}".into(),
    };
    // Characters that a format of storage may take for its own.
    let control = NewActivity {
        source: "a\0b".into(),
        subject: Subject {
            run: "\0".into(),
            client: "\u{1a}0 \u{1a}\u{1a} \u{1b}".into(),
        },
        ..refused_line("a\0\0b \0 \u{1}\u{1a}0 \u{1a}\u{1a}0 \u{1a}x \u{1a}")
    };
    let replayed = NewActivity {
        verdict: Verdict::Replayed,
        version: Some(3),
        ..refused_line("answered from memory")
    };
    let versioned = NewActivity {
        version: Some(u64::from(u32::MAX) + 7),
        ..refused_line("")
    };
    let kept = [plain, odd, control, replayed, versioned];
    for line in kept.clone() {
        bench.keep(line).await?;
    }
    let found: Vec<_> = bench.lines().await?.into_iter().map(|line| line.line).collect();
    bench.same("the lines", &found, &kept.to_vec())
}

/// Each filter of the log finds its lines and no others, in their order.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn each_filter_finds_its_lines(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("each_filter_finds_its_lines", store).await;
    play(&bench).await?;
    let zen = || Some(client("zen"));
    let filters: [(&str, ActivityFilter, &[u64]); 11] = [
        (
            "run",
            by(|f| f.run = Some(run(JOB))),
            &[1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12],
        ),
        ("another run", by(|f| f.run = Some(run(OTHER_JOB))), &[4, 13]),
        (
            "client",
            by(|f| f.client = Some(client("acme"))),
            &[4, 5, 6, 7, 8, 10, 11, 12, 13],
        ),
        (
            "source",
            by(|f| f.source = Some(source("batch_process"))),
            &[6, 7, 8, 9, 10, 11, 12],
        ),
        (
            "a source that was refused",
            by(|f| f.source = Some(source("post_scoring"))),
            &[13],
        ),
        ("refused", by(|f| f.refused = true), &[3, 4, 8, 9, 11, 13]),
        (
            "run and client",
            by(|f| (f.run, f.client) = (Some(run(JOB)), zen())),
            &[9],
        ),
        (
            "all conditions",
            ActivityFilter {
                run: Some(run(JOB)),
                client: Some(client("acme")),
                source: Some(source("batch_process")),
                refused: true,
                within: Some([client("acme")].into()),
            },
            &[8, 11],
        ),
        (
            "within one client",
            by(|f| f.within = Some([client("zen")].into())),
            &[9],
        ),
        (
            "refused within clients",
            by(|f| (f.refused, f.within) = (true, Some([client("acme")].into()))),
            &[4, 8, 11, 13],
        ),
        ("nobody's", by(|f| f.source = Some(source("master_process"))), &[]),
    ];
    for (what, filter, expected) in filters {
        for entries in [1, 3, 100] {
            let lines: Vec<Activity> = bench.lines_of(&filter, entries).await?;
            let found: Vec<u64> = lines.iter().map(|line| line.seq).collect();
            bench.same(
                &format!("lines by {what}, {entries} a page"),
                &found,
                &expected.to_vec(),
            )?;
        }
    }
    Ok(())
}

/// The pages of the log hold each line once, whatever their size, and the last one says that it is the last.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn pages_of_the_log_hold_each_line_once(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("pages_of_the_log_hold_each_line_once", store).await;
    play(&bench).await?;
    let all = bench.lines().await?;
    for entries in [1, 2, 12, 13, 14, 1_000] {
        let found = bench.lines_of(&ActivityFilter::default(), entries).await?;
        bench.same(&format!("the log, {entries} lines a page"), &found, &all)?;
    }
    Ok(())
}

/// A short history with one attempt of each kind: 13 lines.
pub(crate) async fn play(bench: &Bench) -> Held {
    bench.created(intent(JOB, "attempt-1")).await?;
    // What comes of each attempt is for the other rules; here it matters that it was made.
    for again in [
        intent(JOB, "attempt-1"),
        intent(JOB, "attempt-2"),
        intent(OTHER_ACME, "attempt-1"),
    ] {
        let _outcome = bench.create_one(again).await?;
    }
    bench.created(intent(ACME, "attempt-1")).await?;
    let requests: [ChangeRequest; 7] = [
        request(ACME, 1, add("items", "1", Some("update-1"))),
        request(ACME, 2, add("items", "1", Some("update-1"))),
        expecting(request(ACME, 3, Command::Heartbeat), 1),
        request(ZEN, 4, Command::Heartbeat),
        request(ACME, 5, complete(Outcome::Succeeded)),
        request(ACME, 6, start_stage("scoring")),
        request(ACME, 7, complete(Outcome::Succeeded)),
    ];
    for request in requests {
        let _answer = bench.change(request).await?;
    }
    bench.keep(refused_line("not on the list")).await
}

pub(crate) fn refused_line(detail: &str) -> NewActivity {
    NewActivity {
        at: at(8),
        action: Action::Create,
        source: "post_scoring".into(),
        subject: Subject::of(&key(OTHER_ACME)),
        verdict: Verdict::Refused("source_not_authorised".into()),
        version: None,
        detail: detail.to_owned(),
    }
}

fn by(set: impl FnOnce(&mut ActivityFilter)) -> ActivityFilter {
    let mut filter = ActivityFilter::default();
    set(&mut filter);
    filter
}
