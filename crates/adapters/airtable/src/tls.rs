//! TLS with ring and the certificates that this machine trusts, as everywhere in the product.

use crate::http::SetUpError;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What TLS is done with. Without `roots` nobody is believed: for addresses that have no TLS.
pub(crate) fn config(with_roots: bool) -> Result<ClientConfig, SetUpError> {
    let mut store = RootCertStore::empty();
    if with_roots {
        let found = rustls_native_certs::load_native_certs();
        store.add_parsable_certificates(found.certs);
        if store.is_empty() {
            let cause = found.errors.first().map_or_else(String::new, ToString::to_string);
            return Err(SetUpError::NoRoots(cause));
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| SetUpError::NoRoots(error.to_string()))?;
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}
