//! The projection of a server: records shown at Airtable, by one server at a time.

use std::sync::Arc;
use std::time::Duration;

use runledger_app::{Projection, ProjectionOptions, Reconciler, Terms};
use runledger_ports::Duty;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::failure::Outcome;
use crate::ledger::OpenLedger;
use crate::reconciling;
use crate::settings::{AirtableSettings, ExistingRows, Settings, ShownFrom};

/// How long a server that ends waits for what is under way, beyond the time that one request may take.
const END_TIME: Duration = Duration::from_secs(5);

/// The task that shows records.
pub(crate) struct Projecting {
    projection: Arc<Projection>,
    reconciler: Arc<Reconciler>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    end_time: Duration,
}

impl Projecting {
    /// Begins to show records, if the configuration says where.
    ///
    /// # Errors
    /// When the way there cannot be set up.
    pub(crate) fn begin(settings: &Settings, open: &OpenLedger, terms: &Terms) -> Outcome<Option<Self>> {
        let airtable = &settings.airtable;
        if !airtable.is_given() {
            return Ok(None);
        }
        let target = Arc::new(airtable.target()?);
        let (outbox, _) = reconciling::stores(open);
        let duties = Arc::clone(&open.ledger.duties);
        let reconciler = reconciling::of_server(settings, open, target.clone(), Arc::clone(&duties))?;
        let projection = Arc::new(Projection::new(&open.ledger, outbox, target, options(airtable)));
        let terms = terms.clone();
        let (stop, stopped) = watch::channel(false);
        let working = Arc::clone(&projection);
        let task = tokio::spawn(async move {
            let work = |lease| {
                let projection = Arc::clone(&working);
                async move { projection.work(lease).await }
            };
            duties.perform(&terms, &Duty::Project, stopped, work).await;
        });
        Ok(Some(Self {
            projection,
            reconciler,
            stop,
            task,
            end_time: airtable.request_time.duration() + END_TIME,
        }))
    }

    /// What is shown, and how that goes.
    pub(crate) fn projection(&self) -> Arc<Projection> {
        Arc::clone(&self.projection)
    }

    /// What compares the ledger with the tables.
    pub(crate) fn reconciler(&self) -> Arc<Reconciler> {
        Arc::clone(&self.reconciler)
    }

    /// Stops: what is under way is waited for, nothing more is sent.
    pub(crate) async fn end(self) {
        // Nobody may be left to tell.
        let _ = self.stop.send(true);
        if timeout(self.end_time, self.task).await.is_err() {
            tracing::warn!("rows were still under way to Airtable; they are looked up at the next start");
        }
    }
}

fn options(airtable: &AirtableSettings) -> ProjectionOptions {
    ProjectionOptions {
        gather: airtable.gather.duration(),
        gather_progress: airtable.gather_progress.duration(),
        fill: airtable.fill.duration(),
        quiet: airtable.quiet.duration(),
        from_beginning: airtable.from == ShownFrom::Beginning,
        rows_may_exist: airtable.existing_rows == ExistingRows::LookUp,
        ..ProjectionOptions::default()
    }
}
