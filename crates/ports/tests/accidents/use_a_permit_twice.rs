//! E0382: one permission is spent twice.

use runledger_domain::CreationPermit;
use runledger_ports::RunCreator;

async fn create_twice(creator: &dyn RunCreator, permit: CreationPermit) {
    let _first = creator.create(vec![permit]).await;
    let _second = creator.create(vec![permit]).await;
}

fn main() {}
