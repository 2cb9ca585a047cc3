//! E0624: a permit is minted past the policy.

use runledger_domain::{CreationIntent, CreationPermit, DeadlineAfter, Quotas};

fn minted(intent: CreationIntent) -> CreationPermit {
    CreationPermit::mint(intent, false, DeadlineAfter::DEFAULT, Quotas::NONE)
}

fn main() {}
