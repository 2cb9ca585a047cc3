//! E0308: a reader is wired where a creator belongs.

use std::sync::Arc;

use runledger_ports::{RunCreator, RunReader};

fn creation_point(_: Arc<dyn RunCreator>) {}

fn wire(reader: Arc<dyn RunReader>) {
    creation_point(reader);
}

fn main() {}
