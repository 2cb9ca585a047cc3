//! E0624: a permit is minted past the policy.

use runledger_domain::{CreationIntent, CreationPermit, DeadlineAfter};

fn minted(intent: CreationIntent) -> CreationPermit {
    CreationPermit::mint(intent, false, DeadlineAfter::DEFAULT)
}

fn main() {}
