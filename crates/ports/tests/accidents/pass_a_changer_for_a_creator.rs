//! E0308: a changer is wired where a creator belongs.

use std::sync::Arc;

use runledger_ports::{RunChanger, RunCreator};

fn creation_point(_: Arc<dyn RunCreator>) {}

fn wire(changer: Arc<dyn RunChanger>) {
    creation_point(changer);
}

fn main() {}
