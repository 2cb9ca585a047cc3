//! The life of a run by commands, with their exit codes: the same in a process of their own and through a server.

use serde_json::json;

use crate::program::Place;

/// Plays the life of a run. Nothing in it knows whether there is a server.
fn live(place: &Place) {
    create(place);
    change(place);
    end(place);
    look(place);
}

/// A run and its clients come into being.
fn create(place: &Place) {
    let orchestrator = |arguments: &[&str]| place.run_as("orchestrator", arguments);
    let worker = |arguments: &[&str]| place.run_as("lead_scoring", arguments);

    orchestrator(&[
        "job",
        "create",
        "250925-231841",
        "--attempt",
        "a1",
        "--batch",
        "nightly",
    ])
    .expect(0)
    .says(&["created job record 250925-231841 (running, version 1)"]);
    // The same attempt is the same creation; another one is a conflict that names the holder.
    let again = orchestrator(&[
        "job",
        "create",
        "250925-231841",
        "--attempt",
        "a1",
        "--batch",
        "nightly",
        "--json",
    ]);
    assert_eq!(again.expect(0).json()[0]["replayed"], true);
    orchestrator(&["job", "create", "250925-231841"])
        .expect(5)
        .says(&["created by orchestrator", "--attempt"]);

    orchestrator(&[
        "client",
        "create",
        "250925-231841",
        "Guy-Wilson",
        "--name",
        "Guy Wilson",
    ])
    .expect(0);
    let three = orchestrator(&[
        "client",
        "create",
        "250925-231841",
        "acme",
        "globex",
        "--queued",
        "--json",
    ]);
    let three = three.expect(0).json();
    assert_eq!(three.len(), 2);
    assert_eq!(three[1]["client_id"], "globex");
    assert_eq!(three[1]["replayed"], false);
    // All or nothing: initech is not created, since acme is taken.
    orchestrator(&["client", "create", "250925-231841", "initech", "acme"]).expect(5);
    place.run(&["get", "250925-231841", "initech"]).expect(4);
    worker(&["client", "create", "250925-231841", "initech"])
        .expect(3)
        .says(&["lead_scoring may not create"]);
}

/// A client is worked on.
fn change(place: &Place) {
    let worker = |arguments: &[&str]| place.run_as("lead_scoring", arguments);

    worker(&["update", "250925-231841", "nobody", "--add", "leads=1"])
        .expect(4)
        .says(&["a change never creates"]);
    let add = [
        "update",
        "250925-231841",
        "Guy-Wilson",
        "--add",
        "leads=12",
        "--add",
        "cost=0.18",
        "--update-id",
        "u1",
    ];
    worker(&add).expect(0).says(&["version 2"]);
    worker(&add).expect(0).says(&["unchanged", "version 2"]);
    worker(&[
        "update",
        "250925-231841-Guy-Wilson",
        "--max",
        "peak=7",
        "--set",
        "share=0.5",
        "--external-id",
        "apify:x1",
    ])
    .expect(0)
    .says(&["version 3"]);
    worker(&["update", "250925-231841", "acme", "--start", "--if-version", "7"]).expect(3);
    worker(&["update", "250925-231841", "acme", "--start", "--if-version", "1"]).expect(0);
    worker(&["stage", "start", "250925-231841", "Guy-Wilson", "scoring"]).expect(0);
    worker(&[
        "stage",
        "finish",
        "250925-231841-Guy-Wilson",
        "scoring",
        "--add",
        "leads=3",
    ])
    .expect(0);
    worker(&["note", "250925-231841", "Guy-Wilson", "all fed"]).expect(0);
    worker(&["heartbeat", "250925-231841", "Guy-Wilson"]).expect(0);

    let record = place
        .run(&["get", "250925-231841", "Guy-Wilson", "--json"])
        .expect(0)
        .json();
    let record = &record[0];
    assert_eq!(record["client_name"], "Guy Wilson");
    assert_eq!(
        record["metrics"],
        json!({"cost": 0.18, "leads": 15, "peak": 7, "share": 0.5})
    );
    assert_eq!(record["version"], 7);
    assert_eq!(record["stages"][0]["status"], "succeeded");
    assert_eq!(record["notes"][0]["text"], "all fed");
    assert_eq!(record["external_ids"], json!(["apify:x1"]));
}

/// The run ends, with what is open in it.
fn end(place: &Place) {
    let orchestrator = |arguments: &[&str]| place.run_as("orchestrator", arguments);
    let worker = |arguments: &[&str]| place.run_as("lead_scoring", arguments);

    orchestrator(&["complete", "250925-231841"])
        .expect(3)
        .says(&["open client records"]);
    worker(&["complete", "250925-231841", "Guy-Wilson"]).expect(0);
    worker(&["complete", "250925-231841", "Guy-Wilson"])
        .expect(0)
        .says(&["unchanged"]);
    worker(&["complete", "250925-231841", "Guy-Wilson", "--status", "failed"])
        .expect(3)
        .says(&["ended as succeeded"]);
    orchestrator(&["complete", "250925-231841", "--close-open", "--note", "enough"])
        .expect(0)
        .says(&["2 client records closed"]);
}

/// What the run came to, and who was refused.
fn look(place: &Place) {
    place
        .run(&["summary", "250925-231841"])
        .expect(0)
        .says(&["3, 0 open, 0 with errors", "2 cancelled", "leads = 15"]);
    place.run(&["stalled"]).expect(0).says(&["no stalled records"]);
    let open = place.run(&["list", "--open", "--json"]).expect(0);
    assert_eq!(open.out, "");
    let listed = place.run(&[
        "list",
        "--run",
        "250925-231841",
        "--kind",
        "client",
        "--status",
        "cancelled",
        "--json",
    ]);
    assert_eq!(listed.expect(0).json().len(), 2);
    place
        .run(&["list", "--limit", "1"])
        .expect(0)
        .says(&["more than 1", "--all"]);

    let refused = place
        .run(&["activity", "--refused", "--all", "--json"])
        .expect(0)
        .json();
    let reasons: Vec<_> = refused.iter().map(|line| line["reason"].as_str().unwrap()).collect();
    let expected = [
        "conflict",
        "withheld",
        "conflict",
        "source_not_authorised",
        "not_found",
        "version_mismatch",
        "open_clients",
        "already_ended",
    ];
    assert_eq!(reasons, expected);
    let last = place.run(&["activity", "--last", "1", "--json"]).expect(0).json();
    assert_eq!(last.len(), 1);
    assert_eq!(last[0]["run_id"], "250925-231841");
    let by = place.run(&["activity", "--by", "lead_scoring", "--client", "nobody", "--json"]);
    assert_eq!(by.expect(0).json().len(), 1);
    assert_eq!(place.records().len(), 4);
}

#[test]
fn a_run_lives_by_commands_alone() {
    let place = Place::new();
    live(&place);
    place.run(&["sweep"]).expect(0).says(&["0 closed as lost"]);
    place.verify();
}

#[test]
fn a_run_lives_the_same_through_a_server() {
    let place = Place::new();
    let server = place.serve();
    live(&place);
    place
        .run(&["sweep"])
        .expect(6)
        .says(&["sweeps it by itself", &server.address]);
    place.verify();
    assert_eq!(server.stop(), Some(0));
    place.verify();
    assert_eq!(place.records().len(), 4);
}

#[test]
fn the_ledger_chooses_an_id_once_for_an_attempt() {
    let place = Place::new();
    let create = || {
        let ran = place.run_as("orchestrator", &["job", "create", "--attempt", "night-7", "--json"]);
        ran.expect(0).json().remove(0)
    };
    let (first, second) = (create(), create());
    assert_eq!(first["replayed"], false);
    assert_eq!(second["replayed"], true);
    assert_eq!(first["run_id"], second["run_id"]);
    let other = place
        .run_as("orchestrator", &["job", "create", "--json"])
        .expect(0)
        .json();
    assert_ne!(other[0]["run_id"], first["run_id"]);
}

#[test]
fn what_cannot_be_understood_is_refused_and_recorded() {
    let place = Place::new();
    place
        .run_as("orchestrator", &["job", "create", "250925-112233"])
        .expect(0);
    let refused: &[(&[&str], &[&str])] = &[
        (&["job", "create", "250999-112233"], &["no such day"]),
        (&["job", "create", "undefined"], &["placeholder"]),
        (&["job", "create", " 250925-112234"], &["250925-112234"]),
        (&["job", "create", "SR-250925-002-S1"], &["SR-250925-002-S1"]),
        (&["client", "create", "250925-112233", "a b"], &["client"]),
        (&["client", "create", "250925-112233-Other", "Guy"], &["Other", "Guy"]),
        (
            &["client", "create", "250925-112233", "a", "b", "--name", "A"],
            &["--name"],
        ),
        (&["update", "250925-112233", "--add", "leads"], &["NAME=NUMBER"]),
        (&["update", "250925-112233", "--add", "leads=many"], &["leads"]),
        (&["update", "250925-112233", "--add", "leads=-1"], &["leads"]),
        (&["update", "250925-112233", "--add", "a=1", "--add", "a=2"], &["twice"]),
        (&["update", "250925-112233"], &["nothing to change"]),
        (
            &["update", "250925-112233", "--external-id", "nonsense"],
            &["external_ids"],
        ),
        (
            &["complete", "250925-112233", "--status", "done"],
            &["done", "succeeded"],
        ),
        (&["complete", "250925-112233", "--status", "running"], &["running"]),
        (&["stage", "start", "250925-112233", "9 lives"], &["stage"]),
        (&["stage", "start", "250925-112233"], &["name is missing"]),
        (&["note", "250925-112233"], &["text is missing"]),
        (&["note", "250925-112233", ""], &["note"]),
        (&["get", ""], &["empty"]),
        (&["get", ".."], &["dots"]),
        (&["list", "--status", "bogus"], &["bogus"]),
        (&["list", "--external-id", "bogus"], &["external"]),
        (&["list", "--limit", "0"], &["limit"]),
        (&["job", "create", "--deadline-after", "6"], &["6h"]),
        (&["job", "create", "--deadline-after", "0s"], &["deadline"]),
        (&["frobnicate"], &["frobnicate"]),
    ];
    for (arguments, words) in refused {
        let ran = place.run_as("orchestrator", arguments).expect(2).says(words);
        assert_eq!(ran.out, "", "{arguments:?}");
    }
    // Without a source, and with a generic one.
    place
        .run(&["job", "create", "250925-112234"])
        .expect(2)
        .says(&["--source", "RUNLEDGER_SOURCE"]);
    place
        .run_as("admin", &["heartbeat", "250925-112233"])
        .expect(2)
        .says(&["generic", "--source"]);
    let records = place.records();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["version"], 1);
    let lines = place
        .run(&["activity", "--refused", "--all", "--json"])
        .expect(0)
        .json();
    for code in [
        "run_id_invalid",
        "client_id_invalid",
        "value_invalid",
        "source_missing",
        "source_invalid",
    ] {
        assert!(lines.iter().any(|line| line["reason"] == code), "{code}: {lines:#?}");
    }
    place.verify();
}

#[test]
fn reading_and_changing_make_no_ledger() {
    let place = Place::new();
    for arguments in [
        &["list"][..],
        &["get", "250925-112233"],
        &["heartbeat", "250925-112233"],
        &["summary", "250925-112233"],
        &["activity"],
        &["stalled"],
        &["sweep"],
        &["verify"],
        &["export"],
    ] {
        place
            .run_as("lead_scoring", arguments)
            .expect(4)
            .says(&["there is no ledger in", "none was made"]);
        assert!(!place.data().exists(), "{arguments:?}");
    }
}

#[test]
fn errors_for_programs_are_problem_documents() {
    let place = Place::new();
    place
        .run_as("orchestrator", &["job", "create", "250925-112233"])
        .expect(0);
    let problem = |ran: crate::program::Ran| serde_json::from_str::<serde_json::Value>(ran.err.trim()).unwrap();
    let conflict = problem(
        place
            .run_as("orchestrator", &["job", "create", "250925-112233", "--json"])
            .expect(5),
    );
    assert_eq!(conflict["code"], "conflict");
    assert_eq!(conflict["existing"]["run_id"], "250925-112233");
    let missing = problem(place.run(&["get", "nightly", "--json"]).expect(4));
    assert_eq!(missing["code"], "not_found");
    let local = problem(place.run(&["get", "..", "--json"]).expect(2));
    assert_eq!(local["code"], "usage");
    assert!(local["detail"].as_str().unwrap().contains("dots"));
}

#[test]
fn a_sweep_closes_what_is_silent() {
    let place = Place::new();
    let orchestrator = |arguments: &[&str]| place.run_as("orchestrator", arguments);
    orchestrator(&["job", "create", "nightly"]).expect(0);
    orchestrator(&["client", "create", "nightly", "acme", "--deadline-after", "1s"]).expect(0);
    crate::program::until("acme to be stalled", || {
        place.run(&["stalled", "--json"]).expect(0).json().len() == 1
    });
    place.run(&["list"]).expect(0).says(&["running (stalled)"]);
    // Within the grace period nothing is closed.
    place.run(&["sweep"]).expect(0).says(&["0 closed as lost"]);
    let swept = place.run(&["sweep", "--grace", "0s", "--json"]).expect(0).json();
    assert_eq!(swept[0]["lost"], json!(["nightly/acme"]));
    let record = place.run(&["get", "nightly/acme", "--json"]).expect(0).json();
    assert_eq!(record[0]["status"], "lost");
    assert_eq!(record[0]["ended_by"], "runledger_sweeper");
    orchestrator(&["heartbeat", "nightly", "acme"]).expect(3);
}
