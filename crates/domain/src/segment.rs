//! A segment of a ledger: lines that follow one another, with the records that they speak of. It is how a ledger moves
//! from one store to another, and the only way into a store beside creation.
//!
//! A segment is evidence. It holds a new record exactly where it holds the accepted line of its creation, which the policy
//! of that time allowed; its lines are chained to the line before them. So a store that is continued by segments holds at
//! every moment what a ledger holds (I2, I5, I6), and one whose log ends elsewhere takes none.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::activity::{Action, Activity, ChainHead, Subject, Verdict};
use crate::record::{RunRecord, Version};
use crate::run_key::RunKey;

/// Lines that follow one another, with the records that they speak of.
///
/// ```
/// use runledger_domain::segment::Segment;
/// use runledger_domain::ChainHead;
///
/// let nothing = Segment::check(ChainHead::EMPTY, Vec::new(), Vec::new())?;
/// assert_eq!(nothing.to(), ChainHead::EMPTY);
/// # Ok::<(), runledger_domain::segment::SegmentError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a segment is in no ledger until a store takes it"]
pub struct Segment {
    from: ChainHead,
    to: ChainHead,
    lines: Vec<Activity>,
    created: Vec<RunRecord>,
    changed: Vec<RunRecord>,
    known: BTreeMap<RunKey, Version>,
}

/// Why lines and records are no segment.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// A line does not follow from the one before it.
    #[error(
        "line {seq} of the log does not follow from line {before}: one of the two was changed, or lines are missing"
    )]
    Chain {
        /// Its number.
        seq: u64,
        /// The number of the line that it was compared with.
        before: u64,
    },
    /// A line speaks of a record by a key that is none.
    #[error("line {seq} of the log speaks of a record whose key cannot be read")]
    Key {
        /// Its number.
        seq: u64,
    },
    /// A creation without its record.
    #[error("line {seq} of the log is the creation of {key}, which is not there")]
    Absent {
        /// The record.
        key: RunKey,
        /// The number of the line.
        seq: u64,
    },
    /// A creation that is not that of the record.
    #[error(
        "line {seq} of the log is the creation of {key}, by another source or at another time than the record says"
    )]
    OtherCreation {
        /// The record.
        key: RunKey,
        /// The number of the line.
        seq: u64,
    },
    /// A record that is older than a line about it.
    #[error("{key} is at version {version}, which is older than what line {seq} of the log says of it")]
    Behind {
        /// The record.
        key: RunKey,
        /// Its version.
        version: Version,
        /// The number of the line.
        seq: u64,
    },
    /// A record of which no line speaks.
    #[error("no line says how {key} came to be as it is")]
    Unnamed {
        /// The record.
        key: RunKey,
    },
    /// Two records of one key, or two creations.
    #[error("{key} is there twice")]
    Twice {
        /// The key.
        key: RunKey,
    },
}

/// A record on its way into a segment.
struct Given {
    record: RunRecord,
    /// Where its creation is among those of the segment, once a line says so.
    created: Option<usize>,
    named: bool,
}

impl Segment {
    /// Checks that the lines follow from `from`, that there is a record for each creation among them, and nothing else but
    /// records that they change. Records are as they stand, which may be later than the lines say.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn check(from: ChainHead, lines: Vec<Activity>, records: Vec<RunRecord>) -> Result<Self, SegmentError> {
        let mut given: BTreeMap<RunKey, Given> = BTreeMap::new();
        for record in records {
            let key = record.key.clone();
            let new = Given {
                record,
                created: None,
                named: false,
            };
            if given.insert(key.clone(), new).is_some() {
                return Err(SegmentError::Twice { key });
            }
        }
        let (mut to, mut creations, mut known) = (from, 0, BTreeMap::new());
        for line in &lines {
            let before = to.seq;
            if !to.accepts(line) {
                return Err(SegmentError::Chain { seq: line.seq, before });
            }
            let Some((key, version)) = speaks_of(line)? else {
                continue;
            };
            let Some(given) = given.get_mut(&key) else {
                if line.line.verdict == Verdict::Created {
                    return Err(SegmentError::Absent { key, seq: line.seq });
                }
                known.insert(key, version);
                continue;
            };
            given.named = true;
            if line.line.verdict == Verdict::Created {
                if !is_creation_of(&given.record, line) {
                    return Err(SegmentError::OtherCreation { key, seq: line.seq });
                }
                if given.created.replace(creations).is_some() {
                    return Err(SegmentError::Twice { key });
                }
                creations += 1;
            }
            if given.record.version < version {
                return Err(SegmentError::Behind {
                    key,
                    version: given.record.version,
                    seq: line.seq,
                });
            }
        }
        let (mut created, mut changed) = (Vec::with_capacity(creations), Vec::new());
        for (key, given) in given {
            match given.created {
                Some(place) => created.push((place, given.record)),
                None if given.named => changed.push(given.record),
                None => return Err(SegmentError::Unnamed { key }),
            }
        }
        created.sort_unstable_by_key(|(place, _)| *place);
        Ok(Self {
            from,
            to,
            lines,
            created: created.into_iter().map(|(_, record)| record).collect(),
            changed,
            known,
        })
    }

    /// Where the log has to end for the segment to follow.
    pub const fn from(&self) -> ChainHead {
        self.from
    }

    /// Where the log ends with it.
    pub const fn to(&self) -> ChainHead {
        self.to
    }

    /// The lines, in their order.
    pub fn lines(&self) -> &[Activity] {
        &self.lines
    }

    /// The records that come into being, in the order of their creation.
    pub fn created(&self) -> &[RunRecord] {
        &self.created
    }

    /// Records that were there before, as they stand now.
    pub fn changed(&self) -> &[RunRecord] {
        &self.changed
    }

    /// Records that are not in the segment although lines of it changed them, each with the last version that these speak
    /// of: a store must hold them at that version or a later one.
    pub const fn known(&self) -> &BTreeMap<RunKey, Version> {
        &self.known
    }
}

/// The record that a line creates or changes, and the version that it then has; nothing when it does neither.
///
/// # Errors
/// [`SegmentError::Key`] when the line names no record.
pub fn speaks_of(line: &Activity) -> Result<Option<(RunKey, Version)>, SegmentError> {
    let is_accepted = matches!(line.line.verdict, Verdict::Created | Verdict::Changed);
    if !is_accepted || !is_about_records(line.line.action) {
        return Ok(None);
    }
    let Subject { run, client } = &line.line.subject;
    let key = RunKey::of_parts(run, client).map_err(|_| SegmentError::Key { seq: line.seq })?;
    Ok(Some((key, line.line.version.unwrap_or(1))))
}

const fn is_about_records(action: Action) -> bool {
    match action {
        Action::Create
        | Action::Import
        | Action::Update
        | Action::StartStage
        | Action::FinishStage
        | Action::Heartbeat
        | Action::Complete
        | Action::DeclareLost => true,
        Action::CreateToken
        | Action::EndToken
        | Action::EnableWebhook
        | Action::TestWebhook
        | Action::RetryRow
        | Action::ResumeProjection
        | Action::RepairRow
        | Action::RemoveRows
        | Action::AdoptRows => false,
    }
}

/// Whether the record says of its creation what the line says.
fn is_creation_of(record: &RunRecord, line: &Activity) -> bool {
    record.creation.at == line.line.at && record.creation.source.as_str() == line.line.source
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec;

    use super::*;
    use crate::ChangeEvidence;
    use crate::activity::NewActivity;
    use crate::change::{Change, ChangeContext, Command, apply};
    use crate::creation::CreationIntent;
    use crate::policy::CreationPolicy;
    use crate::timestamp::Timestamp;

    #[expect(
        clippy::disallowed_methods,
        reason = "a record for a test comes from the policy as any other"
    )]
    fn record(key: &str) -> RunRecord {
        let intent = CreationIntent::new(
            key.parse().unwrap(),
            "orchestrator".parse().unwrap(),
            "a1".parse().unwrap(),
            Timestamp::EPOCH,
        );
        CreationPolicy::default().authorise(intent).unwrap().record().clone()
    }

    fn changed(record: &RunRecord) -> RunRecord {
        let context = ChangeContext::new("batch_process".parse().unwrap(), Timestamp::EPOCH);
        match apply(record, &context, &Command::Heartbeat, ChangeEvidence::default()).unwrap() {
            Change::Applied { record, .. } => *record,
            Change::Unchanged => panic!("a sign of life changes an open record"),
        }
    }

    fn line(record: &RunRecord, verdict: Verdict, version: Version) -> NewActivity {
        NewActivity {
            at: record.creation.at,
            action: Action::Create,
            source: record.creation.source.as_str().into(),
            subject: Subject::of(record.key()),
            verdict,
            version: Some(version),
            detail: String::new(),
        }
    }

    fn chained(lines: Vec<NewActivity>) -> Vec<Activity> {
        let mut head = ChainHead::EMPTY;
        lines.into_iter().map(|line| head.append(line)).collect()
    }

    fn check(lines: Vec<NewActivity>, records: Vec<RunRecord>) -> Result<Segment, SegmentError> {
        Segment::check(ChainHead::EMPTY, chained(lines), records)
    }

    const JOB: &str = "250925-231841";
    const ACME: &str = "250925-231841-acme";

    #[test]
    fn i2_a_record_comes_with_the_line_of_its_creation_and_the_other_way_round() {
        let (job, acme) = (record(JOB), record(ACME));
        let lines = vec![line(&job, Verdict::Created, 1), line(&acme, Verdict::Created, 1)];
        let segment = check(lines.clone(), vec![acme.clone(), job.clone()]).unwrap();
        assert_eq!(
            segment.created(),
            [job.clone(), acme.clone()],
            "in the order of creation"
        );
        assert_eq!((segment.to().seq, segment.changed().len()), (2, 0));
        let absent = check(lines, vec![job.clone()]).unwrap_err();
        assert_eq!(
            absent,
            SegmentError::Absent {
                key: acme.key.clone(),
                seq: 2
            }
        );
        let unnamed = check(vec![line(&job, Verdict::Created, 1)], vec![job.clone(), acme.clone()]);
        assert_eq!(unnamed.unwrap_err(), SegmentError::Unnamed { key: acme.key.clone() });
        let refused = vec![line(&job, Verdict::Refused("conflict".into()), 1)];
        assert!(matches!(
            check(refused, vec![job.clone()]),
            Err(SegmentError::Unnamed { .. })
        ));
        let twice = vec![line(&job, Verdict::Created, 1), line(&job, Verdict::Created, 1)];
        assert!(matches!(
            check(twice, vec![job.clone()]),
            Err(SegmentError::Twice { .. })
        ));
        let given_twice = check(vec![line(&job, Verdict::Created, 1)], vec![job.clone(), job.clone()]);
        assert!(matches!(given_twice, Err(SegmentError::Twice { .. })));
    }

    #[test]
    fn i1_a_creation_is_that_of_its_record() {
        let job = record(JOB);
        for other in [
            NewActivity {
                source: "master_process".into(),
                ..line(&job, Verdict::Created, 1)
            },
            NewActivity {
                at: Timestamp::from_micros(1).unwrap(),
                ..line(&job, Verdict::Created, 1)
            },
        ] {
            let refused = check(vec![other], vec![job.clone()]);
            assert!(
                matches!(refused, Err(SegmentError::OtherCreation { seq: 1, .. })),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn i5_a_record_may_be_ahead_of_the_lines_and_never_behind() {
        let first = record(JOB);
        let second = changed(&first);
        let lines = vec![line(&first, Verdict::Created, 1), line(&first, Verdict::Changed, 2)];
        let behind = check(lines.clone(), vec![first.clone()]).unwrap_err();
        let expected = SegmentError::Behind {
            key: first.key.clone(),
            version: 1,
            seq: 2,
        };
        assert_eq!(behind, expected);
        let third = changed(&second);
        let segment = check(lines.clone(), vec![third.clone()]).unwrap();
        assert_eq!(segment.created(), core::slice::from_ref(&third));
        // What was created before the segment is in it as it stands, or is known to be there.
        let all = chained(lines);
        let from = ChainHead {
            seq: 1,
            hash: all[0].hash,
        };
        let rest = vec![all[1].clone()];
        let given = Segment::check(from, rest.clone(), vec![third.clone()]).unwrap();
        assert_eq!((given.changed(), given.known().len()), (&[third][..], 0));
        let known = Segment::check(from, rest, Vec::new()).unwrap();
        assert_eq!(known.known().get(&first.key), Some(&2));
    }

    #[test]
    fn only_accepted_lines_about_records_speak_of_one_and_then_by_its_key() {
        let job = record(JOB);
        let token = NewActivity {
            action: Action::CreateToken,
            subject: Subject::default(),
            ..line(&job, Verdict::Created, 1)
        };
        let about = |run: &str, client: &str, verdict| NewActivity {
            subject: Subject::claimed(run, client),
            ..line(&job, verdict, 2)
        };
        let refused = about("no run", "", Verdict::Refused("run_id_invalid".into()));
        let unchanged = line(&job, Verdict::Unchanged, 1);
        let segment = check(vec![token, refused, unchanged], Vec::new()).unwrap();
        assert_eq!((segment.lines().len(), segment.known().len()), (3, 0));
        for (run, client) in [("no run", ""), (JOB, "no client")] {
            let unreadable = check(vec![about(run, client, Verdict::Changed)], Vec::new());
            assert_eq!(unreadable.unwrap_err(), SegmentError::Key { seq: 1 });
        }
    }

    #[test]
    fn i6_lines_follow_one_another_from_where_the_log_ends() {
        let job = record(JOB);
        let lines = chained(vec![line(&job, Verdict::Created, 1), line(&job, Verdict::Replayed, 1)]);
        let gap = Segment::check(ChainHead::EMPTY, vec![lines[1].clone()], Vec::new());
        assert_eq!(gap.unwrap_err(), SegmentError::Chain { seq: 2, before: 0 });
        let mut forged = lines.clone();
        forged[1].line.detail = "other".into();
        let forged = Segment::check(ChainHead::EMPTY, forged, vec![job.clone()]);
        assert_eq!(forged.unwrap_err(), SegmentError::Chain { seq: 2, before: 1 });
    }
}
