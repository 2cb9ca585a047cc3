//! Three machines with PostgreSQL, Patroni and etcd, as in production: who the primary is, they find out by themselves.

use runledger_postgres_bed::patroni::Cluster as Machines;

use super::cluster::Cluster;

/// The machines, of which one may be dead.
pub(crate) struct Patroni {
    machines: Machines,
    ports: Vec<u16>,
    killed: usize,
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
            killed: 0,
        }
    }
}

impl Cluster for Patroni {
    fn ports(&self) -> &[u16] {
        &self.ports
    }

    fn kill_primary(&mut self) {
        self.killed = self.machines.primary().expect("there is a primary between two kills");
        self.machines.kill(self.killed).unwrap();
    }

    fn take_over(&mut self) {
        self.machines.await_primary().unwrap_or_else(|error| panic!("{error}"));
    }

    fn repair(&mut self) {
        self.machines.run(self.killed).unwrap();
        self.machines
            .await_redundancy()
            .unwrap_or_else(|error| panic!("{error}"));
    }
}
