//! What came of requests to a gateway, by what they do, and how long they took.

use std::time::Duration;

use runledger_ports::{Distribution, TimeMeter};

use super::Effect;
use super::tally::{Counted, Tally};
use crate::gateway::{GatewayAnswer, GatewayKind};

/// How the word of an answer begins that the foreign service did not give, or gave in a way that no client could take.
const OF_UPSTREAM: &str = "upstream_";

/// Requests to a gateway, counted since the start.
#[derive(Debug)]
pub struct GatewayStats {
    reads: OfKind,
    writes: OfKind,
    hands_on: OfKind,
}

/// What came of the requests of one kind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GatewayKindStats {
    /// What they do: `read` or `write` the ledger, or are to `hand_on`.
    pub kind: &'static str,
    /// What came of them.
    pub requests: Vec<Counted>,
    /// How long they took, in microseconds.
    pub micros: Distribution,
}

#[derive(Debug)]
struct OfKind {
    counts: Tally,
    times: TimeMeter,
}

impl OfKind {
    fn new(shown: &[Effect]) -> Self {
        Self {
            counts: Tally::new(shown),
            times: TimeMeter::default(),
        }
    }
}

impl Default for GatewayStats {
    fn default() -> Self {
        Self {
            reads: OfKind::new(&[Effect::Read]),
            writes: OfKind::new(&[Effect::Created, Effect::Replayed, Effect::Changed, Effect::Unchanged]),
            hands_on: OfKind::new(&[Effect::HandedOn]),
        }
    }
}

impl GatewayStats {
    /// Counts a request that was answered.
    pub fn count(&self, kind: GatewayKind, answer: &GatewayAnswer, took: Duration) {
        let of_kind = match kind {
            GatewayKind::Reads => &self.reads,
            GatewayKind::Writes(_) => &self.writes,
            GatewayKind::HandsOn => &self.hands_on,
        };
        let (effect, reason) = effect(answer);
        of_kind.counts.count(effect, reason);
        of_kind.times.took(took);
    }

    /// What came of the requests, of each kind.
    pub fn list(&self) -> [GatewayKindStats; 3] {
        let of = |kind, of_kind: &OfKind| GatewayKindStats {
            kind,
            requests: of_kind.counts.list(),
            micros: of_kind.times.micros(),
        };
        [
            of("read", &self.reads),
            of("write", &self.writes),
            of("hand_on", &self.hands_on),
        ]
    }
}

/// What came of a request, and why.
fn effect(answer: &GatewayAnswer) -> (Effect, &'static str) {
    match answer.came_to {
        "created" => (Effect::Created, ""),
        "replayed" => (Effect::Replayed, ""),
        "changed" => (Effect::Changed, ""),
        "unchanged" => (Effect::Unchanged, ""),
        "read" => (Effect::Read, ""),
        // The answer is the foreign service's, its refusals as well.
        "handed_on" => match answer.status {
            500.. => (Effect::HandedOn, "server_error"),
            400.. => (Effect::HandedOn, "client_error"),
            _ => (Effect::HandedOn, ""),
        },
        "in_doubt" => (Effect::InDoubt, ""),
        reason @ ("busy" | "stopped" | "store_failed") => (Effect::Unavailable, reason),
        reason if reason.starts_with(OF_UPSTREAM) && reason != "upstream_not_set" => (Effect::UpstreamFailed, reason),
        reason => (Effect::Refused, reason),
    }
}

#[cfg(test)]
mod tests {
    use runledger_domain::Action;

    use super::*;

    #[test]
    fn requests_are_told_apart_by_what_they_do_what_came_of_them_and_why() {
        let stats = GatewayStats::default();
        let count = |kind, status, came_to| {
            let answer = GatewayAnswer {
                status,
                content_type: String::new(),
                body: Vec::new(),
                retry_after: None,
                came_to,
            };
            stats.count(kind, &answer, Duration::from_micros(90));
        };
        let write = GatewayKind::Writes(Action::Create);
        for (kind, status, came_to) in [
            (GatewayKind::Reads, 200, "read"),
            (GatewayKind::Reads, 401, "token_missing"),
            (write, 200, "created"),
            (write, 200, "replayed"),
            (write, 409, "conflict"),
            (write, 503, "in_doubt"),
            (write, 503, "busy"),
            (GatewayKind::HandsOn, 200, "handed_on"),
            (GatewayKind::HandsOn, 404, "handed_on"),
            (GatewayKind::HandsOn, 500, "handed_on"),
            (GatewayKind::HandsOn, 502, "upstream_lost"),
            (GatewayKind::HandsOn, 403, "upstream_not_set"),
        ] {
            count(kind, status, came_to);
        }
        let told: Vec<_> = stats
            .list()
            .iter()
            .flat_map(|of| {
                of.requests
                    .iter()
                    .filter(|counted| counted.count > 0)
                    .map(|counted| (of.kind, *counted))
            })
            .map(|(kind, Counted { effect, reason, count })| format!("{kind} {} {reason} {count}", effect.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                "read read  1",
                "read refused token_missing 1",
                "write created  1",
                "write replayed  1",
                "write refused conflict 1",
                "write in_doubt  1",
                "write unavailable busy 1",
                "hand_on handed_on  1",
                "hand_on handed_on client_error 1",
                "hand_on handed_on server_error 1",
                "hand_on upstream_failed upstream_lost 1",
                "hand_on refused upstream_not_set 1",
            ]
        );
        assert_eq!(stats.list().map(|of| of.micros.count()), [2, 5, 5]);
        // Shown before the first, so that it is seen as a step.
        assert!(
            stats.list()[1]
                .requests
                .iter()
                .any(|counted| (counted.effect, counted.count) == (Effect::Changed, 0))
        );
    }
}
