//! E0277: a permit comes in from outside.

use runledger_domain::CreationPermit;

fn from_outside(body: &str) -> CreationPermit {
    serde_json::from_str(body).unwrap()
}

fn main() {}
