//! One request over one connection, to an address that was looked at.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use http::{HeaderMap, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::address::is_public;
use crate::endpoint::Endpoint;

/// Why there is no answer. No text holds more of the URL than its host.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("{host} cannot be resolved: {source}")]
    Resolve { host: String, source: io::Error },
    #[error("{host} is no address of the Internet; set allow_private = true if it is meant")]
    Private { host: String },
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("no TLS: {0}")]
    Tls(io::Error),
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
}

/// Sends a request and answers status and headers; the body of the answer is not read.
pub(crate) async fn exchange(
    endpoint: &Endpoint,
    allow_private: bool,
    tls: Option<&Arc<ClientConfig>>,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, HeaderMap), NoAnswer> {
    let stream = connect(endpoint, allow_private).await?;
    let Some(tls) = tls else {
        return ask(TokioIo::new(stream), request).await;
    };
    let name = ServerName::try_from(endpoint.name().to_owned());
    let name = name.map_err(|error| NoAnswer::Tls(io::Error::other(error)))?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
    ask(TokioIo::new(stream.map_err(NoAnswer::Tls)?), request).await
}

/// Resolves and connects in one go, so that what was looked at is what is connected to.
async fn connect(endpoint: &Endpoint, allow_private: bool) -> Result<TcpStream, NoAnswer> {
    let host = || endpoint.name().to_owned();
    let found = lookup_host((endpoint.name(), endpoint.port)).await;
    let found = found.map_err(|source| NoAnswer::Resolve { host: host(), source })?;
    let allowed: Vec<SocketAddr> = found
        .filter(|address| allow_private || is_public(address.ip()))
        .collect();
    if allowed.is_empty() {
        return Err(NoAnswer::Private { host: host() });
    }
    TcpStream::connect(&allowed[..]).await.map_err(NoAnswer::Connect)
}

async fn ask<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(StatusCode, HeaderMap), NoAnswer>
where
    S: Read + Write + Unpin,
{
    let (mut sender, connection) = http1::handshake(stream).await?;
    let mut answer = pin!(sender.send_request(request));
    // Both in this task: whoever stops waiting ends the connection as well.
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // Its answer may have come with its end.
        _ = connection => answer.await,
    }?;
    let (head, _) = answer.into_parts();
    Ok((head.status, head.headers))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// By what an address is, not by how it is written: a name is looked at when it is connected to.
    #[tokio::test]
    async fn an_address_inside_is_not_connected_to_however_it_is_written() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
            let endpoint: Endpoint = format!("http://{host}:{port}/").parse().unwrap();
            let refused = connect(&endpoint, false).await;
            assert!(matches!(refused, Err(NoAnswer::Private { .. })), "{host}: {refused:?}");
            let none = listener.accept().unwrap_err();
            assert_eq!(none.kind(), io::ErrorKind::WouldBlock, "{host}");
            connect(&endpoint, true).await.unwrap();
            listener.accept().unwrap();
        }
    }
}
