//! The collector: one batch of spans at a time, tried for a few seconds, over the same HTTP and TLS as commands.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use prost::Message as _;
use runledger_client::connection::{self, Connection, SendError, Stream};
use tokio::time::{sleep, timeout};

use super::message::ExportResponse;
use crate::failure::{Failure, Outcome};
use crate::settings::Traces;

/// How long the collector may take for a batch, tries included.
pub(super) const SEND_TIME_MAX: Duration = Duration::from_secs(5);
/// How long after the first try the second comes; each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// How much of an answer is read: it says at most which spans were refused.
const ANSWER_BYTES_MAX: usize = 64 * 1_024;
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// Why a batch did not arrive, or may not have.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTaken {
    /// There was no answer.
    #[error(transparent)]
    Unanswered(#[from] SendError),
    /// It was not taken.
    #[error("the collector answered {0}")]
    Refused(StatusCode),
    /// Nothing came to an end.
    #[error("the collector did not answer within {SEND_TIME_MAX:?}")]
    TooSlow,
}

impl NotTaken {
    /// Whether it may be taken a moment later. A batch that comes twice does no harm: its spans have the same ids.
    fn may_pass(&self) -> bool {
        match self {
            Self::Unanswered(error) => !matches!(error, SendError::NotTrusted { .. }),
            // Those that OTLP names.
            Self::Refused(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::TooSlow => false,
        }
    }
}

/// The way to a collector.
#[derive(Debug)]
pub(super) struct Collector {
    connection: Connection,
    target: Uri,
    headers: HeaderMap,
}

impl Collector {
    /// Sets up the way; the collector need not be there.
    ///
    /// # Errors
    /// The certificates of `traces.ca_file`, or of the machine, cannot be used.
    pub(super) fn new(traces: &Traces) -> Outcome<Self> {
        let mut settings = connection::Settings::default();
        if let Some(file) = traces.ca_file() {
            settings = settings.ca_file(file);
        }
        let (origin, target) = traces.parts()?;
        let connection = Connection::new(&origin, &settings).map_err(|error| {
            Failure::usage(format_args!("traces.endpoint: {error}"))
                .advise("traces.ca_file names the certificates that the collector is believed by")
        })?;
        let mut headers = traces.headers.to_send()?;
        headers.insert(CONTENT_TYPE, PROTOBUF);
        Ok(Self {
            connection,
            target,
            headers,
        })
    }

    /// Where it is, without the path.
    pub(super) fn url(&self) -> String {
        self.connection.url()
    }

    /// Sends a batch, and says how many of its spans the collector refused.
    ///
    /// # Errors
    /// When it did not arrive, or may not have.
    pub(super) async fn export(&self, batch: Bytes) -> Result<u64, NotTaken> {
        let mut last = NotTaken::TooSlow;
        let tries = async {
            let mut pause = FIRST_PAUSE;
            loop {
                match self.try_once(batch.clone()).await {
                    Err(error) if error.may_pass() => last = error,
                    ended => return ended,
                }
                sleep(pause).await;
                pause *= 2;
            }
        };
        match timeout(SEND_TIME_MAX, tries).await {
            Ok(ended) => ended,
            Err(_) => Err(last),
        }
    }

    async fn try_once(&self, batch: Bytes) -> Result<u64, NotTaken> {
        let mut request = Request::new(batch);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = self.headers.clone();
        let (head, mut body) = self.connection.stream(request, SEND_TIME_MAX).await?.into_parts();
        // Nor is a redirection followed: the headers are for this collector alone.
        if !head.status.is_success() {
            return Err(NotTaken::Refused(head.status));
        }
        let answer = read(&mut body).await?;
        // It has the spans, whatever it says of them.
        let answer = ExportResponse::decode(&answer[..]).unwrap_or_default();
        let refused = answer.partial_success.map_or(0, |part| part.rejected_spans);
        Ok(u64::try_from(refused).unwrap_or_default())
    }
}

async fn read(body: &mut Stream) -> Result<Vec<u8>, SendError> {
    let mut answer = Vec::new();
    while let Some(piece) = body.piece(SEND_TIME_MAX).await? {
        if answer.len() + piece.len() > ANSWER_BYTES_MAX {
            break;
        }
        answer.extend_from_slice(&piece);
    }
    Ok(answer)
}
