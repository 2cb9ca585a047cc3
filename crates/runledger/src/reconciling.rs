//! Comparing the ledger with its tables at Airtable: put together for a server, or for one command.

use std::sync::Arc;

use runledger_airtable::AirtableTarget;
use runledger_app::{Duties, ReconcilePorts, Reconciler};
use runledger_ports::{LeaseStore, OutboxStore};

use crate::duties::terms;
use crate::failure::Outcome;
use crate::ledger::{Held, OpenLedger};
use crate::settings::Settings;

/// What the holder of the duty keeps.
pub(crate) fn stores(open: &OpenLedger) -> (Arc<dyn OutboxStore>, Arc<dyn LeaseStore>) {
    match &open.store {
        Held::Embedded(store) => (store.clone(), store.clone()),
        Held::Postgres(store) => (store.clone(), store.clone()),
    }
}

/// The comparison for a server, which asks through the same target as its projection, so that the limits hold for both.
///
/// # Errors
/// None that can come.
pub(crate) fn of_server(
    settings: &Settings,
    open: &OpenLedger,
    target: Arc<AirtableTarget>,
    duties: Arc<Duties>,
) -> Outcome<Arc<Reconciler>> {
    let (outbox, leases) = stores(open);
    let ports = ReconcilePorts {
        outbox,
        leases,
        duties,
        holder: terms(settings)?.holder,
        target,
    };
    Ok(Arc::new(Reconciler::new(
        &open.ledger,
        ports,
        settings.airtable.limits(),
    )))
}

/// The comparison for one command, if records are shown anywhere.
///
/// # Errors
/// A setting that does not fit.
pub(crate) fn of_command(settings: &Settings, open: &OpenLedger) -> Outcome<Option<Arc<Reconciler>>> {
    if !settings.airtable.is_given() {
        return Ok(None);
    }
    let target = Arc::new(settings.airtable.target()?);
    let (_, leases) = stores(open);
    of_server(settings, open, target, Arc::new(Duties::new(leases))).map(Some)
}
