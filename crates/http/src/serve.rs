//! Listening: one router on one socket, and an end that finishes what was accepted.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Serves the router until `shutdown` is done; then accepts nothing more, finishes the requests that were accepted, and
/// returns, after `drain` at the latest.
///
/// # Errors
/// [`io::Error`] when requests were still unanswered after `drain`; their writes may have taken place (I10).
pub async fn serve<F>(listener: TcpListener, router: Router, drain: Duration, shutdown: F) -> io::Result<()>
where
    F: Future + Send + 'static,
{
    // Answers are small: waiting for more to put into a segment only makes them late.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps Nagle's delay");
        }
    });
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
