//! `import`: hands the files to the legacy crate, with the one policy that lets records with a history come in. It
//! needs the ledger for itself: the policy of a server does not allow an import.

use std::error::Error as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use runledger_domain::{RecordKind, Source};
use runledger_embedded::{EmbeddedStore, OpenError};
use runledger_legacy::import::{Import, ImportError, Input, Merge, Mode, Phase, Progress, Report, SOURCE};

use runledger_ports::RunReader;
use runledger_postgres::PostgresStore;

use super::Context;
use crate::cli;
use crate::connect;
use crate::failure::{Exit, Failure, Outcome};
use crate::ledger::{OpenLedger, Use, failure_of_database, is_shared};
use crate::moving;
use crate::server_file;

/// The name of the report in the directory of `--report`.
const REPORT_FILE: &str = "import.csv";
/// Its name while it is being written.
const REPORT_DRAFT: &str = "import.csv.part";

/// Takes over records from the older tables.
///
/// # Errors
/// A file cannot be read; a server holds the ledger; the ledger cannot take records.
pub(crate) async fn import(context: &Context<'_>, command: &cli::Import) -> Outcome {
    let (args, import) = match command {
        cli::Import::Ledger(args) => return moving::import(context, args).await,
        cli::Import::AirtableCsv(args) => (args, plan(args, |path| Input::csv(path))),
        cli::Import::AirtableJsonl(args) => (args, plan(args, |path| Input::by_extension(path))),
    };
    let mut report_file = args.report.as_deref().map(ReportFile::open).transpose()?;
    let mut nowhere = io::sink();
    let lines: &mut (dyn Write + Send) = match &mut report_file {
        Some(report) => &mut report.file,
        None => &mut nowhere,
    };
    let bar = progress_bar(context);
    let mut progress = |progress| show(&bar, progress);
    let report = if args.dry_run {
        match open_to_compare(context).await {
            Ok(store) => {
                let mode = Mode::DryRun(store.as_deref());
                let report = import.run(mode, lines, &mut progress).await;
                report.map_err(|error| failure_of(&error))
            }
            Err(failure) => Err(failure),
        }
    } else {
        match open(context).await {
            Ok(OpenLedger { ledger, store }) => {
                let report = import.run(Mode::Into(&ledger), lines, &mut progress).await;
                store.close().await;
                report.map_err(|error| failure_of(&error))
            }
            Err(failure) => Err(failure),
        }
    };
    bar.finish_and_clear();
    match report {
        Ok(report) => {
            print(context, &report)?;
            report_file.map_or(Ok(()), |file| file.finish(context))
        }
        Err(failure) => {
            if let Some(file) = report_file {
                file.give_up(context, &failure);
            }
            Err(failure)
        }
    }
}

fn plan(args: &cli::ImportArgs, input: impl Fn(&Path) -> Input) -> Import {
    Import {
        jobs: args.tables.jobs.as_deref().map(&input),
        clients: args.tables.clients.as_deref().map(&input),
        merge: match args.merge {
            None => Merge::Nothing,
            Some(cli::Merge::Max) => Merge::Max,
        },
    }
}

/// The ledger, with a policy that lets this process, and nobody else, import.
pub(super) async fn open(context: &Context<'_>) -> Outcome<OpenLedger> {
    let settings = context.settings;
    if let Some(server) = server_file::find(&settings.data) {
        return Err(Failure::unavailable(format_args!(
            "the server at {} (process {}) holds this ledger; nothing was imported",
            server.url, server.pid
        ))
        .advise("stop the server, import, and start it again; a --dry-run only reads it"));
    }
    let source: Source = SOURCE
        .parse()
        .map_err(|error| Failure::new(Exit::Fault, format_args!("{SOURCE}: {error}")))?;
    connect::open(settings, Use::Server, settings.policy()?.allow_import(source)).await
}

/// The ledger that a dry run compares with, if there is one. A server may hold it.
pub(super) async fn open_to_compare(context: &Context<'_>) -> Outcome<Option<Box<dyn RunReader>>> {
    if is_shared(context.settings) {
        let store = PostgresStore::open(context.settings.postgres.options()?).await;
        let store = store.map_err(|error| failure_of_database(&error))?;
        return Ok(Some(Box::new(store)));
    }
    match EmbeddedStore::open_read_only(&context.settings.data) {
        Ok(store) => Ok(Some(Box::new(store))),
        Err(OpenError::Absent { .. }) => Ok(None),
        Err(error) => Err(crate::ledger::failure_of(&error)),
    }
}

fn print(context: &Context<'_>, report: &Report) -> Outcome {
    if context.output.is_json() {
        let value = serde_json::to_value(report).map_err(|error| Failure::new(Exit::Fault, error))?;
        return context.output.value(&value);
    }
    context.output.line(&report.to_string())
}

pub(super) fn failure_of(error: &ImportError) -> Failure {
    let mut what = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !what.contains(&text) {
            what = format!("{what}: {text}");
        }
        cause = error.source();
    }
    let exit = match error {
        ImportError::Store { .. } | ImportError::Raise { .. } | ImportError::Compare { .. } => Exit::Unavailable,
        ImportError::Report { .. } | ImportError::NotAllowed { .. } => Exit::Fault,
        _ => Exit::Usage,
    };
    Failure::new(exit, what)
}

/// The report on every row. It takes the place of an earlier one only when it is complete.
struct ReportFile<'a> {
    directory: &'a Path,
    file: BufWriter<File>,
}

impl<'a> ReportFile<'a> {
    fn open(directory: &'a Path) -> Outcome<Self> {
        let path = directory.join(REPORT_DRAFT);
        fs::create_dir_all(directory)
            .and_then(|()| File::create(&path))
            .map(|file| Self {
                directory,
                file: BufWriter::new(file),
            })
            .map_err(|error| cannot_write(&path, &error))
    }

    fn finish(self, context: &Context<'_>) -> Outcome {
        let (draft, path) = (self.directory.join(REPORT_DRAFT), self.directory.join(REPORT_FILE));
        let file = self
            .file
            .into_inner()
            .map_err(|error| cannot_write(&draft, error.error()))?;
        drop(file);
        fs::rename(&draft, &path).map_err(|error| cannot_write(&path, &error))?;
        context.output.tell(&format!("report on every row: {}", path.display()));
        Ok(())
    }

    /// The import failed. What it did before is in the draft; when nothing was begun there is nothing to keep.
    fn give_up(self, context: &Context<'_>, failure: &Failure) {
        let draft = self.directory.join(REPORT_DRAFT);
        drop(self.file);
        if failure.exit() == Exit::Usage {
            // A draft that cannot be removed does no harm.
            let _ = fs::remove_file(&draft);
        } else {
            context
                .output
                .tell(&format!("report on the rows up to there: {}", draft.display()));
        }
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format_args!("cannot write the report {}: {error}", path.display()))
}

/// Drawn on a terminal only, never between the lines of a log.
fn progress_bar(context: &Context<'_>) -> ProgressBar {
    let target = if context.output.is_json() {
        ProgressDrawTarget::hidden()
    } else {
        // indicatif draws nothing where standard error is no terminal.
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    let style = ProgressStyle::with_template("{msg:<16} [{bar:30}] {percent:>3} %  {bytes}/{total_bytes}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn show(bar: &ProgressBar, progress: Progress) {
    let phase = match progress.phase {
        Phase::Read => "reading",
        Phase::Write => "importing",
    };
    let table = match progress.table {
        RecordKind::Job => "jobs",
        RecordKind::Client => "clients",
    };
    bar.set_length(progress.bytes_total);
    bar.set_message(format!("{phase} {table}"));
    bar.set_position(progress.bytes);
}
