//! The trace that a request belongs to, as W3C Trace Context says it: so that the lines of the log are found by the trace
//! of whoever asked. A header that cannot be understood counts as none, as that standard wants it.

use axum::http::HeaderMap;
use tracing::Span;

const TRACEPARENT: &str = "traceparent";

/// A span for what the request does; none when the request belongs to no trace.
pub(crate) fn span(headers: &HeaderMap) -> Span {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Span::none();
    };
    match value.to_str().ok().and_then(read) {
        Some((trace, parent)) => tracing::info_span!("request", trace_id = trace, parent_id = parent),
        None => Span::none(),
    }
}

/// The id of the trace and that of the span that asks.
fn read(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_known = is_hex(version, 2) && version != "ff";
    // Later versions may add parts; the first one has exactly these.
    let has_end = version != "00" || parts.next().is_none();
    let is_id = |part: &str, digits| is_hex(part, digits) && part.bytes().any(|b| b != b'0');
    (is_known && has_end && is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2)).then_some((trace, parent))
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
            assert_eq!(read(text), Some((TRACE, PARENT)), "{text}");
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
}
