//! Three machines with PostgreSQL, Patroni and etcd, as in production: who the primary is, they find out by themselves.

use runledger_postgres_bed::patroni::Cluster as Machines;

use super::cluster::{Cluster, Loss};

/// The machines, of which one may be dead.
pub(crate) struct Patroni {
    machines: Machines,
    ports: Vec<u16>,
    lost: usize,
    /// The one that was lost is not dead.
    hangs: bool,
}

impl Patroni {
    /// Starts them. `make` is called with the address of the primary once commits wait for a standby.
    pub(crate) fn start(make: impl FnOnce(&str)) -> Self {
        let machines = Machines::start().unwrap_or_else(|error| panic!("{error}"));
        let ports = machines.ports();
        make(&super::address(&ports));
        Self {
            machines,
            ports,
            lost: 0,
            hangs: false,
        }
    }
}

impl Cluster for Patroni {
    fn ports(&self) -> &[u16] {
        &self.ports
    }

    fn lose_primary(&mut self, how: Loss) {
        self.lost = self.machines.primary().expect("there is a primary between two losses");
        match how {
            Loss::Killed => self.machines.kill(self.lost).unwrap(),
            Loss::Hung => self.machines.hang(self.lost).unwrap(),
        }
        self.hangs = how == Loss::Hung;
    }

    fn take_over(&mut self) {
        self.machines.await_primary().unwrap_or_else(|error| panic!("{error}"));
    }

    fn repair(&mut self) {
        if std::mem::take(&mut self.hangs) {
            self.machines.kill(self.lost).unwrap();
        }
        self.machines.run(self.lost).unwrap();
        self.machines
            .await_redundancy()
            .unwrap_or_else(|error| panic!("{error}"));
    }
}
