//! What a request about a run table comes with, and what it is answered with.

use std::collections::BTreeSet;
use std::sync::Arc;

use runledger_app::{GatewayAnswer, Ledger};
use runledger_domain::access::{Access, AccessError, Scope};
use runledger_domain::{RunRecord, Source};
use serde::Serialize;

use super::body::Sent;
use super::refusal::JSON;
use super::row::{Form, Row};
use super::row_id::RowIds;
use super::table::RunTable;
use crate::service::failure::Failure;
use crate::service::record::json;

/// A request about a run table, by somebody who is known.
pub(super) struct Asked<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) ids: &'a RowIds,
    pub(super) table: &'a RunTable,
    pub(super) access: &'a Access,
    /// The sources whose end of a client's row says only that its work was started.
    pub(super) triggers: &'a BTreeSet<Source>,
    /// How many records are read through for one page at most.
    pub(super) list_max: usize,
    /// The row, if the path names one.
    pub(super) row: Option<&'a str>,
    pub(super) query: &'a str,
    pub(super) body: &'a [u8],
}

impl<'a> Asked<'a> {
    /// Who asks: the one source that the token speaks for, since clients of this API cannot name another.
    pub(super) fn source(&self, scope: Scope) -> Result<Source, Failure> {
        let source = self.access.source(None).map_err(|error| {
            let advice = match error {
                AccessError::SourceOpen { .. } => {
                    "; clients of this API cannot name one, so give this program a token of its own, for one source"
                }
                AccessError::SourceMissing => {
                    "; give this program a token for one source, in the place of its Airtable token"
                }
                _ => "",
            };
            Failure::new(error.code(), format!("{error}{advice}"))
        })?;
        self.access.allow(scope)?;
        Ok(source)
    }

    /// The row of a record, without the totals of a job.
    pub(super) fn row(&self, record: Arc<RunRecord>) -> Result<Row<'a>, Failure> {
        let id = self.ids.show(record.key());
        Row::of(self.table, id, record, None)
    }
}

/// An answer that is no refusal.
pub(super) struct Answered {
    json: String,
    came_to: &'static str,
}

impl Answered {
    /// A body that is JSON.
    pub(super) fn of(body: &impl Serialize, came_to: &'static str) -> Result<Self, Failure> {
        Ok(Self {
            json: json(body)?,
            came_to,
        })
    }

    /// The rows that a request wrote, in the order of the request and in its shape. `matched` are those of a request to
    /// update or create, whose clients want to be told which were which.
    pub(super) fn rows(
        rows: &[Row<'_>],
        sent: &Sent<'_>,
        came_to: &'static str,
        matched: &[String],
    ) -> Result<Self, Failure> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Batch<'a, R> {
            records: Vec<R>,
            #[serde(skip_serializing_if = "Option::is_none")]
            created_records: Option<[String; 0]>,
            #[serde(skip_serializing_if = "Option::is_none")]
            updated_records: Option<&'a [String]>,
        }
        let form = Form {
            by_id: sent.by_id,
            only: None,
        };
        match rows {
            [row] if sent.is_single => Self::of(&row.shown(&form), came_to),
            _ => {
                let is_merge = sent.merge_on.is_some();
                let batch = Batch {
                    records: rows.iter().map(|row| row.shown(&form)).collect(),
                    created_records: is_merge.then_some([]),
                    updated_records: is_merge.then_some(matched),
                };
                Self::of(&batch, came_to)
            }
        }
    }
}

impl From<Answered> for GatewayAnswer {
    fn from(answered: Answered) -> Self {
        Self {
            status: 200,
            content_type: JSON.into(),
            body: answered.json.into_bytes(),
            retry_after: None,
            came_to: answered.came_to,
        }
    }
}
