//! One connection for writing: made, set up, and given up as a whole. Nothing here ever cancels a statement: a commit that
//! is cancelled while it waits for its standby is answered as if it were safe (V1). A connection that is silent is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Config};

use crate::error::{OpenError, StoreError};
use crate::hosts::{Connected, Hosts};
use crate::notice::LISTEN;
use crate::options::PostgresOptions;
use crate::tls::Tls;

/// How the database is reached.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Config,
    hosts: Hosts,
    tls: Tls,
}

/// What a session is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Session {
    /// The one that writes.
    Write,
    /// One that reads.
    Read,
    /// One that changes the schema.
    Migrate,
    /// One for notices.
    Notices,
}

impl Connector {
    pub(crate) fn new(options: &PostgresOptions) -> Result<Self, OpenError> {
        let mut config = options.url.config().clone();
        if config.get_application_name().is_none() {
            config.application_name("runledger");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(options.write_time.min(Duration::from_secs(5)));
        }
        // A machine that is gone says nothing: the kernel gives up by itself, for writes that are not acknowledged too.
        config.keepalives(true);
        config.keepalives_idle(Duration::from_secs(10));
        config.keepalives_interval(Duration::from_secs(5));
        config.keepalives_retries(3);
        config.tcp_user_timeout(options.write_time.max(Duration::from_secs(1)));
        Ok(Self {
            hosts: Hosts::of(&config),
            config,
            tls: Tls::new(options.ca_file.as_ref())?,
        })
    }

    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// Connects to the host that is what the address wants, within this time.
    pub(crate) async fn reach(&self, within: Duration) -> Result<Connected, tokio_postgres::Error> {
        self.hosts.connect(&self.tls, within).await
    }

    /// Connects, within this time.
    pub(crate) async fn connect(&self, session: Session, within: Duration) -> Result<Connection, StoreError> {
        self.connect_hearing(session, within, |_| ()).await
    }

    /// Connects, within this time, and says what notices the session hears.
    pub(crate) async fn connect_hearing(
        &self,
        session: Session,
        within: Duration,
        heard: impl Fn(&str) + Send + 'static,
    ) -> Result<Connection, StoreError> {
        let connecting = async {
            let (client, mut driver) = self.reach(within).await?;
            let warned = Arc::new(AtomicBool::new(false));
            let noted = Arc::clone(&warned);
            let task = tokio::spawn(async move {
                let mut messages = futures_util::stream::poll_fn(move |context| driver.poll_message(context));
                // The warning of a cancelled wait comes between the answer and the end of the statement: it is noted
                // before whoever waits is told.
                while let Some(Ok(message)) = messages.next().await {
                    match message {
                        AsyncMessage::Notice(notice) if notice.code() == &SqlState::WARNING => {
                            tracing::warn!(notice = notice.message(), "the database warns about a commit");
                            noted.store(true, Ordering::SeqCst);
                        }
                        AsyncMessage::Notification(notice) => heard(notice.payload()),
                        _ => {}
                    }
                }
            });
            let connection = Connection { client, warned, task };
            connection.client.batch_execute(&settings(session, within)).await?;
            Ok(connection)
        };
        tokio::time::timeout(within, connecting)
            .await
            .map_err(|_| StoreError::Silent(within))?
    }
}

/// What a session is set to. Plans do not depend on what statistics say of a young table: all go by an index.
pub(crate) fn settings(session: Session, within: Duration) -> String {
    // The database gives up before the client does, so that most failures have a known outcome.
    let bound = (within.as_millis() * 3 / 4).max(1);
    let mut settings = format!(
        "SET statement_timeout = {bound}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {bound}; \
         SET standard_conforming_strings = on; SET client_min_messages = warning;",
        (bound / 2).max(1)
    );
    settings.push_str(match session {
        Session::Write => {
            "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
             SET plan_cache_mode = force_generic_plan; SET jit = off;"
        }
        Session::Read => "SET default_transaction_read_only = on; SET enable_seqscan = off; SET jit = off;",
        // It may take long, but while it waits for a table everybody else waits behind it.
        Session::Notices => LISTEN,
        Session::Migrate => "SET statement_timeout = 0; SET lock_timeout = 1500;",
    });
    settings
}

/// A connection, with the task that drives it. Dropping it closes the socket at once.
pub(crate) struct Connection {
    pub(crate) client: Client,
    warned: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Connection {
    /// Whether a warning came since this was asked last: then what was answered may not be safe.
    pub(crate) fn was_warned(&self) -> bool {
        self.warned.swap(false, Ordering::SeqCst)
    }

    /// Waits until the connection is lost.
    pub(crate) async fn lost(&mut self) {
        let _ = (&mut self.task).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}
