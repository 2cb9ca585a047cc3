//! Tokens from the command line on: the first one closes the ledger, commands of this machine go on, others need one.

use std::process::Stdio;

use crate::program::{Place, Server, ran};

/// The secret in the answer of `token create --json`.
pub(crate) fn secret(json: &serde_json::Value) -> String {
    json["secret"].as_str().unwrap().to_owned()
}

#[test]
fn commands_of_this_machine_go_on_and_others_need_a_token_that_allows_it() {
    let place = Place::new();
    let server = place.serve();
    place.run_as("orchestrator", &["job", "create", "nightly"]).expect(0);
    let create = [
        "token",
        "create",
        "worker",
        "--scope",
        "change",
        "--scope",
        "read",
        "--for",
        "lead_scoring",
        "--json",
    ];
    let token = secret(&place.run(&create).expect(0).json()[0]);
    // With the operator's key from the data directory.
    place
        .run_as("orchestrator", &["client", "create", "nightly", "acme"])
        .expect(0);
    let url = format!("http://{}", server.address);
    let remote = |token: &str, words: &[&str]| {
        let mut program = place.program();
        program
            .env("RUNLEDGER_URL", &url)
            .env("RUNLEDGER_TOKEN", token)
            .args(words);
        ran(&mut program)
    };
    remote("", &["get", "nightly"]).expect(3);
    remote(&token, &["get", "nightly"]).expect(0);
    remote(&token, &["update", "nightly", "acme", "--add", "leads=1"]).expect(0);
    remote(&token, &["job", "create", "other"]).expect(3);
    remote(&token, &["token", "list"]).expect(3);
    let listed = place.run(&["token", "list", "--json"]).expect(0);
    let id = listed.json()[0]["id"].as_str().unwrap().to_owned();
    assert!(!listed.out.contains(&token[17..]));
    place.run(&["token", "revoke", &id]).expect(0);
    remote(&token, &["get", "nightly"]).expect(3);
    assert_eq!(server.stop(), Some(0));
    // Without a server the data directory itself is the key; `verify` knows tokens.
    place.run(&["token", "list"]).expect(0);
    place.verify();
}

#[test]
fn without_a_token_the_server_listens_on_loopback_alone() {
    let place = Place::new();
    let refused = place.run(&["serve", "--listen", "0.0.0.0:0"]).expect(2);
    refused.says(&["0.0.0.0:0", "runledger token create"]);
    place.run(&["token", "create", "reader", "--scope", "read"]).expect(0);
    let server = Server::start_at("0.0.0.0:0", &mut place.program(), Stdio::null());
    assert_eq!(server.stop(), Some(0));
}
