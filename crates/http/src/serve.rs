//! Listening: one router on one socket, and an end that finishes what was accepted.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::serve::{Listener, ListenerExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::tls::{Tls, TlsListener};

/// Serves the router until `shutdown` is done; then accepts nothing more, finishes the requests that were accepted, and
/// returns, after `drain` at the latest.
///
/// # Errors
/// [`io::Error`] when requests were still unanswered after `drain`; their writes may have taken place (I10).
pub async fn serve<F>(listener: TcpListener, router: Router, drain: Duration, shutdown: F) -> io::Result<()>
where
    F: Future + Send + 'static,
{
    serve_on(listener.tap_io(|io| send_at_once(io)), router, drain, shutdown).await
}

/// Serves the router over TLS; otherwise as [`serve`].
///
/// # Errors
/// As [`serve`].
pub async fn serve_tls<F>(
    listener: TcpListener,
    tls: Tls,
    router: Router,
    drain: Duration,
    shutdown: F,
) -> io::Result<()>
where
    F: Future + Send + 'static,
{
    serve_on(TlsListener::new(listener, tls), router, drain, shutdown).await
}

/// Answers are small: waiting for more to put into a segment only makes them late.
pub(crate) fn send_at_once(connection: &TcpStream) {
    if let Err(error) = connection.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps Nagle's delay");
    }
}

async fn serve_on<L, F>(listener: L, router: Router, drain: Duration, shutdown: F) -> io::Result<()>
where
    L: Listener<Addr = SocketAddr>,
    F: Future + Send + 'static,
{
    let (closing, closed) = oneshot::channel();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        shutdown.await;
        // Nobody listens any more when the server itself ended first.
        let _ = closing.send(());
    });
    let too_late = async move {
        if closed.await.is_ok() {
            tokio::time::sleep(drain).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = server => ended,
        () = too_late => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("requests were still unanswered {} s after the end was asked for", drain.as_secs()),
        )),
    }
}
