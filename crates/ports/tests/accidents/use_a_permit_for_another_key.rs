//! E0061: the permission for one record is used for another one.

use runledger_domain::{CreationPermit, RunKey};
use runledger_ports::RunCreator;

async fn create_another(creator: &dyn RunCreator, permit: CreationPermit, other: RunKey) {
    let _created = creator.create(vec![permit], other).await;
}

fn main() {}
