//! Where a webhook leads.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::PathAndQuery;

/// The URL of a receiver. Its path and query may hold secrets, so nothing but scheme, host and port is ever shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Endpoint {
    pub(crate) is_tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) target: PathAndQuery,
}

/// The text is not the URL of a receiver. It is not quoted: it may hold secrets.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// No URL.
    #[error("the url is not one; write it as https://host/path")]
    Malformed,
    /// Another scheme.
    #[error("the url begins with neither https:// nor http://; a webhook speaks nothing else")]
    Scheme,
    /// A user or a password.
    #[error("the url holds a user or a password; leave them out, the receiver checks the signature")]
    Credentials,
}

impl Endpoint {
    /// What the header `Host` says: the port is left out when it is the usual one.
    pub(crate) fn authority(&self) -> String {
        let usual = if self.is_tls { 443 } else { 80 };
        if self.port == usual {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The host as it is resolved: an IPv6 address without brackets.
    pub(crate) fn name(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| EndpointError::Malformed)?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err(EndpointError::Scheme),
            None => return Err(EndpointError::Malformed),
        };
        let authority = uri.authority().ok_or(EndpointError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(EndpointError::Credentials);
        }
        if authority.host().is_empty() {
            return Err(EndpointError::Malformed);
        }
        Ok(Self {
            is_tls,
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            target: uri
                .path_and_query()
                .cloned()
                .unwrap_or_else(|| PathAndQuery::from_static("/")),
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self}/..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_shows_no_secret() {
        let endpoint: Endpoint = "https://hooks.example:8443/T0/s3cret?key=s3cret".parse().unwrap();
        assert_eq!(endpoint.target, "/T0/s3cret?key=s3cret");
        assert_eq!(endpoint.to_string(), "https://hooks.example:8443");
        assert!(!format!("{endpoint:?}").contains("s3cret"));
        let plain: Endpoint = "http://[::1]".parse().unwrap();
        assert_eq!(
            (plain.name(), plain.port, plain.authority()),
            ("::1", 80, "[::1]".into())
        );
    }

    #[test]
    fn other_schemes_and_credentials_are_refused() {
        for (text, error) in [
            ("ftp://a/b", EndpointError::Scheme),
            ("/path", EndpointError::Malformed),
            ("example.com", EndpointError::Malformed),
            ("", EndpointError::Malformed),
            ("https://u:p@a/b", EndpointError::Credentials),
            ("https://u@a/b", EndpointError::Credentials),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(error), "{text}");
        }
    }
}
