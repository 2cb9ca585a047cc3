//! `airtable import`: the rows of both tables are read into files, the files imported by the one way that there is, and each
//! record's row noted. Nothing is written at Airtable.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use runledger_airtable::{AirtableTarget, OlderRow};
use runledger_app::{Adopted, Duties, ReconcileError, Reconciler};
use runledger_domain::{ClientId, RecordKind, RunKey};
use runledger_legacy::LegacyId;
use runledger_legacy::import::{Import, Input, Merge, Mode, Report};
use runledger_ports::{FoundRow, ListRowsError, NotDone, ProjectionTarget as _, RowId, RowsPlace};
use serde_json::{Value, json};

use super::sweep::progress_bar;
use crate::cli::TablesArgs;
use crate::commands::import as files;
use crate::commands::{Context, OPERATOR};
use crate::failure::{Exit, Failure, Outcome};
use crate::ledger::OpenLedger;
use crate::reconciling;
use crate::settings::ShownFrom;

/// How often in a row a page may fail before it is given up.
const FAILURES_MAX: u32 = 30;
/// How often a list may begin again.
const RESTARTS_MAX: u32 = 100;
/// The pause before a page is asked for again.
const PAUSE: Duration = Duration::from_secs(2);
/// The name of the report in the directory of `--report`.
const REPORT_FILE: &str = "airtable.csv";

/// The rows of a record, as the tables show them.
type Rows = BTreeMap<RunKey, Vec<FoundRow>>;

/// A table that was read into a file, one row a line.
struct Spooled {
    path: PathBuf,
    /// The row of each line.
    ids: Vec<RowId>,
}

/// Takes over the rows of the tables.
///
/// # Errors
/// A server holds the ledger; Airtable refuses; the ledger cannot take records.
pub(super) async fn import(context: &Context<'_>, args: &TablesArgs) -> Outcome {
    let settings = context.settings;
    if !settings.airtable.is_given() {
        return Err(Failure::usage("no tables are configured: airtable.base is empty")
            .advise("docs/airtable.md says how the tables are named"));
    }
    // What cannot be opened is said before Airtable is asked thousands of times.
    let open = if args.dry_run {
        None
    } else {
        Some(files::open(context).await?)
    };
    let done = with_ledger(context, args, open.as_ref()).await;
    if let Some(open) = open {
        open.store.close().await;
    }
    done
}

async fn with_ledger(context: &Context<'_>, args: &TablesArgs, open: Option<&OpenLedger>) -> Outcome {
    let target = Arc::new(context.settings.airtable.target()?);
    target.prepare().await.map_err(|error| failure_of(&error))?;
    let directory = tempfile::tempdir().map_err(|error| cannot_write(Path::new("a temporary directory"), &error))?;
    let bar = progress_bar(context, "reading");
    let mut rows = Rows::new();
    let read = async {
        let jobs = spool(&target, RecordKind::Job, directory.path(), &mut rows, &bar).await?;
        let clients = spool(&target, RecordKind::Client, directory.path(), &mut rows, &bar).await?;
        Ok::<_, Failure>((jobs, clients))
    };
    let read = read.await;
    bar.finish_and_clear();
    let (jobs, clients) = read?;
    let import = Import {
        jobs: input(&jobs),
        clients: input(&clients),
        merge: Merge::Nothing,
    };
    if import.jobs.is_none() && import.clients.is_none() {
        return context.output.line("the tables have no rows");
    }
    let lines = directory.path().join("lines.csv");
    let reconciler = match open {
        None => None,
        Some(open) => {
            let (_, leases) = reconciling::stores(open);
            let duties = Arc::new(Duties::new(leases));
            Some(reconciling::of_server(context.settings, open, target.clone(), duties)?)
        }
    };
    if let Some(reconciler) = &reconciler {
        reconciler.begin_adoption().await.map_err(not_adopted)?;
    }
    let mut report = run(context, &import, open, &lines).await?;
    // The files are gone in a moment; what they hold is the tables.
    for (table, kind) in [
        (&mut report.jobs, RecordKind::Job),
        (&mut report.clients, RecordKind::Client),
    ] {
        if let (Some(table), Ok((_, read))) = (table, target.table(kind)) {
            table.path = PathBuf::from(read.name());
        }
    }
    if let Some(into) = &args.report {
        let path = keep_report(&lines, into, &jobs, &clients)?;
        context.output.tell(&format!("report on every row: {}", path.display()));
    }
    let adopted = match reconciler {
        None => Adopted::default(),
        Some(reconciler) => adopt(context, &reconciler, &rows).await?,
    };
    print(context, &report, &adopted)
}

async fn run(context: &Context<'_>, import: &Import, open: Option<&OpenLedger>, lines: &Path) -> Outcome<Report> {
    let file = File::create(lines).map_err(|error| cannot_write(lines, &error))?;
    let mut file = BufWriter::new(file);
    let report = if let Some(open) = open {
        import.run(Mode::Into(&open.ledger), &mut file, &mut |_| {}).await
    } else {
        let store = files::open_to_compare(context).await?;
        import.run(Mode::DryRun(store.as_deref()), &mut file, &mut |_| {}).await
    };
    file.flush().map_err(|error| cannot_write(lines, &error))?;
    report.map_err(|error| files::failure_of(&error))
}

/// Reads a table into a file. When the list has expired it begins again, and so does the file.
async fn spool(
    target: &AirtableTarget,
    kind: RecordKind,
    directory: &Path,
    rows: &mut Rows,
    bar: &ProgressBar,
) -> Outcome<Spooled> {
    let path = directory.join(format!("{kind}.jsonl"));
    let table = target.older_table(kind).await.map_err(|error| failure_of(&error))?;
    let (mut failures, mut restarts) = (0, 0);
    'list: loop {
        let file = File::create(&path).map_err(|error| cannot_write(&path, &error))?;
        let (mut file, mut ids) = (BufWriter::new(file), Vec::new());
        rows.retain(|key, _| key.kind() != kind);
        let mut place: Option<RowsPlace> = None;
        loop {
            let page = match table.page(place.as_ref()).await {
                Ok(page) => page,
                Err(ListRowsError::PlaceLost) if restarts < RESTARTS_MAX => {
                    restarts += 1;
                    continue 'list;
                }
                Err(ListRowsError::NotDone(NotDone::Later { .. })) if failures < FAILURES_MAX => {
                    failures += 1;
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(ListRowsError::PlaceLost) => {
                    return Err(Failure::unavailable("the list of the rows expires again and again"));
                }
                Err(ListRowsError::NotDone(error)) => return Err(failure_of(&error)),
            };
            failures = 0;
            for row in page.rows {
                writeln!(file, "{}", row.line()).map_err(|error| cannot_write(&path, &error))?;
                if let Some(key) = key_of(kind, &row) {
                    rows.entry(key).or_default().push(FoundRow {
                        id: row.id.clone(),
                        digest: row.digest,
                    });
                }
                ids.push(row.id);
            }
            bar.set_message(format!("{} {kind} rows", ids.len()));
            bar.tick();
            place = page.next;
            if place.is_none() {
                file.flush().map_err(|error| cannot_write(&path, &error))?;
                return Ok(Spooled { path, ids });
            }
        }
    }
}

/// The record that a row is of, in whatever spelling of the older system.
fn key_of(kind: RecordKind, row: &OlderRow) -> Option<RunKey> {
    let text = |name: &str| row.fields.get(name).and_then(Value::as_str);
    let run = text(runledger_legacy::fields::RUN_ID)?;
    let client: Option<ClientId> = match kind {
        RecordKind::Job => None,
        RecordKind::Client => Some(text(runledger_legacy::fields::CLIENT_ID)?.parse().ok()?),
    };
    LegacyId::parse(run, client.as_ref()).ok().map(LegacyId::into_key)
}

fn input(table: &Spooled) -> Option<Input> {
    (!table.ids.is_empty()).then(|| Input::json_lines(&table.path))
}

async fn adopt(context: &Context<'_>, reconciler: &Reconciler, rows: &Rows) -> Outcome<Adopted> {
    let by = context.source.unwrap_or(OPERATOR);
    let by = by
        .parse()
        .map_err(|error| Failure::usage(format_args!("--source: {error}")))?;
    let from_beginning = context.settings.airtable.from == ShownFrom::Beginning;
    let adopted = reconciler.adopt(&by, rows, from_beginning).await;
    adopted.map_err(not_adopted)
}

fn not_adopted(error: ReconcileError) -> Failure {
    match error {
        ReconcileError::Place(error) => failure_of(&error),
        ReconcileError::Elsewhere { holder } => Failure::new(
            Exit::Refused,
            format_args!(
                "the server {holder} shows the records of this ledger, and would make rows that are there already"
            ),
        )
        .advise(
            "stop the servers over this database (`runledger duties` lists who shows), import, and start them again",
        ),
        error => Failure::unavailable(&error).advise("do the same again: what was done stays"),
    }
}

/// The report of the import, with the id of each row.
fn keep_report(lines: &Path, into: &Path, jobs: &Spooled, clients: &Spooled) -> Outcome<PathBuf> {
    let path = into.join(REPORT_FILE);
    let failed = |error: &dyn std::fmt::Display| {
        Failure::usage(format_args!("cannot write the report {}: {error}", path.display()))
    };
    fs::create_dir_all(into).map_err(|error| failed(&error))?;
    let mut reader = csv::Reader::from_path(lines).map_err(|error| failed(&error))?;
    let mut writer = csv::Writer::from_path(&path).map_err(|error| failed(&error))?;
    let mut columns = reader.headers().map_err(|error| failed(&error))?.clone();
    columns.push_field("record");
    writer.write_record(&columns).map_err(|error| failed(&error))?;
    for line in reader.records() {
        let mut line = line.map_err(|error| failed(&error))?;
        let ids = if line.get(0) == Some("job") {
            &jobs.ids
        } else {
            &clients.ids
        };
        let place = line
            .get(1)
            .and_then(|row| row.parse::<usize>().ok())
            .and_then(|row| row.checked_sub(1));
        let id = place
            .and_then(|place| ids.get(place))
            .map_or("", RowId::as_str)
            .to_owned();
        line.push_field(&id);
        writer.write_record(&line).map_err(|error| failed(&error))?;
    }
    writer.flush().map_err(|error| failed(&error))?;
    Ok(path)
}

fn print(context: &Context<'_>, report: &Report, adopted: &Adopted) -> Outcome {
    if context.output.is_json() {
        let mut value = serde_json::to_value(report).map_err(|error| Failure::new(Exit::Fault, error))?;
        if let Some(members) = value.as_object_mut() {
            members.insert("rows_known".into(), json!(adopted.known));
            members.insert("rows_adopted".into(), json!(adopted.adopted));
            members.insert("records_with_several_rows".into(), json!(adopted.several));
            members.insert("rows_of_no_record".into(), json!(adopted.of_no_record));
        }
        return context.output.value(&value);
    }
    context.output.line(&report.to_string())?;
    if report.dry_run {
        return Ok(());
    }
    let Adopted {
        known,
        adopted,
        several,
        of_no_record,
    } = adopted;
    context.output.line(&format!(
        "The ledger has learnt the rows of {adopted} records, and knew those of {known}. {several} records have several \
         rows, and {of_no_record} rows are of none: nothing was chosen, and nothing deleted."
    ))
}

fn failure_of(error: &NotDone) -> Failure {
    match error {
        NotDone::Later { .. } => Failure::unavailable(error).advise("try again in a moment; what was done stays"),
        NotDone::Stopped { .. } => {
            Failure::new(Exit::Refused, error).advise("`runledger airtable check` lists everything")
        }
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Fault, format_args!("cannot write {}: {error}", path.display()))
}
