//! Starting a fake, and holding it by hand in a test.

use crate::base;
use crate::control;
use crate::example;
use crate::fault::FaultSpec;
use crate::id::Ids;
use crate::list::Cursors;
use crate::schema::BaseSpec;
use crate::server::{self, Planes, Shared, lock};
use crate::settings::{Settings, TokenSpec};
use crate::world::{RequestLine, World};
use serde_json::{Map, Value};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What a fake begins with.
#[derive(Debug)]
pub struct FakeOptions {
    /// Where the API is; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the control plane is; under `/_fake` of the API when left out.
    pub control: Option<SocketAddr>,
    /// The bases.
    pub bases: Vec<BaseSpec>,
    /// The tokens that are known; all are taken when there are none.
    pub tokens: Vec<TokenSpec>,
    /// How it behaves.
    pub settings: Settings,
    /// Draws the same ids and the same chances each time.
    pub seed: Option<u64>,
}

impl Default for FakeOptions {
    /// On a free port of this machine, with the example base, the limits of Airtable, and any token.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            control: None,
            bases: vec![example::base()],
            tokens: Vec::new(),
            settings: Settings::default(),
            seed: None,
        }
    }
}

/// Why a fake does not start, or a hand on it is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FakeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {cause}; give another address, or port 0 for a free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// A base, a table or a field is not one.
    #[error("the schema cannot be used: {0}")]
    Schema(String),
    /// The control plane refuses.
    #[error("the control plane refuses: {0}")]
    Refused(String),
}

/// A fake that runs. It ends with this value.
#[derive(Debug)]
pub struct Fake {
    address: SocketAddr,
    control_url: String,
    shared: Shared,
    tasks: Vec<JoinHandle<()>>,
}

impl Fake {
    /// Starts one, on the runtime of the caller.
    ///
    /// # Errors
    /// [`FakeError::Listen`] or [`FakeError::Schema`].
    pub async fn start(options: FakeOptions) -> Result<Self, FakeError> {
        let mut ids = Ids::new(options.seed);
        let bases = base::make_all(&options.bases, &mut ids).map_err(FakeError::Schema)?;
        let world = World::new(options.settings, options.tokens, bases, ids);
        let shared = Arc::new(Mutex::new(world));
        let (listener, address) = listen(options.listen).await?;
        let mut control_url = format!("http://{address}/{}", control::PREFIX);
        let mut planes = Planes::Both;
        let mut tasks = Vec::new();
        if let Some(control) = options.control {
            let (listener, address) = listen(control).await?;
            control_url = format!("http://{address}/{}", control::PREFIX);
            planes = Planes::Data;
            tasks.push(tokio::spawn(server::serve(
                listener,
                Arc::clone(&shared),
                Planes::Control,
            )));
        }
        tasks.push(tokio::spawn(server::serve(listener, Arc::clone(&shared), planes)));
        Ok(Self {
            address,
            control_url,
            shared,
            tasks,
        })
    }

    /// Where the API is: what clients take for `https://api.airtable.com`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the control plane is.
    pub fn control_url(&self) -> &str {
        &self.control_url
    }

    /// Every base and its tables, by their ids.
    pub fn table_ids(&self) -> Vec<(String, Vec<String>)> {
        let world = lock(&self.shared);
        let bases = world.bases.iter();
        bases
            .map(|base| {
                (
                    base.id.clone(),
                    base.tables.iter().map(|table| table.id.clone()).collect(),
                )
            })
            .collect()
    }

    /// Changes settings.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        let mut world = lock(&self.shared);
        let mut settings = world.settings.clone();
        change(&mut settings);
        world.set(settings);
    }

    /// Adds a fault.
    pub fn add_fault(&self, fault: FaultSpec) {
        lock(&self.shared).add_fault(fault);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        lock(&self.shared).faults.clear();
    }

    /// Sets the clock forward.
    pub fn advance(&self, by: Duration) {
        lock(&self.shared).clock.advance(by);
    }

    /// Ends all cursors.
    pub fn expire_cursors(&self) {
        lock(&self.shared).cursors = Cursors::new();
    }

    /// Every request that came, in order.
    pub fn requests(&self) -> Vec<RequestLine> {
        lock(&self.shared).log.iter().cloned().collect()
    }

    /// Asks the control plane without a connection: a method, a path behind the prefix, and a body.
    ///
    /// # Errors
    /// [`FakeError::Refused`].
    pub fn control(&self, method: &str, path: &str, body: &Value) -> Result<Value, FakeError> {
        let body = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        match control::answer(&self.shared, method, path, "", &body) {
            (200, value) => Ok(value),
            (_, value) => Err(FakeError::Refused(
                value["error"].as_str().unwrap_or_default().to_owned(),
            )),
        }
    }

    /// All records of a table as they are, whatever lists say.
    ///
    /// # Errors
    /// [`FakeError::Refused`] when there is no such table.
    pub fn records(&self, base: &str, table: &str) -> Result<Vec<Value>, FakeError> {
        let path = format!("bases/{base}/tables/{}/records", crate::encoding::encode(table));
        let shown = self.control("GET", &path, &Value::Null)?;
        Ok(shown["records"].as_array().cloned().unwrap_or_default())
    }

    /// Adds records as a person does: no limit, no fault.
    ///
    /// # Errors
    /// [`FakeError::Refused`] when there is no such table, or a value does not fit.
    pub fn add_records(&self, base: &str, table: &str, records: Vec<Map<String, Value>>) -> Result<(), FakeError> {
        let path = format!("bases/{base}/tables/{}/records", crate::encoding::encode(table));
        let records = records.into_iter().map(Value::Object).collect();
        self.control("POST", &path, &Value::Array(records)).map(|_| ())
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), FakeError> {
    let failed = |cause| FakeError::Listen { address, cause };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
