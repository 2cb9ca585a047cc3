//! The import of a real export: every row against what is known to be true of it, and the ledger behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::support::{Files, Row, Rows, Target, export_a, fixture, run};
use runledger_domain::{Initial, RunKey, Status};
use runledger_legacy::import::{Import, Input, Merge, Mode, Report};

/// One row of the truth: table, row, raw run id, client id, class, canonical run id, canonical client id.
struct Truth {
    table: String,
    row: String,
    raw_run_id: String,
    client_id: String,
    class: String,
    run_id: String,
    canonical_client: String,
}

fn truth() -> Vec<Truth> {
    let text = fs::read_to_string(fixture("truth.tsv")).unwrap();
    let rows = text.lines().skip(1).map(|line| {
        let cells: Vec<_> = line.split('\t').map(str::to_owned).collect();
        let [table, row, raw_run_id, client_id, class, run_id, canonical_client] = cells.try_into().unwrap();
        Truth {
            table,
            row,
            raw_run_id,
            client_id,
            class,
            run_id,
            canonical_client,
        }
    });
    rows.collect()
}

/// The words of the report in those of the truth.
fn truth_word(verdict: &str) -> &str {
    match verdict {
        "created" => "clean",
        "created:stuck-running" => "clean:stuck-running",
        "created:no-job" => "orphan:no-job",
        other => other,
    }
}

fn csv() -> Import {
    export_a(Input::csv(fixture("client_run_results.csv")))
}

fn json() -> Import {
    export_a(Input::json_lines(fixture("client_run_results.jsonl")))
}

fn line<'a>(rows: &'a Rows, table: &str, row: &str) -> &'a Row {
    rows.iter().find(|line| line.is(table, row)).unwrap()
}

fn check_sums(report: &Report, jobs: u64, clients: u64) {
    for (table, rows) in [(&report.jobs, jobs), (&report.clients, clients)] {
        let table = table.as_ref().unwrap();
        assert_eq!(table.rows, rows);
        assert_eq!(table.created + table.normalised + table.duplicate + table.refused, rows);
    }
}

#[tokio::test]
async fn every_row_of_both_formats_is_what_the_truth_says() {
    for import in [csv(), json()] {
        check_against_the_truth(&import).await;
    }
}

async fn check_against_the_truth(import: &Import) {
    let target = Target::new();
    let (report, rows) = target.import(import).await;
    check_sums(&report.unwrap(), 40, 429);
    let truth = truth();
    assert_eq!(truth.len(), 469);
    for expected in &truth {
        let found = line(&rows, &expected.table, &expected.row);
        let what = format!("{} {}", expected.table, expected.row);
        assert_eq!(truth_word(&found.verdict()), expected.class, "{what}");
        assert_eq!(found.get("raw_run_id"), expected.raw_run_id, "{what}");
        assert_eq!(found.get("client_id"), expected.client_id, "{what}");
        assert_eq!(found.get("run_id"), expected.run_id, "{what}");
    }
    let expected: BTreeSet<_> = truth
        .iter()
        .filter(|row| !row.run_id.is_empty())
        .map(|row| (row.run_id.clone(), row.canonical_client.clone()))
        .chain([("251003-011425".to_owned(), String::new())])
        .collect();
    let found: BTreeSet<_> = target
        .records()
        .await
        .into_keys()
        .map(|key| {
            (
                key.run().to_string(),
                key.client().map(ToString::to_string).unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_counts_and_the_summary_are_as_known() {
    let (report, _) = run(&csv(), Mode::DryRun(None)).await;
    let report = report.unwrap();
    let clients = report.clients.as_ref().unwrap();
    assert_eq!(
        (clients.created, clients.normalised, clients.duplicate, clients.refused),
        (216, 47, 110, 56)
    );
    let jobs = report.jobs.as_ref().unwrap();
    assert_eq!(
        (jobs.created, jobs.normalised, jobs.duplicate, jobs.refused),
        (30, 0, 4, 6)
    );
    assert_eq!((report.reconstructed, report.would_create), (1, 294));
    let text = report.to_string();
    assert!(text.lines().count() <= 24, "{text}");
    for part in [
        "clients, refused: apify-id 6, bad-metric 3, client-mismatch 6, end-before-start 10, impossible-date 4, \
         placeholder 12, sr-family 6, unknown-status 9",
        "jobs, refused: empty-id 2, foreign-id 4",
        "1 job reconstructed",
        "Dry run: nothing was written; 294 records would be created.",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[tokio::test]
async fn the_same_rows_are_kept_from_both_formats() {
    let kept = |rows: &Rows| -> Vec<_> {
        let clients = rows.iter().filter(|row| row.get("table") == "client");
        clients
            .map(|row| (row.get("row").to_owned(), row.verdict(), row.get("kept_row").to_owned()))
            .collect()
    };
    let (_, csv_rows) = run(&csv(), Mode::DryRun(None)).await;
    let (_, json_rows) = run(&json(), Mode::DryRun(None)).await;
    assert_eq!(kept(&csv_rows), kept(&json_rows));
    // Airtable created row 42 of `250928-154224-batch` first, but its Start Time is that of row 35.
    assert_eq!(line(&json_rows, "client", "42").get("kept_row"), "35");
}

#[tokio::test]
async fn i7_a_second_import_changes_nothing_and_says_so() {
    for import in [csv(), json()] {
        let target = Target::new();
        let (first, first_rows) = target.import(&import).await;
        let before = target.records().await;
        let (second, second_rows) = target.import(&import).await;
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_eq!((first.created_now, first.already_there), (294, 0));
        assert_eq!((second.created_now, second.already_there), (0, 294));
        assert!(second.changed_nothing());
        assert!(
            second
                .to_string()
                .ends_with("Nothing changed: 294 records already there.")
        );
        assert_eq!(target.records().await, before);
        assert_eq!(first_rows.len(), second_rows.len());
        for (one, other) in first_rows.iter().zip(&second_rows) {
            assert_eq!(one.verdict(), other.verdict());
            assert_eq!(
                one.get("effect").replace("created", "already there"),
                other.get("effect")
            );
        }
    }
}

#[tokio::test]
async fn a_dry_run_says_what_the_import_will_do() {
    let (dry, dry_rows) = run(&csv(), Mode::DryRun(None)).await;
    let (done, rows) = Target::new().import(&csv()).await;
    assert_eq!(dry.unwrap().would_create, done.unwrap().created_now);
    let verdicts = |rows: &Rows| rows.iter().map(Row::verdict).collect::<Vec<_>>();
    assert_eq!(verdicts(&dry_rows), verdicts(&rows));
}

/// The client rows, read by other means than the import's.
fn client_rows() -> Vec<BTreeMap<String, String>> {
    let bytes = fs::read(fixture("client_run_results.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    reader.deserialize().map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_record_holds_what_its_row_held_and_the_note_byte_for_byte() {
    let target = Target::new();
    let (_, rows) = target.import(&csv()).await;
    let source = client_rows();
    let mut longest = 0;
    for (found, row) in rows.iter().filter(|row| row.get("table") == "client").zip(&source) {
        if !matches!(found.get("class"), "created" | "normalised") {
            continue;
        }
        let key = format!("{}-{}", found.get("run_id"), found.get("client_id"));
        let record = target.record(&key).await;
        assert_eq!(
            record.client_name().map_or("", |name| name.as_str()),
            row["Client Name"]
        );
        let note = record.notes().first().map_or("", |note| note.text.as_str());
        longest = longest.max(note.len());
        match found.get("reason") {
            "running-with-end-time" => {
                let end = &row["End Time"];
                let sentence = format!("Imported: the older table said End Time <{end}> while Running");
                assert_eq!(note, format!("{}\n\n{sentence}", row["System Notes"]));
                assert_eq!((record.status(), found.get("value")), (Status::Running, end.as_str()));
            }
            _ => assert_eq!(note, row["System Notes"], "{key}"),
        }
        for (column, metric) in runledger_legacy::fields::METRICS {
            let expected = row[column].parse().ok();
            assert_eq!(record.metrics().get(metric), expected, "{key} {metric}");
        }
        let apify: Vec<_> = record.external_ids().iter().map(|id| id.id().to_owned()).collect();
        assert_eq!(apify.concat(), row["Apify Run ID"]);
        let start = record.state().started_at().map(|at| at.to_string());
        assert_eq!(start.unwrap_or_default(), row["Start Time"]);
    }
    assert!(longest > 16_000, "{longest}");
    let job = target.record("250926-153052").await;
    assert_eq!(job.batch().map(runledger_domain::BatchLabel::as_str), Some("stream-1"));
    assert_eq!(
        job.state().ending().unwrap().ended_at.unwrap().to_string(),
        "2025-09-26T16:49:52.000Z"
    );
}

#[tokio::test]
async fn the_missing_job_is_reconstructed_and_said_so() {
    let target = Target::new();
    let (_, rows) = target.import(&csv()).await;
    let made: Vec<_> = rows.iter().filter(|row| row.get("class") == "reconstructed").collect();
    assert_eq!(made.len(), 1);
    assert_eq!(
        (made[0].get("table"), made[0].get("row"), made[0].get("reason")),
        ("job", "", "no-job")
    );
    let job = target.record("251003-011425").await;
    let Initial::Imported(past) = &job.creation().content.initial else {
        panic!("{job:?}")
    };
    assert!(past.is_reconstructed());
    let client = target.record("251003-011425-Guy-Wilson").await;
    assert_eq!(job.status(), client.status());
    assert_eq!(job.state().started_at(), client.state().started_at());
}

#[tokio::test]
async fn duplicates_name_the_row_kept_and_what_differs() {
    let (_, rows) = run(&csv(), Mode::DryRun(None)).await;
    let duplicate = line(&rows, "client", "8");
    assert_eq!(duplicate.get("kept_row"), "7");
    assert!(
        duplicate
            .get("differs_in")
            .starts_with("Status; Start Time; End Time; ")
    );
    assert!(line(&rows, "client", "7").get("detail").contains("kept of 8 rows"));
    let job = line(&rows, "job", "40");
    assert_eq!((job.get("raw_run_id"), job.get("kept_row")), ("251025-150405.0", "39"));
    assert!(job.get("differs_in").starts_with("Run ID"));
}

#[tokio::test]
async fn rows_are_named_by_their_physical_line() {
    let (_, rows) = run(&csv(), Mode::DryRun(None)).await;
    let text = fs::read_to_string(fixture("client_run_results.csv")).unwrap();
    let lines: Vec<_> = text.split('\n').collect();
    let mut checked = 0;
    for row in rows.iter().filter(|row| row.get("table") == "client") {
        let number: usize = row.get("line").parse().unwrap();
        let begin = format!("{},{},", row.get("raw_run_id"), row.get("client_id"));
        assert!(lines[number - 1].starts_with(&begin), "{number}: {begin}");
        checked += 1;
    }
    assert_eq!(checked, 429);
    assert!(lines.len() > 431, "some notes have line breaks");
}

#[tokio::test]
async fn merge_max_raises_the_kept_record_and_says_what() {
    let import = Import {
        merge: Merge::Max,
        ..json()
    };
    let (plain, merged) = (Target::new(), Target::new());
    let _ = plain.import(&json()).await;
    let (report, rows) = merged.import(&import).await;
    let report = report.unwrap();
    assert!(report.raised > 0);
    let said = rows.iter().filter(|row| row.get("detail").contains("raised ")).count();
    assert_eq!(said as u64, report.raised);
    let (before, after) = (plain.records().await, merged.records().await);
    assert!(before.keys().eq(after.keys()));
    let raised = before
        .iter()
        .filter(|(key, record)| after[*key].metrics() != record.metrics());
    assert_eq!(raised.count() as u64, report.raised);
    for (key, record) in &before {
        for (name, value) in record.metrics().iter() {
            assert!(after[key].metrics().get(name.as_str()) >= Some(value), "{key} {name}");
        }
    }
}

#[tokio::test]
async fn i4_an_import_that_was_killed_goes_on_where_it_stopped() {
    let whole = Target::new();
    let _ = whole.import(&csv()).await;
    let expected: Vec<RunKey> = whole.records().await.into_keys().collect();
    for after in [0, 29, 30, 31, 100, 286, 287, 293] {
        for in_doubt in [false, true] {
            let target = Target::failing(after, 0, in_doubt);
            let (stopped, rows) = target.import(&csv()).await;
            let stopped = stopped.unwrap_err().to_string();
            assert!(stopped.contains("repeating the same import is safe"), "{stopped}");
            let created = rows.iter().filter(|row| row.get("effect") == "created").count();
            assert!(i64::try_from(created).unwrap() <= after);
            let there = target.records().await.len();
            assert!(there == created || (in_doubt && there > created), "{there} {created}");
            target.heal();
            let (report, _) = target.import(&csv()).await;
            let report = report.unwrap();
            assert_eq!(report.created_now + report.already_there, 294);
            assert_eq!(report.already_there, there as u64);
            assert!(target.records().await.into_keys().eq(expected.iter().cloned()));
        }
    }
}

#[tokio::test]
async fn part_of_the_export_and_then_the_whole_of_it_come_to_the_whole() {
    let files = Files::new();
    let text = fs::read(fixture("client_run_results.csv")).unwrap();
    let target = Target::new();
    // Cut in the middle of a row, and without the jobs: all of them are reconstructed first.
    let part = files.clients("part.csv", &text[..text.len() / 2]);
    let (report, _) = target.import(&part).await;
    assert!(report.unwrap().reconstructed > 10);
    let (report, rows) = target.import(&csv()).await;
    let report = report.unwrap();
    check_sums(&report, 40, 429);
    assert_eq!(target.records().await.len(), 294);
    // The jobs that were reconstructed hold their keys; the rows of the job table say so.
    let held = rows.iter().filter(|row| row.verdict() == "duplicate:in-ledger");
    assert!(held.clone().count() > 10);
    for row in held {
        assert_eq!(
            (row.get("table"), row.get("kept_row"), row.get("effect")),
            ("job", "ledger", "")
        );
        assert!(!row.get("differs_in").is_empty());
    }
}

#[tokio::test]
async fn the_order_of_the_rows_does_not_change_the_keys_or_the_sums() {
    let bytes = fs::read(fixture("client_run_results.csv")).unwrap();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&bytes[..]);
    let mut records: Vec<_> = reader.byte_records().map(Result::unwrap).collect();
    let header = records.remove(0);
    let files = Files::new();
    for step in [101, 211, 428] {
        // A step that shares no factor with 429 visits every row once.
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_byte_record(&header).unwrap();
        for place in 0..records.len() {
            writer
                .write_byte_record(&records[place * step % records.len()])
                .unwrap();
        }
        let clients = files.write("shuffled.csv", writer.into_inner().unwrap());
        let target = Target::new();
        let (report, _) = target.import(&export_a(clients)).await;
        let report = report.unwrap();
        check_sums(&report, 40, 429);
        let clients = report.clients.unwrap();
        assert_eq!(
            (clients.created + clients.normalised, clients.duplicate, clients.refused),
            (263, 110, 56)
        );
        // The earliest is kept wherever it stands.
        assert_eq!(clients.created, 216);
        assert_eq!(target.records().await.len(), 294);
    }
}
