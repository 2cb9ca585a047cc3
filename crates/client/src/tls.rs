//! Whom to believe about the name of a server: the certificates of a file, or those of the platform.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt as _;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

/// Why no connection with TLS can be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read the certificates in {path}: {cause}; name a readable PEM file")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// There is no certificate in it that can be used.
    #[error("{path} holds no certificate that can be used ({cause}); give a PEM file with CERTIFICATE blocks")]
    NoCertificate {
        /// Where it comes from: the file, or that it was given as text.
        path: String,
        /// What is wrong.
        cause: String,
    },
    /// The platform trusts nobody.
    #[error("this machine has no certificates of authorities ({cause}); give a PEM file with the one of the server")]
    NoPlatformRoots {
        /// What is wrong.
        cause: String,
    },
}

/// Where the certificates come from that are believed.
#[derive(Clone, Debug, Default)]
pub(crate) enum Roots {
    /// The platform's.
    #[default]
    Platform,
    /// Those of a PEM file, and no others.
    File(PathBuf),
    /// Those of a PEM text, and no others.
    Pem(Vec<u8>),
}

/// What TLS is to be done with: ring, and these roots alone.
pub(crate) fn config(roots: &Roots) -> Result<ClientConfig, TlsError> {
    let builder = builder()?;
    let store = match roots {
        Roots::Platform => {
            let builder = builder.with_native_roots().map_err(|error| no_platform_roots(&error))?;
            return Ok(builder.with_no_client_auth());
        }
        Roots::File(path) => store(&read(path)?, &path.display().to_string())?,
        Roots::Pem(pem) => store(pem, "the text that was given")?,
    };
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

/// For connections that are never with TLS: believes nobody.
pub(crate) fn none() -> Result<ClientConfig, TlsError> {
    Ok(builder()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsError> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| no_platform_roots(&error))
}

fn no_platform_roots(error: &dyn std::fmt::Display) -> TlsError {
    TlsError::NoPlatformRoots {
        cause: error.to_string(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|cause| TlsError::Unreadable {
        path: path.to_owned(),
        cause,
    })
}

fn store(pem: &[u8], origin: &str) -> Result<RootCertStore, TlsError> {
    let none = |cause: String| TlsError::NoCertificate {
        path: origin.to_owned(),
        cause,
    };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| none(format!("{error:?}")))?;
        store.add(certificate).map_err(|error| none(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(none("there is no CERTIFICATE block".into()));
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_a_certificate_is_refused_and_says_where_it_is_from() {
        let error = config(&Roots::Pem(b"nothing".to_vec())).unwrap_err().to_string();
        assert!(error.contains("no CERTIFICATE block"), "{error}");
        let missing = config(&Roots::File("/nowhere/ca.pem".into())).unwrap_err().to_string();
        assert!(missing.contains("/nowhere/ca.pem"), "{missing}");
    }
}
