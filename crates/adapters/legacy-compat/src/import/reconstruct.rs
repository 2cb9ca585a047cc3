//! Jobs that the job table does not hold, made from the client rows that name their run.
//!
//! A run whose clients are known did take place, and a client run record belongs to a job (I2). What the job was like
//! is derived from the kept client rows and from nothing else, and the record is marked *reconstructed*:
//!
//! - open, if one of the clients is open;
//! - otherwise ended: with the outcome that all clients share; else *succeeded with errors* if any of them had errors or
//!   was cancelled, else *succeeded*;
//! - from the earliest start to the latest end, as far as they are known.

use std::collections::{BTreeMap, HashMap};

use runledger_domain::{CreationContent, Imported, Initial, Metrics, Outcome, RunId, RunKey, Status, Timestamp};

use super::classify::Accepted;

/// What a client's row says about the run that it is part of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Past {
    status: Status,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

/// A job made from its clients.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Reconstructed {
    pub(super) run: RunId,
    pub(super) clients: u64,
    pub(super) content: CreationContent,
}

impl Past {
    pub(super) const fn of(row: &Accepted) -> Self {
        Self {
            status: row.status,
            started_at: row.started_at,
            ended_at: row.ended_at,
        }
    }
}

/// The missing jobs, in the order of their run ids.
pub(super) fn reconstruct(orphans: &HashMap<RunKey, Past>) -> Vec<Reconstructed> {
    let mut runs: BTreeMap<&RunId, Vec<Past>> = BTreeMap::new();
    for (key, past) in orphans {
        runs.entry(key.run()).or_default().push(*past);
    }
    runs.into_iter()
        .map(|(run, pasts)| Reconstructed {
            run: run.clone(),
            clients: pasts.len() as u64,
            content: CreationContent {
                initial: Initial::Imported(Box::new(job_of(&pasts))),
                ..CreationContent::default()
            },
        })
        .collect()
}

fn job_of(clients: &[Past]) -> Imported {
    let status = status_of(clients);
    let started_at = clients
        .iter()
        .filter_map(|client| client.started_at)
        .min()
        .filter(|_| status != Status::Queued);
    let ended_at = clients.iter().filter_map(|client| client.ended_at).max();
    // A client whose start is not known may have ended before the others began; then the end says nothing.
    let ended_at = ended_at.filter(|end| !status.is_open() && started_at.is_none_or(|start| start <= *end));
    Imported::new(status, started_at, ended_at, Metrics::default())
        .unwrap_or_else(|e| unreachable!("an end was given only where one can be: {e}"))
        .reconstructed()
}

fn status_of(clients: &[Past]) -> Status {
    let mut outcomes = Vec::with_capacity(clients.len());
    for client in clients {
        match client.status {
            Status::Queued | Status::Running => return Status::Running,
            Status::Ended(outcome) => outcomes.push(outcome),
        }
    }
    outcomes.sort_unstable();
    outcomes.dedup();
    Status::Ended(match outcomes[..] {
        [one] => one,
        _ if outcomes.iter().any(|o| o.has_errors() || *o == Outcome::Cancelled) => Outcome::SucceededWithErrors,
        _ => Outcome::Succeeded,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `clients` and the job as `status start end`, times in seconds.
    fn check(clients: &[(Status, i64, i64)], expected: (Status, i64, i64)) {
        let time = |seconds: i64| (seconds > 0).then(|| Timestamp::from_micros(seconds * 1_000_000).unwrap());
        let pasts: Vec<_> = clients
            .iter()
            .map(|(status, start, end)| Past {
                status: *status,
                started_at: time(*start),
                ended_at: time(*end),
            })
            .collect();
        let (status, start, end) = expected;
        let expected = Imported::new(status, time(start), time(end), Metrics::default());
        assert_eq!(job_of(&pasts), expected.unwrap().reconstructed(), "{clients:?}");
    }

    #[test]
    fn a_job_is_what_its_clients_say_together() {
        use Outcome as O;
        let done = Status::Ended;
        check(
            &[(done(O::Succeeded), 5, 9), (done(O::Succeeded), 3, 7)],
            (done(O::Succeeded), 3, 9),
        );
        check(
            &[(done(O::Succeeded), 5, 9), (Status::Running, 3, 0)],
            (Status::Running, 3, 0),
        );
        check(&[(Status::Queued, 0, 0)], (Status::Running, 0, 0));
        check(&[(done(O::Failed), 5, 9)], (done(O::Failed), 5, 9));
        check(
            &[(done(O::Failed), 5, 9), (done(O::Succeeded), 0, 0)],
            (done(O::SucceededWithErrors), 5, 9),
        );
        check(
            &[(done(O::Skipped), 5, 9), (done(O::Succeeded), 6, 8)],
            (done(O::Succeeded), 5, 9),
        );
        check(
            &[(done(O::Cancelled), 5, 9), (done(O::Succeeded), 6, 8)],
            (done(O::SucceededWithErrors), 5, 9),
        );
        check(
            &[(done(O::Skipped), 0, 4), (done(O::Skipped), 6, 0)],
            (done(O::Skipped), 6, 0),
        );
    }
}
