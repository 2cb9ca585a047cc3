//! E0308: what somebody wants is taken for what they may have.

use runledger_domain::CreationIntent;
use runledger_ports::RunCreator;

async fn create_unasked(creator: &dyn RunCreator, intent: CreationIntent) {
    let _created = creator.create(vec![intent]).await;
}

fn main() {}
