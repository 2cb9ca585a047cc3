//! The use cases of the run ledger, over the ports.
//!
//! [`CreationPoint`] is the one place where records come into being: it alone holds the store's creating side and the
//! policy (I2). [`RunService`] does everything else and holds nothing that could create (I3). Both share a
//! [`Registry`], which saves reads of the store, and the counters.
//! [`Duties`] has one server at a time do what is done for all of them.
//! [`Tokens`] says who asks, [`Events`] follows the activity log, [`Webhooks`] sends it to receivers, [`Functions`] is what
//! an older service offered, [`Gateway`] how programs of a foreign API reach the ledger, [`Projection`] shows records
//! elsewhere.
//!
//! Nothing here knows a database, a socket or a file; a clock and an id source come in as ports. [`system`] has the
//! real ones.
#![forbid(unsafe_code)]

mod creation_point;
mod duties;
mod events;
mod functions;
mod gateway;
mod projection;
mod recent;
mod reconcile;
mod registry;
mod run_service;
mod shared;
mod stats;
mod sweeper;
pub mod system;
mod tokens;
mod turns;
mod webhooks;

pub use creation_point::{CLIENTS_MAX, CreationError, CreationPoint, MINT_SECONDS, StartClient, StartJob, Started};
pub use duties::{Duties, DutyFigures, DutyStatus, HeldLease, Terms};
pub use events::{EventFilter, EventPage, Events, Refused};
pub use functions::{Claimed, Existing, FunctionAnswer, FunctionCall, FunctionError, FunctionKind, Functions};
pub use gateway::{Gateway, GatewayAnswer, GatewayKind, GatewayRequest, TurnedAway};
pub use projection::{Projection, ProjectionError, ProjectionOptions, ProjectionStatus, SET_ASIDE_SHOWN, Shown};
pub use recent::{RECENT_READS, RecentRead};
pub use reconcile::{
    Adopted, COPIES_KEYS_MAX, Copies, CopiesState, Copy, Discrepancy, PlanLimits, ReconcileError, ReconcilePorts,
    Reconciler, SweepCounts, SweepPage,
};
pub use registry::{Registry, RegistryStats};
pub use run_service::{Attempt, ReadError, RunService};
pub use shared::{Ledger, Ports};
pub use stats::{
    Counted, Effect, GatewayKindStats, GatewayStats, OTHER_REASONS, OTHER_SOURCES, Operation, SOURCES_NAMED,
    SourceStats, StatsSnapshot, SweeperStats,
};
pub use sweeper::{SweepReport, Sweeper};
pub use tokens::{Identity, IdentityError, MadeToken, NewToken, TOKENS_MAX, TokenWriteError, Tokens};
pub use turns::TurnStats;
pub use webhooks::{Webhook, WebhookEnabled, WebhookError, WebhookStatus, WebhookTest, Webhooks};
