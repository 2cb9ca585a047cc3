//! E0451: a permit is put together by hand, without a policy.

use runledger_domain::{CreationIntent, CreationPermit, Quotas, RunRecord};

fn forged(intent: CreationIntent, record: Box<RunRecord>) -> CreationPermit {
    CreationPermit {
        intent,
        record,
        require_job: false,
        quotas: Quotas::NONE,
    }
}

fn main() {}
