//! E0277: whoever knows a run id is taken for somebody who may create it.

use runledger_domain::{CreationPermit, RunId};

fn permit_of(run: RunId) -> CreationPermit {
    run.into()
}

fn main() {}
