//! Notices between servers: whoever has written says so, and whoever follows the log looks at once.
//!
//! A notice is a hint. It goes on a connection of its own, after the call that it tells of was answered: inside a
//! transaction it would have all commits of the cluster take turns. Several calls have one notice. Nobody waits for it, and
//! nobody believes it: who hears one reads what there is. When notices are lost, late or held up, followers look by
//! themselves, as they do without any ([`follow`](crate::follow)).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_postgres::types::ToSql;

use crate::connect::{Connection, Connector, Session};
use crate::error::StoreError;
use crate::writer::Shared;

/// At least so long is between two notices of a server: the calls in between are told of by the second.
const NOTICE_EVERY: Duration = Duration::from_millis(5);
/// How long until a lost connection is replaced.
const PAUSE: Duration = Duration::from_secs(1);

/// The number of the last line goes along, so that a server knows its own notices, and those that come late.
const NOTIFY: &str = "SELECT pg_notify('runledger_lines', $1)";
/// What makes a session hear notices. They need not be safe on any disk, and the connection can be told from the others.
pub(crate) const LISTEN: &str =
    "SET synchronous_commit = off; SET application_name = 'runledger notices'; LISTEN runledger_lines;";

/// Sends and hears notices until the store is closed.
pub(crate) async fn exchange(connector: Connector, shared: Arc<Shared>, step: Duration) {
    let mut closed = shared.closed.subscribe();
    let exchanging = async {
        loop {
            let ended = exchange_once(&connector, &shared, step).await;
            tracing::debug!(?ended, "the connection for notices is replaced");
            sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = exchanging => {}
        _ = closed.wait_for(|closed| *closed) => {}
    }
}

/// Sends and hears on one connection, until it is lost.
async fn exchange_once(connector: &Connector, shared: &Arc<Shared>, step: Duration) -> Result<(), StoreError> {
    let mut written = shared.written.subscribe();
    let hearing = Arc::clone(shared);
    let heard = move |line: &str| {
        // What cannot be read may be the notice of another version.
        if line
            .parse()
            .map_or(true, |line: u64| line > *hearing.last_line.borrow())
        {
            hearing.hear();
        }
    };
    let mut connection: Connection = connector.connect_hearing(Session::Notices, step, heard).await?;
    let notify = connection.client.prepare(NOTIFY).await?;
    // What was said before nobody listened.
    shared.hear();
    loop {
        tokio::select! {
            _ = written.changed() => {}
            () = connection.lost() => return Err(StoreError::Database("the connection was lost".into())),
        }
        let line = written.borrow_and_update().to_string();
        let values: [&(dyn ToSql + Sync); 1] = [&line];
        let sending = connection.client.query(&notify, &values);
        timeout(step, sending).await.map_err(|_| StoreError::Silent(step))??;
        sleep(NOTICE_EVERY).await;
    }
}
