//! TLS to the database: whose certificate is believed, and that no other one is. The programs of PostgreSQL that the bed
//! fetches know no TLS, so what speaks it stands before the server, as a pooler might.

use std::io::Write as _;
use std::sync::Arc;

use runledger_ports::CreateOutcome;
use runledger_postgres::{OpenError, PostgresOptions, PostgresStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::bed::{Database, options, server};
use crate::several::{JOB, create};

/// Self-signed, for `localhost`, valid for a hundred years; the second is not the server's.
pub(crate) const CERTIFICATE: &str = include_str!("../../../../http/tests/api/certificates/first.pem");
const KEY: &str = include_str!("../../../../http/tests/api/certificates/first.key");
const OTHER: &str = include_str!("../../../../http/tests/api/certificates/second.pem");

/// What a client sends to ask for TLS: the length, and a number that is no version.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Speaks TLS, and hands on what it hears to the server at this port; answers its own.
pub(crate) async fn speaking_tls(to: u16) -> u16 {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut request = [0; 8];
                client.read_exact(&mut request).await.unwrap();
                assert_eq!(request, TLS_REQUEST, "nobody speaks in clear");
                client.write_all(b"S").await.unwrap();
                // Whoever does not believe the certificate hangs up.
                if let Ok(mut client) = acceptor.accept(client).await {
                    let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                    let _ended = copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    port
}

/// Opens the store at this place, believing this certificate.
async fn open(host: &str, port: u16, database: &str, believed: &str) -> Result<PostgresStore, OpenError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(believed.as_bytes()).unwrap();
    let url = format!("postgres://postgres@{host}:{port}/{database}?sslmode=require");
    PostgresStore::open(PostgresOptions {
        ca_file: Some(file.path().to_owned()),
        ..options(&url)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_believed_by_its_certificate_and_its_name_alone() {
    let database = Database::fresh().await;
    let port = speaking_tls(server().port()).await;
    let store = open("localhost", port, &database.name, CERTIFICATE).await.unwrap();
    let created = create(&store, JOB, "attempt-1").await;
    assert!(matches!(created, Ok(CreateOutcome::Created(_))), "{created:?}");
    for (host, believed) in [("localhost", OTHER), ("127.0.0.1", CERTIFICATE)] {
        let refused = open(host, port, &database.name, believed).await.unwrap_err();
        assert!(refused.to_string().contains("certificate"), "{host}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_in_clear_where_tls_is_asked_for() {
    let database = Database::fresh().await;
    let refused = open("127.0.0.1", server().port(), &database.name, CERTIFICATE).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("TLS"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_cannot_be_read_are_named() {
    let refused = open("localhost", 1, "ledger", "no certificate").await.unwrap_err();
    assert!(matches!(refused, OpenError::Certificates { .. }), "{refused:?}");
    let missing = PostgresOptions {
        ca_file: Some("/nowhere/ca.pem".into()),
        ..options("postgres://postgres@localhost:1/ledger")
    };
    let refused = PostgresStore::open(missing).await.unwrap_err().to_string();
    assert!(refused.contains("/nowhere/ca.pem"), "{refused}");
}
