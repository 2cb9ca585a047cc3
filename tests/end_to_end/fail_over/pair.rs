//! Two database servers: a primary, and a standby that has each commit before it is answered. One dies, the other takes
//! its place, and the dead one comes back as the standby.

use runledger_postgres_bed::{Options, Server};
use tokio_postgres::{Client, NoTls};

use super::cluster::{Cluster, Loss};
use crate::program::until;

/// With the name under which each of them is a standby.
const SYNCHRONOUS: &str = "synchronous_standby_names = 'standby'";

/// The two, the primary first.
pub(crate) struct Pair {
    pub(crate) primary: Server,
    pub(crate) standby: Server,
    /// In the order in which they were made, which is that of their addresses.
    ports: Vec<u16>,
    /// The one that was lost is not dead.
    hangs: bool,
}

impl Pair {
    /// Starts both. `make` is called with the address of the primary while it is alone.
    pub(crate) fn start(make: impl FnOnce(&str)) -> Self {
        let settings = [
            "full_page_writes = on",
            "wal_log_hints = on",
            "wal_keep_size = '128MB'",
            // By default a standby that was just promoted, or whose primary was, waits seconds before it looks again.
            "wal_retrieve_retry_interval = '100ms'",
        ];
        let options = Options {
            fsync: false,
            settings: settings.map(str::to_owned).to_vec(),
        };
        let primary = Server::start(&options).unwrap_or_else(|error| panic!("{error}"));
        make(&primary.url("postgres", "postgres"));
        let standby = primary.standby(SYNCHRONOUS).unwrap();
        primary.configure(SYNCHRONOUS).unwrap();
        primary.reload().unwrap();
        let pair = Self {
            ports: vec![primary.port(), standby.port()],
            primary,
            standby,
            hangs: false,
        };
        pair.await_standby();
        pair
    }

    /// Waits until commits wait for the standby, and it has them.
    fn await_standby(&self) {
        until("the synchronous standby", || {
            sql(
                &self.primary,
                "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'",
            ) == 1
        });
    }
}

impl Cluster for Pair {
    fn ports(&self) -> &[u16] {
        &self.ports
    }

    fn lose_primary(&mut self, how: Loss) {
        match how {
            Loss::Killed => self.primary.kill().unwrap(),
            Loss::Hung => self.primary.hang().unwrap(),
        }
        self.hangs = how == Loss::Hung;
    }

    fn take_over(&mut self) {
        self.standby.promote().unwrap();
        std::mem::swap(&mut self.primary, &mut self.standby);
    }

    fn repair(&mut self) {
        if std::mem::take(&mut self.hangs) {
            self.standby.kill().unwrap();
        }
        sql(&self.primary, "CHECKPOINT");
        self.standby.rejoin(&self.primary).unwrap();
        self.await_standby();
    }
}

/// How many rows a statement finds.
pub(crate) fn sql(server: &Server, statement: &str) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = connect(&server.url("postgres", "postgres")).await;
        client.query(statement, &[]).await.unwrap().len()
    })
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
