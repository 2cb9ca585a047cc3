//! Values that are not what they should be, or not there at all: taken with a remark, or refused with a reason.

use runledger_legacy::import::{Import, Mode};

use crate::odd_files::table;
use crate::support::{Files, Row, Target, run};

/// The line of the report on the one row of a table.
async fn line(import: &Import) -> Row {
    let (_, rows) = run(import, Mode::DryRun(None)).await;
    rows.iter().find(|line| line.is("client", "1")).unwrap().clone()
}

async fn client(row: &str) -> Row {
    line(&Files::new().clients("c.csv", table(&[row]))).await
}

#[tokio::test]
async fn a_time_of_creation_that_cannot_be_read_is_not_used_and_said() {
    for (column, value) in [
        ("Created", "11/3/2025 10:00am"),
        ("Created Time", "2025-11-03 10:00"),
        ("createdAt", "\u{1f680}"),
    ] {
        let files = Files::new();
        let text = format!("Run ID,Client ID,Status,{column}\n251103-100000,acme,Completed,{value}\n");
        let line = line(&files.clients("c.csv", text)).await;
        assert_eq!(line.verdict(), "normalised:bare");
        let remark = format!("{column} {value:?} not used");
        assert!(line.get("detail").contains(&remark), "{line:?}");
    }
    let files = Files::new();
    let record =
        r#"{"createdTime":"yesterday","fields":{"Run ID":"251103-100000","Client ID":"a","Status":"Completed"}}"#;
    let line = line(&files.clients("c.jsonl", record)).await;
    assert!(
        line.get("detail").contains("createdTime \"yesterday\" not used"),
        "{line:?}"
    );
}

#[tokio::test]
async fn a_client_that_stands_for_a_missing_value_is_refused() {
    for name in [
        "unknown",
        "UNKNOWN",
        "SYSTEM",
        "system",
        "undefined",
        "Undefined",
        "NULL",
        "null",
        "None",
    ] {
        let line = client(&format!("251001-151758,{name},,Completed")).await;
        assert_eq!(
            (line.verdict().as_str(), line.get("value")),
            ("refused:bad-client-id", name)
        );
    }
    assert_eq!(
        client("251001-151758,nullable,,Completed").await.verdict(),
        "normalised:bare"
    );
}

#[tokio::test]
async fn apify_ids_are_references_and_nothing_else_is() {
    let (one, two) = ("8MSTBAfqMzuXPvgB3", "AeljThOnfXhim2T31");
    let row = |ids: &str| format!("251001-151758-acme,acme,,Completed,,,,,{ids},");
    for (ids, expected) in [
        (one.to_owned(), vec![one]),
        (format!("\"{two},{one}\""), vec![one, two]),
        (format!("\"{one}; {two}, {one}\""), vec![one, two]),
        ("undefined".to_owned(), vec![]),
        ("NULL".to_owned(), vec![]),
    ] {
        let (files, target) = (Files::new(), Target::new());
        let import = files.clients("c.csv", table(&[&row(&ids)]));
        let (_, rows) = target.import(&import).await;
        let record = target.record("251001-151758-acme").await;
        let found: Vec<_> = record.external_ids().iter().map(|id| id.id().to_owned()).collect();
        assert_eq!(found, expected, "{ids}");
        let line = rows.iter().find(|line| line.is("client", "1")).unwrap();
        assert_eq!(
            line.get("detail").contains("missing value"),
            expected.is_empty(),
            "{line:?}"
        );
        // The dry run sees the same record.
        let (dry, _) = run(&import, Mode::DryRun(Some(&*target.store.inner))).await;
        assert_eq!(dry.unwrap().already_there, 2);
    }
    for ids in [format!("\"{one},x\""), format!("{one} {one}x"), "a b".to_owned()] {
        assert_eq!(client(&row(&ids)).await.verdict(), "refused:bad-apify-id", "{ids}");
    }
}

#[tokio::test]
async fn a_time_that_is_not_kept_is_told_from_one_that_cannot_be_read() {
    for time in ["9999-12-31T23:59:59.999Z", "2025-02-30T10:00:00+02:00"] {
        let line = client(&format!("251001-151758-acme,acme,,Completed,,{time}")).await;
        assert_eq!(line.verdict(), "refused:bad-time");
        assert!(!line.get("detail").contains("3339"), "{line:?}");
    }
    for time in ["2025-10-01 10:00", "2025-10-01T10:00:00", "1/2/2025"] {
        let line = client(&format!("251001-151758-acme,acme,,Completed,,{time}")).await;
        assert!(line.get("detail").contains("RFC 3339"), "{line:?}");
    }
}

#[tokio::test]
async fn a_start_that_nobody_wrote_is_never_made_up_in_silence() {
    let header = "Run ID,Client ID,Status,Start Time,End Time,System Notes,Created\n";
    for (row, start, remark) in [
        (
            "Running,,,,2025-10-01T10:00:00Z",
            Some("2025-10-01T10:00:00.000Z"),
            "when the row was created, stands for it",
        ),
        ("Running,,,,", None, "the time of the import stands for it"),
        (
            "Running,2025-10-01T09:00:00Z,,,2025-10-01T10:00:00Z",
            Some("2025-10-01T09:00:00.000Z"),
            "",
        ),
        ("Completed,,,,2025-10-01T10:00:00Z", None, "no End Time"),
    ] {
        let (files, target) = (Files::new(), Target::new());
        let import = files.clients("c.csv", format!("{header}251001-151758-acme,acme,{row}\n"));
        let (_, rows) = target.import(&import).await;
        let record = target.record("251001-151758-acme").await;
        let runledger_domain::Initial::Imported(past) = &record.creation().content.initial else {
            panic!("{record:?}")
        };
        assert_eq!(past.started_at().map(|at| at.to_string()).as_deref(), start, "{row}");
        let line = rows.iter().find(|line| line.is("client", "1")).unwrap();
        assert!(line.get("detail").contains(remark), "{line:?}");
        if record.state().ending().is_some() {
            assert_eq!(record.state().ending().unwrap().ended_at, None);
        }
    }
}

#[tokio::test]
async fn a_start_of_what_waits_is_kept_in_the_note() {
    let (files, target) = (Files::new(), Target::new());
    let row = "251001-151758-acme,acme,,pending,2025-10-01T10:00:00Z,2025-10-01T10:00:01Z,,,,first";
    let (_, rows) = target.import(&files.clients("c.csv", table(&[row]))).await;
    let record = target.record("251001-151758-acme").await;
    assert_eq!(record.status().as_str(), "queued");
    assert_eq!(
        record.notes()[0].text.as_str(),
        "first\n\nImported: the older table said Start Time <2025-10-01T10:00:00Z> and End Time \
         <2025-10-01T10:00:01Z> while Queued"
    );
    let line = rows.iter().find(|line| line.is("client", "1")).unwrap();
    assert!(line.get("detail").contains("is in the note"), "{line:?}");
}
