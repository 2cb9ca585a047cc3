//! What the suite needs to know about a store: how to open it, and how to close and open it again.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use runledger_ports::{
    ActivityLog, ActivityWatch, DeliveryStore, LeaseStore, LedgerRestorer, OutboxStore, RunChanger, RunCreator,
    RunReader, SnapshotSource, TokenStore,
};

/// The capabilities of one open store.
#[derive(Clone)]
pub struct Handles {
    /// Reads.
    pub reader: Arc<dyn RunReader>,
    /// Changes what exists.
    pub changer: Arc<dyn RunChanger>,
    /// Creates.
    pub creator: Arc<dyn RunCreator>,
    /// Keeps lines.
    pub log: Arc<dyn ActivityLog>,
    /// Says that the log has grown.
    pub watch: Arc<dyn ActivityWatch>,
    /// Keeps tokens.
    pub tokens: Arc<dyn TokenStore>,
    /// Keeps how far the log was delivered.
    pub deliveries: Arc<dyn DeliveryStore>,
    /// Gives a duty to one at a time.
    pub leases: Arc<dyn LeaseStore>,
    /// Remembers what is to be copied elsewhere.
    pub outbox: Arc<dyn OutboxStore>,
    /// Gives the ledger as it stands.
    pub snapshots: Arc<dyn SnapshotSource>,
    /// Takes over what another store holds.
    pub restorer: Arc<dyn LedgerRestorer>,
}

impl Handles {
    /// The capabilities of a store that has them all.
    pub fn of<S>(store: &Arc<S>) -> Self
    where
        S: RunReader
            + RunChanger
            + RunCreator
            + ActivityLog
            + ActivityWatch
            + TokenStore
            + DeliveryStore
            + LeaseStore
            + OutboxStore
            + SnapshotSource
            + LedgerRestorer
            + 'static,
    {
        Self {
            reader: Arc::clone(store) as Arc<dyn RunReader>,
            changer: Arc::clone(store) as Arc<dyn RunChanger>,
            creator: Arc::clone(store) as Arc<dyn RunCreator>,
            log: Arc::clone(store) as Arc<dyn ActivityLog>,
            watch: Arc::clone(store) as Arc<dyn ActivityWatch>,
            tokens: Arc::clone(store) as Arc<dyn TokenStore>,
            deliveries: Arc::clone(store) as Arc<dyn DeliveryStore>,
            leases: Arc::clone(store) as Arc<dyn LeaseStore>,
            outbox: Arc::clone(store) as Arc<dyn OutboxStore>,
            snapshots: Arc::clone(store) as Arc<dyn SnapshotSource>,
            restorer: Arc::clone(store) as Arc<dyn LedgerRestorer>,
        }
    }
}

impl fmt::Debug for Handles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handles").finish_non_exhaustive()
    }
}

/// Whether a store can do what is asked for, beyond the contract.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Support {
    /// It did.
    Done,
    /// It cannot; the rules about it do not apply.
    Missing,
}

/// What a store does after a commit whose outcome it does not know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AfterDoubt {
    /// It takes no writes until it is opened again: what it holds has to be looked through first (I16).
    Stops,
    /// It asks whoever keeps its data what became of the commit, and goes on when it knows.
    GoesOn,
}

/// Who else can write what a store keeps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Writers {
    /// Nobody: whoever held something of it before it was opened is gone.
    One,
    /// Other processes, also while this one is closed.
    Several,
}

/// One store that is open, with what must outlive its handles (a directory, a server).
#[async_trait]
pub trait OpenStore: Send + Sync {
    /// The store's capabilities. Asked for anew after [`reopen`](Self::reopen).
    fn handles(&self) -> Handles;

    /// Closes the store in good order and opens the same data again, as after a restart of the process.
    ///
    /// The suite holds no handle while it calls this. [`Support::Missing`] when the store does not keep its data.
    ///
    /// # Panics
    /// May panic when the store cannot be opened again: that fails the test.
    async fn reopen(&mut self) -> Support;

    /// Loses the process, as `kill -9` does, and opens what is left: nothing is closed, nothing that was only in memory
    /// survives.
    ///
    /// The suite holds no handle and no call is under way while it calls this. [`Support::Missing`] when the store does
    /// not keep its data, or cannot be lost like that in a test.
    ///
    /// # Panics
    /// May panic when what is left cannot be opened: that fails the test.
    async fn crash(&mut self) -> Support;

    /// Makes the next commit fail in such a way that the store cannot know its outcome; whether it takes place all the
    /// same is the author's choice. Handles are still held. Undone by [`reopen`](Self::reopen), which follows unless the
    /// store does not keep its data. [`Support::Missing`] when that cannot be done.
    async fn doubt(&mut self) -> Support;

    /// Who else can write what the store keeps.
    fn writers(&self) -> Writers {
        Writers::One
    }

    /// What the store does after [`doubt`](Self::doubt).
    fn after_doubt(&self) -> AfterDoubt {
        AfterDoubt::Stops
    }

    /// Lets the store know again what it could not after [`doubt`](Self::doubt), while handles are still held. Only asked
    /// of a store that [goes on](AfterDoubt::GoesOn).
    async fn recover(&mut self) -> Support {
        Support::Missing
    }

    /// Brings the store into a state in which it cannot say what it holds (shut down, disk gone), while handles are
    /// still held. [`Support::Missing`] when that cannot be done.
    async fn stop(&mut self) -> Support;
}

/// A kind of store: opens as many fresh, empty ones as the suite asks for, independent of each other.
///
/// Implemented by every function and closure without arguments that gives an [`OpenStore`].
#[async_trait]
pub trait StoreUnderTest: Send + Sync {
    /// A fresh, empty store.
    ///
    /// # Panics
    /// May panic when no store can be opened: that fails the test.
    async fn open(&self) -> Box<dyn OpenStore>;
}

#[async_trait]
impl<F, Opening, S> StoreUnderTest for F
where
    F: Fn() -> Opening + Send + Sync,
    Opening: Future<Output = S> + Send,
    S: OpenStore + 'static,
{
    async fn open(&self) -> Box<dyn OpenStore> {
        Box::new(self().await)
    }
}
