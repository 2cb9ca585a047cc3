//! E0451: the permission for one record is rewritten for another one.

use runledger_domain::{CreationIntent, CreationPermit};

fn turned(permit: CreationPermit, other: CreationIntent) -> CreationPermit {
    CreationPermit {
        intent: other,
        ..permit
    }
}

fn main() {}
