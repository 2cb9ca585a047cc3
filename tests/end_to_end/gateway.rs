//! The gateway on the real server, before a fake Airtable as a process: run tables are the ledger's, everything else goes on
//! with the token that no program sees, in whole answers.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::http::Connection;
use crate::program::{Place, Server, write};

const CLIENTS: &str = "/airtable/v0/appGateway0000001/tblClients0000001";
const JOBS: &str = "/airtable/v0/appGateway0000001/Job%20Tracking";
/// The base of the fake, with a table that is nobody's run table.
const BASES: &str = r#"[{"id":"appGateway0000001","name":"Master","tables":[
    {"id":"tblLeads000000001","name":"Leads","fields":[{"name":"Name","type":"singleLineText"}]}]}]"#;
/// The run tables; the last is that of clients.
const TABLES: &str = include_str!("../../crates/adapters/legacy-compat/clients/tables.toml");
/// What only the gateway and Airtable know.
const PAT: &str = "patS3CRET.0123456789";

/// A fake Airtable; it is killed when the test is done with it.
pub(crate) struct Airtable {
    child: Child,
    pub(crate) url: String,
    control: String,
}

impl Airtable {
    fn start(place: &Place) -> Self {
        let bases = place.beside("bases.json");
        write(&bases, BASES);
        let words = ["--set", "base_requests=1000000", "--known-token", PAT, "--bases"];
        Self::start_with(place, &[&words[..], &[bases.to_str().unwrap()]].concat())
    }

    /// With these words behind `dev fake-airtable`.
    pub(crate) fn start_with(place: &Place, words: &[&str]) -> Self {
        let mut child = place
            .program()
            .args(["dev", "fake-airtable", "--listen", "127.0.0.1:0", "--json"])
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut greeting = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut greeting)
            .unwrap();
        let greeting: Value = serde_json::from_str(&greeting).unwrap();
        let text = |name: &str| greeting[name].as_str().unwrap().to_owned();
        Self {
            child,
            url: text("url"),
            control: text("control_url"),
        }
    }

    /// Writes the settings of a ledger that shows its records here, with these besides.
    pub(crate) fn is_shown_by(&self, place: &Place, more: &str) {
        let url = &self.url;
        let settings = format!(
            "[airtable]\nbase = \"appRunLedgerDemo1\"\ntoken = \"patS3CRET.0123456789\"\nendpoint = \"{url}\"\n{more}"
        );
        write(&place.data().join("runledger.toml"), &settings);
    }

    pub(crate) fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let (_, rest) = self.control.split_once("://").unwrap();
        let (address, prefix) = rest.split_once('/').unwrap();
        let mut connection = Connection::open(address).unwrap();
        let (status, text) = connection
            .send(method, &format!("/{prefix}/{path}"), &[], &body.to_string())
            .unwrap();
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// How many requests have come.
    fn asked(&self) -> usize {
        self.control("GET", "requests", &Value::Null)["requests"]
            .as_array()
            .unwrap()
            .len()
    }
}

impl Drop for Airtable {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server with a gateway before this Airtable, and the token of a program.
fn serve(place: &Place, upstream: &str) -> (Server, String) {
    let settings = format!(
        r#"
        [gateway]
        upstream = "{upstream}"
        pat = "{PAT}"
        base_rate = 1000.0
        request_time = "2s"

        {TABLES}
        columns = {{ "Client Name" = "Customer" }}
        "#
    );
    write(&place.data().join("runledger.toml"), &settings);
    let mut create = vec!["token", "create", "night", "--for", "orchestrator", "--json"];
    for scope in ["create", "change", "read"] {
        create.extend(["--scope", scope]);
    }
    let made = place.run(&create).expect(0).json();
    let token = format!("Bearer {}", made[0]["secret"].as_str().unwrap());
    (place.serve(), token)
}

fn ask(server: &Server, token: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut connection = Connection::open(&server.address).unwrap();
    let (status, text) = connection
        .send(method, path, &[("Authorization", token)], body)
        .unwrap();
    (status, serde_json::from_str(&text).unwrap())
}

#[test]
fn a_life_over_airtables_api_is_in_the_ledger_and_asks_airtable_nothing() {
    let place = Place::new();
    let airtable = Airtable::start(&place);
    let (server, token) = serve(&place, &airtable.url);
    let send = |method: &str, path: &str, body: Value| ask(&server, &token, method, path, &body.to_string());
    let (status, job) = send(
        "POST",
        JOBS,
        json!({"fields": {"Run ID": "250925-231841", "Stream": 1}}),
    );
    assert_eq!(status, 200, "{job}");
    let client = json!({"fields": {"Run ID": "250925-231841", "Client ID": "acme", "Customer": "Acme"}});
    let (status, row) = send("POST", CLIENTS, client.clone());
    assert_eq!((status, &row["fields"]["Customer"]), (200, &json!("Acme")), "{row}");
    assert_eq!(send("POST", CLIENTS, client), (200, row.clone()));
    let other = json!({"fields": {"Run ID": "250925-231841", "Client ID": "acme", "Customer": "Other"}});
    let (status, refused) = send("POST", CLIENTS, other);
    assert_eq!(
        (status, &refused["error"]["type"]),
        (409, &json!("DUPLICATE_KEY")),
        "{refused}"
    );
    let at = format!("{CLIENTS}/{}", row["id"].as_str().unwrap());
    let end = json!({"fields": {"Total Posts Harvested": 3, "Status": "Completed"}});
    assert_eq!(send("PATCH", &at, end).0, 200);
    let at = format!("{JOBS}/{}", job["id"].as_str().unwrap());
    let (_, job) = send("PATCH", &at, json!({"fields": {"Status": "Completed"}}));
    assert_eq!(job["fields"]["Total Posts Harvested"], 3);
    assert_eq!(airtable.asked(), 0);
    let lines = place.run(&["activity", "--json"]).expect(0).json();
    // The first is that of the token.
    let mut written = lines.iter().skip(1);
    assert!(written.all(|line| line["source"] == "orchestrator"), "{lines:?}");
    assert_eq!(place.records().len(), 2);
    // Row ids and a repeated create are the same after a crash.
    server.kill();
    let server = place.serve();
    let client = json!({"fields": {"Run ID": "250925-231841", "Client ID": "acme", "Customer": "Acme"}}).to_string();
    assert_eq!(ask(&server, &token, "POST", CLIENTS, &client).1["id"], row["id"]);
    place.verify();
}

#[test]
fn other_tables_go_on_to_airtable_with_a_token_that_no_program_sees() {
    let place = Place::new();
    let airtable = Airtable::start(&place);
    let (server, token) = serve(&place, &airtable.url);
    let leads = "/airtable/v0/appGateway0000001/Leads";
    let (status, row) = ask(&server, &token, "POST", leads, r#"{"fields":{"Name":"Ada"}}"#);
    assert_eq!((status, &row["fields"]["Name"]), (200, &json!("Ada")), "{row}");
    let (status, page) = ask(
        &server,
        &token,
        "GET",
        &format!("{leads}?filterByFormula=%7BName%7D%3D%27Ada%27"),
        "",
    );
    assert_eq!((status, &page["records"][0]["id"]), (200, &row["id"]), "{page}");
    // Its own token would be refused by Airtable, and Airtable's by the gateway.
    assert_eq!(ask(&server, &format!("Bearer {PAT}"), "GET", leads, "").0, 401);
    let (status, refused) = ask(&server, &token, "GET", "/airtable/v0/appGateway0000001/Nothing", "");
    assert_eq!(status, 403, "{refused}");
    let shown = place.run(&["config", "show", "--json"]).expect(0);
    assert!(
        shown.out.contains("gateway.pat") && !shown.out.contains("S3CRET"),
        "{shown:?}"
    );
    // A cut answer and a spent month come as whole answers that say so.
    for (fault, status, word) in [
        (json!({"cut": "body"}), 502, "UPSTREAM_ANSWER_LOST"),
        (json!({"cut": "connection"}), 502, "UPSTREAM_ANSWER_LOST"),
        (json!({"cut": "silence"}), 502, "UPSTREAM_ANSWER_LOST"),
        (
            json!({"refuse": {"status": 429, "type": "PUBLIC_API_BILLING_LIMIT_EXCEEDED", "shape": "errors"}}),
            402,
            "PUBLIC_API_BILLING_LIMIT_EXCEEDED",
        ),
    ] {
        let mut whole = json!({"match": {}, "times": 1});
        whole
            .as_object_mut()
            .unwrap()
            .extend(fault.as_object().unwrap().clone());
        airtable.control("POST", "faults", &whole);
        let (said, answer) = ask(&server, &token, "POST", leads, r#"{"fields":{"Name":"x"}}"#);
        assert_eq!(
            (said, &answer["error"]["type"]),
            (status, &json!(word)),
            "{fault}: {answer}"
        );
    }
    let mut connection = Connection::open(&server.address).unwrap();
    let (_, page) = connection
        .send("GET", "/metrics", &[("Authorization", &token)], "")
        .unwrap();
    for (labels, count) in [
        (r#"kind="hand_on",outcome="handed_on",reason="""#, 2),
        (r#"kind="hand_on",outcome="handed_on",reason="client_error""#, 1),
        (r#"kind="hand_on",outcome="refused",reason="token_invalid""#, 1),
        (r#"kind="hand_on",outcome="upstream_failed",reason="upstream_lost""#, 3),
        (r#"kind="hand_on",outcome="upstream_failed",reason="upstream_quota""#, 1),
    ] {
        let line = format!("runledger_gateway_requests_total{{{labels}}} {count}\n");
        assert!(page.contains(&line), "{line}{page}");
    }
}

#[test]
fn without_airtable_the_ledger_goes_on_and_says_that_nothing_was_sent() {
    let place = Place::new();
    let (server, token) = serve(&place, "http://127.0.0.1:9");
    let (status, refused) = ask(
        &server,
        &token,
        "POST",
        "/airtable/v0/appGateway0000001/Leads",
        r#"{"fields":{}}"#,
    );
    assert_eq!(
        (status, &refused["error"]["type"]),
        (502, &json!("UPSTREAM_NOT_REACHED")),
        "{refused}"
    );
    assert_eq!(
        ask(
            &server,
            &token,
            "POST",
            JOBS,
            r#"{"fields":{"Run ID":"250925-231841"}}"#
        )
        .0,
        200
    );
}
