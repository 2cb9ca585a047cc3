//! Rules about keys that nobody created: no other door than creation makes a record (I3).

use std::time::Duration;

use runledger_domain::{Action, Command, NewActivity, Subject, Verdict};
use runledger_ports::{ActivityFilter, ChangeError, ListFilter, PageSize, StalledFilter};

use crate::bench::Bench;
use crate::fixture::{
    ACME, JOB, OTHER_ACME, OTHER_JOB, ZEN, at, client, complete_and_close, every_command, expecting, key, request, run,
    source, text,
};
use crate::rules::Held;
use crate::store::StoreUnderTest;

/// Every way to read, on keys that nobody created: each says "not there", and the store is as it was.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn reading_what_is_not_there_creates_nothing(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("reading_what_is_not_there_creates_nothing", store).await;
    read_the_unknown(&bench, &[JOB, ACME, OTHER_JOB]).await?;
    bench.only_these_were_created(&[]).await?;
    bench.job_with(&[JOB, ACME]).await?;
    read_the_unknown(&bench, &[ZEN, OTHER_JOB, OTHER_ACME]).await?;
    bench.only_these_were_created(&[JOB, ACME]).await?;
    Ok(())
}

/// Every command on keys that nobody created is *not found*, leaves one line that says so, and creates nothing.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn changing_what_is_not_there_creates_nothing(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("changing_what_is_not_there_creates_nothing", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    let mut commands = every_command();
    commands.push(Command::DeclareLost { grace: Duration::ZERO });
    commands.push(complete_and_close(runledger_domain::Outcome::Failed));
    for name in [ZEN, OTHER_JOB, OTHER_ACME] {
        for command in &commands {
            let before = bench.everything().await?;
            let request = request(name, 5, command.clone());
            not_found(&bench, request.clone()).await?;
            not_found(&bench, expecting(request.clone(), 1)).await?;
            let after = bench.everything().await?;
            bench.same("the records", &after.records, &before.records)?;
            let lines = after.lines_since(&before);
            bench.same("the lines of two attempts", &lines.len(), &2)?;
            for line in lines {
                let line = &line.line;
                let found = (line.action, &*line.source, &line.subject, &line.verdict, line.at);
                let verdict = Verdict::Refused("not_found".into());
                let expected = (
                    command.action(),
                    "batch_process",
                    &Subject::of(&key(name)),
                    &verdict,
                    at(5),
                );
                bench.same("the line of a change that found nothing", &found, &expected)?;
            }
        }
    }
    bench.only_these_were_created(&[JOB, ACME]).await?;
    Ok(())
}

/// A line that is kept about a key makes no record of it, and touches none.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_kept_line_makes_no_record(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_kept_line_makes_no_record", store).await;
    bench.job_with(&[JOB]).await?;
    let before = bench.everything().await?;
    for name in [JOB, ACME, OTHER_JOB] {
        let line = NewActivity {
            at: at(3),
            action: Action::Create,
            source: "post_scoring".into(),
            subject: Subject::of(&key(name)),
            verdict: Verdict::Refused("source_not_authorised".into()),
            version: None,
            detail: "not on the list".into(),
        };
        bench.keep(line).await?;
    }
    let after = bench.only_these_were_created(&[JOB]).await?;
    bench.same("the records", &after.records, &before.records)?;
    bench.same("the lines", &after.lines.len(), &4)
}

async fn not_found(bench: &Bench, request: runledger_ports::ChangeRequest) -> Held {
    let asked = request.key.clone();
    match bench.change(request.clone()).await? {
        Err(ChangeError::NotFound { key }) if key == asked => Ok(()),
        other => bench.broken(format!("{request:?} must find nothing: {other:?}")),
    }
}

/// Reads these keys, which nobody created, in every way there is; none may find anything or change anything.
async fn read_the_unknown(bench: &Bench, names: &[&str]) -> Held {
    let reader = &bench.store.reader;
    let size = PageSize::default();
    let before = bench.everything().await?;
    for name in names {
        let key = key(name);
        bench.same("get", &bench.get(&key).await?, &None)?;
        let of_key = ListFilter {
            run: Some(key.run().clone()),
            client: Some(key.client().cloned().unwrap_or_else(|| client("nobody"))),
            ..ListFilter::default()
        };
        bench.same("list", &bench.listed(&of_key, 10).await?, &Vec::new())?;
        let of_client = ListFilter {
            client: Some(client("nobody")),
            ..ListFilter::default()
        };
        bench.same("list by client", &bench.listed(&of_client, 10).await?, &Vec::new())?;
        let about_key = ActivityFilter {
            run: Some(key.run().clone()),
            client: Some(client("nobody")),
            ..ActivityFilter::default()
        };
        bench.same("activity", &bench.lines_of(&about_key, 10).await?, &Vec::new())?;
    }
    let unknown = run("291231-235959");
    bench.same("the summary of an unknown run", &bench.summary(&unknown).await?, &None)?;
    let found = reader.find_minted(&source("orchestrator"), &text("attempt-77")).await;
    bench.same("find_minted", &found, &Ok(None))?;
    let long_ago = StalledFilter {
        deadline_before: at(-86_400 * 365),
        within: None,
    };
    let stalled = reader.stalled(&long_ago, None, size).await;
    bench.same("stalled", &stalled.map(|page| page.records), &Ok(Vec::new()))?;
    bench.same("the store after reading", &bench.everything().await?, &before)
}
