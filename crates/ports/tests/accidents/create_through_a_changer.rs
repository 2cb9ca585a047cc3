//! E0599: a part that only changes what exists creates.

use runledger_domain::CreationPermit;
use runledger_ports::RunChanger;

async fn report(changer: &dyn RunChanger, permit: CreationPermit) {
    let _created = changer.create(vec![permit]).await;
}

fn main() {}
