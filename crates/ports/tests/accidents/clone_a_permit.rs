//! E0599: one permission is made two.

use runledger_domain::CreationPermit;

fn doubled(permit: CreationPermit) -> (CreationPermit, CreationPermit) {
    (permit.clone(), permit)
}

fn main() {}
