//! What can be done with an answer: the operations that take up what was created.

use utoipa::Modify;
use utoipa::openapi::link::Link;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{OpenApi, RefOr};

const RUN: (&str, &str) = ("run", "$response.body#/run_id");
const RUN_OF_PATH: (&str, &str) = ("run", "$request.path.run");
const CLIENT: (&str, &str) = ("client", "$response.body#/client_id");
const VERSION: (&str, &str) = ("header.If-Match", "$response.header.ETag");
const TOKEN: (&str, &str) = ("token", "$response.body#/token/id");

/// From which operation to which, with what.
type LinkTo = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const LINKS: &[LinkTo] = &[
    ("createJob", "getJob", &[RUN]),
    ("createJob", "getSummary", &[RUN]),
    ("createJob", "updateJob", &[RUN, VERSION]),
    ("createJob", "startJobStage", &[RUN]),
    ("createJob", "finishJobStage", &[RUN]),
    ("createJob", "heartbeatJob", &[RUN]),
    ("createJob", "completeJob", &[RUN]),
    ("createJob", "createClients", &[RUN]),
    ("createClients", "getClient", &[RUN_OF_PATH, CLIENT]),
    ("createClients", "updateClient", &[RUN_OF_PATH, CLIENT, VERSION]),
    ("createClients", "startClientStage", &[RUN_OF_PATH, CLIENT]),
    ("createClients", "finishClientStage", &[RUN_OF_PATH, CLIENT]),
    ("createClients", "heartbeatClient", &[RUN_OF_PATH, CLIENT]),
    ("createClients", "completeClient", &[RUN_OF_PATH, CLIENT]),
    ("createToken", "revokeToken", &[TOKEN]),
    ("createToken", "rotateToken", &[TOKEN]),
];

/// Adds the links to every answer of success.
pub(super) struct Links;

impl Modify for Links {
    fn modify(&self, description: &mut OpenApi) {
        for item in description.paths.paths.values_mut() {
            for operation in [&mut item.post, &mut item.patch].into_iter().flatten() {
                add(operation);
            }
        }
    }
}

fn add(operation: &mut Operation) {
    let from = operation.operation_id.clone().unwrap_or_default();
    for (_, to, parameters) in LINKS.iter().filter(|(known, ..)| *known == from) {
        for (status, response) in &mut operation.responses.responses {
            if let (true, RefOr::T(response)) = (status.starts_with('2'), response) {
                let link = Link::builder().operation_id(*to);
                let link = parameters
                    .iter()
                    .fold(link, |link, (name, value)| link.parameter(*name, *value));
                response.links.insert((*to).into(), link.build().into());
            }
        }
    }
}
