//! `export`: every record, page by page, to a file that appears only when it is complete, or to standard output.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Context;
use super::pages::walk;
use crate::cli::{ExportArgs, ExportFormat};
use crate::connect::Need;
use crate::failure::{Exit, Failure, Outcome};
use crate::moving;
use crate::output::safe_json;
use crate::transport::Request;

/// The columns of a CSV export. Lists and objects are JSON in their cell.
const COLUMNS: [&str; 24] = [
    "run_id",
    "client_id",
    "kind",
    "client_name",
    "batch",
    "status",
    "created_at",
    "created_by",
    "attempt",
    "reconstructed",
    "started_at",
    "ended_at",
    "ended_by",
    "end_note",
    "duration_ms",
    "deadline",
    "deadline_after_seconds",
    "updated_at",
    "updated_by",
    "version",
    "metrics",
    "stages",
    "notes",
    "external_ids",
];

/// Writes all records.
///
/// # Errors
/// The file cannot be written; what the API refuses.
pub(crate) async fn export(context: &Context<'_>, args: &ExportArgs) -> Outcome {
    if args.format == ExportFormat::Ledger {
        return whole_ledger(context, args).await;
    }
    if args.after.is_some() {
        return Err(Failure::usage("only a whole ledger is exported from a line on").advise("add --format ledger"));
    }
    let connection = context.connect(Need::Exists).await?;
    let mut sink = Sink::open(context, args)?;
    let mut count = 0_u64;
    if args.format == ExportFormat::Csv {
        sink.write(&row(COLUMNS.iter().copied())?)?;
    }
    walk(
        context,
        &connection,
        &Request::get(&["records"])?,
        u64::MAX,
        |records| {
            count += records.len() as u64;
            records.iter().try_for_each(|record| match args.format {
                ExportFormat::Jsonl | ExportFormat::Ledger => {
                    sink.write(format!("{}\n", safe_json(record.get())).as_bytes())
                }
                ExportFormat::Csv => sink.write(&csv_row(record)?),
            })
        },
    )
    .await?;
    sink.finish()?;
    if let Some(path) = &args.out {
        let records = if count == 1 { "record" } else { "records" };
        context
            .output
            .tell(&format!("{count} {records} written to {}", path.display()));
    }
    Ok(())
}

/// Writes everything that there is, for `import ledger`.
async fn whole_ledger(context: &Context<'_>, args: &ExportArgs) -> Outcome {
    if args.out.is_none() && io::stdout().is_terminal() {
        return Err(Failure::usage("a whole ledger is nothing for a terminal")
            .advise("give --out FILE, or hand it on: runledger export --format ledger | runledger import ledger -"));
    }
    let mut sink = Sink::open(context, args)?;
    let after = args.after.unwrap_or_default();
    let written = moving::export(context, after, &mut |line| sink.write(line)).await?;
    sink.finish()?;
    context.output.tell(&format!(
        "{} records and {} lines of the log written, up to line {}",
        written.records, written.lines, written.to
    ));
    Ok(())
}

/// Where the records go.
enum Sink<'a> {
    Terminal(&'a Context<'a>),
    File {
        draft: PathBuf,
        path: &'a Path,
        file: BufWriter<File>,
    },
}

impl<'a> Sink<'a> {
    fn open(context: &'a Context<'a>, args: &'a ExportArgs) -> Outcome<Self> {
        let Some(path) = args.out.as_deref() else {
            return Ok(Self::Terminal(context));
        };
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let draft = path.with_file_name(name);
        let file = create(&draft, args.format).map_err(|error| cannot_write(&draft, &error))?;
        Ok(Self::File {
            draft,
            path,
            file: BufWriter::new(file),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Outcome {
        match self {
            Self::Terminal(context) if io::stdout().is_terminal() => context
                .output
                .line(String::from_utf8_lossy(bytes).trim_end_matches('\n')),
            Self::Terminal(context) => context.output.write(bytes),
            Self::File { draft, file, .. } => file.write_all(bytes).map_err(|error| cannot_write(draft, &error)),
        }
    }

    fn finish(self) -> Outcome {
        let Self::File { draft, path, file } = self else {
            return Ok(());
        };
        let file = file.into_inner().map_err(|error| cannot_write(&draft, error.error()))?;
        file.sync_all().map_err(|error| cannot_write(&draft, &error))?;
        fs::rename(&draft, path).map_err(|error| cannot_write(path, &error))
    }
}

/// A new file, for its owner alone if it holds a whole ledger: with that come the hashes of tokens.
fn create(path: &Path, format: ExportFormat) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    if format == ExportFormat::Ledger {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = format;
    options.open(path)
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Fault, format_args!("cannot write {}: {error}", path.display()))
}

/// The fields of a record, each as the text that it is on the wire.
#[derive(Deserialize)]
struct Fields(std::collections::HashMap<String, Box<RawValue>>);

fn csv_row(record: &RawValue) -> Outcome<Vec<u8>> {
    let unreadable = |error| {
        Failure::new(
            Exit::Fault,
            format_args!("the answer of the ledger cannot be read: {error}"),
        )
    };
    let Fields(fields) = serde_json::from_str(record.get()).map_err(unreadable)?;
    let mut cells = Vec::with_capacity(COLUMNS.len());
    for column in COLUMNS {
        let raw = fields.get(column).map_or("null", |value| value.get());
        cells.push(match raw.as_bytes().first() {
            Some(b'"') => serde_json::from_str(raw).map_err(unreadable)?,
            _ if raw == "null" => String::new(),
            _ => raw.to_owned(),
        });
    }
    row(cells.iter().map(String::as_str))
}

fn row<'a>(cells: impl Iterator<Item = &'a str>) -> Outcome<Vec<u8>> {
    let fault = |error: &dyn std::fmt::Display| Failure::new(Exit::Fault, format_args!("cannot write CSV: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).map_err(|error| fault(&error))?;
    writer.into_inner().map_err(|error| fault(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_csv_has_every_value_once_and_exactly() {
        let record = r#"{"run_id":"250925-112233","client_id":null,"version":3,"metrics":{"cost":0.100000001},
            "notes":[],"client_name":"a, \"b\"\nc"}"#;
        let record: Box<RawValue> = serde_json::from_str(record).unwrap();
        let text = String::from_utf8(csv_row(&record).unwrap()).unwrap();
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(text.as_bytes());
        let row = reader.records().next().unwrap().unwrap();
        let cell = |name: &str| &row[COLUMNS.iter().position(|column| *column == name).unwrap()];
        assert_eq!(cell("run_id"), "250925-112233");
        assert_eq!(cell("client_id"), "");
        assert_eq!(cell("version"), "3");
        assert_eq!(cell("metrics"), r#"{"cost":0.100000001}"#);
        assert_eq!(cell("client_name"), "a, \"b\"\nc");
    }
}
