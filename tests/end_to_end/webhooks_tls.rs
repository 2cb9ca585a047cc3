//! Webhooks over TLS: a line goes to whoever shows a certificate that is believed, for the name that was configured, and
//! to nobody else.

use crate::program::{Place, Server, until, write};
use crate::receiver::{Answer, KEY, Receiver};
use crate::tls::{CERTIFICATE, KEY as CERTIFICATE_KEY, OTHER, OTHER_KEY, accept, server_config};
use crate::webhooks::{attempt, webhook};

/// A receiver with this certificate.
fn receiver(certificate: &str, key: &str) -> Receiver {
    let config = server_config(certificate, key);
    Receiver::start_over(move |stream| accept(&config, stream), |_| Answer::Take)
}

#[test]
fn a_line_goes_over_tls_to_whom_is_believed_and_to_nobody_else() {
    let place = Place::new();
    let (believed, misnamed) = (
        receiver(CERTIFICATE, CERTIFICATE_KEY),
        receiver(CERTIFICATE, CERTIFICATE_KEY),
    );
    // For the same name, and valid; only that nobody here believes it.
    let stranger = receiver(OTHER, OTHER_KEY);
    let settings = [
        ("believed", format!("localhost:{}", believed.port)),
        ("stranger", format!("localhost:{}", stranger.port)),
        // The certificate is for a name, and this is an address.
        ("misnamed", format!("127.0.0.1:{}", misnamed.port)),
    ]
    .map(|(name, at)| {
        format!(
            "[[webhooks]]\nname = \"{name}\"\nurl = \"https://{at}/hook?key=s3cret\"\n\
             secret = \"whsec_{KEY}\"\nallow_private = true\n"
        )
    });
    write(&place.data().join("runledger.toml"), &settings.concat());
    write(&place.beside("believed.pem"), CERTIFICATE);
    let server = Server::start(place.program().env("SSL_CERT_FILE", place.beside("believed.pem")));
    until("the webhooks", || {
        ["believed", "stranger", "misnamed"]
            .iter()
            .all(|name| !webhook(&place, name).is_null())
    });
    attempt(&server.address, 0, 2);
    until("the lines", || believed.taken().len() == 2);
    let ids: Vec<_> = believed
        .came()
        .iter()
        .map(|line| line.body["data"]["seq"].clone())
        .collect();
    assert_eq!(ids, [1, 2]);
    for (name, receiver) in [("stranger", &stranger), ("misnamed", &misnamed)] {
        until("a refusal", || webhook(&place, name)["status"] == "failing");
        let error = webhook(&place, name)["last_error"].to_string();
        assert!(error.contains("certificate") && !error.contains("s3cret"), "{error}");
        assert_eq!(receiver.came().len(), 0, "nothing is shown to {name}");
    }
    assert_eq!(server.stop(), Some(0));
}
