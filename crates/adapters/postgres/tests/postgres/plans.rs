//! No read looks at more than it needs, however large the ledger: each statement of the store is explained as it is sent,
//! on a ledger that is large enough for the database to have a choice.

use runledger_domain::{RecordKind, Status, Timestamp};
use runledger_ports::{ActivityFilter, Cursor, ListFilter, PageSize, RunReader as _, StalledFilter};
use runledger_postgres::plans::{MadeFor, Plan, Plans, Read};
use runledger_postgres::schema;
use runledger_postgres_bed::large_ledger;

use crate::bed::{Database, connect, options};
use crate::several::open;

/// How many records the ledger has.
const RECORDS: u64 = 30_000;
/// How many entries a page has.
const PAGE: u32 = 20;
/// What a statement may look at for a page: more than a run or a page has, and far less than any table.
const ROWS_MAX: f64 = 150.0;
/// How many pages of the database it may look at: some for each partition of the log, and far less than any index has.
const PAGES_MAX: f64 = 150.0;
/// A line late in the log, and a record late in the ledger.
const LATE_LINE: u64 = 55_000;
const LATE_RECORD: u64 = 25_000;

/// A ledger of 30,000 records and twice as many lines, spread over the partitions of a year. Its statistics are fresh,
/// or there are none, as of a table that has just grown. Answers its address.
async fn large(analysed: bool) -> String {
    let url = Database::fresh().await.set_aside();
    let owner = connect(&url).await;
    schema::migrate(&options(&url), 12).await.unwrap();
    owner.batch_execute(&large_ledger(1, RECORDS, RECORDS)).await.unwrap();
    if analysed {
        owner.batch_execute("ANALYZE").await.unwrap();
    }
    url
}

fn parsed<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

/// A read, what it is called, and how far it is into its listing.
type Asked = (&'static str, Read, Option<Cursor>);

const LATE: Option<Cursor> = Some(Cursor {
    order: 0,
    id: LATE_RECORD,
});

/// Every read of the store, with each filter. A client's records of one status are not among them: they are picked from
/// all records of the client, or of the status (`docs/scale.md`).
fn reads() -> Vec<Asked> {
    let key = "nightly_00000123/client-0042";
    let mut reads = vec![
        ("get", Read::Get(parsed(key)), None),
        ("get of nothing", Read::Get(parsed("nightly_99999999")), None),
        (
            "attempt",
            Read::Minted(parsed("orchestrator"), parsed("attempt-20000")),
            None,
        ),
        ("summary", Read::Summary(parsed("nightly_00000123")), None),
        ("counts", Read::Counts(Timestamp::EPOCH), None),
    ];
    reads.extend(lists());
    reads.extend(stalled());
    reads.extend(log());
    reads
}

fn lists() -> Vec<Asked> {
    let mut lists = Vec::new();
    let mut add = |what, after, set: &dyn Fn(&mut ListFilter)| {
        let mut filter = ListFilter::default();
        set(&mut filter);
        lists.push((what, Read::List(filter), after));
    };
    let client = || Some(parsed("client-0042"));
    add("list", LATE, &|_| {});
    add("list of a run", None, &|list| {
        list.run = Some(parsed("nightly_00000123"));
    });
    add("list of a client", None, &|list| list.client = client());
    add("list of jobs", LATE, &|list| list.kind = Some(RecordKind::Job));
    add("list of clients", LATE, &|list| list.kind = Some(RecordKind::Client));
    for status in ["queued", "running", "succeeded", "failed"] {
        add(status, LATE, &|list| list.status = Some(parsed(status)));
    }
    add("list of open", None, &|list| list.open = true);
    add("list of a batch", LATE, &|list| list.batch = Some(parsed("stream-7")));
    // The md5 of 10003.
    let external_id = "apify:f5dffc111454b227fbcdf36178dfe6ac";
    add("list by reference", None, &|list| {
        list.external_id = Some(parsed(external_id));
    });
    add("list within two clients", None, &|list| {
        list.within = Some([parsed("client-0042"), parsed("client-0043")].into());
    });
    lists
}

fn stalled() -> [Asked; 2] {
    let stalled = Read::Stalled(StalledFilter {
        deadline_before: Timestamp::from_micros(4_000_000_000_000_000).unwrap(),
        within: None,
    });
    let later = Cursor {
        order: 1_800_000_000_000_000,
        id: 7,
    };
    [
        ("stalled", stalled.clone(), None),
        ("stalled, a later page", stalled, Some(later)),
    ]
}

fn log() -> [Asked; 3] {
    let late = Some(Cursor::after_line(LATE_LINE));
    let all = ActivityFilter::default;
    let of_a_run = ActivityFilter {
        run: Some(parsed("nightly_00000123")),
        ..all()
    };
    let refusals = ActivityFilter { refused: true, ..all() };
    [
        ("log", Read::Activity(all()), late),
        ("log of a run", Read::Activity(of_a_run), None),
        ("log of refusals", Read::Activity(refusals), late),
    ]
}

/// What is wrong with a plan.
fn fault(plan: &Plan) -> Option<String> {
    let walked = plan.scans().into_iter().find(|scan| {
        let is_large = scan.table == "run" || scan.table == "reference" || scan.table.starts_with("activity");
        is_large && (scan.kind == "Seq Scan" || scan.index.is_none() && scan.kind != "Bitmap Heap Scan")
    });
    if let Some(scan) = walked {
        return Some(format!("goes through a table: {scan:?}"));
    }
    if plan.rows_read() > ROWS_MAX {
        return Some(format!("looks at {} rows", plan.rows_read()));
    }
    if plan.pages() > PAGES_MAX {
        return Some(format!("looks at {} pages", plan.pages()));
    }
    (plan.rows_sorted() > ROWS_MAX).then(|| format!("sorts {} rows", plan.rows_sorted()))
}

async fn check(analysed: bool) {
    let url = large(analysed).await;
    let plans = Plans::connect(&options(&url)).await.unwrap();
    let size = PageSize::new(PAGE).unwrap();
    let mut faults = Vec::new();
    for (what, read, after) in reads() {
        for made_for in [MadeFor::TheseValues, MadeFor::AnyValues] {
            for plan in plans.of(&read, after, size, made_for).await.unwrap() {
                if let Some(fault) = fault(&plan) {
                    faults.push(format!(
                        "{what}, {made_for:?}: {fault}\n  {}\n  {:#?}",
                        plan.sql,
                        plan.scans()
                    ));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_looks_at_more_than_its_page() {
    check(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_before_anybody_has_counted_what_is_there() {
    check(false).await;
}

/// What the database made is read as what the store writes.
#[tokio::test(flavor = "multi_thread")]
async fn the_large_ledger_is_one_that_the_store_reads() {
    let url = large(true).await;
    let store = open(&url).await;
    let size = PageSize::new(1_000).unwrap();
    let (mut records, mut after) = (0, None);
    loop {
        let page = store.list(&ListFilter::default(), after, size).await.unwrap();
        records += page.records.len() as u64;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(records, RECORDS);
    let counts = store.counts(Timestamp::EPOCH).await.unwrap();
    assert_eq!(
        (counts.records.values().sum::<u64>(), counts.lines),
        (RECORDS, 2 * RECORDS)
    );
    let failed = ListFilter {
        status: Some(parsed::<Status>("failed")),
        ..ListFilter::default()
    };
    let failed = store.list(&failed, None, size).await.unwrap().records;
    assert_eq!(failed.len(), 300);
    let lines = store.activity(&ActivityFilter::default(), None, size).await.unwrap();
    assert_eq!(lines.lines.len(), 1_000);
}

/// The lines of a month lie in the partition of the month, and a question about a month looks at no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_lies_in_the_partition_of_its_month_and_is_looked_for_there() {
    let url = large(true).await;
    let owner = connect(&url).await;
    let other: i64 = owner
        .query_one("SELECT count(*) FROM activity_other", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(other, 0, "every month has its partition");
    let months = owner
        .query(
            "SELECT tableoid::regclass::text, min(at), max(at), count(*) FROM activity GROUP BY 1 ORDER BY 2",
            &[],
        )
        .await
        .unwrap();
    assert!(months.len() >= 12, "{} partitions have lines", months.len());
    let (table, first, last): (String, i64, i64) = (months[5].get(0), months[5].get(1), months[5].get(2));
    let asked = format!("EXPLAIN SELECT count(*) FROM activity WHERE at BETWEEN {first} AND {last}");
    let plan = owner.query(&asked, &[]).await.unwrap();
    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    let plan = plan.join("\n");
    assert!(plan.contains(&table), "{plan}");
    for month in months.iter().map(|row| row.get::<_, String>(0)) {
        assert!(month == table || !plan.contains(&month), "{month} is looked at: {plan}");
    }
}
