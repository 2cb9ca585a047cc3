//! A permit is put together by hand, without a policy.

use runledger_domain::{CreationIntent, CreationPermit, DeadlineAfter};

fn forged(intent: CreationIntent) -> CreationPermit {
    CreationPermit {
        intent,
        require_job: false,
        deadline_after: DeadlineAfter::DEFAULT,
    }
}

fn main() {}
