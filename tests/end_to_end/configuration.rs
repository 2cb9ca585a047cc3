//! The configuration from outside: which file is found, what a mistake in it says, and that it takes effect.

use serde_json::Value;

use crate::program::{Place, ran, write};

#[test]
fn every_value_is_shown_with_its_origin() {
    let place = Place::new();
    write(&place.data().join("runledger.toml"), "[deadline]\ndefault = \"2h\"\n");
    let shown = ran(place
        .program()
        .env("RUNLEDGER_LOG__LEVEL", "debug")
        .args(["config", "show", "--json"]));
    let shown: Value = shown.expect(0).json().remove(0);
    let origin = |key: &str| shown[key]["origin"].as_str().unwrap().to_owned();
    assert_eq!(shown["deadline.default"]["value"], "2h");
    assert!(origin("deadline.default").ends_with("runledger.toml"));
    assert_eq!(origin("log.level"), "environment variable RUNLEDGER_LOG__LEVEL");
    assert_eq!(origin("data"), "environment variable RUNLEDGER_DATA");
    assert_eq!(origin("listen"), "default");
    let data = place.beside("other");
    let shown = place.run(&["config", "show", "--data", data.to_str().unwrap()]);
    shown.expect(0).says(&["flag --data", data.to_str().unwrap(), "\"6h\""]);
}

#[test]
fn a_mistake_is_an_error_that_names_key_and_place() {
    let place = Place::new();
    let file = place.data().join("runledger.toml");
    for (text, words) in [
        (
            "listn = \"127.0.0.1:1\"\n",
            &["listn", "runledger.toml", "did you mean listen?"][..],
        ),
        ("[deadline]\ndefault = \"soon\"\n", &["deadline.default", "soon"]),
        ("[creation.creators]\nadmin = [\"job\"]\n", &["admin", "generic"]),
        ("listen = ", &["TOML"]),
        ("data = \"/elsewhere\"\n", &["data directory"]),
    ] {
        write(&file, text);
        for arguments in [&["list"][..], &["serve"], &["config", "show"]] {
            place.run(arguments).expect(2).says(words);
        }
    }
    let place = Place::new();
    ran(place.program().env("RUNLEDGER_LISTN", "x").arg("list"))
        .expect(2)
        .says(&["RUNLEDGER_LISTN", "did you mean RUNLEDGER_LISTEN?"]);
    place
        .run(&["list", "--config", "/no/such.toml"])
        .expect(2)
        .says(&["/no/such.toml"]);
    ran(place.program().env("RUST_LOG", "a=b=c").arg("list"))
        .expect(2)
        .says(&["RUST_LOG"]);
}

#[test]
fn the_policy_of_the_file_holds_for_commands_and_servers() {
    let place = Place::new();
    let file = "[creation]\nrun_id_schemes = [\"timestamp\"]\n[creation.creators]\nnightly_batch = [\"job\"]\n";
    write(&place.data().join("runledger.toml"), file);
    let check = || {
        place
            .run_as("orchestrator", &["job", "create", "250925-112233"])
            .expect(3);
        place
            .run_as("nightly_batch", &["job", "create", "nightly"])
            .expect(2)
            .says(&["name", "timestamp"]);
    };
    check();
    place
        .run_as("nightly_batch", &["job", "create", "250925-112233"])
        .expect(0);
    place
        .run_as("nightly_batch", &["client", "create", "250925-112233", "acme"])
        .expect(3);
    let server = place.serve();
    check();
    place
        .run_as("nightly_batch", &["job", "create", "250925-112234"])
        .expect(0);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn without_home_the_data_directory_must_be_named() {
    let place = Place::new();
    ran(place.program().env_clear().arg("list"))
        .expect(2)
        .says(&["--data", "RUNLEDGER_DATA"]);
    ran(place
        .program()
        .env_clear()
        .env("HOME", place.beside("home"))
        .arg("list"))
    .expect(4)
    .says(&["home/.local/share/runledger"]);
    ran(place
        .program()
        .env_clear()
        .env("XDG_DATA_HOME", place.beside("share"))
        .arg("list"))
    .expect(4)
    .says(&["share/runledger"]);
}
