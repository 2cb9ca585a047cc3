//! How PostgreSQL goes about each read of a large ledger: along which index, over how many rows and pages, and how long it
//! takes against the same read of a small one. The ledgers are made by the database itself.

use runledger_domain::{BatchLabel, ClientId, ExternalId, RecordKind, RunId, RunKey, Status, Timestamp};
use runledger_ports::{ActivityFilter, Cursor, ListFilter, PageSize, StalledFilter};
use runledger_postgres::plans::{MadeFor, Plan, Plans, Read};
use runledger_postgres::{PostgresOptions, schema};
use runledger_postgres_bed::{Options, Server, large_ledger};
use tokio_postgres::{Client, NoTls};

use crate::load::{Plan as Windows, median, now};

/// The ledger that the large one is compared with.
const SMALL: u64 = 10_000;
/// How many records are made by one statement.
const AT_ONCE: u64 = 250_000;

/// Makes both ledgers, measures and prints.
pub(crate) fn run(windows: &Windows, records: u64) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let settings = [
        "shared_buffers = 1GB",
        "max_wal_size = 8GB",
        "wal_level = minimal",
        "max_wal_senders = 0",
        "maintenance_work_mem = 512MB",
        "work_mem = 64MB",
        "autovacuum = off",
    ];
    let server = Server::start(&Options {
        fsync: false,
        settings: settings.map(str::to_owned).to_vec(),
    })?;
    runtime.block_on(async {
        let small = make(&server, "small", SMALL).await?;
        let large = make(&server, "large", records).await?;
        sizes(&server.url("large", "postgres")).await?;
        let (small, large) = (Plans::connect(&small).await?, Plans::connect(&large).await?);
        println!("| read | along | rows | pages | ms | to {SMALL} records |");
        println!("| --- | --- | ---: | ---: | ---: | ---: |");
        let size = PageSize::default();
        for ((name, read, after), (_, same, later)) in reads(SMALL)?.into_iter().zip(reads(records)?) {
            for made_for in [MadeFor::TheseValues, MadeFor::AnyValues] {
                let (mut few, mut many, mut plans) = (Vec::new(), Vec::new(), Vec::new());
                for _ in 0..windows.rounds.max(3) {
                    few.push(total(&small.of(&read, after, size, made_for).await?));
                    plans = large.of(&same, later, size, made_for).await?;
                    many.push(total(&plans));
                }
                let generic = match made_for {
                    MadeFor::TheseValues => "",
                    MadeFor::AnyValues => ", generic",
                };
                println!(
                    "| {name}{generic} | {} | {:.0} | {:.0} | {:.2} | {:.2} |",
                    along(&plans),
                    plans.iter().map(Plan::rows_read).sum::<f64>(),
                    plans.iter().map(Plan::pages).sum::<f64>(),
                    median(&many),
                    median(&many) / median(&few),
                );
            }
        }
        Ok(())
    })
}

fn total(plans: &[Plan]) -> f64 {
    plans.iter().map(Plan::milliseconds).sum()
}

/// The indexes of the plans, each once; partitions go by the index of the whole log.
fn along(plans: &[Plan]) -> String {
    let mut names: Vec<String> = Vec::new();
    for scan in plans.iter().flat_map(Plan::scans) {
        let name = match (scan.index, scan.table.starts_with("activity")) {
            (Some(index), true) => {
                let by = if index.contains("run_id") {
                    "activity_run"
                } else if index.contains("pkey") {
                    "activity_pkey"
                } else {
                    "activity_refused"
                };
                by.to_owned()
            }
            (Some(index), false) => index,
            (None, _) => format!("{} of {}", scan.kind, scan.table),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

/// A read, what it is called, and how far it is into its listing.
type Asked = (String, Read, Option<Cursor>);

/// Every read, with each filter, on a ledger of so many records.
fn reads(records: u64) -> anyhow::Result<Vec<Asked>> {
    let run: RunId = format!("nightly_{:08}", records / 200).parse()?;
    let client: ClientId = format!("client-{:04}", (records / 200 * 37 + 42) % 5_000).parse()?;
    let attempt = format!("attempt-{}", records / 400 * 200).parse()?;
    let mut reads = Vec::new();
    let mut add = |name: &str, read, after| reads.push((name.to_owned(), read, after));
    add("get", Read::Get(RunKey::Client(run.clone(), client.clone())), None);
    add(
        "attempt of a chosen id",
        Read::Minted("orchestrator".parse()?, attempt),
        None,
    );
    add("summary of a run", Read::Summary(run.clone()), None);
    add("counts", Read::Counts(Timestamp::EPOCH), None);
    let deadline_before = Timestamp::from_micros(4_000_000_000_000_000)?;
    let stalled = StalledFilter {
        deadline_before,
        within: None,
    };
    add("stalled", Read::Stalled(stalled), None);
    let late_line = Some(Cursor::after_line(records / 10 * 18));
    let mut log = |name, after, set: &dyn Fn(&mut ActivityFilter)| {
        let mut filter = ActivityFilter::default();
        set(&mut filter);
        add(name, Read::Activity(filter), after);
    };
    log("log, late page", late_line, &|_| {});
    log("log of a run", None, &|log| log.run = Some(run.clone()));
    log("log of a client, late page", late_line, &|log| {
        log.client = Some(client.clone());
    });
    log("log of refusals, late page", late_line, &|log| log.refused = true);
    reads.extend(lists(records, &run, &client)?);
    Ok(reads)
}

fn lists(records: u64, run: &RunId, client: &ClientId) -> anyhow::Result<Vec<Asked>> {
    let late = Some(Cursor {
        order: 0,
        id: records / 10 * 9,
    });
    let mut lists = Vec::new();
    let mut add = |name: &str, after, set: &dyn Fn(&mut ListFilter)| {
        let mut filter = ListFilter::default();
        set(&mut filter);
        lists.push((name.to_owned(), Read::List(filter), after));
    };
    add("list", None, &|_| {});
    add("list, late page", late, &|_| {});
    add("list of a run", None, &|list| list.run = Some(run.clone()));
    add("list of a client", None, &|list| list.client = Some(client.clone()));
    add("list of jobs, late page", late, &|list| {
        list.kind = Some(RecordKind::Job);
    });
    for status in Status::ALL
        .into_iter()
        .filter(|status| status.as_str() != "skipped" && status.as_str() != "cancelled")
    {
        add(&format!("list of {status}, late page"), late, &|list| {
            list.status = Some(status);
        });
    }
    let failed: Status = "failed".parse()?;
    add("list of a client's failed", None, &|list| {
        list.client = Some(client.clone());
        list.status = Some(failed);
    });
    add("list of open", None, &|list| list.open = true);
    let (batch, other): (BatchLabel, ClientId) = ("stream-7".parse()?, "client-0001".parse()?);
    add("list of a batch, late page", late, &|list| {
        list.batch = Some(batch.clone());
    });
    // The md5 of 10003, which is not there in a small ledger: looked for all the same.
    let external_id: ExternalId = "apify:f5dffc111454b227fbcdf36178dfe6ac".parse()?;
    add("list by reference", None, &|list| {
        list.external_id = Some(external_id.clone());
    });
    add("list within two clients", None, &|list| {
        list.within = Some([client.clone(), other.clone()].into());
    });
    Ok(lists)
}

/// A ledger of so many records in a database of its own.
async fn make(server: &Server, name: &str, records: u64) -> anyhow::Result<PostgresOptions> {
    let admin = connect(&server.url("postgres", "postgres")).await?;
    admin.batch_execute(&format!("CREATE DATABASE {name}")).await?;
    let url = server.url(name, "postgres");
    let options = PostgresOptions::new(url.parse()?);
    schema::migrate(&options, 12).await?;
    let owner = connect(&url).await?;
    let began = now();
    let mut first = 1;
    while first <= records {
        let last = (first + AT_ONCE - 1).min(records);
        owner.batch_execute(&large_ledger(first, last, records)).await?;
        first = last + 1;
        if records > SMALL {
            eprintln!(
                "{last} of {records} records after {:.0} s",
                began.elapsed().as_secs_f64()
            );
        }
    }
    for tidy in ["VACUUM (ANALYZE)", "CHECKPOINT"] {
        owner.batch_execute(tidy).await?;
    }
    Ok(options)
}

/// Prints how large tables and indexes are. Partitions of the log, and of its indexes, count together.
async fn sizes(url: &str) -> anyhow::Result<()> {
    let owner = connect(url).await?;
    let rows = owner
        .query(
            "SELECT coalesce(parent.relname, c.relname)::text, sum(pg_relation_size(c.oid))::bigint,
                    coalesce((SELECT sum(t.reltuples)::bigint FROM pg_class t WHERE t.oid = c.oid AND c.relkind = 'r'), 0)
               FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class parent ON parent.oid = i.inhparent
              WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i')
              GROUP BY 1, c.oid, c.relkind",
            &[],
        )
        .await?;
    let mut sums = std::collections::BTreeMap::<String, (i64, i64)>::new();
    for row in rows {
        let sum = sums.entry(row.get(0)).or_default();
        *sum = (sum.0 + row.get::<_, i64>(1), sum.1 + row.get::<_, i64>(2));
    }
    println!("| table or index | MiB | rows |");
    println!("| --- | ---: | ---: |");
    for (name, (bytes, rows)) in sums.into_iter().filter(|(_, (bytes, _))| *bytes > 1 << 20) {
        println!("| {name} | {} | {rows} |", bytes >> 20);
    }
    println!();
    Ok(())
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
