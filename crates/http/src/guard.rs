//! Without tokens the server trusts who can reach it: programs on this machine. A browser on this machine runs pages
//! of others; this module keeps them out, by the two headers that a page cannot forge. It knows no sources and no keys.

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue};

use crate::options::Options;
use crate::problem;
use crate::trouble::Problem;

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Checks that the request was addressed to this server by a name of its own: a page whose name was pointed at this
/// address later (DNS rebinding) names itself. A request inside the process has no host.
pub(crate) fn check_host(headers: &HeaderMap, options: &Options) -> Result<(), Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    let Some(host) = hosts.next() else { return Ok(()) };
    if hosts.next().is_none() && host.to_str().is_ok_and(|host| is_own(host, options)) {
        return Ok(());
    }
    let detail = format!(
        "{} is not a name of this server; use localhost or the name that it is bound to",
        shown(host)
    );
    Err(Problem::new(&problem::HOST_NOT_ALLOWED, detail).at("Host"))
}

/// Checks that what changes something does not come from a page of another origin. Programs send no origin.
pub(crate) fn check_origin(headers: &HeaderMap, options: &Options) -> Result<(), Problem> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return Ok(()) };
    let host = origin.to_str().ok().and_then(|origin| {
        let rest = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        rest.filter(|host| is_own(host, options))
    });
    if host.is_some() && origins.next().is_none() {
        return Ok(());
    }
    let detail = format!(
        "a page of {} may not change this ledger; send the request from a program, without Origin",
        shown(origin)
    );
    Err(Problem::new(&problem::ORIGIN_NOT_ALLOWED, detail).at("Origin"))
}

fn is_own(host: &str, options: &Options) -> bool {
    let name = without_port(host);
    let is = |own: &str| own.eq_ignore_ascii_case(name);
    LOOPBACK.into_iter().any(is) || options.allowed_hosts.iter().any(|own| is(own))
}

fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') && host[colon + 1..].bytes().all(|b| b.is_ascii_digit()) => {
            &host[..colon]
        }
        _ => host,
    }
}

fn shown(value: &HeaderValue) -> String {
    format!("{:?}", String::from_utf8_lossy(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_own_with_any_port_in_any_case() {
        let options = Options {
            allowed_hosts: vec!["ledger.internal".into(), "192.168.1.7".into()],
            ..Options::default()
        };
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:7070",
            "[::1]",
            "[::1]:7070",
            "ledger.internal:1",
            "192.168.1.7",
        ] {
            assert!(is_own(host, &options), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "localhost:80@evil.example",
            "::1",
            "[::1",
            "localhost:x",
            "evil.example#localhost",
        ] {
            assert!(!is_own(host, &options), "{host}");
        }
    }
}
