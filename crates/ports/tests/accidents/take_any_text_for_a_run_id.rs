//! E0423: any text becomes a run id.

use runledger_domain::RunId;

fn any(text: &str) -> RunId {
    RunId(text.into())
}

fn main() {}
