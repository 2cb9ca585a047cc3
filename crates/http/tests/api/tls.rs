//! TLS: answers over it, certificates read again, and handshakes that dawdle.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use runledger_http::{Bounds, Tls, TlsError, serve_tls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::World;

/// Self-signed, for `localhost`, valid for a hundred years; each with its key.
const FIRST: (&str, &str) = (
    include_str!("certificates/first.pem"),
    include_str!("certificates/first.key"),
);
const SECOND: (&str, &str) = (
    include_str!("certificates/second.pem"),
    include_str!("certificates/second.key"),
);

fn write(directory: &Path, (certificate, key): (&str, &str)) {
    fs::write(directory.join("certificate.pem"), certificate).unwrap();
    fs::write(directory.join("key.pem"), key).unwrap();
}

fn load(directory: &Path) -> Result<Tls, TlsError> {
    Tls::load(&directory.join("certificate.pem"), &directory.join("key.pem"))
}

/// Whether a client that trusts this certificate alone is answered.
async fn is_answered(address: SocketAddr, trusted: &str) -> bool {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let Ok(mut stream) = TlsConnector::from(Arc::new(config)).connect(name, connection).await else {
        return false;
    };
    stream
        .write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    // An end without a goodbye is no error here: the answer is looked at.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 200")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_used_and_read_again_while_handshakes_dawdle() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), FIRST);
    let tls = load(directory.path()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = World::new().router;
    let serving = tokio::spawn(serve_tls(
        listener,
        tls.clone(),
        router,
        Bounds::default(),
        std::future::pending::<()>(),
    ));
    let mut dawdlers = Vec::new();
    for _ in 0..100 {
        dawdlers.push(TcpStream::connect(address).await.unwrap());
    }
    assert!(is_answered(address, FIRST.0).await);
    assert!(!is_answered(address, SECOND.0).await);

    write(directory.path(), SECOND);
    tls.reload().unwrap();
    assert!(is_answered(address, SECOND.0).await);
    assert!(!is_answered(address, FIRST.0).await);

    // A key that does not fit is refused, and what was in use stays.
    write(directory.path(), (FIRST.0, SECOND.1));
    assert!(matches!(tls.reload(), Err(TlsError::Unusable(_))));
    assert!(is_answered(address, SECOND.0).await);

    let mut plain = TcpStream::connect(address).await.unwrap();
    plain
        .write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("alive"));
    serving.abort();
}

#[test]
fn files_that_hold_no_certificate_are_named_and_no_key_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let missing = load(directory.path()).unwrap_err().to_string();
    assert!(missing.contains("certificate.pem"), "{missing}");
    write(directory.path(), (FIRST.0, "no key"));
    let no_key = load(directory.path()).unwrap_err().to_string();
    assert!(no_key.contains("key.pem") && no_key.contains("private key"), "{no_key}");
    write(directory.path(), FIRST);
    let shown = format!("{:?}", load(directory.path()).unwrap());
    assert!(!shown.contains("PRIVATE") && shown.contains("key.pem"), "{shown}");
}
