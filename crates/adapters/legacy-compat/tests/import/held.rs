//! What the ledger holds already: raised where it may be, compared by a dry run, never silently passed over.

use std::sync::atomic::Ordering;

use runledger_domain::RunKey;
use runledger_legacy::import::{BATCH, Import, Merge, Mode, Report};

use runledger_ports::{ListFilter, PageSize, RunReader as _};

use crate::odd_files::table;
use crate::support::{Files, Row, Rows, Target, run};

const KEPT: &str = "251001-151758-acme,acme,,Running,2025-10-01T15:17:58Z,,5";
const HIGHER: &str = "251001-151758-Cacme,acme,,Running,2025-10-01T15:17:59Z,,9";

fn import(files: &Files, rows: &[&str], merge: Merge) -> Import {
    Import {
        merge,
        ..files.clients("c.csv", table(rows))
    }
}

async fn posts(target: &Target) -> String {
    let record = target.record("251001-151758-acme").await;
    record.metrics().get("total_posts_harvested").unwrap().to_string()
}

fn client(rows: &Rows, row: &str) -> Row {
    rows.iter().find(|line| line.is("client", row)).unwrap().clone()
}

fn counts(report: &Report) -> (u64, u64, u64, u64) {
    (
        report.created_now,
        report.already_there,
        report.raised,
        report.not_raised,
    )
}

#[tokio::test]
async fn merge_max_behind_a_plain_import_raises_the_open_record_once() {
    let (files, target) = (Files::new(), Target::new());
    let _ = target.import(&import(&files, &[KEPT, HIGHER], Merge::Nothing)).await;
    assert_eq!(posts(&target).await, "5");
    let merge = import(&files, &[KEPT, HIGHER], Merge::Max);

    let (dry, rows) = run(&merge, Mode::DryRun(Some(&*target.store.inner))).await;
    assert_eq!(
        (counts(&dry.unwrap()), posts(&target).await),
        ((0, 2, 1, 0), "5".into())
    );
    assert_eq!(client(&rows, "1").get("effect"), "would raise");

    let (report, rows) = target.import(&merge).await;
    let report = report.unwrap();
    assert_eq!((counts(&report), posts(&target).await), ((0, 2, 1, 0), "9".into()));
    assert!(!report.changed_nothing());
    assert!(report.to_string().contains("1 kept record raised"), "{report}");
    let line = client(&rows, "1");
    assert_eq!((line.get("class"), line.get("effect")), ("created", "raised"));
    assert!(
        line.get("detail").contains("raised total_posts_harvested from 5 to 9"),
        "{line:?}"
    );

    let before = target.records().await;
    let (report, rows) = target.import(&merge).await;
    let report = report.unwrap();
    assert_eq!(counts(&report), (0, 2, 0, 0));
    assert!(
        report
            .to_string()
            .ends_with("Nothing changed: 2 records already there."),
        "{report}"
    );
    assert!(!client(&rows, "1").get("detail").contains("raised"));
    assert_eq!(target.records().await, before);
}

#[tokio::test]
async fn merge_max_never_claims_to_raise_a_record_that_has_ended() {
    let (files, target) = (Files::new(), Target::new());
    let rows = [
        "251001-151758-acme,acme,,Completed,2025-10-01T15:17:58Z,2025-10-01T15:18:58Z,5",
        HIGHER,
    ];
    let _ = target.import(&import(&files, &rows, Merge::Nothing)).await;
    let before = target.records().await;
    let merge = import(&files, &rows, Merge::Max);
    let dry = run(&merge, Mode::DryRun(Some(&*target.store.inner))).await;
    for (report, rows) in [dry, target.import(&merge).await] {
        let report = report.unwrap();
        assert_eq!(counts(&report), (0, 2, 0, 1));
        assert!(report.changed_nothing());
        assert!(
            report.to_string().contains("1 kept record not raised: it has ended"),
            "{report}"
        );
        let line = client(&rows, "1");
        assert_eq!((line.get("class"), line.get("effect")), ("created", "already there"));
        assert!(
            line.get("detail")
                .contains("not raised, because the ledger's record has ended: total_posts_harvested from 5 to 9"),
            "{line:?}"
        );
    }
    assert_eq!(target.records().await, before);
}

#[tokio::test]
async fn merge_max_repeated_says_that_nothing_changed_and_raises_nothing_twice() {
    let (files, target) = (Files::new(), Target::new());
    let merge = import(&files, &[KEPT, HIGHER], Merge::Max);
    assert_eq!(counts(&target.import(&merge).await.0.unwrap()), (2, 0, 1, 0));
    let (report, rows) = target.import(&merge).await;
    assert_eq!(counts(&report.unwrap()), (0, 2, 0, 0));
    assert!(!client(&rows, "1").get("detail").contains("raised"));
    // A later export, in which only one row is left and it has more: the ledger's record came from the import.
    let later = import(&files, &["251001-151758-acme,acme,Acme,Running,,,12"], Merge::Max);
    let (report, rows) = target.import(&later).await;
    assert_eq!(
        (counts(&report.unwrap()), posts(&target).await),
        ((0, 2, 1, 0), "12".into())
    );
    let line = client(&rows, "1");
    assert_eq!(
        (line.verdict().as_str(), line.get("effect")),
        ("duplicate:in-ledger", "raised")
    );
}

#[tokio::test]
async fn merge_max_leaves_what_somebody_else_created_alone() {
    let (files, target) = (Files::new(), Target::new());
    let RunKey::Client(run, client) = "251001-151758-acme".parse().unwrap() else {
        panic!("a client")
    };
    let source = "orchestrator".parse().unwrap();
    let start = runledger_app::StartJob {
        run: Some(run.clone()),
        ..Default::default()
    };
    target.ledger.creation.start_job(&source, start).await.unwrap();
    let start = runledger_app::StartClient {
        client,
        content: runledger_domain::CreationContent::default(),
    };
    target
        .ledger
        .creation
        .start_clients(&source, &run, None, vec![start])
        .await
        .unwrap();
    let before = target.records().await;
    let (report, rows) = target.import(&import(&files, &[KEPT, HIGHER], Merge::Max)).await;
    assert_eq!(counts(&report.unwrap()), (0, 0, 0, 0));
    assert_eq!(rows[0].verdict(), "duplicate:in-ledger");
    assert_eq!(target.records().await, before);
}

#[tokio::test]
async fn a_dry_run_compares_with_the_ledger_and_writes_nothing() {
    let (files, target) = (Files::new(), Target::new());
    let one = import(&files, &[KEPT], Merge::Nothing);
    let _ = target.import(&one).await;
    let before = target.records().await;
    let rows = [
        "251001-151758-acme,acme,Other,Running,2025-10-01T15:17:58Z,,5",
        "251001-151758-b,b,,Completed",
        "251001-151759-b,b,,Completed",
    ];
    let two = import(&files, &rows, Merge::Nothing);
    let (dry, dry_rows) = run(&two, Mode::DryRun(Some(&*target.store.inner))).await;
    let dry = dry.unwrap();
    assert_eq!((dry.would_create, dry.already_there, dry.compared), (3, 1, true));
    assert_eq!(target.records().await, before);
    assert!(
        dry.to_string()
            .ends_with("3 records would be created, 1 already there."),
        "{dry}"
    );
    let (done, rows) = target.import(&two).await;
    assert_eq!(done.unwrap().created_now, dry.would_create);
    let shown = |rows: &Rows| -> Vec<_> {
        rows.iter()
            .map(|row| {
                (
                    row.verdict(),
                    row.get("effect").replace("would create", "created"),
                    row.get("differs_in").to_owned(),
                )
            })
            .collect()
    };
    assert_eq!(shown(&dry_rows), shown(&rows));
    assert_eq!(
        shown(&rows)[2],
        ("duplicate:in-ledger".into(), String::new(), "client_name".into())
    );
    let (again, _) = run(&two, Mode::DryRun(Some(&*target.store.inner))).await;
    assert_eq!(
        (again.as_ref().unwrap().would_create, again.unwrap().already_there),
        (0, 4)
    );
    let (without, _) = run(&two, Mode::DryRun(None)).await;
    assert!(
        without
            .unwrap()
            .to_string()
            .contains("There is no ledger yet to compare with.")
    );
}

#[tokio::test]
async fn many_rows_reach_the_store_in_few_calls_and_in_their_order() {
    let (files, target) = (Files::new(), Target::new());
    let rows: Vec<_> = (0..1_000)
        .map(|n| format!("251001-151758-c{n},c{n},,Completed"))
        .collect();
    let rows: Vec<_> = rows.iter().map(String::as_str).collect();
    let (report, _) = target.import(&import(&files, &rows, Merge::Nothing)).await;
    assert_eq!(report.unwrap().created_now, 1_001);
    let calls = target.store.calls.load(Ordering::SeqCst);
    assert_eq!(calls, 1 + i64::try_from(1_000_usize.div_ceil(BATCH)).unwrap());
    let (filter, size) = (ListFilter::default(), PageSize::new(1_000).unwrap());
    let page = target.store.inner.list(&filter, None, size).await.unwrap();
    let listed: Vec<_> = page.records.iter().map(|record| record.key().to_string()).collect();
    let expected: Vec<_> = (0..999).map(|n| format!("251001-151758-c{n}")).collect();
    assert_eq!(listed[1..], expected);
}

#[tokio::test]
async fn a_row_that_the_ledger_holds_otherwise_keeps_no_other_from_being_created() {
    let (files, target) = (Files::new(), Target::new());
    let _ = target.import(&import(&files, &[KEPT], Merge::Nothing)).await;
    let rows = [
        "251001-151758-a,a,,Completed",
        "251001-151758-acme,acme,Other,Completed",
        "251001-151758-b,b,,Completed",
    ];
    let (report, rows) = target.import(&import(&files, &rows, Merge::Nothing)).await;
    assert_eq!(counts(&report.unwrap()), (2, 1, 0, 0));
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (row.verdict(), row.get("effect").to_owned()))
        .collect();
    assert_eq!(
        shown,
        [
            ("reconstructed:no-job".to_owned(), "already there".to_owned()),
            ("created:no-job".to_owned(), "created".to_owned()),
            ("duplicate:in-ledger".to_owned(), String::new()),
            ("created:no-job".to_owned(), "created".to_owned()),
        ]
    );
}

#[tokio::test]
async fn clients_before_their_jobs_are_told_what_that_means() {
    let (files, target) = (Files::new(), Target::new());
    let clients = import(&files, &[KEPT], Merge::Nothing);
    let jobs = Import {
        jobs: Some(files.write("jobs.csv", "Run ID,Status,Stream\r\n251001-151758,Failed,2\r\n")),
        ..Import::default()
    };
    let (report, _) = target.import(&clients).await;
    let text = report.unwrap().to_string();
    assert!(
        text.contains("a job table that is imported later cannot complete them"),
        "{text}"
    );
    let (report, rows) = target.import(&jobs).await;
    let report = report.unwrap();
    assert_eq!(
        (rows[0].verdict().as_str(), report.met_reconstructed),
        ("duplicate:in-ledger", 1)
    );
    assert!(rows[0].get("detail").contains("this row cannot complete it"));
    let text = report.to_string();
    assert!(text.contains("1 row of the job table not taken"), "{text}");
    let both = Import {
        clients: clients.clients,
        ..jobs
    };
    let (report, _) = Target::new().import(&both).await;
    assert!(!report.unwrap().to_string().contains("cannot complete"));
}

#[tokio::test]
async fn merge_max_takes_the_highest_of_each_metric_and_of_no_refused_row() {
    let files = Files::new();
    let rows = [
        "251001-151758-acme,acme,,Completed,,,5,0.30",
        "251001-151758-Cacme,acme,,Running,,,9,0.10",
        "251001-151758-acme,acme,,Done!,,,1000,9",
        "251001-151758,acme,,Running,,,,0.20,8MSTBAfqMzuXPvgB3",
        "251001-151758-other,other,,Completed,,,7,1",
    ];
    let import = Import {
        merge: Merge::Max,
        ..files.clients("c.csv", table(&rows))
    };
    let target = Target::new();
    let (report, rows) = target.import(&import).await;
    let record = target.record("251001-151758-acme").await;
    let metrics: Vec<_> = record
        .metrics()
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(metrics, ["apify_api_costs=0.3", "total_posts_harvested=9"]);
    assert_eq!(report.unwrap().raised, 1);
    let line = rows.iter().find(|row| row.is("client", "1")).unwrap();
    assert!(line.get("detail").contains("raised total_posts_harvested from 5 to 9"));
    assert_eq!(target.import(&import).await.0.unwrap().already_there, 3);
}

#[tokio::test]
async fn a_key_that_the_ledger_holds_by_another_creation_is_a_duplicate_of_it() {
    let files = Files::new();
    let target = Target::new();
    let first = files.clients("one.csv", table(&["251001-151758-acme,acme,Acme,Completed,,,5"]));
    let _ = target.import(&first).await;
    let second = files.clients(
        "two.csv",
        table(&[
            "251001-151758-acme,acme,Acme Ltd,Completed,,,6",
            "251001-151758-b,b,,Completed",
        ]),
    );
    let (report, rows) = target.import(&second).await;
    let report = report.unwrap();
    let line = rows.iter().find(|row| row.is("client", "1")).unwrap();
    assert_eq!(
        (line.verdict().as_str(), line.get("kept_row")),
        ("duplicate:in-ledger", "ledger")
    );
    assert_eq!(line.get("differs_in"), "client_name; status, times or metrics");
    assert_eq!((report.created_now, report.already_there), (1, 1));
    assert_eq!(
        target
            .record("251001-151758-acme")
            .await
            .metrics()
            .get("total_posts_harvested"),
        "5".parse().ok()
    );
}

#[tokio::test]
async fn a_job_that_the_ledger_has_is_not_missing() {
    let files = Files::new();
    let target = Target::new();
    let jobs = Import {
        jobs: Some(files.write("jobs.csv", "Run ID,Status,Stream\r\n251001-151758.0,Failed,2\r\n")),
        ..Import::default()
    };
    let (_, rows) = target.import(&jobs).await;
    assert_eq!(rows[0].verdict(), "normalised:dot-zero");
    let clients = files.clients("c.csv", table(&["251001-151758-acme,acme,,Completed"]));
    let (report, rows) = target.import(&clients).await;
    assert_eq!((rows.len(), rows[0].verdict().as_str()), (1, "created"));
    assert_eq!(report.unwrap().reconstructed, 0);
    let job = target.record("251001-151758").await;
    assert_eq!(
        (job.status().as_str(), job.batch().unwrap().as_str()),
        ("failed", "stream-2")
    );
}
