//! E0599: a part that only reads creates.

use runledger_domain::CreationPermit;
use runledger_ports::RunReader;

async fn look_up(reader: &dyn RunReader, permit: CreationPermit) {
    let _created = reader.create(vec![permit]).await;
}

fn main() {}
