//! Files and rows that are not as they should be: a clear error or a refused row, and the rest goes on.

use std::fmt::Write as _;
use std::fs;

use runledger_domain::Status;
use runledger_legacy::import::{Import, ImportError, Input, Mode, NotTaken, Phase, Why};

use crate::support::{Files, Target, run};

pub(crate) const HEADER: &str = "Run ID,Client ID,Client Name,Status,Start Time,End Time,Total Posts Harvested,Apify API \
                      Costs,Apify Run ID,System Notes";

/// A table of clients from rows of `run id,client id,...`; missing fields at the end are empty.
pub(crate) fn table(rows: &[&str]) -> String {
    let mut text = HEADER.to_owned();
    for row in rows {
        let commas = HEADER.matches(',').count().saturating_sub(row.matches(',').count());
        let _ = write!(text, "\r\n{row}{}", ",".repeat(commas));
    }
    text
}

/// One row of a table of clients, and its verdict.
async fn check(row: &str, expected: &str) {
    let files = Files::new();
    let (report, rows) = run(&files.clients("c.csv", table(&[row])), Mode::DryRun(None)).await;
    assert_eq!(report.unwrap().clients.unwrap().rows, 1);
    let line = rows.iter().find(|line| line.is("client", "1")).unwrap();
    assert_eq!(line.verdict(), expected, "{row}");
    if line.get("class") == "refused" {
        assert!(!line.get("detail").is_empty(), "{row}");
    }
}

#[tokio::test]
async fn every_refusal_has_its_reason() {
    for (row, expected) in [
        ("251001-151758-acme,acme,,Completed", "created:no-job"),
        ("251001-151758:acme,acme,,Completed", "normalised:colon"),
        ("251001-151758,acme,,Running,,2025-10-01T15:17:58Z", "normalised:bare"),
        (
            "251001-151758-acme,acme,,pending,,2025-10-01T15:17:58Z",
            "normalised:queued-with-end-time",
        ),
        (",acme,,Completed", "refused:placeholder"),
        ("  ,acme,,Completed", "refused:placeholder"),
        (",,,", "refused:placeholder"),
        (
            "251001-151758-apify-8MSTBAfqMzuXPvgB3,acme,,Completed",
            "refused:apify-id",
        ),
        ("251001-151758-batch-all-clients,acme,,Completed", "refused:foreign-id"),
        ("nightly,acme,,Completed", "refused:foreign-id"),
        ("251001-15175,acme,,Completed", "refused:unreadable-id"),
        (" 251001-151758-acme,acme,,Completed", "refused:unreadable-id"),
        ("251001-151758-acme,,,Completed", "refused:empty-client-id"),
        ("251001-151758,,,Completed", "refused:empty-client-id"),
        ("251001-151758-ac me,ac me,,Completed", "refused:bad-client-id"),
        ("251001-151758-undefined,undefined,,Completed", "refused:bad-client-id"),
        ("undefined-undefined,undefined,,Completed", "refused:placeholder"),
        ("251001-151758-acme,acme,,", "refused:unknown-status"),
        ("251001-151758-acme,acme,,Partial", "refused:unknown-status"),
        (
            "251001-151758-acme,acme,,Completed,10/1/2025 3:17pm",
            "refused:bad-time",
        ),
        ("251001-151758-acme,acme,,Completed,,2025-10-01", "refused:bad-time"),
        (
            "251001-151758-acme,acme,,Completed,2025-10-01T15:17:58Z,2025-10-01T15:17:57Z",
            "refused:end-before-start",
        ),
        (
            "251001-151758-acme,acme,,Running,2025-10-01T15:17:58Z,2025-10-01T15:17:57Z",
            "refused:end-before-start",
        ),
        (
            "251001-151758-acme,acme,,Completed,2025-10-01T15:17:58Z,2025-10-01T15:17:58Z",
            "created:no-job",
        ),
        ("251001-151758-acme,acme,,Completed,,,-5", "refused:bad-metric"),
        ("251001-151758-acme,acme,,Completed,,,1e999", "refused:bad-metric"),
        ("251001-151758-acme,acme,,Completed,,,12 ", "refused:bad-metric"),
        ("251001-151758-acme,acme,,Completed,,,,$0.10", "refused:bad-metric"),
        ("251001-151758-acme,acme,,Completed,,,,,a b", "refused:bad-apify-id"),
        ("251001-151758-acme,acme,,Completed,,,,,,a\0b", "refused:bad-note"),
        ("251001-151758-acme,acme,,Completed,,,,,,x,y", "refused:column-count"),
    ] {
        check(row, expected).await;
    }
    let long = "x".repeat(100_001);
    check(
        &format!("251001-151758-acme,acme,,Completed,,,,,,{long}"),
        "refused:note-too-long",
    )
    .await;
    check(
        &format!("251001-151758-acme,acme,{long},Completed"),
        "refused:bad-client-name",
    )
    .await;
    let full = "é".repeat(100_000);
    check(
        &format!("251001-151758-acme,acme,,Completed,,,,,,{full}"),
        "created:no-job",
    )
    .await;
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_refused_and_the_rest_goes_on() {
    let files = Files::new();
    let mut bytes = table(&["251001-151758-a,a,,Completed", "251001-151758-b,b,\u{1},Completed", "x"]).into_bytes();
    let bad = bytes.iter().position(|byte| *byte == 1).unwrap();
    bytes[bad] = 0xFF;
    bytes.extend(format!("\r\n251001-151758-c,c,{},Completed", "x".repeat(5_000_000)).bytes());
    bytes.extend(
        b"\r\n\r\n251001-151758-d,d,,Completed,,,,,,\"line\nbreak\"\r\n251001-151758-e,e,,Completed,,,,,,\"cut",
    );
    let (report, rows) = run(&files.clients("c.csv", bytes), Mode::DryRun(None)).await;
    let found: Vec<_> = rows
        .iter()
        .filter(|row| row.get("table") == "client")
        .map(|row| format!("{} {}", row.get("line"), row.verdict()))
        .collect();
    assert_eq!(
        found,
        [
            "2 created:no-job",
            "3 refused:invalid-utf8",
            "4 refused:foreign-id",
            "5 refused:row-too-long",
            "7 created:no-job",
            "9 refused:unclosed-quote",
        ]
    );
    let clients = report.unwrap().clients.unwrap();
    assert_eq!((clients.rows, clients.created, clients.refused), (6, 2, 4));
}

#[tokio::test]
async fn json_lines_that_are_no_records_are_refused_rows() {
    let record = |run: &str, more: &str| {
        format!(
            r#"{{"id":"rec1","createdTime":"2025-10-01T15:17:58.000Z","fields":{{"Run ID":"{run}","Client ID":"acme","Status":"Completed"{more}}}}}"#
        )
    };
    let lines = [
        record(
            "251001-151758-acme",
            r#","Total Posts Harvested":59,"Apify API Costs":0.10,"Client Name":null"#,
        ),
        "{\"fields\":".to_owned(),
        String::new(),
        record("251001-151759-acme", r#","Total Posts Harvested":[1]"#),
        record(
            "251001-151800-acme",
            r#","Progress Log":"..","Total Posts Harvested":"7""#,
        ),
        format!("{{\"x\":\"{}\"}}", "x".repeat(5_000_000)),
        r#"{"fields":{}}"#.to_owned(),
    ];
    let files = Files::new();
    let import = files.clients("c.jsonl", format!("\u{feff}{}\r\n", lines.join("\r\n")));
    let target = Target::new();
    let (report, rows) = target.import(&import).await;
    let found: Vec<_> = rows
        .iter()
        .filter(|row| row.get("table") == "client")
        .map(|row| format!("{} {}", row.get("line"), row.verdict()))
        .collect();
    assert_eq!(
        found,
        [
            "1 created:no-job",
            "2 refused:bad-json",
            "4 refused:bad-metric",
            "5 created:no-job",
            "6 refused:row-too-long",
            "7 refused:placeholder",
        ]
    );
    let record = target.record("251001-151758-acme").await;
    assert_eq!(record.metrics().get("apify_api_costs").unwrap().to_string(), "0.1");
    let not_taken = report.unwrap().clients.unwrap().not_taken;
    let progress_log = NotTaken {
        column: "Progress Log".into(),
        values: 1,
        why: Why::Unknown,
    };
    assert!(not_taken.contains(&progress_log), "{not_taken:?}");
}

#[tokio::test]
async fn the_earliest_start_is_kept_then_the_earliest_created_then_the_first() {
    let header = "Run ID,Client ID,Status,Start Time,Created Time";
    let run_id = "251001-151758-acme,acme";
    for (rows, kept) in [
        (vec!["Running,,", "Completed,,"], "1"),
        (
            vec!["Running,2025-10-01T10:00:02Z,", "Completed,2025-10-01T10:00:01Z,"],
            "2",
        ),
        (vec!["Running,,", "Completed,2025-10-01T10:00:01Z,"], "2"),
        (
            vec!["Running,2025-10-01T10:00:01Z,", "Completed,2025-10-01T12:00:01+02:00,"],
            "1",
        ),
        (
            vec![
                "Running,2025-10-01T10:00:02Z,2025-10-01T10:00:01Z",
                "Completed,2025-10-01T10:00:01Z,2025-10-01T10:00:03Z",
            ],
            "2",
        ),
        (
            vec![
                "Running,2025-10-01T10:00:01Z,2025-10-01T10:00:03Z",
                "Completed,2025-10-01T10:00:01Z,2025-10-01T10:00:02Z",
            ],
            "2",
        ),
        (
            vec!["Running,,2025-10-01T10:00:03Z", "Completed,,2025-10-01T10:00:02Z"],
            "2",
        ),
        (
            vec!["Running,,2025-10-01T10:00:01Z", "Completed,2025-10-01T10:00:02Z,"],
            "2",
        ),
        (
            vec![
                "Running,2025-10-01T10:00:01Z,",
                "Completed,2025-10-01T10:00:01Z,2025-10-01T10:00:02Z",
            ],
            "2",
        ),
        // A refused row never holds a key.
        (
            vec!["Done!,2025-10-01T10:00:01Z,", "Completed,2025-10-01T10:00:02Z,"],
            "2",
        ),
    ] {
        let lines: Vec<_> = rows.iter().map(|row| format!("{run_id},{row}")).collect();
        let files = Files::new();
        let import = files.clients("c.csv", format!("{header}\n{}\n", lines.join("\n")));
        let (_, report) = run(&import, Mode::DryRun(None)).await;
        let found = report
            .iter()
            .find(|row| row.get("effect") == "would create" && !row.get("row").is_empty());
        assert_eq!(found.unwrap().get("row"), kept, "{rows:?}");
    }
}

#[tokio::test]
async fn totals_of_a_job_are_not_written_but_said_and_its_id_carries_no_client() {
    let files = Files::new();
    let text = "Run ID,Status,Stream,Clients Processed,Colour\n251001-151758,Completed,1,12,red\n\
                251001-151759-acme,Completed,,0,\n251001-151800,Completed,first,,\n,Running,,,\n";
    let import = Import {
        jobs: Some(files.write("jobs.csv", text)),
        ..Import::default()
    };
    let (report, rows) = run(&import, Mode::DryRun(None)).await;
    let verdicts: Vec<_> = rows.iter().map(super::support::Row::verdict).collect();
    assert_eq!(
        verdicts,
        [
            "created",
            "refused:client-on-job",
            "refused:bad-stream",
            "refused:empty-id"
        ]
    );
    assert!(rows[0].get("detail").contains("Clients Processed 12 not taken"));
    let report = report.unwrap();
    let summary = report.to_string();
    assert!(
        summary.contains("derives them from the client run records): Clients Processed (2 values)\n"),
        "{summary}"
    );
    assert!(summary.contains("no place for them): Colour (1 value)"), "{summary}");
}

#[tokio::test]
async fn a_completed_row_without_an_end_is_taken_and_the_unknown_end_is_said() {
    let files = Files::new();
    let target = Target::new();
    let import = files.clients(
        "c.csv",
        table(&["251001-151758-acme,acme,,Success,2025-10-01T15:17:58Z"]),
    );
    let (_, rows) = target.import(&import).await;
    let line = rows.iter().find(|row| row.is("client", "1")).unwrap();
    assert!(line.get("detail").contains("no End Time"));
    assert!(matches!(
        target.record("251001-151758-acme").await.status(),
        Status::Ended(_)
    ));
}

#[tokio::test]
async fn files_that_cannot_be_imported_stop_it_with_a_clear_error() {
    let files = Files::new();
    let good = files.write("good.csv", table(&["251001-151758-acme,acme,,Completed"]));
    let path = |name: &str| files.dir.path().join(name);
    let jobs_as_clients = files.write("jobs.csv", "Run ID,Status\r\n251001-151758,Completed\r\n");
    for (input, expected) in [
        (Input::csv(path("nowhere.csv")), "cannot open"),
        (Input::csv(files.dir.path()), "is not a regular file"),
        (files.write("empty.csv", ""), "is empty"),
        (files.write("mark.csv", "\u{feff}"), "is empty"),
        (files.write("blank.csv", "\r\n\r\n"), "is empty"),
        (files.write("empty.jsonl", ""), "is empty"),
        (
            jobs_as_clients,
            "has no column \"Client ID\"; its columns are: Run ID, Status",
        ),
        (
            files.write("a.csv", "Client ID,Status\n"),
            "has no column \"Run ID\"; its columns are: Client ID, Status",
        ),
        (
            files.write("b.csv", "Run ID;Client ID;Status\n"),
            "has no column \"Run ID\"; its columns are: Run ID;Client ID",
        ),
        (
            files.write("c.csv", "Run ID,Client ID,Status,Status\n"),
            "\"Status\" stands there twice",
        ),
        (files.write("d.csv", b"\xFF\xFER\0u\0n\0"), "they are not UTF-8"),
        (
            files.write("e.csv", "\"Run ID,Client ID"),
            "a quote is opened and never closed",
        ),
        (
            files.write(
                "f.jsonl",
                "Run ID,Client ID,Status\n251001-151758-acme,acme,Completed\n",
            ),
            "it looks like CSV: use `import airtable-csv`",
        ),
        (files.write("g.jsonl", "[\n{\"fields\":{}},\n]\n"), "a JSON array"),
        (
            files.write("h.jsonl", "{\"records\":[{\"fields\":{}}]}\n"),
            "a page of the API",
        ),
    ] {
        let import = Import {
            clients: Some(input.clone()),
            ..Import::default()
        };
        let (error, _) = run(&import, Mode::DryRun(None)).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains(&input.path.display().to_string()), "{error}");
    }
    let (nothing, _) = run(&Import::default(), Mode::DryRun(None)).await;
    assert!(matches!(nothing, Err(ImportError::NoInput)));
    let import = Import {
        clients: Some(good),
        ..Import::default()
    };
    assert_eq!(run(&import, Mode::DryRun(None)).await.0.unwrap().would_create, 2);
}

#[tokio::test]
async fn a_ledger_that_does_not_allow_imports_gets_nothing() {
    let files = Files::new();
    let target = Target::closed();
    let (error, _) = target
        .import(&files.clients("c.csv", table(&["251001-151758-acme,acme,,Completed"])))
        .await;
    assert!(matches!(error, Err(ImportError::NotAllowed { .. })), "{error:?}");
    assert!(target.records().await.is_empty());
}

#[tokio::test]
async fn a_busy_store_is_waited_for() {
    let files = Files::new();
    let target = Target::failing(i64::MAX, 5, false);
    let (report, _) = target
        .import(&files.clients("c.csv", table(&["251001-151758-acme,acme,,Completed"])))
        .await;
    assert_eq!(report.unwrap().created_now, 2);
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_stops_the_import() {
    let files = Files::new();
    let import = files.clients("c.csv", table(&["251001-151758-acme,acme,,Completed"]));
    let path = import.clients.as_ref().unwrap().path.clone();
    let mut changed = false;
    let mut progress = |at: runledger_legacy::import::Progress| {
        if at.phase == Phase::Read && !changed {
            changed = true;
            fs::write(&path, table(&["251001-151759-b,b,,Completed"])).unwrap();
        }
    };
    let error = import
        .run(Mode::DryRun(None), &mut std::io::sink(), &mut progress)
        .await;
    assert!(matches!(error, Err(ImportError::Changed { .. })), "{error:?}");
}

#[tokio::test]
async fn progress_ends_at_the_end_of_each_file() {
    let files = Files::new();
    let rows: Vec<_> = (0..1_000)
        .map(|n| format!("251001-151758-c{n},c{n},,Completed"))
        .collect();
    let import = files.clients("c.csv", table(&rows.iter().map(String::as_str).collect::<Vec<_>>()));
    let mut seen = Vec::new();
    let _ = import
        .run(Mode::DryRun(None), &mut std::io::sink(), &mut |at| seen.push(at))
        .await
        .unwrap();
    for phase in [Phase::Read, Phase::Write] {
        let last = seen.iter().rfind(|at| at.phase == phase).unwrap();
        assert_eq!((last.rows, last.bytes), (1_000, last.bytes_total));
        assert!(seen.iter().filter(|at| at.phase == phase).count() >= 4);
    }
}

/// The future may be moved between threads, as a server's or a progress bar's task is.
#[test]
fn an_import_can_be_spawned() {
    fn is_send<T: Send>(_: &T) {}
    let import = Import::default();
    let (mut report, mut progress) = (std::io::sink(), |_| {});
    is_send(&import.run(Mode::DryRun(None), &mut report, &mut progress));
}
