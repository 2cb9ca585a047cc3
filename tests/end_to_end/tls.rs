//! Commands through a server with TLS: the certificate of a file is believed, no other one is, and nothing is shown to a
//! server that is not believed.

use std::fs;
use std::net::TcpStream;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::program::{Place, Server, write};
use crate::tokens::secret;

/// Self-signed, for `localhost`, valid for a hundred years; the second is not the server's.
pub(crate) const CERTIFICATE: &str = include_str!("../../crates/http/tests/api/certificates/first.pem");
pub(crate) const KEY: &str = include_str!("../../crates/http/tests/api/certificates/first.key");
pub(crate) const OTHER: &str = include_str!("../../crates/http/tests/api/certificates/second.pem");
pub(crate) const OTHER_KEY: &str = include_str!("../../crates/http/tests/api/certificates/second.key");

/// What a server of the test speaks TLS with.
pub(crate) fn server_config(certificate: &str, key: &str) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
    let chain = chain.collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

/// What such a server speaks over.
pub(crate) fn accept(config: &Arc<ServerConfig>, stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
    StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream)
}

/// A server with this certificate; answers its URL under the name that the certificate holds.
pub(crate) fn serve(place: &Place) -> (Server, String) {
    write(&place.beside("certificate.pem"), CERTIFICATE);
    write(&place.beside("key.pem"), KEY);
    let mut program = place.program();
    program
        .env("RUNLEDGER_TLS__CERTIFICATE", place.beside("certificate.pem"))
        .env("RUNLEDGER_TLS__KEY", place.beside("key.pem"));
    let server = Server::start(&mut program);
    let port = server.address.rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}");
    (server, url)
}

#[test]
fn commands_go_through_https_when_they_are_told_whom_to_believe() {
    let place = Place::new();
    let (_server, url) = serve(&place);
    let believed = place.beside("certificate.pem");
    let through = |arguments: &[&str]| {
        let mut program = place.program();
        program
            .env("RUNLEDGER_URL", &url)
            .env("RUNLEDGER_SOURCE", "orchestrator")
            // Of another directory: only the server can have done it.
            .env("RUNLEDGER_DATA", place.beside("nothing"))
            .args(arguments);
        program
    };
    let ran = crate::program::ran;
    let create = ["job", "create", "nightly", "--attempt", "a"];

    // A self-signed certificate is unknown to the machine, and to whoever believes another one.
    ran(&mut through(&create))
        .expect(6)
        .says(&["certificate", "nothing was done", "--ca-file"]);
    write(&place.beside("other.pem"), OTHER);
    ran(through(&create).arg("--ca-file").arg(place.beside("other.pem")))
        .expect(6)
        .says(&["certificate", "nothing was done"]);
    ran(through(&["list", "--json"]).env("RUNLEDGER_CA_FILE", place.beside("missing.pem")))
        .expect(2)
        .says(&["missing.pem", "RUNLEDGER_CA_FILE"]);

    ran(through(&create).arg("--ca-file").arg(&believed)).expect(0);
    ran(through(&["heartbeat", "nightly"]).env("RUNLEDGER_CA_FILE", &believed)).expect(0);
    // A stream of events as well.
    ran(through(&["events"]).env("RUNLEDGER_CA_FILE", &believed))
        .expect(0)
        .says(&["create", "heartbeat"]);
    assert_eq!(place.records().len(), 1);
    assert!(!place.beside("nothing").exists());
    place.verify();
}

#[test]
fn a_token_is_shown_over_https_and_never_printed() {
    let place = Place::new();
    let token = place
        .run(&[
            "token",
            "create",
            "nightly",
            "--for",
            "orchestrator",
            "--scope",
            "create",
            "--json",
        ])
        .expect(0)
        .json();
    let token = secret(&token[0]);
    let (_server, url) = serve(&place);
    let create = |token: &str, run: &str| {
        let mut program = place.program();
        program
            .env("RUNLEDGER_URL", &url)
            .env("RUNLEDGER_CA_FILE", place.beside("certificate.pem"))
            .env("RUNLEDGER_TOKEN", token)
            .args(["job", "create", run]);
        crate::program::ran(&mut program)
    };
    create(&token, "nightly").expect(0);
    let refused = create(&format!("{token}x"), "other").expect(3);
    assert!(!refused.err.contains(&token[17..]), "{refused:?}");
    assert_eq!(place.records().len(), 1);
    assert!(fs::exists(place.data()).unwrap());
}
