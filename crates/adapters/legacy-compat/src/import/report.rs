//! The summary of an import: counts that add up, and everything that was not taken.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::line::{Class, Effect, Line};

/// What an import came to.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Report {
    /// Whether nothing was written because nothing was to be.
    pub dry_run: bool,
    /// Whether the rows were compared with a ledger. A dry run can be made without one.
    pub compared: bool,
    /// The table of jobs, if it was given.
    pub jobs: Option<TableReport>,
    /// The table of clients, if it was given.
    pub clients: Option<TableReport>,
    /// Jobs that no row of the job table names, made because client rows do.
    pub reconstructed: u64,
    /// Rows of the job table whose job an earlier import had made from its clients.
    pub met_reconstructed: u64,
    /// Records that this import created, reconstructed jobs among them.
    pub created_now: u64,
    /// Records that an earlier import of the same rows had created.
    pub already_there: u64,
    /// Records that would be created, in a dry run.
    pub would_create: u64,
    /// Kept records whose metrics were raised to the highest of their duplicates; in a dry run, would be.
    pub raised: u64,
    /// Kept records that were not raised, because they have ended in the ledger.
    pub not_raised: u64,
}

/// What became of the rows of one table. The four classes add up to the rows.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct TableReport {
    /// The file.
    pub path: PathBuf,
    /// How many rows were read.
    pub rows: u64,
    /// Rows taken as they stand.
    pub created: u64,
    /// Rows taken under the canonical spelling.
    pub normalised: u64,
    /// Rows whose key is held by another row, or by the ledger.
    pub duplicate: u64,
    /// Rows that were not taken.
    pub refused: u64,
    /// How many rows have each reason, by class.
    pub reasons: BTreeMap<Class, BTreeMap<&'static str, u64>>,
    /// Columns whose values are in no record.
    pub not_taken: Vec<NotTaken>,
}

/// A column whose values are in no record of the ledger.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct NotTaken {
    /// The column.
    pub column: String,
    /// How many rows have a value in it.
    pub values: u64,
    /// Why it was not taken.
    pub why: Why,
}

/// Why a column was not taken.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The ledger has no place for it.
    Unknown,
    /// The ledger derives it from the client run records.
    Derived,
    /// It only tells which of several rows was created first.
    Order,
}

impl TableReport {
    /// How many rows are of this class.
    pub const fn of(&self, class: Class) -> u64 {
        match class {
            Class::Created => self.created,
            Class::Normalised => self.normalised,
            Class::Duplicate => self.duplicate,
            Class::Refused => self.refused,
        }
    }

    pub(super) fn count(&mut self, class: Class, reason: &'static str) {
        self.rows += 1;
        match class {
            Class::Created => self.created += 1,
            Class::Normalised => self.normalised += 1,
            Class::Duplicate => self.duplicate += 1,
            Class::Refused => self.refused += 1,
        }
        if !reason.is_empty() {
            *self.reasons.entry(class).or_default().entry(reason).or_default() += 1;
        }
    }
}

impl Report {
    /// Counts the effect of one line, and the line itself if it is not a row.
    pub(super) fn count(&mut self, line: &Line) {
        match line.effect {
            Effect::None => {}
            Effect::Created => self.created_now += 1,
            Effect::AlreadyThere | Effect::Raised | Effect::WouldRaise => self.already_there += 1,
            Effect::WouldCreate => self.would_create += 1,
        }
        self.reconstructed += u64::from(line.class.is_none());
        self.met_reconstructed += u64::from(line.meets_reconstructed);
        self.raised += u64::from(line.raised);
        self.not_raised += u64::from(line.not_raised);
    }

    /// Whether the ledger is as it was before.
    pub const fn changed_nothing(&self) -> bool {
        self.dry_run || (self.created_now == 0 && self.raised == 0)
    }

    fn tables(&self) -> impl Iterator<Item = (&'static str, &TableReport)> {
        let jobs = self.jobs.as_ref().map(|table| ("jobs", table));
        let clients = self.clients.as_ref().map(|table| ("clients", table));
        jobs.into_iter().chain(clients)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<10}{:>10}", "table", "rows")?;
        for class in Class::ALL {
            write!(f, "{class:>12}")?;
        }
        writeln!(f, "  file")?;
        for (name, table) in self.tables() {
            write!(f, "{name:<10}{:>10}", table.rows)?;
            for class in Class::ALL {
                write!(f, "{:>12}", table.of(class))?;
            }
            writeln!(f, "  {}", table.path.display())?;
        }
        for (name, table) in self.tables() {
            for (class, reasons) in &table.reasons {
                let reasons: Vec<_> = reasons
                    .iter()
                    .map(|(reason, rows)| format!("{reason} {rows}"))
                    .collect();
                writeln!(f, "{name}, {class}: {}", reasons.join(", "))?;
            }
        }
        for (name, table) in self.tables() {
            write_not_taken(f, name, &table.not_taken)?;
        }
        self.write_reconstructed(f)?;
        self.write_raised(f)?;
        self.write_effect(f)
    }
}

impl Report {
    fn write_reconstructed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reconstructed > 0 {
            writeln!(
                f,
                "{} reconstructed from clients whose run is not in the job table",
                plural(self.reconstructed, "job")
            )?;
            if self.jobs.is_none() {
                writeln!(
                    f,
                    "  A record is created once: a job table that is imported later cannot complete them. To have its \
                     rows, import both tables in one command, into a new ledger."
                )?;
            }
        }
        if self.met_reconstructed > 0 {
            writeln!(
                f,
                "{} of the job table not taken: an earlier import reconstructed the job from its clients\n  A record is \
                 created once. To have these rows, import both tables in one command, into a new ledger.",
                plural(self.met_reconstructed, "row")
            )?;
        }
        Ok(())
    }

    fn write_raised(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.raised > 0 {
            writeln!(
                f,
                "{} raised to the highest metrics of the rows of its key",
                plural(self.raised, "kept record")
            )?;
        }
        if self.not_raised > 0 {
            writeln!(
                f,
                "{} not raised: it has ended in the ledger, and an ended record never changes",
                plural(self.not_raised, "kept record")
            )?;
        }
        Ok(())
    }

    fn write_effect(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let there = plural(self.already_there, "record");
        if self.dry_run {
            let would = plural(self.would_create, "record");
            return if self.compared {
                write!(
                    f,
                    "Dry run: nothing was written; {would} would be created, {} already there.",
                    self.already_there
                )
            } else {
                write!(
                    f,
                    "Dry run: nothing was written; {would} would be created. There is no ledger yet to compare with."
                )
            };
        }
        match (self.created_now, self.already_there) {
            (0, 0) => write!(
                f,
                "Nothing changed: no row makes a record that the ledger does not hold."
            ),
            (0, _) if self.raised > 0 => write!(f, "Nothing created: {there} already there."),
            (0, _) => write!(f, "Nothing changed: {there} already there."),
            (now, 0) => write!(f, "{} created.", plural(now, "record")),
            (now, there) => write!(f, "{} created, {there} already there.", plural(now, "record")),
        }
    }
}

fn write_not_taken(f: &mut fmt::Formatter<'_>, table: &str, columns: &[NotTaken]) -> fmt::Result {
    const SHOWN: usize = 8;
    for (why, says) in [
        (Why::Unknown, "not taken (the ledger has no place for them)"),
        (
            Why::Derived,
            "not taken (the ledger derives them from the client run records)",
        ),
        (
            Why::Order,
            "not taken (used only to find the row that was created first)",
        ),
    ] {
        // An empty column holds nothing that could be missed.
        let named: Vec<_> = columns
            .iter()
            .filter(|column| column.why == why && column.values > 0)
            .collect();
        if named.is_empty() {
            continue;
        }
        let shown: Vec<_> = named
            .iter()
            .take(SHOWN)
            .map(|column| format!("{} ({})", column.column, plural(column.values, "value")))
            .collect();
        let more = named.len().saturating_sub(SHOWN);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        writeln!(f, "{table}, columns {says}: {}{more}", shown.join(", "))?;
    }
    Ok(())
}

/// The number with its noun.
pub(super) fn plural(count: u64, word: &str) -> String {
    if count == 1 {
        format!("1 {word}")
    } else {
        format!("{count} {word}s")
    }
}
