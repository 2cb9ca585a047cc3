//! Events: the activity log as a stream that goes on (server-sent events). An event is a line of the log and its id the
//! number of the line, so a reader who comes back with the last id goes on behind it, whatever happened in between (I6).

mod closing;
mod describe;
mod stream;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use runledger_app::{EventFilter, Refused};

use crate::api::Api;
use crate::describe::answers::EventProblems;
use crate::incoming::Reading;
use crate::problem;
use crate::query::Parameters;
use crate::read::run_and_client;
use crate::trouble::Problem;

pub use closing::Closing;
pub(crate) use describe::LineNumber;
use describe::{EventHeaders, EventQuery, EventsStreamed};
use stream::EventStream;

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
/// Where a reader who comes back was.
static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Streams the activity log, line by line, as server-sent events: what is there after a given line, then what comes.
///
/// `id` of an event is the number of its line, `event` its action, `data` the line as `/v1/activity` shows it, as JSON. An
/// event with an id and no data says how far the log has been looked at; clients keep its id like any other. Whoever comes
/// back with the last id, in the header `Last-Event-ID` or as `after`, misses no line and gets none twice.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "read",
    operation_id = "streamEvents",
    params(EventQuery, EventHeaders),
    responses(EventsStreamed, EventProblems)
)]
pub(crate) async fn events(State(api): State<Arc<Api>>, reading: Reading) -> Result<Response, Problem> {
    const KNOWN: [&str; 6] = ["run_id", "client_id", "kind", "refused", "after", "follow"];
    reading.allow()?;
    let query = Parameters::of(&reading.uri, &KNOWN)?;
    let (run, client) = run_and_client(&query)?;
    let filter = EventFilter {
        run,
        client,
        action: query.value("kind")?,
        refused: refused(&query)?,
        within: reading.access.clients().cloned(),
    };
    let follow = query.text("follow").is_none() || query.flag("follow")?;
    let asked = asked(&reading.headers, &query)?;
    let Ok(place) = Arc::clone(&api.streams).try_acquire_owned() else {
        let detail = format!(
            "{} streams of events are open, as many as there may be; close one, or come again in a while",
            api.options.streams_max
        );
        return Err(Problem::new(&problem::TOO_MANY_STREAMS, detail));
    };
    let last = api.ledger.events.last_line().await?;
    let after = asked.unwrap_or(last);
    if after > last {
        let detail =
            format!("the log ends with line {last}, before line {after}: it is another ledger, or an older copy");
        return Err(Problem::new(&problem::EVENT_ID_UNKNOWN, detail).at("Last-Event-ID"));
    }
    let until = (!follow).then_some(last);
    let stream = EventStream::new(api, reading, filter, after, until, place);
    let mut response = Response::new(Body::from_stream(stream.chunks()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that hold answers back until they are whole would hold this one for ever.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// After which line the caller asks to go on. A browser that comes back sends the header besides the address that it was
/// given at first, so the header is what counts.
fn asked(headers: &HeaderMap, query: &Parameters) -> Result<Option<u64>, Problem> {
    let (name, text) = match headers.get(&LAST_EVENT_ID) {
        Some(value) => ("Last-Event-ID", String::from_utf8_lossy(value.as_bytes())),
        None => match query.text("after") {
            Some(text) => ("after", text.into()),
            None => return Ok(None),
        },
    };
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let seq = text.parse().ok().filter(|_| plain);
    seq.map(Some).ok_or_else(|| {
        let detail =
            format!("{text:?} is not the id of an event; send the last one that came, or 0 to begin at the start");
        Problem::value(name, detail)
    })
}

fn refused(query: &Parameters) -> Result<Refused, Problem> {
    match query.text("refused") {
        None | Some("false") => Ok(Refused::Without),
        Some("true") => Ok(Refused::With),
        Some("only") => Ok(Refused::Only),
        Some(other) => Err(Problem::value(
            "refused",
            format!("refused is {other:?}; send true, only or false"),
        )),
    }
}
