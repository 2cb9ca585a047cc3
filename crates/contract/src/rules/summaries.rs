//! Rules about summaries: what a run comes to is derived from its records, never written (I19).

use runledger_domain::{Command, CreationPolicy, JobSummary, MetricChange, Outcome, Status, Update};

use crate::bench::Bench;
use crate::fixture::{
    ACME, JOB, OTHER_ACME, OTHER_JOB, ZEN, add, at, complete, complete_and_close, intent, request, run, text,
};
use crate::rules::Held;
use crate::store::StoreUnderTest;

/// A job's totals, counts and times are those of its client records, exactly, ended ones included.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn totals_are_derived_from_the_clients(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("totals_are_derived_from_the_clients", store).await;
    bench.job_with(&[JOB, OTHER_JOB, OTHER_ACME, ACME, ZEN]).await?;
    // What the job itself counts is no total, and another run's clients are not this one's.
    bench.applied(request(JOB, 1, add("items", "1000", None))).await?;
    bench.applied(request(OTHER_ACME, 1, add("items", "500", None))).await?;
    bench.applied(request(ACME, 2, cost("0.1", "3"))).await?;
    bench.applied(request(ZEN, 3, cost("0.2", "4"))).await?;
    bench
        .applied(request(ACME, 10, complete(Outcome::SucceededWithErrors)))
        .await?;
    let expected = JobSummary {
        job: Some(Status::Running),
        clients: 2,
        open: 1,
        with_errors: 1,
        by_status: [(Status::Running, 1), (Status::Ended(Outcome::SucceededWithErrors), 1)].into(),
        totals: [(text("cost"), text("0.3")), (text("items"), text("7"))]
            .into_iter()
            .collect(),
        first_start: Some(at(0)),
        last_end: None,
        ..JobSummary::new(run(JOB))
    };
    bench.same("the summary", &bench.summary(&run(JOB)).await?, &Some(expected.clone()))?;
    bench
        .applied(request(JOB, 20, complete_and_close(Outcome::Failed)))
        .await?;
    let expected = JobSummary {
        job: Some(Status::Ended(Outcome::Failed)),
        open: 0,
        by_status: [
            (Status::Ended(Outcome::SucceededWithErrors), 1),
            (Status::Ended(Outcome::Cancelled), 1),
        ]
        .into(),
        last_end: Some(at(20)),
        ..expected
    };
    bench.same(
        "the summary after the end",
        &bench.summary(&run(JOB)).await?,
        &Some(expected),
    )
}

/// A summary is what adding up the listed records gives, for runs with a job, with clients, or with either alone.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_summary_is_the_sum_of_the_listed_records(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_summary_is_the_sum_of_the_listed_records", store).await;
    bench.job_with(&[JOB, ACME, ZEN, OTHER_JOB]).await?;
    let lenient = CreationPolicy::default().require_job(false);
    let _created = bench
        .create_under(&lenient, &[intent("nightly/acme", "attempt-1")])
        .await?;
    let set = |value: &str| {
        Command::Update(Update {
            metrics: MetricChange {
                set: [(text("items"), text(value))].into(),
                ..MetricChange::default()
            },
            ..Update::default()
        })
    };
    for (name, value) in [(ACME, "9"), (ZEN, "0.000000001"), (ACME, "4"), ("nightly/acme", "2")] {
        bench.applied(request(name, 5, set(value))).await?;
        for of in [JOB, OTHER_JOB, "nightly"] {
            let mut expected = JobSummary::new(run(of));
            for record in bench.records_of(of).await? {
                expected.add(&record);
            }
            bench.same(of, &bench.summary(&run(of)).await?, &Some(expected))?;
        }
    }
    Ok(())
}

/// A total beyond what one record may hold is told exactly: a large number of one client takes nothing from the others.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn totals_beyond_the_bound_of_a_metric_are_exact(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("totals_beyond_the_bound_of_a_metric_are_exact", store).await;
    bench.job_with(&[JOB, ACME, ZEN]).await?;
    for name in [ACME, ZEN] {
        bench
            .applied(request(name, 1, add("items", "600000000000000000", None)))
            .await?;
    }
    let before = bench.everything().await?;
    let summary = bench.summary(&run(JOB)).await?;
    let items = summary.and_then(|summary| summary.totals.get("items"));
    let told = items.map(|items| items.to_string());
    bench.same("the total", &told.as_deref(), &Some("1200000000000000000"))?;
    bench.same("the store", &bench.everything().await?, &before)
}

fn cost(cost: &str, items: &str) -> Command {
    Command::Update(Update {
        metrics: MetricChange {
            add: [(text("cost"), text(cost)), (text("items"), text(items))].into(),
            ..MetricChange::default()
        },
        ..Update::default()
    })
}
