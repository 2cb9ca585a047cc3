//! Ledger and tables compared, with all that people do to tables; what is put right, and what never is without a word.

mod adoption;
mod copies;
mod harm;
mod sweeps;

use std::sync::Arc;

use runledger_app::{Discrepancy, Duties, PlanLimits, ReconcilePorts, Reconciler, SweepCounts};
use runledger_domain::RunKey;
use runledger_ports::{ActivityFilter, LeaseStore as _, PageSize, RowId, RunReader as _};

use super::world::World;
use super::{clients, seconds};
use crate::source;

impl World {
    fn reconciler(&self) -> Reconciler {
        let ports = ReconcilePorts {
            outbox: Arc::clone(&self.outbox),
            leases: self.store.clone(),
            duties: Arc::new(Duties::new(self.store.clone())),
            holder: source("server_1"),
            target: self.table.clone(),
        };
        Reconciler::new(&self.ledger, ports, PlanLimits::default())
    }

    /// Everybody gives the duty up.
    async fn nobody_projects(&self) {
        for lease in self.store.leases().await.unwrap() {
            self.store.end_lease(&lease.fence).await.unwrap();
        }
    }

    async fn sweep(&self, apply: bool) -> (Vec<Discrepancy>, SweepCounts) {
        let reconciler = self.reconciler();
        let sweep = reconciler.begin(apply.then(|| source("operator"))).await.unwrap();
        let (mut found, mut number) = (Vec::new(), 1);
        loop {
            let page = reconciler.page(&sweep, number).await.unwrap();
            found.extend(page.found);
            if page.is_last {
                return (found, page.counts);
            }
            number += 1;
        }
    }

    async fn found(&self, apply: bool) -> Vec<String> {
        let mut found: Vec<_> = self.sweep(apply).await.0.iter().map(told).collect();
        found.sort();
        found
    }

    fn row(&self, key: &RunKey) -> RowId {
        self.table.rows_of(key)[0].id.clone()
    }

    /// Lines of the log for an action.
    async fn lines(&self, action: &str) -> Vec<String> {
        let size = PageSize::new(1_000).unwrap();
        let page = self
            .store
            .activity(&ActivityFilter::default(), None, size)
            .await
            .unwrap();
        let lines = page
            .lines
            .into_iter()
            .filter(|line| line.line.action.as_str() == action);
        lines
            .map(|line| {
                format!(
                    "{} {}: {}",
                    line.line.source, line.line.subject.client, line.line.detail
                )
            })
            .collect()
    }

    /// A job and its clients, shown.
    async fn shown(&self, count: usize) -> Vec<RunKey> {
        let job = self.start_job().await;
        let keys = self.start_clients(&job, &clients(count)).await;
        self.work_for(&self.projection(), seconds(200)).await;
        assert_eq!(self.differences().await, Vec::<String>::new());
        keys
    }
}

fn name(key: &RunKey) -> &str {
    key.client().map_or("job", |client| client.as_str())
}

fn told(found: &Discrepancy) -> String {
    let what = found.as_str();
    match found {
        Discrepancy::Missing { key, .. } => format!("{what} {}", name(key)),
        Discrepancy::Drifted { key, row, cells } => {
            format!("{what} {} {row} {} {}", name(key), cells[0].field, cells[0].row)
        }
        Discrepancy::Duplicated { key, rows } => {
            let rows: Vec<_> = rows.iter().map(ToString::to_string).collect();
            format!("{what} {} {}", name(key), rows.join(" "))
        }
        Discrepancy::Extra { row, known_by, .. } => format!("{what} {row} {known_by}"),
    }
}
