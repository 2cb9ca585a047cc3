//! The trace that a request belongs to, as W3C Trace Context says it: so that the lines of the log are found by the trace
//! of whoever asked. A header that cannot be understood counts as none, as that standard wants it.

use axum::http::HeaderMap;
use tracing::Span;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
/// How much of a `tracestate` is passed on, in bytes: what the standard asks for at least. A longer one counts as none.
const STATE_BYTES_MAX: usize = 512;
/// The flag that says that whoever asks records their trace.
const RECORDED: u8 = 1;

/// The span of whoever asks, as their headers name it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TraceParent {
    /// The trace.
    pub trace: [u8; 16],
    /// The span that asks.
    pub span: [u8; 8],
    /// Whether whoever asks records the trace.
    pub is_recorded: bool,
    /// What tracing systems on the way have to say to each other; handed on as it came, and empty when there is none.
    pub state: String,
}

/// A span for what the request does; none when the request belongs to no trace.
pub(crate) fn span(headers: &HeaderMap) -> Span {
    match named(headers) {
        Some(Named { trace, parent, .. }) => tracing::info_span!("request", trace_id = trace, parent_id = parent),
        None => Span::none(),
    }
}

/// The span of whoever asks, if the headers name one that is understood.
pub(crate) fn parent(headers: &HeaderMap) -> Option<TraceParent> {
    let named = named(headers)?;
    let flags = u8::from_str_radix(named.flags, 16).ok()?;
    Some(TraceParent {
        trace: u128::from_str_radix(named.trace, 16).ok()?.to_be_bytes(),
        span: u64::from_str_radix(named.parent, 16).ok()?.to_be_bytes(),
        is_recorded: flags & RECORDED != 0,
        state: state(headers),
    })
}

/// The lists of several headers are one list.
fn state(headers: &HeaderMap) -> String {
    let values = headers.get_all(TRACESTATE).iter();
    let values: Option<Vec<_>> = values.map(|value| value.to_str().ok()).collect();
    let state = values.unwrap_or_default().join(",");
    if state.len() > STATE_BYTES_MAX {
        return String::new();
    }
    state
}

/// The parts of a `traceparent`, in hexadecimal digits.
#[derive(Debug, Eq, PartialEq)]
struct Named<'a> {
    trace: &'a str,
    parent: &'a str,
    flags: &'a str,
}

fn named(headers: &HeaderMap) -> Option<Named<'_>> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    value.to_str().ok().and_then(read)
}

fn read(text: &str) -> Option<Named<'_>> {
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_known = is_hex(version, 2) && version != "ff";
    // Later versions may add parts; the first one has exactly these.
    let has_end = version != "00" || parts.next().is_none();
    let is_id = |part: &str, digits| is_hex(part, digits) && part.bytes().any(|b| b != b'0');
    (is_known && has_end && is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2)).then_some(Named {
        trace,
        parent,
        flags,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn a_trace_is_read_as_the_standard_writes_it_and_nothing_else_is() {
        let understood = [
            format!("00-{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-00"),
            format!("cc-{TRACE}-{PARENT}-01-what-comes-later"),
        ];
        for text in &understood {
            let named = read(text).unwrap();
            assert_eq!((named.trace, named.parent), (TRACE, PARENT), "{text}");
        }
        let nothing = [
            String::new(),
            TRACE.to_owned(),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{}-{PARENT}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}x-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-1"),
        ];
        for text in &nothing {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_span_of_whoever_asks_comes_with_what_they_decided_and_hand_on() {
        let check = |flags: &str, states: &[&str]| {
            let mut headers = HeaderMap::new();
            let value = format!("00-{TRACE}-{PARENT}-{flags}").parse().unwrap();
            headers.insert(TRACEPARENT, value);
            for state in states {
                headers.append(TRACESTATE, state.parse().unwrap());
            }
            parent(&headers).unwrap()
        };
        let named = check("01", &["a=1", "b=2"]);
        assert_eq!((named.trace[..2].to_vec(), named.span[7]), (vec![0x4b, 0xf9], 0xb7));
        assert!(named.is_recorded);
        assert_eq!(named.state, "a=1,b=2");
        assert!(!check("00", &[]).is_recorded);
        assert!(check("03", &[]).is_recorded);
        assert_eq!(check("01", &[&"x".repeat(STATE_BYTES_MAX + 1)]).state, "");
        assert_eq!(parent(&HeaderMap::new()), None);
    }
}
