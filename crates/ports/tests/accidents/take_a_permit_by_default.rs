//! E0277: a permit comes from nothing.

use runledger_domain::CreationPermit;

fn from_nothing() -> CreationPermit {
    Default::default()
}

fn main() {}
