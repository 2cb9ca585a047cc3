//! What the app needs from the outside, by capability.
//!
//! A store gives up to four capabilities, and they are traits apart: [`RunReader`] reads, [`RunChanger`] changes what
//! exists, [`RunCreator`] creates by spending a permit, [`ActivityLog`] keeps the lines of refusals that never reached
//! a record. Changer and creator are siblings; neither gives the other. A function that is handed a reader or a
//! changer cannot create: there is no such method, and it cannot mint a permit (I3).
//!
//! [`ActivityWatch`] says that the activity log has grown. [`StoreMeter`] lets a store say how its own work goes.
//! [`TokenStore`] keeps what is to be known of tokens, [`DeliveryStore`] how far the log was delivered, [`OutboxStore`] what
//! is to be copied elsewhere; [`ProjectionTarget`] is the place where it is copied to. [`SnapshotSource`] gives a whole ledger
//! as it stands at one moment, and [`LedgerRestorer`] is continued by one. [`LeaseStore`] gives a duty to one
//! server at a time. [`Upstream`] is the service that a gateway stands before. [`Clock`], [`IdSource`] and [`SecretSource`]
//! are the only doors to time and randomness.
//!
//! # Writing a store
//!
//! Implement the traits for one type, run the suite of `runledger-contract` against it, and read the `# Contract`
//! section of each trait: every sentence there with a MUST has a test of that suite, and a store that is wrong on
//! purpose which that test catches. A store that cannot insert-if-absent in one atomic step must not implement
//! [`RunCreator`] at all.
#![forbid(unsafe_code)]

mod activity;
mod changer;
mod creator;
mod deliveries;
mod error;
mod figures;
mod lease;
mod outbox;
mod projection;
mod reader;
mod restorer;
mod sender;
mod snapshot;
mod survey;
mod time;
mod tokens;
mod upstream;
mod watch;

pub use activity::ActivityLog;
pub use changer::{ChangeError, ChangeRequest, Changed, RunChanger};
pub use creator::{CreateError, CreateOutcome, RunCreator};
pub use deliveries::{DeliveryState, DeliveryStore, WebhookName, WebhookNameError};
pub use error::Unavailable;
pub use figures::{CommitMeter, Distribution, StoreFigures, StoreMeter, TimeMeter};
pub use lease::{Duty, DutyError, Fence, FencedError, Lease, LeaseStore, Taken};
pub use outbox::{
    Mark, OutboxCounts, OutboxEntry, OutboxHead, OutboxStop, OutboxStore, RemovedRow, RowId, RowIdError, RowState,
    Step, StepKind,
};
pub use projection::{
    Cells, FoundRow, NotDone, Prepared, ProjectionTarget, RefusedFor, TargetFigures, Unshowable, WriteOutcome,
};
pub use reader::{
    ActivityFilter, ActivityPage, Counts, Cursor, ListFilter, PAGE_DEFAULT, PAGE_MAX, PageSize, RecordPage, RunReader,
    STALLED_COUNTED_MAX, StalledFilter,
};
pub use restorer::{LedgerRestorer, RestoreError, Restored, not_whole};
pub use sender::{EventSender, SendError};
pub use snapshot::{LedgerSnapshot, SnapshotError, SnapshotSource, next_segment};
pub use survey::{
    CellDifference, ListRowsError, ListedRow, RemoveOutcome, RowsPage, RowsPlace, Severity, SurveyTarget, TargetFinding,
};
pub use time::{Clock, IdSource, SecretSource};
pub use tokens::{TokenStore, TokenStoreError};
pub use upstream::{Upstream, UpstreamAnswer, UpstreamError, UpstreamRequest};
pub use watch::ActivityWatch;
