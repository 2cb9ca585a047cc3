//! E0308: a change names a run and nothing else: not who asks, not what is to happen.

use runledger_domain::RunId;
use runledger_ports::RunChanger;

async fn touch(changer: &dyn RunChanger, run: RunId) {
    let _changed = changer.change(run).await;
}

fn main() {}
