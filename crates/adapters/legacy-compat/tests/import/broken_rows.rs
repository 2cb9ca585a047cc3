//! Rows that are no CSV or no JSON: each is refused by itself, and none takes others with it.

use std::collections::BTreeSet;

use proptest::prelude::*;
use runledger_legacy::import::{Import, Mode};

use crate::odd_files::{HEADER, table};
use crate::support::{Files, Rows, run};

/// The lines of the report on the clients: line, verdict, field, and what of the file is inside.
fn shown(rows: &Rows) -> Vec<String> {
    let clients = rows.iter().filter(|row| row.get("table") == "client");
    clients
        .map(|row| {
            let inside = row.get("detail").split("; ").find(|part| part.contains("inside it"));
            let inside = inside.map(|part| format!(" {part}")).unwrap_or_default();
            format!("{} {}{inside}", row.get("line"), row.verdict())
        })
        .collect()
}

async fn check(text: &str, expected: &[&str]) {
    let files = Files::new();
    let import = files.clients("c.csv", text);
    let (report, rows) = run(&import, Mode::DryRun(None)).await;
    assert_eq!(shown(&rows), expected, "{text}");
    for row in rows.iter().filter(|row| row.get("class") == "refused") {
        for column in ["line", "reason", "field", "detail"] {
            assert!(!row.get(column).is_empty(), "{column}: {row:?}");
        }
        assert!(!row.get("value").is_empty() || row.get("field") != "(row)", "{row:?}");
    }
    let clients = report.unwrap().clients.unwrap();
    assert_eq!(clients.rows, expected.len() as u64);
}

const A: &str = "251001-151758-a,a,Acme,Completed";
const B: &str = "251001-151758-b,b,Acme,Completed";
const C: &str = "251001-151758-c,c,Acme,Completed";

#[tokio::test]
async fn text_behind_a_closing_quote_refuses_its_row_alone() {
    check(
        &table(&[A, "251001-151758-x,x,\"Ac\"me,Completed", B]),
        &["2 created:no-job", "3 refused:text-after-quote", "4 created:no-job"],
    )
    .await;
    // One behind the other; a note in the first that goes over lines; an empty id behind them.
    check(
        &table(&[
            "251001-151758-x,x,\"Ac\"me,Completed,,,,,,\"one\r\ntwo\"",
            "251001-151758-y,y,\"Ac\"me,Completed",
            ",b,Acme,Completed",
            "undefined,b,Acme,?",
            B,
        ]),
        &[
            "2 refused:text-after-quote line 3 is inside it",
            "4 refused:text-after-quote",
            "5 refused:placeholder",
            "6 refused:placeholder",
            "7 created:no-job",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_stray_quote_takes_no_later_row_with_it() {
    let stray = "251001-151758-x,x,Acme,Completed,,,,,,\"5 inch pipes";
    let quoted = "251001-151758-q,q,Acme,Completed,,,,,,\"said \"\"hello\"\"\"";
    check(
        &table(&[A, stray, B, quoted, C]),
        &[
            "2 created:no-job",
            "3 refused:text-after-quote",
            "4 created:no-job",
            "5 created:no-job",
            "6 created:no-job",
        ],
    )
    .await;
    // The quote that closes it is followed by a comma: only the number of fields is wrong.
    let comma = "251001-151758-q,q,Acme,Completed,,,,,,\", said x\"";
    check(
        &table(&[A, stray, B, comma, C]),
        &[
            "2 created:no-job",
            "3 refused:column-count",
            "4 created:no-job",
            "5 created:no-job",
            "6 created:no-job",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_refused_row_names_the_lines_that_stray_quotes_took_into_it() {
    let files = Files::new();
    let taken = ",a,Acme,Completed,,\",7,,,";
    let rows = table(&[A, "251001-151758-x,x,Acme,Running,,\",6,,,", taken, B]);
    let (report, rows) = run(&files.clients("c.csv", rows), Mode::DryRun(None)).await;
    assert_eq!(report.unwrap().clients.unwrap().refused, 1);
    assert_eq!(shown(&rows)[1], "3 refused:bad-time line 4 is inside it");
}

#[tokio::test]
async fn a_row_that_is_taken_names_the_lines_in_its_note() {
    let files = Files::new();
    let rows = table(&[
        "251001-151758-x,x,Acme,Running,,,2,,,\"",
        ",a,Acme,Completed,,,3,,,\"",
        A,
    ]);
    let (report, rows) = run(&files.clients("c.csv", rows), Mode::DryRun(None)).await;
    assert_eq!(report.unwrap().clients.unwrap().refused, 0);
    let taken = rows.iter().find(|row| row.is("client", "1")).unwrap();
    assert!(
        taken.get("detail").contains("; line 3 is inside it"),
        "{}",
        taken.get("detail")
    );
}

#[tokio::test]
async fn a_quote_that_is_never_closed_takes_no_later_row_with_it() {
    check(
        &table(&[A, "251001-151758-x,x,\"Acme,Completed", B, "no row", C]),
        &[
            "2 created:no-job",
            "3 refused:unclosed-quote",
            "4 created:no-job",
            // What is too short to be a row goes on being refused as one.
            "5 refused:foreign-id",
            "6 created:no-job",
        ],
    )
    .await;
    check(
        &format!("{HEADER}\r\n{A},,,,,,\"one\r\ntwo\r\n\r\nfour"),
        &["2 refused:unclosed-quote lines 3 to 5 are inside it"],
    )
    .await;
}

#[tokio::test]
async fn two_stray_quotes_do_not_hide_the_rows_between_them() {
    check(
        &table(&[
            A,
            "251001-151758-x,x,\"Acme,Completed",
            B,
            "251001-151758-y,y,Acme\",Completed",
            C,
        ]),
        &[
            "2 created:no-job",
            "3 refused:rows-in-field the field holds what reads as rows of the table (lines 4 to 5 are inside it): a \
             quote is missing or too many. Correct the file and import it again",
            "6 created:no-job",
        ],
    )
    .await;
    // A note that speaks of runs is a note.
    check(
        &table(&["251001-151758-a,a,Acme,Completed,,,,,,\"see\n251001-151757-b, b, c\n251001-151757\""]),
        &["2 created:no-job lines 3 to 4 are inside it"],
    )
    .await;
}

#[tokio::test]
async fn a_row_longer_than_any_row_gives_way_at_its_next_line() {
    let long = format!(
        "251001-151758-x,x,\"{}\r\n{}\"",
        "x".repeat(3_000_000),
        "x".repeat(3_000_000)
    );
    check(
        &table(&[A, &long, B]),
        &[
            "2 created:no-job",
            "3 refused:row-too-long line 4 is inside it",
            "5 created:no-job",
        ],
    )
    .await;
}

#[tokio::test]
async fn lines_are_counted_whatever_ends_them() {
    for end in ["\n", "\r\n", "\r"] {
        let rows = [A, "251001-151758-b,b,Acme,Completed,,,,,,\"one\r\ntwo\"", "x", C];
        check(
            &table(&rows).replace("\r\n", end),
            &[
                "2 created:no-job",
                "3 created:no-job line 4 is inside it",
                "5 refused:foreign-id",
                "6 created:no-job",
            ],
        )
        .await;
        let files = Files::new();
        let line = |run: &str| format!(r#"{{"fields":{{"Run ID":"{run}","Client ID":"a","Status":"Completed"}}}}"#);
        let lines = [
            line("251001-151758"),
            line("251001-151759"),
            "{".into(),
            line("251001-151800"),
        ];
        let (_, rows) = run(&files.clients("c.jsonl", lines.join(end)), Mode::DryRun(None)).await;
        assert_eq!(
            shown(&rows),
            [
                "1 normalised:bare",
                "2 normalised:bare",
                "3 refused:bad-json",
                "4 normalised:bare"
            ]
        );
    }
}

#[tokio::test]
async fn a_refused_row_is_shown_as_it_stands_and_can_be_printed() {
    let files = Files::new();
    let text = table(&["x\u{1b}[31m,\t\"a\"", "251001-151758-b,b,Acme,Completed,,,,,,,,,"]);
    let (_, rows) = run(&files.clients("c.csv", text), Mode::DryRun(None)).await;
    let last = rows.iter().find(|row| row.is("client", "2")).unwrap();
    assert_eq!(
        (last.get("field"), last.get("value")),
        ("(row)", "251001-151758-b,b,Acme,Completed,,,,,,,,,")
    );
    let lines = [
        "{\"fields\":{}}".as_bytes(),
        b"{\"fields\":\x1b",
        b"{\"fields\":{\"a\":\xff}}",
        b"{\"fields\":{\"a\":1,\"a\":2}}",
    ];
    let (_, rows) = run(&files.clients("c.jsonl", lines.join(&b'\n')), Mode::DryRun(None)).await;
    let refused: Vec<_> = rows[1..]
        .iter()
        .map(|row| [row.get("line"), row.get("field"), row.get("value"), row.get("detail")])
        .collect();
    assert_eq!(
        refused,
        [
            [
                "2",
                "(row)",
                "{\"fields\":\\u{1b}",
                "the line is not a record: expected value, at byte 11 of it"
            ],
            ["3", "(row)", "{\"fields\":{\"a\":\u{fffd}}}", "the line is not UTF-8"],
            [
                "4",
                "(row)",
                "{\"fields\":{\"a\":1,\"a\":2}}",
                "the \"fields\" of the record cannot be read: \"a\" stands there twice"
            ],
        ]
    );
}

#[tokio::test]
async fn records_without_a_status_are_refused_rows() {
    let files = Files::new();
    let import = files.clients(
        "c.jsonl",
        "{\"fields\":{\"Client ID\":\"a\",\"Run ID\":\"251001-151758\"}}\n",
    );
    let (report, rows) = run(&import, Mode::DryRun(None)).await;
    assert_eq!(report.unwrap().clients.unwrap().refused, 1);
    assert_eq!(shown(&rows), ["1 refused:unknown-status"]);
}

/// The lines of the file that the report accounts for: as the beginning of a row, or as inside a refused one.
fn accounted(rows: &Rows) -> (Vec<(u64, String)>, BTreeSet<u64>) {
    let (mut begins, mut inside) = (Vec::new(), BTreeSet::new());
    for row in rows.iter().filter(|row| row.get("table") == "client") {
        begins.push((row.get("line").parse().unwrap(), row.verdict()));
        let words: Vec<_> = row.get("detail").split([' ', '(']).collect();
        for part in words.windows(4) {
            match part {
                ["lines", first, "to", last] => inside.extend(first.parse::<u64>().unwrap()..=last.parse().unwrap()),
                ["line", number, "is", "inside"] => drop(inside.insert(number.parse().unwrap())),
                _ => {}
            }
        }
    }
    (begins, inside)
}

proptest! {
    #[test]
    fn stray_quotes_lose_no_row_in_silence(places in proptest::collection::vec(any::<prop::sample::Index>(), 1..4)) {
        let rows: Vec<_> = (0..12)
            .map(|n| match n % 4 {
                0 => format!("251001-1517{n:02}-a,a,\"Acme, Ltd\",Completed,,,{n},,,\"said \"\"x\"\"\""),
                1 => format!("251001-1517{n:02}-a,a,Acme,Completed,,,{n},,,\", then\""),
                2 => format!("251001-1517{n:02}-a,a,Acme,Running,,,{n},,,"),
                _ => format!(",a,Acme,Completed,,,{n},,,"),
            })
            .collect();
        let whole = table(&rows.iter().map(String::as_str).collect::<Vec<_>>()).replace("\r\n", "\n");
        let mut text = whole.clone();
        let body = HEADER.len() + 1;
        for place in places {
            text.insert(body + place.index(text.len() - body), '"');
        }
        let damaged: BTreeSet<_> = (1..).zip(whole.lines().zip(text.lines())).filter(|(_, (a, b))| a != b).map(|(n, _)| n).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = |text: &str| {
            let files = Files::new();
            let import: Import = files.clients("c.csv", text);
            let (report, rows) = runtime.block_on(run(&import, Mode::DryRun(None)));
            report.unwrap();
            accounted(&rows)
        };
        let (expected, _) = read(&whole);
        let (begins, inside) = read(&text);
        for (line, verdict) in expected {
            let found: Vec<_> = begins.iter().filter(|(begins_on, _)| *begins_on == line).collect();
            prop_assert!(inside.contains(&line) || found.len() == 1, "line {} is lost\n{}\n{:?}", line, text, begins);
            if !damaged.contains(&line) && let [(_, found)] = found[..] {
                prop_assert_eq!(found, &verdict, "line {}\n{}", line, text);
            }
        }
    }
}
