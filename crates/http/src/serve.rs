//! Listening: one router on one socket, and an end that finishes what was accepted.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::{Listener, ListenerExt as _};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::tls::{Tls, TlsListener};

/// How many connections there may be, and how long they may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// How many connections are served at most; more wait to be accepted.
    pub connections: usize,
    /// How long the head of a request may take to arrive, and how long a connection may be silent between two.
    pub head_time: Duration,
    /// How long requests that were accepted may take when the server ends.
    pub drain: Duration,
}

impl Default for Bounds {
    /// 16,384 connections, a minute for a head, half a minute for the end.
    fn default() -> Self {
        Self {
            connections: 16_384,
            head_time: Duration::from_mins(1),
            drain: Duration::from_secs(30),
        }
    }
}

/// Serves the router until `shutdown` is done; then accepts nothing more, finishes the requests that were accepted, and
/// returns, after the time for that at the latest.
///
/// # Errors
/// [`io::Error`] when requests were still unanswered then; their writes may have taken place (I10).
pub async fn serve<F>(listener: TcpListener, router: Router, bounds: Bounds, shutdown: F) -> io::Result<()>
where
    F: Future + Send + 'static,
{
    serve_on(listener.tap_io(|io| send_at_once(io)), router, bounds, shutdown).await
}

/// Serves the router over TLS; otherwise as [`serve`].
///
/// # Errors
/// As [`serve`].
pub async fn serve_tls<F>(
    listener: TcpListener,
    tls: Tls,
    router: Router,
    bounds: Bounds,
    shutdown: F,
) -> io::Result<()>
where
    F: Future + Send + 'static,
{
    serve_on(TlsListener::new(listener, tls), router, bounds, shutdown).await
}

/// Answers are small: waiting for more to put into a segment only makes them late.
pub(crate) fn send_at_once(connection: &TcpStream) {
    if let Err(error) = connection.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps Nagle's delay");
    }
}

async fn serve_on<L, F>(mut listener: L, router: Router, bounds: Bounds, shutdown: F) -> io::Result<()>
where
    L: Listener<Addr = SocketAddr>,
    F: Future + Send + 'static,
{
    let connections = Arc::new(Semaphore::new(bounds.connections));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(bounds.head_time);
    let mut shutdown = pin!(shutdown);
    loop {
        // Whoever comes when all places are taken waits to be accepted.
        let accepted = async {
            let place = Arc::clone(&connections).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, (io, _)) = tokio::select! {
            accepted = accepted => accepted,
            _ = &mut shutdown => break,
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(http.serve_connection(TokioIo::new(io), service));
        tokio::spawn(async move {
            // A connection that breaks, or that says nothing for too long, concerns nobody else.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    tokio::time::timeout(bounds.drain, graceful.shutdown())
        .await
        .map_err(|_| {
            let seconds = bounds.drain.as_secs();
            io::Error::new(
                io::ErrorKind::TimedOut,
                format!("requests were still unanswered {seconds} s after the end was asked for"),
            )
        })
}
