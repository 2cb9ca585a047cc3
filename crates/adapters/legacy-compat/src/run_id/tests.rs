//! The table of all spellings, B1 to B26, and properties over arbitrary text.

use proptest::prelude::*;

use super::*;

/// `expected` is the canonical key and the form (`250925-231841-Guy-Wilson bare`), or the name of the refusal.
fn check(row: &str, text: &str, client: &str, expected: &str) {
    let client = (!client.is_empty()).then(|| client.parse::<ClientId>().unwrap());
    let found = match LegacyId::parse(text, client.as_ref()) {
        Ok(id) => format!("{} {}", id.key(), id.form()),
        Err(refused) => {
            let name = format!("{:?}", refused.form);
            name.split([' ', '(']).next().unwrap_or_default().to_owned()
        }
    };
    assert_eq!(found, expected, "{row}: {text:?} for {client:?}");
}

#[test]
fn i15_the_timestamp_family_b1_to_b6_is_accepted() {
    let guy = "Guy-Wilson";
    check("B1", "250925-231841", "", "250925-231841 canonical");
    check("B1", "250925-231841", guy, "250925-231841-Guy-Wilson bare");
    check(
        "B2",
        "250924-152230-Dean-Hobin",
        "Dean-Hobin",
        "250924-152230-Dean-Hobin canonical",
    );
    check(
        "B2",
        "251005-210247-Guy-Wilson",
        guy,
        "251005-210247-Guy-Wilson canonical",
    );
    check(
        "B3",
        "250925-231841-CGuy-Wilson",
        guy,
        "250925-231841-Guy-Wilson c-prefix",
    );
    check(
        "B4",
        "251007-070457-Guy-Wilson-Guy-Wilson",
        guy,
        "251007-070457-Guy-Wilson double-suffix",
    );
    check(
        "B5",
        "251003-110000:guy-wilson",
        "guy-wilson",
        "251003-110000-guy-wilson colon",
    );
    check("B6", "250925-231841.0", "", "250925-231841 dot-zero");
    check("B6", "250925-231841.0", guy, "250925-231841-Guy-Wilson dot-zero");
    check(
        "B6",
        "250925-231841-Guy-Wilson.0",
        guy,
        "250925-231841-Guy-Wilson dot-zero",
    );
}

#[test]
fn i15_the_client_given_is_matched_exactly_before_any_other_reading() {
    for client in ["CGuy-Wilson", "acme.0", "a-a", "batch-all-clients", "lead_scoring", "C"] {
        check(
            "exact",
            &format!("250925-231841-{client}"),
            client,
            &format!("250925-231841-{client} canonical"),
        );
    }
    let apify = "apify-8MSTBAfqMzuXPvgB3";
    check(
        "exact",
        &format!("250925-231841-{apify}"),
        apify,
        &format!("250925-231841-{apify} canonical"),
    );
    check("B3", "250925-231841-CChris", "Chris", "250925-231841-Chris c-prefix");
    check("B4", "250925-231841-a-a", "a", "250925-231841-a double-suffix");
    check("B4", "250925-231841-a-a-a-a", "a-a", "250925-231841-a-a double-suffix");
    check(
        "B6",
        "250925-231841-acme.0.0",
        "acme.0",
        "250925-231841-acme.0 dot-zero",
    );
}

#[test]
fn i15_combinations_of_b2_b3_b4_and_b6_lead_to_the_same_key() {
    for (behind, form) in [
        ("-Guy-Wilson-Guy-Wilson-Guy-Wilson", "double-suffix"),
        ("-CCGuy-Wilson", "c-prefix"),
        ("-CGuy-Wilson.0", "combined"),
        ("-Guy-Wilson-Guy-Wilson.0", "combined"),
        ("-CGuy-Wilson-CGuy-Wilson", "combined"),
        ("-Guy-Wilson-CGuy-Wilson", "combined"),
        ("-CGuy-Wilson-Guy-Wilson", "combined"),
        ("-CCGuy-Wilson-CGuy-Wilson-Guy-Wilson.0", "combined"),
    ] {
        let text = format!("250925-231841{behind}");
        check(
            "B2-B6",
            &text,
            "Guy-Wilson",
            &format!("250925-231841-Guy-Wilson {form}"),
        );
        check("job", &text, "", "ClientOnJob");
    }
    // The client's own beginning and end are never taken for a prefix or an ending.
    for (behind, client, form) in [
        ("-CC", "C", "c-prefix"),
        ("-C-C", "C", "double-suffix"),
        ("-CCC", "CC", "c-prefix"),
        ("-acme.0-acme.0", "acme.0", "double-suffix"),
        ("-acme.0-acme.0.0", "acme.0", "combined"),
        ("-a-a-a-a-a-a", "a-a", "double-suffix"),
    ] {
        let expected = format!("250925-231841-{client} {form}");
        check("own", &format!("250925-231841{behind}"), client, &expected);
    }
}

/// Row of the catalogue, name of the refusal, examples.
const REFUSED: &[(&str, &str, &[&str])] = &[
    (
        "B7",
        "SrFamily",
        &[
            "SR-250922-001-S1-CGuy-Wilson",
            "SR-250922-002-S1-CGuy-Wilson",
            "SR-250922-001-S2-CABC-POSTS",
            "sr-250922-001",
        ],
    ),
    ("B8", "SrFamily", &["SR-250924-001-T3304-S1-CDean-Hobin"]),
    ("B9", "SrFamily", &["SR-250923-001-S1-Guy-Wilson"]),
    ("B10", "SrFamily", &["SR-250923-001-S1-CCGuy-Wilson"]),
    (
        "B10",
        "ApifyIdWithClient",
        &["8MSTBAfqMzuXPvgB3-CGuy-Wilson-CGuy-Wilson"],
    ),
    ("B11", "SrFamily", &["SR-250924-017"]),
    (
        "B12",
        "ApifyId",
        &["8MSTBAfqMzuXPvgB3", "AeljThOnfXhim2T31", "OYkC0ZbuWPOvwkLid"],
    ),
    (
        "B13",
        "ApifyIdWithClient",
        &[
            "8MSTBAfqMzuXPvgB3-CGuy-Wilson",
            "OYkC0ZbuWPOvwkLid-Dean-Hobin-Dean-Hobin",
        ],
    ),
    ("B14", "ApifySuffix", &["251003-170100-apify-8MSTBAfqMzuXPvgB3"]),
    (
        "B15",
        "BatchMaster",
        &[
            "250926-160000-batch-all-clients",
            "250926-160000-batch-all-clients-Guy-Wilson",
        ],
    ),
    (
        "B16",
        "Step",
        &[
            "250926-160000-lead_scoring",
            "250926-160000-post_scoring",
            "250926-160000-post_harvesting",
        ],
    ),
    ("B17", "MinuteId", &["202509252318-Guy-Wilson", "202509252318"]),
    ("B18", "DashedDate", &["2025-09-26-14-44-00-Guy-Wilson"]),
    ("B19", "JobId", &["job_post_scoring_stream1_20250925231841"]),
    (
        "B20",
        "JobId",
        &[
            "job_post_scoring_bypass_1758953640000",
            "job_lead_scoring_1758953640000",
            "fallback_job_lead_scoring_stream1_20250925231841",
        ],
    ),
    ("B21", "ClientFallback", &["client-fallback-Guy-Wilson-1758806321000"]),
    ("B22", "Fallback", &["fallback_1759400000000", "auto_gen_1759400000000"]),
    (
        "B23",
        "ProcessLabel",
        &[
            "post_batch_1758806321000",
            "post_batch_standalone_1758806321000",
            "smart_resume_1758806321000_ab12c",
            "pipeline_1",
            "client_pipeline_1",
            "simple_client_by_client_1",
            "client_by_client_1",
        ],
    ),
    ("B24", "SessionId", &["20250925-201849-678", "20250925-201849"]),
    (
        "B25",
        "Placeholder",
        &[
            "INITIALIZING",
            "unknown",
            "SYSTEM",
            "null",
            "undefined",
            "NaN",
            "None",
            "[object Object]",
            "[object Promise]",
            "undefined-Guy-Wilson",
            "-Guy-Wilson",
            "N/A",
            "n/a",
            "TBD",
            "-",
            "false",
            "0",
            "(empty)",
            "Promise { <pending> }",
        ],
    ),
    ("B25", "Empty", &["", "   ", "\n"]),
    (
        "B26",
        "TestLabel",
        &[
            "test-run-1758806321000",
            "multi-client-test-1758806321000",
            "TEST-1758806321000",
            "CC-SEND-1758806321000",
            "RESCORE-full",
        ],
    ),
    ("others", "Unknown", &["nightly", "Guy-Wilson", "läuft"]),
];

#[test]
fn i15_every_other_form_b7_to_b26_is_refused_by_its_name() {
    for (row, expected, texts) in REFUSED {
        for text in *texts {
            check(row, text, "", expected);
            check(row, text, "Guy-Wilson", expected);
        }
    }
}

#[test]
fn near_misses_are_refused() {
    let guy = "Guy-Wilson";
    for text in [
        "250932-231841",
        "250229-231841",
        "251325-231841",
        "250925-241841",
        "250925-231860",
    ] {
        for rest in ["", "-Guy-Wilson", "-CGuy-Wilson", ".0", ":Guy-Wilson"] {
            check("date", &format!("{text}{rest}"), guy, "ImpossibleDate");
            check("date", &format!("{text}{rest}"), "", "ImpossibleDate");
        }
    }
    for text in [" 250925-231841", "250925-231841 ", "250925-231841-Guy-Wilson\n"] {
        check("white space", text, guy, "Whitespace");
    }
    for text in [
        "250925-2318411",
        "250925-231841_x",
        "250925-231841é",
        "250925",
        "2509251-231841",
        "250925231841x",
    ] {
        check("near", text, guy, "NearMiss");
    }
    check("near", "250925-231841-", guy, "NearMiss");
}

#[test]
fn another_client_behind_the_base_is_never_rewritten() {
    for (text, client) in [
        ("250925-231841-Guy-Wilson", "Wilson"),
        ("250925-231841-Guy-Wilson", "guy-wilson"),
        ("250925-231841-Guy-Wilson", "Guy"),
        ("250925-231841-CDean-Hobin", "Guy-Wilson"),
        ("250925-231841-cGuy-Wilson", "Guy-Wilson"),
        ("250925-231841-Guy-Wilson-Dean-Hobin", "Guy-Wilson"),
        ("250925-231841-Dean-Hobin-Guy-Wilson", "Guy-Wilson"),
        ("250925-231841-Dean-Hobin-CGuy-Wilson.0", "Guy-Wilson"),
        ("250925-231841-CCCGuy-Wilson", "Guy-Wilson"),
        ("250925-231841:CGuy-Wilson", "Guy-Wilson"),
        ("250925-231841:Guy-Wilson.0", "Guy-Wilson"),
        ("250925-231841.0-Guy-Wilson", "Guy-Wilson"),
        ("250925-231841-Guy-Wilson-", "Guy-Wilson"),
        ("250925-231841-Guy-Wilson.00", "Guy-Wilson"),
        ("250925-231841:Dean-Hobin", "Guy-Wilson"),
        ("250925-231841.1", "Guy-Wilson"),
    ] {
        check("mismatch", text, client, "OtherClient");
        check("job", text, "", "ClientOnJob");
    }
}

#[test]
fn a_refusal_says_what_the_id_is_and_what_to_do() {
    let refused = LegacyId::parse("job_post_scoring_stream1_20250925231841", None).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "run id \"job_post_scoring_stream1_20250925231841\" is the id of a job in another table (B19, B20); only \
         YYMMDD-HHMMSS ids name a run here; give the run's own id"
    );
    let long = LegacyId::parse(&"é".repeat(10_000), None).unwrap_err();
    assert!(long.to_string().chars().count() < 400);
}

/// Every accepted spelling of one client's record.
fn spellings(base: &str, client: &str) -> Vec<String> {
    vec![
        base.to_owned(),
        format!("{base}-{client}"),
        format!("{base}-C{client}"),
        format!("{base}-{client}-{client}"),
        format!("{base}:{client}"),
        format!("{base}.0"),
        format!("{base}-{client}.0"),
        format!("{base}-C{client}.0"),
        format!("{base}-CC{client}"),
        format!("{base}-{client}-C{client}"),
        format!("{base}-C{client}-C{client}-{client}.0"),
    ]
}

proptest! {
    #[test]
    fn i15_every_spelling_of_a_key_leads_to_it_and_reading_it_again_changes_nothing(
        seconds in 0_i64..4_000_000_000,
        client in "[A-Za-z0-9][A-Za-z0-9_.-]{0,20}",
    ) {
        let Ok(client) = client.parse::<ClientId>() else { return Ok(()) };
        let at = runledger_domain::Timestamp::from_micros(seconds * 1_000_000).unwrap();
        let run = RunId::from_second(at);
        let key = RunKey::Client(run.clone(), client.clone());
        for text in spellings(run.as_str(), client.as_str()) {
            let id = LegacyId::parse(&text, Some(&client)).unwrap();
            prop_assert_eq!(id.key(), &key, "{}", text);
        }
        let again = LegacyId::parse(&key.to_string(), Some(&client)).unwrap();
        prop_assert_eq!((again.key(), again.form()), (&key, Form::Canonical));
        let job = LegacyId::parse(run.as_str(), None).unwrap();
        prop_assert_eq!((job.key(), job.form()), (&RunKey::Job(run), Form::Canonical));
    }

    #[test]
    fn i15_any_text_is_read_to_its_own_base_or_refused(
        text in "\\PC{0,40}|[0-9]{6}-[0-9]{6}\\PC{0,12}|[0-9]{6}-[0-9]{6}[-.:C]{0,3}[a-z.0-]{0,6}",
        client in proptest::option::of("[a-z][a-z0.-]{0,4}"),
    ) {
        let client = client.and_then(|c| c.parse::<ClientId>().ok());
        if let Ok(id) = LegacyId::parse(&text, client.as_ref()) {
            prop_assert_eq!(id.key().run().as_str(), &text[..13]);
            prop_assert_eq!(id.key().client(), client.as_ref());
        }
    }
}
