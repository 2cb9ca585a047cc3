//! Ledgers that older versions wrote open, verify and list the same for ever (I17). `examples/kept_ledger` made them.

use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use runledger_domain::{CreationContent, CreationIntent, CreationPolicy, Quotas, Timestamp};
use runledger_embedded::{DATABASE_FILE, EmbeddedOptions, EmbeddedStore};
use runledger_ports::{
    ActivityFilter, CreateOutcome, Cursor, DeliveryState, DeliveryStore as _, Duty, LeaseStore as _, ListFilter,
    OutboxEntry, OutboxHead, OutboxStop, OutboxStore as _, PageSize, RemovedRow, RowState, RunCreator as _,
    RunReader as _, Step, Taken, TokenStore as _,
};
use rusqlite::Connection;
use tempfile::TempDir;

const SCHEMA_1: &[u8] = include_bytes!("kept/ledger-schema-1.db");
const SCHEMA_2: &[u8] = include_bytes!("kept/ledger-schema-2.db");
const SCHEMA_3: &[u8] = include_bytes!("kept/ledger-schema-3.db");
const SCHEMA_4: &[u8] = include_bytes!("kept/ledger-schema-4.db");
const SCHEMA_5: &[u8] = include_bytes!("kept/ledger-schema-5.db");
const SCHEMA_6: &[u8] = include_bytes!("kept/ledger-schema-6.db");
/// What is read from them: records, lines of the log, tokens.
const RECORDS: &str = include_str!("kept/records.jsonl");
const LINES: &str = include_str!("kept/activity.tsv");
const TOKENS: &str = include_str!("kept/tokens.jsonl");

fn directory(ledger: &[u8]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(DATABASE_FILE), ledger).unwrap();
    directory
}

fn open(directory: &Path) -> EmbeddedStore {
    EmbeddedStore::open(directory, EmbeddedOptions::default()).unwrap()
}

fn schema_version(directory: &Path) -> i64 {
    let connection = Connection::open(directory.join(DATABASE_FILE)).unwrap();
    connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap()
}

/// Everything that can be read, one thing a line.
async fn read(store: &EmbeddedStore) -> [String; 3] {
    let [mut records, mut lines, mut tokens] = [const { String::new() }; 3];
    let size = PageSize::new(1_000).unwrap();
    for record in store.list(&ListFilter::default(), None, size).await.unwrap().records {
        writeln!(records, "{}", serde_json::to_string(&*record).unwrap()).unwrap();
    }
    let page = store.activity(&ActivityFilter::default(), None, size).await.unwrap();
    for activity in page.lines {
        let line = &activity.line;
        let version = line.version.map_or_else(|| "-".into(), |version| version.to_string());
        let (at, word, code) = (line.at.as_micros(), line.verdict.as_str(), line.verdict.code());
        let subject = format!("{}\t{}", line.subject.run, line.subject.client);
        writeln!(
            lines,
            "{}\t{at}\t{}\t{}\t{subject}\t{word}\t{code}\t{version}\t{}\t{}",
            activity.seq, line.action, line.source, line.detail, activity.hash
        )
        .unwrap();
    }
    for token in store.tokens().await.unwrap() {
        writeln!(tokens, "{}", serde_json::to_string(&token).unwrap()).unwrap();
    }
    [records, lines, tokens]
}

async fn create(store: &EmbeddedStore, key: &str, minted: bool, content: CreationContent) -> CreateOutcome {
    create_under(&CreationPolicy::default(), store, key, minted, content).await
}

#[expect(clippy::disallowed_methods, reason = "the test stands in for the creation point")]
async fn create_under(
    policy: &CreationPolicy,
    store: &EmbeddedStore,
    key: &str,
    minted: bool,
    content: CreationContent,
) -> CreateOutcome {
    let attempt = "attempt-1".parse().unwrap();
    let source = "orchestrator".parse().unwrap();
    let mut intent = CreationIntent::new(key.parse().unwrap(), source, attempt, Timestamp::EPOCH);
    intent.minted = minted;
    let permit = policy.authorise(intent.with_content(content)).unwrap();
    store.create(vec![permit]).await.unwrap().pop().unwrap()
}

/// What the ledgers show is what was agreed on, before and after they are brought forward.
async fn check(ledger: &[u8], schema: i64, tokens: &str, lines: usize) {
    let directory = directory(ledger);
    assert_eq!(schema_version(directory.path()), schema);
    let store = open(directory.path());
    assert!(store.verify().await.unwrap().is_clean());
    let shown = read(&store).await;
    let kept: String = LINES.split_inclusive('\n').take(lines).collect();
    assert_eq!(shown, [RECORDS, &kept, tokens]);

    // A cursor that was given out goes on where it was.
    let size = PageSize::new(1).unwrap();
    let second = Cursor { order: 0, id: 1 };
    let page = store.list(&ListFilter::default(), Some(second), size).await.unwrap();
    assert_eq!(page.records[0].key().to_string(), "250925-231841-Guy-Wilson");
    assert_eq!(page.next, Some(Cursor { order: 0, id: 2 }));

    // A retry of long ago is still one, whether the run id was chosen or sent; a new creation goes on in the chain.
    let content = CreationContent {
        batch: Some("stream-1".parse().unwrap()),
        external_ids: vec!["apify:8MSTBAfqMzuXPvgB3".parse().unwrap()],
        note: Some("first\n\"second\"".parse().unwrap()),
        ..CreationContent::default()
    };
    let minted = create(&store, "261231-235959", true, content).await;
    assert!(matches!(minted, CreateOutcome::Replayed(record) if record.key().to_string() == "250925-231841"));
    let sent = create(&store, "nightly/acme", false, CreationContent::default()).await;
    assert!(matches!(sent, CreateOutcome::Replayed(_)));
    let new = create(&store, "nightly/globex", false, CreationContent::default()).await;
    assert!(matches!(new, CreateOutcome::Created(_)));
    store.close();
    drop(store);
    let store = open(directory.path());
    assert!(store.verify().await.unwrap().is_clean());
    assert_eq!(read(&store).await[0].lines().count(), RECORDS.lines().count() + 1);
}

#[tokio::test]
async fn i17_a_ledger_of_schema_1_is_what_it_was() {
    // The tokens of schema 2 left the last lines.
    check(SCHEMA_1, 1, "", LINES.lines().count() - 3).await;
}

#[tokio::test]
async fn i17_a_ledger_of_schema_2_is_what_it_was() {
    check(SCHEMA_2, 2, TOKENS, LINES.lines().count()).await;
}

#[tokio::test]
async fn i17_a_ledger_of_schema_3_is_what_it_was() {
    check(SCHEMA_3, 3, TOKENS, LINES.lines().count()).await;
}

#[tokio::test]
async fn i17_a_ledger_of_schema_4_is_what_it_was() {
    check(SCHEMA_4, 4, TOKENS, LINES.lines().count()).await;
}

#[tokio::test]
async fn i17_a_ledger_of_schema_5_is_what_it_was() {
    check(SCHEMA_5, 5, TOKENS, LINES.lines().count()).await;
    let directory = directory(SCHEMA_5);
    let store = open(directory.path());
    let second = |second: i64| Timestamp::from_micros(1_758_842_321_000_000 + second * 1_000_000).unwrap();
    let working = DeliveryState {
        position: 7,
        ..DeliveryState::default()
    };
    let disabled = DeliveryState {
        position: 3,
        failures: 300,
        failing_since: Some(second(30)),
        disabled_at: Some(second(86_430)),
        last_error: Some("answered 500".into()),
    };
    let kept = vec![
        ("billing".parse().unwrap(), working),
        ("lineage".parse().unwrap(), disabled),
    ];
    assert_eq!(store.deliveries().await.unwrap(), kept);
}

#[tokio::test]
async fn i17_a_ledger_of_schema_6_is_what_it_was() {
    check(SCHEMA_6, 6, TOKENS, LINES.lines().count()).await;
    let directory = directory(SCHEMA_6);
    let store = open(directory.path());
    let second = |second: i64| Timestamp::from_micros(1_758_842_321_000_000 + second * 1_000_000).unwrap();
    let head = OutboxHead {
        target: "airtable appAAAAAAAAAAAAAA".into(),
        position: 9,
        stopped: Some(OutboxStop {
            at: second(42),
            until: Some(second(72)),
            reason: "asked to wait".into(),
        }),
    };
    assert_eq!(store.outbox().await.unwrap(), Some(head));
    let row = |id: &str, shown, step| RowState {
        id: Some(id.parse().unwrap()),
        shown,
        digest: Some([7; 32]),
        step,
        failures: 1,
    };
    let in_doubt = Step::Unknown {
        at: second(41),
        line: 8,
        why: "the answer was cut".into(),
    };
    let entry = |key: &str, wanted, due, row| OutboxEntry {
        key: key.parse().unwrap(),
        wanted,
        due: second(due),
        row,
    };
    let entries = [
        entry("250925-231841", 1, 40, row("recAAAAAAAAAAAAAA", 1, Step::Idle)),
        entry("250925-231841-Guy-Wilson", 9, 50, row("recBBBBBBBBBBBBBB", 2, in_doubt)),
    ];
    let keys = entries.each_ref().map(|entry| entry.key.clone());
    let found = store.entries(&keys).await.unwrap();
    assert_eq!(found, entries.map(Some));
    assert_eq!(store.outbox_counts().await.unwrap().unknown, 1);
    let removed = RemovedRow {
        key: keys[0].clone(),
        id: "recCCCCCCCCCCCCCC".parse().unwrap(),
        at: second(43),
        by: "operator".into(),
        cells: "{\"Run ID\":\"250925-231841\"}".into(),
    };
    assert_eq!(store.removed_rows(0, PageSize::default()).await.unwrap(), [removed]);
    // Whoever had the duty is gone; the next taking comes after theirs.
    let leases = store.leases().await.unwrap();
    let last = leases.iter().find(|lease| lease.fence.duty == Duty::Project).unwrap();
    assert_eq!((last.fence.epoch.get(), last.left), (3, Duration::ZERO));
    let next = "next_server".parse().unwrap();
    let taken = store.take_lease(&Duty::Project, &next, Duration::from_mins(1)).await;
    assert!(matches!(taken.unwrap(), Taken::Held(fence) if fence.epoch.get() == 4));
}

/// What clients hold is counted when a ledger is brought forward: a quota counts the records of before.
#[tokio::test]
async fn i12_records_of_before_the_quotas_count_under_them() {
    for ledger in [SCHEMA_1, SCHEMA_2, SCHEMA_3, SCHEMA_4] {
        let directory = directory(ledger);
        let store = open(directory.path());
        let policy = CreationPolicy::default().limit_clients(Quotas {
            open_records: NonZeroU32::new(2),
            notes: None,
        });
        // It holds one open record of acme, and an ended one of another client.
        let mut words = Vec::new();
        for key in ["r2", "r2/acme", "r3", "r3/acme", "r3/Guy-Wilson"] {
            words.push(
                match create_under(&policy, &store, key, false, CreationContent::default()).await {
                    CreateOutcome::Created(_) => "created",
                    CreateOutcome::Refused(refusal) => refusal.code(),
                    other => panic!("{other:?}"),
                },
            );
        }
        assert_eq!(
            words,
            ["created", "created", "created", "open_records_quota", "created"]
        );
        assert!(store.verify().await.unwrap().is_clean());
    }
}
