//! What a comparison finds, written for people, for a spreadsheet or for a program.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::sweep::CountsView;
use crate::cli::ReportFormat;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::{Output, Table};

/// The columns for a spreadsheet.
const CSV_COLUMNS: [&str; 9] = [
    "what",
    "kind",
    "run_id",
    "client_id",
    "row",
    "field",
    "ledger",
    "cell",
    "why",
];

/// Writes what is found, as it comes.
pub(super) struct Report<'a> {
    output: &'a Output,
    format: ReportFormat,
    /// Whether nothing was written yet.
    is_first: bool,
}

impl<'a> Report<'a> {
    /// A report; with `--json`, for a program whatever the format.
    pub(super) fn begin(output: &'a Output, format: ReportFormat) -> Self {
        Self {
            output,
            format: if output.is_json() { ReportFormat::Json } else { format },
            is_first: true,
        }
    }

    /// Writes what a page holds.
    ///
    /// # Errors
    /// When the answer cannot be read, or the output not be written.
    pub(super) fn tell(&mut self, found: &[Box<RawValue>]) -> Outcome {
        match self.format {
            ReportFormat::Json => found.iter().try_for_each(|one| self.output.json(one.get())),
            ReportFormat::Csv => self.csv(found),
            ReportFormat::Table => self.table(found),
        }
    }

    /// Writes what it comes to.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(super) fn end(&mut self, counts: &CountsView) -> Outcome {
        match self.format {
            ReportFormat::Json => self.output.value(&json!({ "counts": counts })),
            ReportFormat::Csv => self.csv(&[]),
            ReportFormat::Table => {
                let CountsView {
                    rows,
                    records,
                    in_step,
                    unsettled,
                    not_shown,
                    missing,
                    drifted,
                    duplicated,
                    extra,
                    repairs,
                    restarts,
                } = counts;
                let mut text = format!(
                    "{rows} rows and {records} records compared: {in_step} in step, {missing} missing, {drifted} drifted, \
                     {duplicated} duplicated, {extra} of no record"
                );
                for (count, what) in [
                    (unsettled, "wait, are under way or set aside"),
                    (not_shown, "are not to be shown"),
                    (repairs, "are being put right by the projection"),
                ] {
                    if *count > 0 {
                        text = format!("{text}; {count} {what}");
                    }
                }
                if *restarts > 0 {
                    text = format!("{text}; the list began again {restarts} times");
                }
                self.output.line(&text)
            }
        }
    }

    fn table(&mut self, found: &[Box<RawValue>]) -> Outcome {
        let mut table = Table::new(&["WHAT", "RECORD", "ROW", "DIFFERS IN"], "");
        for one in found {
            let one: DiscrepancyView = read(one)?;
            let record = match &one.run_id {
                Some(run) => key(run, one.client_id.as_deref()),
                None => format!("{:?}", one.known_by.clone().unwrap_or_default()),
            };
            let cells = one.cells.iter().map(|cell| {
                format!(
                    "{}: {:?} in the ledger, {:?} in the row",
                    cell.field, cell.ledger, cell.row
                )
            });
            let differs = cells.chain(one.why.clone()).collect::<Vec<_>>().join("; ");
            table.row([&one.what, &record, &one.rows.join(", "), &differs]);
        }
        if table.is_empty() {
            return Ok(());
        }
        self.output.line(&table.text())
    }

    fn csv(&mut self, found: &[Box<RawValue>]) -> Outcome {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed =
            |error: &dyn std::fmt::Display| Failure::new(Exit::Fault, format_args!("cannot write CSV: {error}"));
        if std::mem::take(&mut self.is_first) {
            writer.write_record(CSV_COLUMNS).map_err(|error| failed(&error))?;
        }
        for one in found {
            let one: DiscrepancyView = read(one)?;
            for line in one.csv_lines() {
                writer.write_record(line).map_err(|error| failed(&error))?;
            }
        }
        let bytes = writer.into_inner().map_err(|error| failed(&error))?;
        self.output.write(&bytes)
    }
}

/// The key of a record, for people.
pub(super) fn key(run: &str, client: Option<&str>) -> String {
    client.map_or_else(|| run.to_owned(), |client| format!("{run} {client}"))
}

/// Reads one thing that was found.
///
/// # Errors
/// When it is of another shape.
pub(super) fn read(raw: &RawValue) -> Outcome<DiscrepancyView> {
    serde_json::from_str(raw.get()).map_err(|error| crate::commands::unreadable(&error))
}

/// Something that was found.
#[derive(Deserialize)]
pub(super) struct DiscrepancyView {
    pub(super) what: String,
    kind: String,
    pub(super) run_id: Option<String>,
    pub(super) client_id: Option<String>,
    rows: Vec<String>,
    cells: Vec<CellView>,
    known_by: Option<String>,
    why: Option<String>,
}

#[derive(Deserialize)]
struct CellView {
    field: String,
    ledger: String,
    row: String,
}

impl DiscrepancyView {
    /// One line for each cell that differs, or for each row.
    fn csv_lines<'a>(&'a self) -> Vec<[&'a str; CSV_COLUMNS.len()]> {
        let line = |row: &'a str, field: &'a str, ledger: &'a str, cell: &'a str| {
            [
                self.what.as_str(),
                self.kind.as_str(),
                self.run_id.as_deref().unwrap_or_default(),
                self.client_id.as_deref().unwrap_or_default(),
                row,
                field,
                ledger,
                cell,
                self.why.as_deref().unwrap_or_default(),
            ]
        };
        let first = self.rows.first().map_or("", String::as_str);
        if !self.cells.is_empty() {
            let cells = self.cells.iter();
            return cells
                .map(|cell| line(first, cell.field.as_str(), cell.ledger.as_str(), cell.row.as_str()))
                .collect();
        }
        if self.rows.is_empty() {
            return vec![line("", "", "", "")];
        }
        let known_by = self.known_by.as_deref().unwrap_or_default();
        self.rows
            .iter()
            .map(|row| line(row.as_str(), "", "", known_by))
            .collect()
    }
}
