//! What a listing is asked for.

use runledger_domain::{BatchLabel, ClientId, ExternalId, RecordKind, RunId, Source, Status};

use crate::answer::Cursor;

/// Which records to list; every condition that is given must be met.
///
/// ```
/// use runledger_client::RecordFilter;
///
/// let open = RecordFilter { run: Some("250925-231841".parse()?), open: true, ..RecordFilter::default() };
/// # Ok::<(), runledger_domain::RunIdError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RecordFilter {
    /// Of this run.
    pub run: Option<RunId>,
    /// Of this client.
    pub client: Option<ClientId>,
    /// Jobs alone, or client run records alone.
    pub kind: Option<RecordKind>,
    /// With this status.
    pub status: Option<Status>,
    /// Still open.
    pub open: bool,
    /// Of this batch.
    pub batch: Option<BatchLabel>,
    /// With this reference to another system.
    pub external_id: Option<ExternalId>,
    /// How many on one page, 1 to 1000; the server's number when not given.
    pub limit: Option<u32>,
}

/// Which lines of the activity log to list; every condition that is given must be met.
#[derive(Clone, Debug, Default)]
pub struct ActivityFilter {
    /// On this run.
    pub run: Option<RunId>,
    /// On this client.
    pub client: Option<ClientId>,
    /// By this source.
    pub source: Option<Source>,
    /// Refusals alone.
    pub refused: bool,
    /// How many on one page, 1 to 1000; the server's number when not given.
    pub limit: Option<u32>,
}

pub(crate) type Pairs = Vec<(&'static str, Option<String>)>;

impl RecordFilter {
    pub(crate) fn pairs(&self, from: Option<&Cursor>) -> Pairs {
        vec![
            ("run_id", text(self.run.as_ref())),
            ("client_id", text(self.client.as_ref())),
            ("kind", text(self.kind.as_ref())),
            ("status", text(self.status.as_ref())),
            ("open", flag(self.open)),
            ("batch", text(self.batch.as_ref())),
            ("external_id", text(self.external_id.as_ref())),
            ("limit", text(self.limit.as_ref())),
            ("cursor", cursor(from)),
        ]
    }
}

impl ActivityFilter {
    pub(crate) fn pairs(&self, from: Option<&Cursor>) -> Pairs {
        vec![
            ("run_id", text(self.run.as_ref())),
            ("client_id", text(self.client.as_ref())),
            ("source", text(self.source.as_ref())),
            ("refused", flag(self.refused)),
            ("limit", text(self.limit.as_ref())),
            ("cursor", cursor(from)),
        ]
    }
}

pub(crate) fn cursor(from: Option<&Cursor>) -> Option<String> {
    from.map(|cursor| cursor.as_str().to_owned())
}

fn text(value: Option<&impl ToString>) -> Option<String> {
    value.map(ToString::to_string)
}

fn flag(is_set: bool) -> Option<String> {
    is_set.then(|| "true".to_owned())
}
