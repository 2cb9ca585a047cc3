//! The data plane over HTTP: a request is read, carried out on a task of its own, and answered whole.
//!
//! The task goes on when the client leaves: what was asked for takes place although nobody waits for the answer.

use crate::control;
use crate::error::ApiError;
use crate::fault::Cut;
use crate::request::DataRequest;
use crate::tokens::Token;
use crate::world::{Arrival, Met, World};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The largest body that is read at all, in bytes; the settings may say less.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What all connections share.
pub(crate) type Shared = Arc<Mutex<World>>;

/// The world, also after a panic elsewhere: it is never left half written.
pub(crate) fn lock(shared: &Shared) -> MutexGuard<'_, World> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which planes a listener serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Planes {
    /// Data, and control under its path.
    Both,
    /// Data alone.
    Data,
    /// Control alone.
    Control,
}

/// Serves until the listener's task is dropped; then its connections end as well.
pub(crate) async fn serve(listener: TcpListener, shared: Shared, planes: Planes) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            // Too many open files, for one: others may end.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| handle(Arc::clone(&shared), planes, request));
        connections.spawn(async move {
            // A cut connection ends with an error here; that is what was asked for.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn handle(shared: Shared, planes: Planes, request: Request<Incoming>) -> Result<Response<Sent>, Hidden> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    if head.method == Method::OPTIONS {
        return Ok(whole(200, b"{}".to_vec(), None));
    }
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(error) if error.is::<LengthLimitError>() => return Ok(refused(&ApiError::body_too_large())),
        Err(_) => return Err(Hidden),
    };
    if planes == Planes::Control || (planes == Planes::Both && control::is_control(&path)) {
        let (status, value) = control::answer(&shared, head.method.as_str(), &path, &query, &body);
        return Ok(whole(status, value.to_string().into_bytes(), None));
    }
    let token = head.headers.get(header::AUTHORIZATION).and_then(bearer);
    let request = match DataRequest::read(head.method.as_str(), &path, &query, token, body) {
        Ok(request) => request,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    let answered = tokio::spawn(answer(shared, request)).await;
    let (whole_answer, cut) = answered.map_err(|_| Hidden)?;
    let Answer {
        status,
        body,
        retry_after,
    } = whole_answer;
    match cut {
        None => Ok(whole(status, body, retry_after)),
        Some(Cut::Connection) => Err(Hidden),
        Some(Cut::Silence) => std::future::pending().await,
        Some(cut @ (Cut::Body | Cut::Stall)) => Ok(response(status, Sent::half(body, cut), retry_after)),
    }
}

fn bearer(value: &HeaderValue) -> Option<Token> {
    let token = value.to_str().ok()?.strip_prefix("Bearer ")?.trim();
    (!token.is_empty()).then(|| Token(token.to_owned()))
}

/// What is to be answered.
struct Answer {
    status: u16,
    body: Vec<u8>,
    retry_after: Option<u64>,
}

impl Answer {
    fn of(result: &Result<Value, ApiError>) -> Self {
        match result {
            Ok(value) => Self {
                status: 200,
                body: value.to_string().into_bytes(),
                retry_after: None,
            },
            Err(refusal) => Self::refusal(refusal),
        }
    }

    fn refusal(refusal: &ApiError) -> Self {
        Self {
            status: refusal.status,
            body: refusal.body(),
            retry_after: refusal.retry_after,
        }
    }
}

/// The answer, and where it is cut.
async fn answer(shared: Shared, request: DataRequest) -> (Answer, Option<Cut>) {
    let arrived = lock(&shared).arrive(&request);
    let mut arrival = match arrived {
        Ok(arrival) => arrival,
        Err(refusal) => return (Answer::refusal(&refusal), None),
    };
    let number = arrival.number;
    let (answer, cut) = match arrival.fault.take() {
        None => (Answer::of(&perform(&shared, &request, &arrival, None).await), None),
        Some(met) => with_fault(&shared, request, arrival, met).await,
    };
    if cut.is_none() {
        lock(&shared).finish(number, Some(answer.status), false);
    }
    (answer, cut)
}

async fn with_fault(shared: &Shared, request: DataRequest, arrival: Arrival, met: Met) -> (Answer, Option<Cut>) {
    let Met { spec, barrier } = met;
    pause(spec.delay_before_ms).await;
    let mut done = None;
    if spec.effect_comes_first() {
        done = Some(perform(shared, &request, &arrival, barrier).await);
    } else if let Some(late_ms) = spec.late_effect_ms {
        let shared = Arc::clone(shared);
        let later = tokio::spawn(async move {
            pause(late_ms).await;
            perform(&shared, &request, &arrival, barrier).await
        });
        // Where nothing hides the answer, it comes when the effect does.
        if spec.refuse.is_none() && spec.cut.is_none() {
            done = later.await.ok();
        }
    }
    pause(spec.delay_after_ms).await;
    // Where there is nothing to answer, nothing comes.
    let cut = (spec.refuse.is_none() && done.is_none()).then_some(Cut::Connection);
    let answer = match (&spec.refuse, done) {
        (Some(refusal), _) => Answer::refusal(&refusal.error()),
        (None, Some(done)) => Answer::of(&done),
        (None, None) => Answer::of(&Ok(Value::Null)),
    };
    (answer, spec.cut.or(cut))
}

/// Carries a request out. With a barrier, an upsert waits there between its look and its write.
async fn perform(
    shared: &Shared,
    request: &DataRequest,
    arrival: &Arrival,
    barrier: Option<Arc<tokio::sync::Barrier>>,
) -> Result<Value, ApiError> {
    let plan = match barrier {
        Some(barrier) if request.operation == crate::request::Operation::Upsert => {
            let plan = lock(shared).plan_upsert(request, &arrival.caller);
            barrier.wait().await;
            Some(plan?)
        }
        _ => None,
    };
    let mut world = lock(shared);
    let (done, changed) = world.perform(request, &arrival.caller, plan, arrival.records_left_out);
    world.finish(arrival.number, None, changed);
    done
}

async fn pause(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

fn refused(refusal: &ApiError) -> Response<Sent> {
    whole(refusal.status, refusal.body(), refusal.retry_after)
}

fn whole(status: u16, body: Vec<u8>, retry_after: Option<u64>) -> Response<Sent> {
    let sent = Sent {
        length: body.len(),
        data: Some(Bytes::from(body)),
        end: End::Whole,
    };
    response(status, sent, retry_after)
}

fn response(status: u16, sent: Sent, retry_after: Option<u64>) -> Response<Sent> {
    let is_html = sent.data.as_ref().is_some_and(|data| data.starts_with(b"<"));
    let mut response = Response::new(sent);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    let kind = if is_html {
        "text/html"
    } else {
        "application/json; charset=utf-8"
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "DELETE,GET,OPTIONS,PATCH,POST,PUT"),
        (
            "access-control-allow-headers",
            "authorization,content-length,content-type,user-agent,x-airtable-application-id,\
             x-airtable-user-agent,x-api-version,x-requested-with",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is kept back")]
pub(crate) struct Hidden;

/// A body of a known length, of which not all may come.
#[derive(Debug)]
pub(crate) struct Sent {
    data: Option<Bytes>,
    length: usize,
    end: End,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Whole,
    /// The connection breaks once what there is has been sent.
    Cut,
    Broken,
    Stall,
}

impl Sent {
    /// Half of what its length says. Of nothing there is no half: `{}` stands for it.
    fn half(body: Vec<u8>, cut: Cut) -> Self {
        let body = if body.is_empty() { b"{}".to_vec() } else { body };
        let length = body.len();
        Self {
            length,
            data: Some(Bytes::from(body).slice(..length / 2)),
            end: if cut == Cut::Body { End::Cut } else { End::Stall },
        }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match (self.data.take(), self.end) {
            (Some(data), _) if !data.is_empty() => Poll::Ready(Some(Ok(Frame::data(data)))),
            (_, End::Whole) => Poll::Ready(None),
            // What was given is sent while this waits; an error at once would take it back.
            (_, End::Cut) => {
                self.end = End::Broken;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            (_, End::Broken) => Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::ConnectionAborted)))),
            // The client leaves first; then the connection ends, and this with it.
            (_, End::Stall) => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.end == End::Whole && self.data.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.length).unwrap_or(u64::MAX))
    }
}
