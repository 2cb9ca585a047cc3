//! Where spans go. The headers may hold a credential of the collector: nothing shows their values.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use axum::http::uri::Scheme;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde::{Deserialize, Serialize, Serializer};

use super::show::HIDDEN;
use crate::failure::{Failure, Outcome};
use crate::server_file::Secret;

/// Where spans go, and which.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Traces {
    /// The URL of a collector that takes OTLP over HTTP; empty: no spans are made.
    pub(crate) endpoint: String,
    /// Headers that the collector wants.
    #[serde(default)]
    pub(crate) headers: Headers,
    /// The certificates, as a PEM file, that a collector over TLS is believed by; empty: those of the machine.
    pub(crate) ca_file: PathBuf,
    /// The share of the traces begun here that is recorded, 0 to 1.
    pub(crate) sample: f64,
}

/// Headers with values that nothing shows.
#[derive(Clone, Default, Deserialize, PartialEq)]
#[serde(transparent)]
pub(crate) struct Headers(BTreeMap<String, Secret>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Serialize for Headers {
    /// For showing: the names alone.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.keys().map(|name| (name, HIDDEN)))
    }
}

impl Headers {
    /// Names and values, to be sent and never shown.
    ///
    /// # Errors
    /// One cannot stand in a header.
    pub(crate) fn to_send(&self) -> Outcome<HeaderMap> {
        let headers = self.0.iter().map(|(name, value)| {
            let (header, value) = HeaderName::try_from(name)
                .ok()
                .zip(HeaderValue::from_str(&value.0).ok())?;
            let mut value = value;
            value.set_sensitive(true);
            Some((header, value))
        });
        let headers = headers.zip(self.0.keys()).map(|(header, name)| {
            header.ok_or_else(|| {
                Failure::usage(format_args!(
                    "traces.headers: {name:?} or its value holds characters that cannot be sent in a header"
                ))
            })
        });
        headers.collect()
    }
}

impl Default for Traces {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            headers: Headers::default(),
            ca_file: PathBuf::new(),
            sample: 1.0,
        }
    }
}

impl Traces {
    /// Whether spans are to be made.
    pub(crate) fn are_wanted(&self) -> bool {
        !self.endpoint.is_empty()
    }

    /// What no type says.
    ///
    /// # Errors
    /// A URL that spans cannot go to, a header that cannot be sent, a share that is none.
    pub(crate) fn check(&self) -> Outcome {
        if !(0.0..=1.0).contains(&self.sample) {
            return Err(Failure::usage(format_args!(
                "traces.sample is {}; give 0 to 1, such as 0.1 for a tenth",
                self.sample
            )));
        }
        self.headers.to_send()?;
        if self.are_wanted() {
            self.parts()?;
        }
        Ok(())
    }

    /// The certificates that a collector over TLS is believed by, unless they are those of the machine.
    pub(crate) fn ca_file(&self) -> Option<&Path> {
        Some(&*self.ca_file).filter(|file| !file.as_os_str().is_empty())
    }

    /// The server of the endpoint, as a URL, and the path there.
    ///
    /// # Errors
    /// A URL that spans cannot go to. It is not quoted.
    pub(crate) fn parts(&self) -> Outcome<(String, Uri)> {
        let endpoint = self.endpoint.as_str();
        // Whatever stands in a URL is shown with it.
        if endpoint.contains(['@', '?', '#']) {
            return Err(
                Failure::usage("traces.endpoint holds a name, a password, a query or a fragment")
                    .advise("put credentials into traces.headers, which nothing shows"),
            );
        }
        let parts = endpoint.parse::<Uri>().map(Uri::into_parts).unwrap_or_default();
        match (parts.scheme, parts.authority, parts.path_and_query) {
            (Some(scheme), Some(authority), Some(path)) if scheme == Scheme::HTTP || scheme == Scheme::HTTPS => {
                Ok((format!("{scheme}://{authority}"), Uri::from(path)))
            }
            _ => Err(Failure::usage("traces.endpoint is not the URL of a collector")
                .advise("such as http://127.0.0.1:4318/v1/traces or https://collector.example/v1/traces")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(endpoint: &str) -> Traces {
        Traces {
            endpoint: endpoint.into(),
            ..Traces::default()
        }
    }

    #[test]
    fn spans_go_to_a_url_without_credentials() {
        assert!(at("").check().is_ok());
        for (endpoint, origin, path) in [
            ("http://127.0.0.1:4318/v1/traces", "http://127.0.0.1:4318", "/v1/traces"),
            ("https://collector/", "https://collector", "/"),
            ("https://collector", "https://collector", "/"),
        ] {
            let expected = (origin.to_owned(), path.parse().unwrap());
            assert_eq!(at(endpoint).parts().unwrap(), expected, "{endpoint}");
        }
        for endpoint in [
            "collector",
            "/v1/traces",
            "ftp://collector/",
            "http://a:hush@collector/",
            "https://collector/?key=hush",
            "http://",
        ] {
            let failure = at(endpoint).check().unwrap_err();
            assert!(!failure.for_people().contains("hush"), "{failure}");
        }
    }

    #[test]
    fn a_share_is_between_nothing_and_all() {
        for (sample, is_right) in [
            (0.0, true),
            (0.25, true),
            (1.0, true),
            (-0.1, false),
            (1.1, false),
            (f64::NAN, false),
        ] {
            let traces = Traces {
                sample,
                ..Traces::default()
            };
            assert_eq!(traces.check().is_ok(), is_right, "{sample}");
        }
    }

    #[test]
    fn the_value_of_a_header_is_shown_nowhere() {
        let headers: Headers = serde_json::from_str(r#"{"authorization": "Bearer marzipan"}"#).unwrap();
        let traces = Traces {
            headers,
            ..Traces::default()
        };
        for shown in [format!("{traces:?}"), serde_json::to_string(&traces).unwrap()] {
            assert!(
                shown.contains("authorization") && !shown.contains("marzipan"),
                "{shown}"
            );
        }
        let sent = traces.headers.to_send().unwrap();
        assert_eq!(sent["authorization"], "Bearer marzipan");
        assert!(!format!("{sent:?}").contains("marzipan"));
        let broken: Headers = serde_json::from_str(r#"{"authorization": "Bearer \n marzipan"}"#).unwrap();
        let broken = Traces {
            headers: broken,
            ..Traces::default()
        };
        assert!(!broken.check().unwrap_err().for_people().contains("marzipan"));
    }
}
