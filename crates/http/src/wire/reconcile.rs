//! What a comparison with Airtable finds, on the wire.

use runledger_app::{Copies, CopiesState, Copy, Discrepancy, SweepCounts, SweepPage};
use runledger_domain::{ClientId, RunKey};
use runledger_ports::{CellDifference, RemovedRow, RowId, TargetFinding};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::describe::forms;
use crate::problem;
use crate::trouble::Problem;
use crate::wire::input::{client_id, run_key};
use crate::wire::text::Text;
use crate::wire::time::Time;

/// Something that stands between the ledger and its rows, or that is good to know.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AirtableFinding)]
pub(crate) struct FindingOut<'a> {
    /// `forbids`: nothing can be shown before it is mended. `warns`, `informs`.
    #[schema(example = "forbids")]
    severity: &'static str,
    /// A word for programs.
    #[schema(example = "field_missing")]
    code: &'static str,
    /// What was found.
    what: &'a str,
    /// What to do; empty when there is nothing to do.
    remedy: &'a str,
}

/// What stands between the ledger and its rows, the worst first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AirtableFindings)]
pub(crate) struct FindingList<'a> {
    findings: Vec<FindingOut<'a>>,
}

impl<'a> FindingList<'a> {
    pub(crate) fn of(findings: &'a [TargetFinding]) -> Self {
        let findings = findings.iter().map(|finding| FindingOut {
            severity: finding.severity.as_str(),
            code: finding.code,
            what: &finding.what,
            remedy: &finding.remedy,
        });
        Self {
            findings: findings.collect(),
        }
    }
}

/// How to compare.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReconciliation {
    /// Whether rows that are missing or differ are put right; otherwise it is only said.
    #[serde(default)]
    pub(crate) apply: bool,
}

/// A comparison that was begun.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Reconciliation<'a> {
    /// Its name; its pages are asked for under it, from 1 on.
    #[schema(example = "63f5c8a1b2c3d-1")]
    pub(crate) id: &'a str,
}

/// A cell that does not show what the ledger says. Long texts are cut.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CellDifference)]
pub(crate) struct CellOut<'a> {
    /// The field of the table. `(row)`: the row is not the one that is known; `(key)`: its key was edited.
    #[schema(example = "Status")]
    field: &'a str,
    /// What the ledger says.
    ledger: &'a str,
    /// What the row says.
    row: &'a str,
}

/// Something in which the ledger and the tables differ.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Discrepancy)]
pub(crate) struct DiscrepancyOut<'a> {
    /// `missing`, `drifted`, `duplicated` or `extra`.
    #[schema(example = "drifted")]
    what: &'static str,
    /// Whose table: `job` or `client`.
    #[schema(value_type = forms::Kind)]
    kind: &'static str,
    /// The run; of an extra row none.
    #[schema(required, value_type = Option<forms::RunId>)]
    run_id: Option<&'a str>,
    /// The client.
    #[schema(required, value_type = Option<forms::ClientId>)]
    client_id: Option<&'a str>,
    /// The rows that it is about, the earliest first.
    #[schema(example = json!(["recAAAAAAAAAAAAAA"]))]
    rows: Vec<&'a str>,
    /// In what a row differs.
    cells: Vec<CellOut<'a>>,
    /// What an extra row is known by, as it stands.
    #[schema(required)]
    known_by: Option<&'a str>,
    /// Why it is of no record.
    #[schema(required)]
    why: Option<&'a str>,
}

impl<'a> DiscrepancyOut<'a> {
    fn of(found: &'a Discrepancy) -> Self {
        let about = |key: &'a RunKey, rows: Vec<&'a RowId>, cells: &'a [CellDifference]| Self {
            what: found.as_str(),
            kind: key.kind().as_str(),
            run_id: Some(key.run().as_str()),
            client_id: key.client().map(ClientId::as_str),
            rows: rows.into_iter().map(RowId::as_str).collect(),
            cells: cells
                .iter()
                .map(|cell| CellOut {
                    field: &cell.field,
                    ledger: &cell.ledger,
                    row: &cell.row,
                })
                .collect(),
            known_by: None,
            why: None,
        };
        match found {
            Discrepancy::Missing { key, row } => about(key, row.iter().collect(), &[]),
            Discrepancy::Drifted { key, row, cells } => about(key, vec![row], cells),
            Discrepancy::Duplicated { key, rows } => about(key, rows.iter().collect(), &[]),
            Discrepancy::Extra {
                kind,
                row,
                known_by,
                why,
            } => Self {
                what: found.as_str(),
                kind: kind.as_str(),
                run_id: None,
                client_id: None,
                rows: vec![row.as_str()],
                cells: Vec::new(),
                known_by: Some(known_by),
                why: Some(why),
            },
        }
    }
}

/// What a comparison comes to so far.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReconciliationCounts)]
pub(crate) struct CountsOut {
    /// Rows that were listed.
    rows: u64,
    /// Records that were looked at.
    records: u64,
    /// Records whose row shows them.
    in_step: u64,
    /// Records whose row waits, is under way, in doubt or set aside.
    unsettled: u64,
    /// Records that are not to be shown.
    not_shown: u64,
    /// Records without their row.
    missing: u64,
    /// Rows that show something else.
    drifted: u64,
    /// Records with several rows.
    duplicated: u64,
    /// Rows of no record.
    extra: u64,
    /// How many the projection was told to put right.
    repairs: u64,
    /// How often a list had to begin again.
    restarts: u64,
}

impl CountsOut {
    const fn of(counts: &SweepCounts) -> Self {
        Self {
            rows: counts.rows,
            records: counts.records,
            in_step: counts.in_step,
            unsettled: counts.unsettled,
            not_shown: counts.not_shown,
            missing: counts.missing,
            drifted: counts.drifted,
            duplicated: counts.duplicated,
            extra: counts.extra,
            repairs: counts.repairs,
            restarts: counts.restarts,
        }
    }
}

/// A page of a comparison.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReconciliationPage<'a> {
    /// What was found; a page may hold none and not be the last.
    found: Vec<DiscrepancyOut<'a>>,
    /// What it comes to so far.
    counts: CountsOut,
    /// The number of the next page; `null` after the last.
    #[schema(required)]
    next: Option<u64>,
}

impl<'a> ReconciliationPage<'a> {
    pub(crate) fn of(page: &'a SweepPage, number: u64) -> Self {
        Self {
            found: page.found.iter().map(DiscrepancyOut::of).collect(),
            counts: CountsOut::of(&page.counts),
            next: (!page.is_last).then_some(number.saturating_add(1)),
        }
    }
}

/// A record.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordNamed<'a> {
    /// The run.
    #[serde(borrow)]
    #[schema(required, value_type = forms::RunId)]
    run_id: Option<Text<'a>>,
    /// The client; none for the record of the run.
    #[schema(value_type = Option<forms::ClientId>)]
    client_id: Option<Text<'a>>,
}

/// Records of which all rows but the earliest are to be deleted.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CopiesIn<'a> {
    /// The records.
    #[serde(borrow)]
    #[schema(required, min_items = 1, max_items = 10)]
    records: Option<Vec<RecordNamed<'a>>>,
    /// Whether it is only said which rows would be deleted.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

impl CopiesIn<'_> {
    /// The keys.
    pub(crate) fn keys(&self) -> Result<Vec<RunKey>, Problem> {
        let records = self.records.iter().flatten().enumerate();
        let keys = records.map(|(place, record)| {
            let read = || {
                let Some(run) = &record.run_id else {
                    let detail = "run_id is missing; name the run";
                    return Err(Problem::new(&problem::BODY_INVALID, detail).at("run_id"));
                };
                let client = record.client_id.as_ref().map(|text| client_id(text.as_str()));
                run_key(run.as_str(), client.transpose()?.as_ref())
            };
            read().map_err(|problem| problem.inside(&format!("records[{place}]")))
        });
        keys.collect()
    }
}

/// A row of a record that has several.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RowCopy)]
pub(crate) struct CopyOut<'a> {
    /// What it is called.
    #[schema(example = "recAAAAAAAAAAAAAA")]
    row: &'a str,
    /// When Airtable says that it was made.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    created_time: Option<Time>,
}

impl<'a> CopyOut<'a> {
    fn of(copy: &'a Copy) -> Self {
        Self {
            row: copy.row.as_str(),
            created_time: copy.made_at.map(Time),
        }
    }
}

/// The rows of one record, and what became of those that are too many.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RowCopies)]
pub(crate) struct CopiesOut<'a> {
    /// The run.
    #[schema(value_type = forms::RunId)]
    run_id: &'a str,
    /// The client.
    #[schema(required, value_type = Option<forms::ClientId>)]
    client_id: Option<&'a str>,
    /// The row that stays.
    #[schema(required)]
    kept: Option<CopyOut<'a>>,
    /// The others.
    surplus: Vec<CopyOut<'a>>,
    /// `none` there were, `would_remove`, `removed`, `not_removed`, or `in_doubt`: look again later.
    #[schema(example = "removed")]
    state: &'static str,
    /// Why they were not deleted.
    #[schema(required)]
    why: Option<&'a str>,
    /// Those of which nobody knows whether they will still go.
    in_doubt: Vec<&'a str>,
}

/// The rows of several records.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RowCopiesList)]
pub(crate) struct CopiesList<'a> {
    records: Vec<CopiesOut<'a>>,
}

impl<'a> CopiesList<'a> {
    pub(crate) fn of(copies: &'a [Copies]) -> Self {
        let records = copies.iter().map(|copies| {
            let (state, why, in_doubt) = match &copies.state {
                CopiesState::None => ("none", None, &[][..]),
                CopiesState::WouldRemove => ("would_remove", None, &[][..]),
                CopiesState::Removed => ("removed", None, &[][..]),
                CopiesState::NotRemoved(why) => ("not_removed", Some(why.as_str()), &[][..]),
                CopiesState::InDoubt(rows) => ("in_doubt", None, rows.as_slice()),
            };
            CopiesOut {
                run_id: copies.key.run().as_str(),
                client_id: copies.key.client().map(ClientId::as_str),
                kept: copies.kept.as_ref().map(CopyOut::of),
                surplus: copies.surplus.iter().map(CopyOut::of).collect(),
                state,
                why,
                in_doubt: in_doubt.iter().map(RowId::as_str).collect(),
            }
        });
        Self {
            records: records.collect(),
        }
    }
}

/// A row as it was before it was deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RemovedRow)]
pub(crate) struct RemovedOut<'a> {
    /// The run.
    #[schema(value_type = forms::RunId)]
    run_id: &'a str,
    /// The client.
    #[schema(required, value_type = Option<forms::ClientId>)]
    client_id: Option<&'a str>,
    /// What it was called.
    row: &'a str,
    /// When it was to be deleted.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// Who wanted that.
    #[schema(value_type = forms::Source)]
    by: &'a str,
    /// All its cells, by the ids of their fields.
    #[schema(value_type = Object)]
    cells: &'a RawValue,
}

/// A page of them, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RemovedRows)]
pub(crate) struct RemovedPage<'a> {
    removed: Vec<RemovedOut<'a>>,
    /// What `after` is on the next page; `null` at the end.
    #[schema(required)]
    next: Option<u64>,
}

impl<'a> RemovedPage<'a> {
    /// The page of these rows, which come after so many; `None` when a copy is no JSON, which none ever is.
    pub(crate) fn of(rows: &'a [(RemovedRow, Box<RawValue>)], next: Option<u64>) -> Self {
        let removed = rows.iter().map(|(row, cells)| RemovedOut {
            run_id: row.key.run().as_str(),
            client_id: row.key.client().map(ClientId::as_str),
            row: row.id.as_str(),
            at: Time(row.at),
            by: &row.by,
            cells,
        });
        Self {
            removed: removed.collect(),
            next,
        }
    }
}
