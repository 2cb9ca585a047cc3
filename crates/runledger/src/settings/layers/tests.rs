//! Which layer wins, what is refused, and that the refusal says where.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{Given, Loaded, Origin, load};
use crate::failure::{Exit, Failure};
use crate::settings::{Creates, Scheme};

fn given(variables: &[(&str, &str)], file: Option<&str>) -> (Given, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let mut environment: Vec<(OsString, OsString)> = vec![("HOME".into(), directory.path().into())];
    environment.extend(variables.iter().map(|(name, value)| (name.into(), value.into())));
    let file = file.map(|text| {
        let path = directory.path().join("test.toml");
        std::fs::write(&path, text).unwrap();
        path
    });
    (
        Given {
            environment,
            file,
            flags: Vec::new(),
        },
        directory,
    )
}

fn check(variables: &[(&str, &str)], file: &str) -> Result<Loaded, Failure> {
    let (given, _directory) = given(variables, Some(file));
    load(&given)
}

fn check_refused(variables: &[(&str, &str)], file: &str, words: &[&str]) {
    let failure = check(variables, file).unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
    let text = failure.for_people();
    for word in words {
        assert!(text.contains(word), "{word} is missing in: {text}");
    }
}

#[test]
fn without_anything_the_defaults_hold() {
    let (given, directory) = given(&[], None);
    let loaded = load(&given).unwrap();
    assert_eq!(loaded.settings.listen.to_string(), "127.0.0.1:7420");
    assert_eq!(loaded.settings.data, directory.path().join(".local/share/runledger"));
    assert_eq!(loaded.settings.creation.creators.len(), 4);
    assert!(loaded.origins.values().all(|origin| *origin == Origin::Default));
    assert_eq!(
        loaded.settings.policy().unwrap(),
        runledger_domain::CreationPolicy::default()
    );
}

#[test]
fn the_last_layer_that_gives_a_key_wins_and_is_named() {
    let file = "listen = '127.0.0.1:1'\n[deadline]\ndefault = '2h'\ngrace = '5m'\n";
    let (mut given, _directory) = given(
        &[("RUNLEDGER_LISTEN", "127.0.0.1:2"), ("RUNLEDGER_DEADLINE__GRACE", "7m")],
        Some(file),
    );
    given.flags.push(("listen", "--listen", "127.0.0.1:3".into()));
    let loaded = load(&given).unwrap();
    assert_eq!(loaded.settings.listen.port(), 3);
    assert_eq!(loaded.origins["listen"], Origin::Flag("--listen"));
    assert_eq!(loaded.settings.deadline.grace.to_string(), "7m");
    assert_eq!(
        loaded.origins["deadline.grace"],
        Origin::Variable("RUNLEDGER_DEADLINE__GRACE".into())
    );
    assert_eq!(loaded.settings.deadline.default.to_string(), "2h");
    assert!(matches!(&loaded.origins["deadline.default"], Origin::File(path) if path.ends_with("test.toml")));
    assert_eq!(loaded.origins["log.level"], Origin::Default);
}

#[test]
fn a_list_of_creators_is_the_whole_list_and_keeps_its_spelling() {
    let loaded = check(
        &[],
        "[creation.creators]\nNightly_Batch = ['job']\n\"a.b:c\" = ['client']\n",
    )
    .unwrap();
    let creators = &loaded.settings.creation.creators;
    assert_eq!(creators.len(), 2);
    assert_eq!(creators[&"Nightly_Batch".parse().unwrap()], [Creates::Job]);
    let loaded = check(
        &[
            ("RUNLEDGER_CREATION__CREATORS", "{ other = ['job', 'client'] }"),
            ("RUNLEDGER_CREATION__RUN_ID_SCHEMES", r#"["ulid"]"#),
            ("RUNLEDGER_CREATION__REQUIRE_JOB", "false"),
            ("RUNLEDGER_LEGACY__TRIGGERS", r#"["smart_resume"]"#),
        ],
        "[creation.creators]\nNightly_Batch = ['job']\n",
    );
    let settings = loaded.unwrap().settings;
    assert_eq!(settings.creation.creators.len(), 1);
    assert_eq!(settings.creation.run_id_schemes, [Scheme::Ulid]);
    assert!(!settings.creation.require_job);
    assert_eq!(settings.legacy.triggers, ["smart_resume".parse().unwrap()]);
}

#[test]
fn variables_of_clients_are_left_alone() {
    let variables = [
        ("RUNLEDGER_URL", "http://127.0.0.1:7420"),
        ("RUNLEDGER_TOKEN", "a-secret"),
        ("RUNLEDGER_CA_FILE", "/etc/ledger/ca.pem"),
    ];
    let loaded = check(&variables, "").unwrap();
    assert!(loaded.origins.values().all(|origin| *origin == Origin::Default));
}

#[test]
fn what_is_not_known_is_refused_with_the_nearest_word() {
    check_refused(&[], "listn = 'x'\n", &["listn", "test.toml", "did you mean listen?"]);
    check_refused(
        &[],
        "[creation]\nrequired_job = true\n",
        &["creation.required_job", "creation.require_job"],
    );
    check_refused(&[], "[colour]\nscheme = 'dark'\n", &["unknown key colour"]);
    check_refused(&[], "creation = 3\n", &["creation", "table"]);
    check_refused(
        &[("RUNLEDGER_LISTN", "x")],
        "",
        &["RUNLEDGER_LISTN", "did you mean RUNLEDGER_LISTEN?"],
    );
}

#[test]
fn a_value_that_does_not_fit_is_refused_with_its_key_and_place() {
    check_refused(&[], "listen = 'nowhere'\n", &["listen", "test.toml"]);
    check_refused(&[], "[deadline]\ngrace = '6'\n", &["deadline.grace", "test.toml", "6h"]);
    check_refused(
        &[("RUNLEDGER_REGISTRY__RECORDS", "many")],
        "",
        &["registry.records", "RUNLEDGER_REGISTRY__RECORDS"],
    );
    check_refused(&[], "[registry]\nrecords = -1\n", &["registry.records"]);
    check_refused(
        &[],
        "[creation.creators]\nadmin = ['job']\n",
        &["creation.creators", "test.toml", "admin"],
    );
    check_refused(
        &[],
        "[creation.creators]\nnightly = ['jobs']\n",
        &["\"jobs\" is none of job, client"],
    );
    check_refused(&[], "[creation]\nrun_id_schemes = []\n", &["run_id_schemes"]);
    check_refused(
        &[],
        "[log]\nlevel = 'loud'\n",
        &["log.level", "\"loud\" is none of off, error, warn, info, debug, trace"],
    );
    check_refused(&[], "listen = \n", &["test.toml", "TOML", "line 1", "key listen"]);
    check_refused(
        &[("RUNLEDGER_CREATION__CREATORS", "nobody")],
        "",
        &["RUNLEDGER_CREATION__CREATORS", "TOML"],
    );
    check_refused(&[], "[limits]\nbody_bytes = 1\n", &["limits.body_bytes"]);
}

#[test]
fn the_file_in_the_data_directory_is_found_and_cannot_lead_elsewhere() {
    let (mut given, directory) = given(&[], None);
    let data = directory.path().join("ledger");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("runledger.toml"), "[deadline]\ndefault = '3h'\n").unwrap();
    given.flags.push(("data", "--data", data.display().to_string()));
    let loaded = load(&given).unwrap();
    assert_eq!(loaded.settings.deadline.default.to_string(), "3h");
    std::fs::write(data.join("runledger.toml"), "data = '/elsewhere'\n").unwrap();
    assert!(load(&given).unwrap_err().to_string().contains("data directory"));
}

#[test]
fn a_named_file_must_be_there_and_may_name_the_data_directory() {
    let (mut given, _directory) = given(&[], Some("data = '/some/where'\n"));
    assert_eq!(load(&given).unwrap().settings.data, PathBuf::from("/some/where"));
    given.file = Some("/no/such/file.toml".into());
    assert!(load(&given).unwrap_err().to_string().contains("/no/such/file.toml"));
}

#[test]
fn a_secret_is_quoted_by_no_message() {
    let variable = |value| vec![("RUNLEDGER_TRACES__HEADERS", value)];
    let cases = [
        (variable("{ authorization = \"marzipan\""), ""),
        (variable("\"marzipan\""), ""),
        (variable("{ a = { b = \"marzipan\" } }"), ""),
        (vec![], "[traces]\nheaders = 'marzipan'\n"),
        (vec![], "[traces]\nheaders = { authorization = marzipan }\n"),
        // Whatever is broken, and whatever it was meant for.
        (vec![], "[traces]\nheaders = { authorization = 'marzipan'\n"),
        (vec![], "listen = 'x' # marzipan\nauthorization: marzipan\n"),
        (
            vec![("RUNLEDGER_CREATION__CREATORS", "{ authorization = \"marzipan")],
            "",
        ),
    ];
    for (variables, file) in cases {
        let failure = check(&variables, file).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        let text = failure.for_people();
        assert!(!text.contains("marzipan"), "{text}");
    }
    let loaded = check(&variable("{ Authorization = \"Bearer marzipan\" }"), "").unwrap();
    assert_eq!(loaded.settings.traces.headers.to_send().unwrap().len(), 1);
    assert!(!format!("{loaded:?}").contains("marzipan"));
}

#[test]
fn the_address_of_the_database_is_quoted_by_no_message() {
    for (variables, file) in [
        (
            vec![("RUNLEDGER_POSTGRES__URL", "postgres://u:marzipan@db:marzipan/x")],
            "",
        ),
        (vec![], "[postgres]\nurl = ['marzipan']\n"),
        (vec![], "[postgres]\nurl = { password = 'marzipan' }\n"),
        (vec![], "[postgres]\nurl = marzipan\n"),
    ] {
        let failure = check(&variables, file).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        let text = failure.for_people();
        assert!(!text.contains("marzipan"), "{text}");
    }
    // It is taken as it stands, and not as TOML.
    let loaded = check(&[("RUNLEDGER_POSTGRES__URL", "postgres://u:marzipan@db/x")], "").unwrap();
    assert!(!format!("{loaded:?}").contains("marzipan"));
}

#[test]
fn a_secret_of_a_webhook_is_quoted_by_no_message() {
    let variable = |value| vec![("RUNLEDGER_WEBHOOKS", value)];
    let hook = "[[webhooks]]\nname = 'one'\nurl = 'https://a/marzipan'\nsecret = 'marzipan'\n";
    let with = |more: &str| format!("{hook}{more}\n");
    let cases = [
        (variable("[{ name = \"one\", secret = \"marzipan\""), String::new()),
        (variable("\"marzipan\""), String::new()),
        (variable("[\"marzipan\"]"), String::new()),
        (variable("[{ name = \"one\", secret = [\"marzipan\"] }]"), String::new()),
        (vec![], "webhooks = 'marzipan'\n".into()),
        (vec![], "[[webhooks]]\nsecret = marzipan\n".into()),
        // Understood, and no secret after all.
        (vec![], hook.into()),
        (vec![], with("format = 'marzipan'")),
        (vec![], with("timeout = 'marzipan'")),
        (vec![], hook.replace("secret =", "colour =")),
        // Whatever is broken, and whatever it was meant for.
        (vec![], with("colour = ")),
        (vec![], with("secret = 'marzipan'")),
        (vec![], "listen = 'x' # marzipan\nauthorization: marzipan\n".into()),
        (
            vec![("RUNLEDGER_CREATION__CREATORS", "{ secret = \"marzipan")],
            String::new(),
        ),
    ];
    for (variables, file) in cases {
        let failure = check(&variables, &file).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        let text = failure.for_people();
        assert!(!text.contains("marzipan"), "{text}");
    }
    // Where it is, and what is meant, is said all the same.
    for (more, words) in [
        ("format = 'xml'", "webhooks[0].format: it is not understood"),
        ("timeout = [1]", "webhooks[0].timeout: a string is expected"),
        (
            "colour = 'blue'",
            "unknown field `colour`, expected one of `name`, `url`",
        ),
    ] {
        check_refused(&[], &with(more), &[words]);
    }
    check_refused(
        &[],
        "[[webhooks]]\nname = 'one'\n",
        &["webhooks in the file", "webhooks[0].url is missing"],
    );
}
