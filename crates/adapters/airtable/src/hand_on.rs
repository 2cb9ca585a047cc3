//! Requests of others, handed on to Airtable as they came, with the token of whoever hands them on.

use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use runledger_ports::{Upstream, UpstreamAnswer, UpstreamError, UpstreamRequest};

use crate::client::Connection;
use crate::http::{Answer, Http, SetUpError, TransportError};
use crate::ids::BaseId;
use crate::pace::{LOCK_OUT, Pace};
use crate::refusal::{Refusal, RefusalKind};

/// The way on to Airtable. Each request is sent once, in the pace of its base; whoever would wait too long for their turn
/// is told when to come back.
#[derive(Clone, Debug)]
pub struct HandOn {
    http: Http,
    pace: Pace,
    wait_max: Duration,
}

impl HandOn {
    /// Sets up the way. Nothing is sent yet. A request waits for its turn for `wait_max` at most.
    ///
    /// # Errors
    /// [`SetUpError`].
    pub fn new(connection: &Connection, pace: Pace, wait_max: Duration) -> Result<Self, SetUpError> {
        Ok(Self {
            http: Http::new(&connection.endpoint, &connection.pat, connection.request_time)?,
            pace,
            wait_max,
        })
    }

    /// Waits for the turn of a request to this base.
    async fn turn(&self, base: &BaseId) -> Result<(), UpstreamError> {
        let locked_for = self.pace.locked_for(base).unwrap_or_default();
        if locked_for > self.wait_max {
            return Err(UpstreamError::Crowded {
                retry_after: locked_for,
            });
        }
        let turn = tokio::time::timeout(self.wait_max, self.pace.turn(base));
        turn.await.map_err(|_| UpstreamError::Crowded {
            retry_after: self.pace.locked_for(base).unwrap_or(self.wait_max),
        })
    }
}

#[async_trait]
impl Upstream for HandOn {
    async fn send(&self, request: UpstreamRequest<'_>) -> Result<UpstreamAnswer, UpstreamError> {
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|error| UpstreamError::NotReached {
            reason: error.to_string(),
        })?;
        let base = request.base.and_then(|base| base.parse::<BaseId>().ok());
        if let Some(base) = &base {
            self.turn(base).await?;
        }
        let body = (!request.body.is_empty()).then(|| request.body.to_vec());
        let answered = self
            .http
            .send_as(method, request.target, body, request.content_type)
            .await;
        let Answer {
            status,
            content_type,
            body,
            retry_after,
        } = answered.map_err(|error| failed(&error))?;
        if let (429, Some(base)) = (status, &base) {
            let refusal = Refusal::read(status, &body, retry_after);
            if refusal.kind == RefusalKind::RateLimited {
                self.pace.lock(base, retry_after.unwrap_or(LOCK_OUT));
            }
        }
        Ok(UpstreamAnswer {
            status,
            content_type,
            body,
            retry_after,
        })
    }
}

fn failed(error: &TransportError) -> UpstreamError {
    let reason = error.to_string();
    match error {
        TransportError::NotReached(_) => UpstreamError::NotReached { reason },
        TransportError::TimedOut(_) | TransportError::Cut(_) => UpstreamError::Lost { reason },
    }
}
