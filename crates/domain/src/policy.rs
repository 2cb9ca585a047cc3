//! Who may create what: one list, one function, one permit for one record (I2).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::creation::{CreationIntent, CreationPermit, Initial};
use crate::deadline::DeadlineAfter;
use crate::quota::Quotas;
use crate::run_id::RunIdScheme;
use crate::run_key::{RecordKind, RunKey};
use crate::source::Source;

/// The sources that may create by default, for both kinds of record.
pub const DEFAULT_CREATORS: [&str; 4] = [
    "orchestrator",
    "master_process",
    "smart_resume_workflow",
    "batch_process",
];

/// Which source may create which kind of record, and under which conditions.
///
/// It is data: configuration fills it, nothing can replace it by something laxer. The default list is closed.
///
/// ```
/// use runledger_domain::{CreationIntent, CreationPolicy, RunKey, Timestamp};
///
/// let policy = CreationPolicy::default();
/// let intent = |source: &str| CreationIntent::new(
///     RunKey::Job("250925-231841".parse().unwrap()),
///     source.parse().unwrap(),
///     "attempt-1".parse().unwrap(),
///     Timestamp::EPOCH,
/// );
/// assert!(policy.authorise(intent("orchestrator")).is_ok());
/// let refused = policy.authorise(intent("post_scoring")).unwrap_err();
/// assert_eq!(refused.reason.code(), "source_not_authorised");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CreationPolicy {
    creators: BTreeMap<Source, Vec<RecordKind>>,
    schemes: Vec<RunIdScheme>,
    importer: Option<Source>,
    require_job: bool,
    deadline_after: DeadlineAfter,
    quotas: Quotas,
}

/// A creation that the policy does not allow. The intent comes back unharmed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct NotAuthorised {
    /// What was asked for.
    pub intent: alloc::boxed::Box<CreationIntent>,
    /// Why it is refused.
    pub reason: NotAuthorisedReason,
}

/// Why the policy does not allow a creation.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAuthorisedReason {
    /// The source is not on the list for this kind of record.
    #[error(
        "source {source_name} may not create {kind} records; records are created at the start of a process by one of: \
         {allowed}. To change an existing record use update, stage, note or complete"
    )]
    Source {
        /// Who asked.
        source_name: Source,
        /// What they wanted to create.
        kind: RecordKind,
        /// Who may, separated by commas.
        allowed: alloc::string::String,
    },
    /// Records with a history are created by the import command alone.
    #[error("only the import command may create records with a history; create the record and change it step by step")]
    ImportOnly,
    /// The ledger is configured not to accept run ids of this form.
    #[error("run ids of the form {scheme} are not accepted by this ledger; accepted: {accepted}")]
    Scheme {
        /// The form of the run id.
        scheme: RunIdScheme,
        /// The forms that are accepted, separated by commas.
        accepted: alloc::string::String,
    },
}

impl NotAuthorisedReason {
    /// A stable word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Source { .. } => "source_not_authorised",
            Self::ImportOnly => "import_only",
            Self::Scheme { .. } => "scheme_not_accepted",
        }
    }
}

impl Default for CreationPolicy {
    /// The four creators for both kinds, every form of run id, a job record needed before its clients, six hours, no
    /// quotas.
    fn default() -> Self {
        let both = || [RecordKind::Job, RecordKind::Client].to_vec();
        let creators = DEFAULT_CREATORS
            .into_iter()
            .filter_map(|name| Some((name.parse().ok()?, both())))
            .collect();
        Self {
            creators,
            schemes: RunIdScheme::ALL.to_vec(),
            importer: None,
            require_job: true,
            deadline_after: DeadlineAfter::DEFAULT,
            quotas: Quotas::NONE,
        }
    }
}

impl CreationPolicy {
    /// A policy under which nobody may create; [`allow`](Self::allow) opens it.
    #[must_use]
    pub fn closed() -> Self {
        Self {
            creators: BTreeMap::new(),
            ..Self::default()
        }
    }

    /// Also lets `source` create records of `kind`.
    #[must_use]
    pub fn allow(mut self, source: Source, kind: RecordKind) -> Self {
        let kinds = self.creators.entry(source).or_default();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
        self
    }

    /// Lets `source` create records that carry a history. Only the import command does this, for itself.
    #[must_use]
    pub fn allow_import(mut self, source: Source) -> Self {
        self.importer = Some(source);
        self
    }

    /// Accepts run ids of these forms only. An import brings the ids that there were, whatever is accepted now.
    #[must_use]
    pub fn accept_schemes(mut self, schemes: Vec<RunIdScheme>) -> Self {
        self.schemes = schemes;
        self
    }

    /// Whether a client run record needs its job record first.
    #[must_use]
    pub const fn require_job(mut self, required: bool) -> Self {
        self.require_job = required;
        self
    }

    /// The deadline of records whose creator names none.
    #[must_use]
    pub const fn deadline_after(mut self, after: DeadlineAfter) -> Self {
        self.deadline_after = after;
        self
    }

    /// How much one client may hold at once.
    #[must_use]
    pub const fn limit_clients(mut self, quotas: Quotas) -> Self {
        self.quotas = quotas;
        self
    }

    /// How much one client may hold at once.
    pub const fn quotas(&self) -> Quotas {
        self.quotas
    }

    /// Whether run ids of this form are accepted.
    pub fn accepts(&self, scheme: RunIdScheme) -> bool {
        self.schemes.contains(&scheme)
    }

    /// The list of creators: who may create which kinds, in the order of their names.
    pub fn creators(&self) -> impl Iterator<Item = (&Source, &[RecordKind])> {
        self.creators.iter().map(|(source, kinds)| (source, kinds.as_slice()))
    }

    /// Decides whether the intent is allowed, and if so gives the permit to create exactly that record (I2).
    ///
    /// The permit says *asked for and allowed*. It does not say that the record is absent: only the unique key of the
    /// store can say that, when the permit is spent.
    ///
    /// # Errors
    /// [`NotAuthorised`] with the reason and the intent.
    pub fn authorise(&self, intent: CreationIntent) -> Result<CreationPermit, NotAuthorised> {
        match self.check(&intent) {
            Ok(()) => Ok(CreationPermit::mint(
                intent,
                self.require_job,
                self.deadline_after,
                self.quotas,
            )),
            Err(reason) => Err(NotAuthorised {
                intent: alloc::boxed::Box::new(intent),
                reason,
            }),
        }
    }

    fn check(&self, intent: &CreationIntent) -> Result<(), NotAuthorisedReason> {
        if let Initial::Imported(_) = intent.content.initial {
            return if self.importer.as_ref() == Some(&intent.source) {
                Ok(())
            } else {
                Err(NotAuthorisedReason::ImportOnly)
            };
        }
        self.check_source(&intent.source, &intent.key)?;
        let scheme = intent.key.run().scheme();
        if !self.accepts(scheme) {
            return Err(NotAuthorisedReason::Scheme {
                scheme,
                accepted: join(self.schemes.iter().map(|s| s.as_str())),
            });
        }
        Ok(())
    }

    fn check_source(&self, source: &Source, key: &RunKey) -> Result<(), NotAuthorisedReason> {
        let kind = key.kind();
        if self.creators.get(source).is_some_and(|kinds| kinds.contains(&kind)) {
            return Ok(());
        }
        let allowed = self
            .creators
            .iter()
            .filter(|(_, kinds)| kinds.contains(&kind))
            .map(|(name, _)| name.as_str());
        Err(NotAuthorisedReason::Source {
            source_name: source.clone(),
            kind,
            allowed: join(allowed),
        })
    }
}

fn join<'a>(words: impl Iterator<Item = &'a str>) -> alloc::string::String {
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;

    fn intent(source: &str, key: &str) -> CreationIntent {
        CreationIntent::new(
            key.parse().unwrap(),
            source.parse().unwrap(),
            "a1".parse().unwrap(),
            Timestamp::EPOCH,
        )
    }

    #[expect(clippy::disallowed_methods, reason = "this is the test of that method")]
    fn verdict(policy: &CreationPolicy, source: &str, key: &str) -> &'static str {
        policy
            .authorise(intent(source, key))
            .err()
            .map_or("allowed", |refused| refused.reason.code())
    }

    #[test]
    fn i2_only_the_four_creators_may_create_and_case_matters() {
        let policy = CreationPolicy::default();
        for key in ["250925-231841", "250925-231841-Guy-Wilson"] {
            for source in DEFAULT_CREATORS {
                assert_eq!(verdict(&policy, source, key), "allowed");
            }
            for source in [
                "Orchestrator",
                "scheduler",
                "batchScorer_process",
                "import",
                "apify_webhook",
            ] {
                assert_eq!(verdict(&policy, source, key), "source_not_authorised", "{source}");
            }
        }
    }

    #[test]
    fn i2_a_closed_policy_allows_nobody_and_opens_by_kind() {
        let policy = CreationPolicy::closed();
        assert_eq!(
            verdict(&policy, "orchestrator", "250925-231841"),
            "source_not_authorised"
        );
        let policy = policy.allow("scheduler".parse().unwrap(), RecordKind::Job);
        assert_eq!(verdict(&policy, "scheduler", "250925-231841"), "allowed");
        assert_eq!(
            verdict(&policy, "scheduler", "250925-231841-acme"),
            "source_not_authorised"
        );
    }

    #[test]
    fn schemes_that_are_not_accepted_are_refused() {
        let policy = CreationPolicy::default().accept_schemes([RunIdScheme::Timestamp].to_vec());
        assert_eq!(verdict(&policy, "orchestrator", "nightly"), "scheme_not_accepted");
        assert_eq!(verdict(&policy, "orchestrator", "250925-231841"), "allowed");
    }
}
