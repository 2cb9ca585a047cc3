//! GET, and POST to `listRecords`.

use runledger_domain::access::Scope;
use serde_json::json;

use crate::{CLIENTS, JOBS, World, filter, limited, token};

/// Three runs with three clients each.
async fn filled() -> World {
    let world = World::new();
    for (place, run) in ["250925-231841", "250926-000000", "nightly-1"].into_iter().enumerate() {
        let job = json!({"fields": {"Run ID": run, "Stream": place + 1}}).to_string();
        world.post(JOBS, &job).await.ok();
        let record = |client: &str| json!({"fields": {"Run ID": run, "Client ID": client, "Client Name": client.to_uppercase()}});
        let records = ["acme", "globex", "initech"].map(record);
        let clients = json!({ "records": records }).to_string();
        world.post(CLIENTS, &clients).await.ok();
    }
    world
}

#[tokio::test]
async fn lists_have_the_records_of_their_kind_in_the_order_of_creation_page_by_page() {
    let world = filled().await;
    assert_eq!(
        world.listed(JOBS, "Run ID").await,
        ["250925-231841", "250926-000000", "nightly-1"]
    );
    let mut offset = String::new();
    let mut seen = Vec::new();
    for pages in 1.. {
        let page = world.get(&format!("{CLIENTS}?pageSize=4{offset}")).await.ok();
        let rows = page["records"].as_array().unwrap();
        seen.extend(
            rows.iter()
                .map(|row| row["fields"]["Run ID"].as_str().unwrap().to_owned()),
        );
        // What comes after the first page was begun comes at its end.
        if pages == 1 {
            let more = r#"{"fields":{"Run ID":"nightly-1","Client ID":"umbrella"}}"#;
            world.post(CLIENTS, more).await.ok();
        }
        match page["offset"].as_str() {
            Some(next) => offset = format!("&offset={next}"),
            None => break,
        }
    }
    assert_eq!((seen.len(), seen[9].as_str()), (10, "nightly-1/umbrella"));
    let most = world.get(&format!("{CLIENTS}?maxRecords=5&pageSize=3")).await.ok();
    let rest = world
        .get(&format!(
            "{CLIENTS}?maxRecords=5&pageSize=3&offset={}",
            most["offset"].as_str().unwrap()
        ))
        .await
        .ok();
    assert_eq!(
        (rest["records"].as_array().unwrap().len(), rest.get("offset")),
        (2, None)
    );
    world
        .get(&format!("{CLIENTS}?offset=itrAAAAAAAAAAAAAA"))
        .await
        .refused(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE");
}

#[tokio::test]
async fn formulas_find_what_they_find_at_airtable_in_every_spelling_of_a_run_id() {
    let world = filled().await;
    for (formula, expected) in [
        (
            "AND({Run ID} = '250925-231841-acme', {Client ID} = 'acme')",
            &["250925-231841-acme"][..],
        ),
        (
            "AND({Run ID} = '250925-231841', {Client ID} = 'acme')",
            &["250925-231841-acme"],
        ),
        (
            "AND({Run ID} = '250925-231841-Cacme', {Client ID} = 'acme')",
            &["250925-231841-acme"],
        ),
        ("{Run ID} = '250925-231841-acme'", &["250925-231841-acme"]),
        ("AND({Run ID} = '250925-231841', {Client ID} = 'umbrella')", &[]),
        ("AND({Run ID} = '', {Client ID} = 'acme')", &[]),
        ("AND({Run ID} = '250925-231841', {Client ID} = 'Mary-O\\'Brien')", &[]),
        (
            "AND({Run ID} = 'nightly-1/acme', {Client ID} = 'acme', {Status} = 'Running')",
            &["nightly-1/acme"],
        ),
        (
            "AND({Run ID} = 'nightly-1/acme', {Client ID} = 'acme', {Status} = 'Failed')",
            &[],
        ),
        (
            "{Client ID} = 'acme'",
            &["250925-231841-acme", "250926-000000-acme", "nightly-1/acme"],
        ),
        (
            "FIND('250926', {Run ID}) = 1",
            &["250926-000000-acme", "250926-000000-globex", "250926-000000-initech"],
        ),
        (
            "OR({Run ID} = '250925-231841-acme', {Run ID} = 'nightly-1/globex')",
            &["250925-231841-acme", "nightly-1/globex"],
        ),
        (
            "AND({Client Name} = 'ACME', {Profile Scoring Tokens} = 0, IS_AFTER({Start Time}, '2020-01-01'))",
            &["250925-231841-acme", "250926-000000-acme", "nightly-1/acme"],
        ),
        (
            "AND(RECORD_ID() != '', {End Time} = BLANK(), {Client ID} = 'globex', {Run ID} = '250926-000000')",
            &["250926-000000-globex"],
        ),
    ] {
        assert_eq!(
            world.listed(&filter(CLIENTS, formula), "Run ID").await,
            expected,
            "{formula}"
        );
    }
    assert_eq!(
        world.listed(&filter(JOBS, "{Run ID} = 'SR-250925'"), "Run ID").await,
        [""; 0]
    );
    assert_eq!(
        world.listed(&filter(JOBS, "{Stream} = 2"), "Run ID").await,
        ["250926-000000"]
    );
    assert_eq!(
        world
            .listed(&filter(JOBS, "{Clients Processed} = 3"), "Run ID")
            .await
            .len(),
        3
    );
    for formula in ["{Run ID} = 'Mary-O'Brien'", "{Duration} > 3", "NOWHERE()"] {
        let message = world
            .get(&filter(JOBS, formula))
            .await
            .refused(422, "INVALID_FILTER_BY_FORMULA");
        assert!(
            message.starts_with("The formula for filtering records is invalid"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn many_rows_are_asked_for_in_one_formula_and_not_too_many() {
    let world = filled().await;
    let rows = world.get(CLIENTS).await.ok()["records"].as_array().unwrap().clone();
    let asked = |many: usize| {
        let one = |row: &serde_json::Value| format!("RECORD_ID() = '{}'", row["id"].as_str().unwrap());
        let all: Vec<_> = rows[..5].iter().cycle().take(many).map(one).collect();
        json!({"filterByFormula": format!("OR({})", all.join(", "))}).to_string()
    };
    let list = format!("{CLIENTS}/listRecords");
    let found = world.post(&list, &asked(2_000)).await.ok();
    assert_eq!(found["records"], json!(rows[..5]));
    let message = world
        .post(&list, &asked(4_000))
        .await
        .refused(422, "INVALID_FILTER_BY_FORMULA");
    assert!(message.contains("longer than 100000 bytes"), "{message}");
}

#[tokio::test]
async fn a_table_whose_run_ids_are_bare_is_found_by_bare_ones() {
    let world = World::with(|spec| spec.run_id_with_client = false);
    world.post(JOBS, r#"{"fields":{"Run ID":"250925-231841"}}"#).await.ok();
    for client in ["acme", "globex"] {
        let body = format!(r#"{{"fields":{{"Run ID":"250925-231841-{client}","Client ID":"{client}"}}}}"#);
        world.post(CLIENTS, &body).await.ok();
    }
    for (formula, expected) in [
        ("{Run ID} = '250925-231841'", &["acme", "globex"][..]),
        ("AND({Run ID} = '250925-231841', {Client ID} = 'acme')", &["acme"]),
        ("AND({Run ID} = '250925-231841-acme', {Client ID} = 'acme')", &["acme"]),
        ("{Run ID} = '250925-231841-acme'", &[]),
    ] {
        assert_eq!(
            world.listed(&filter(CLIENTS, formula), "Client ID").await,
            expected,
            "{formula}"
        );
    }
}

#[tokio::test]
async fn orders_columns_and_the_body_of_a_post_are_understood() {
    let world = filled().await;
    let sorted = format!(
        "{CLIENTS}?sort[0][field]=Client+ID&sort[0][direction]=desc&sort[1][field]=Run%20ID&fields[]=Run+ID&pageSize=4"
    );
    let first = world.get(&sorted).await.ok();
    let offset = first["offset"].as_str().unwrap();
    let second = world.get(&format!("{sorted}&offset={offset}")).await.ok();
    let rows = [&first, &second]
        .map(|page| page["records"].as_array().unwrap().clone())
        .concat();
    let ids: Vec<_> = rows
        .iter()
        .map(|row| row["fields"]["Run ID"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids[..4],
        [
            "250925-231841-initech",
            "250926-000000-initech",
            "nightly-1/initech",
            "250925-231841-globex"
        ]
    );
    assert_eq!((ids.len(), ids[7]), (8, "250926-000000-acme"));
    assert!(rows.iter().all(|row| row["fields"].as_object().unwrap().len() == 1));
    let body = r#"{"filterByFormula":"{Client ID}='acme'","sort":[{"field":"Run ID","direction":"desc"}],"fields":["Run ID"],
        "maxRecords":2,"method":"post","timeZone":"UTC","userLocale":"en"}"#;
    let posted = world
        .post(&format!("{CLIENTS}/listRecords?timeZone=UTC"), body)
        .await
        .ok();
    let ids: Vec<_> = posted["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["fields"]["Run ID"])
        .collect();
    assert_eq!(ids, ["nightly-1/acme", "250926-000000-acme"]);
    for (query, word) in [
        ("pageSize=101", "INVALID_PAGE_SIZE_ARGUMENT"),
        ("pageSize=x", "INVALID_PAGE_SIZE_ARGUMENT"),
        ("maxRecords=0", "INVALID_REQUEST_UNKNOWN"),
        ("fields[]=Nothing", "UNKNOWN_FIELD_NAME"),
        ("sort[0][field]=Nothing", "UNKNOWN_FIELD_NAME"),
        ("sort[0][direction]=asc", "INVALID_REQUEST_UNKNOWN"),
        ("sort[0][field]=Run+ID&sort[0][direction]=up", "INVALID_REQUEST_UNKNOWN"),
        ("view=Failed+runs", "VIEW_NAME_NOT_FOUND"),
        ("cellFormat=string", "INVALID_REQUEST_UNKNOWN"),
        ("returnFieldsByFieldId=true", "INVALID_REQUEST_UNKNOWN"),
    ] {
        world.get(&format!("{JOBS}?{query}")).await.refused(422, word);
    }
    world.get(&format!("{JOBS}?view=Grid%20view&")).await.ok();
    // Some clients number the columns that they want.
    let two = world
        .get(&format!("{CLIENTS}?fields%5B0%5D=Run+ID&fields[1]=Status&pageSize=1"))
        .await
        .ok();
    assert_eq!(two["records"][0]["fields"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn a_row_is_found_by_its_id_whatever_the_form_of_its_run_id() {
    let world = filled().await;
    for table in [JOBS, CLIENTS] {
        for row in world.get(table).await.ok()["records"].as_array().unwrap() {
            let id = row["id"].as_str().unwrap();
            assert_eq!(world.get(&format!("{table}/{id}?")).await.ok(), *row);
            let other = if table == JOBS { CLIENTS } else { JOBS };
            world.get(&format!("{other}/{id}")).await.refused(404, "NOT_FOUND");
        }
    }
    // A gateway that has shown nothing yet finds them as well.
    let row = world.get(&filter(CLIENTS, "{Run ID} = 'nightly-1/globex'")).await.ok()["records"][0].clone();
    let forgetful = World {
        gateway: World::new().gateway,
        ..world
    };
    let found = forgetful
        .get(&format!("{CLIENTS}/{}", row["id"].as_str().unwrap()))
        .await
        .ok();
    assert_eq!(found, row);
    for id in ["recAAAAAAAAAAAAAA", "recZZZZZZZZZZZZZZ", "rec1", "x"] {
        forgetful
            .get(&format!("{CLIENTS}/{id}"))
            .await
            .refused(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn i3_reading_leaves_nothing_and_i12_shows_nothing_of_other_clients() {
    let mut world = filled().await;
    let lines = world.lines().await.len();
    world.access = limited("post_scoring", &[Scope::Read], "acme");
    assert_eq!(world.listed(CLIENTS, "Client ID").await, ["acme"; 3]);
    assert_eq!(world.listed(JOBS, "Run ID").await, [""; 0]);
    let sneaky = filter(CLIENTS, "AND({Run ID} = '250925-231841', {Client ID} = 'globex')");
    assert_eq!(world.listed(&sneaky, "Client ID").await, [""; 0]);
    world.access = token("post_scoring", &[Scope::Change]);
    world.get(CLIENTS).await.refused(403, "INVALID_PERMISSIONS");
    world
        .ask("GET", &format!("{CLIENTS}/recAAAAAAAAAAAAAA/comments"), "")
        .await
        .refused(404, "NOT_FOUND");
    world.ask("OPTIONS", CLIENTS, "").await.refused(404, "NOT_FOUND");
    assert_eq!((world.lines().await.len(), world.records().await), (lines, 12));
}

#[tokio::test]
async fn an_ordered_list_counts_everything_that_is_read_for_its_page() {
    let world = World::new();
    let job = |number: usize| json!({"fields": {"Run ID": format!("j{number}"), "Stream": number % 2}});
    for tens in 0..200 {
        let ten: Vec<_> = (10 * tens..10 * tens + 10).map(job).collect();
        world.post(JOBS, &json!({ "records": ten }).to_string()).await.ok();
    }
    let query = format!("{}&sort[0][field]=Run+ID", filter(JOBS, "{Stream} = 1"));
    let world = World {
        gateway: World::new().gateway.with_list_max(1_999),
        ..world
    };
    world.get(&query).await.refused(422, "LIST_TOO_LONG");
    let world = World {
        gateway: World::new().gateway.with_list_max(2_000),
        ..world
    };
    assert_eq!(world.listed(&query, "Run ID").await[..2], ["j1", "j1001"]);
}

#[tokio::test]
async fn a_list_that_would_read_too_much_says_so_and_a_look_up_does_not() {
    let world = filled().await;
    let world = World {
        gateway: World::new().gateway.with_list_max(5),
        ..world
    };
    let all = filter(CLIENTS, "{Client Name} = 'INITECH'");
    for query in [
        all.clone(),
        format!("{all}&sort[0][field]=Run+ID"),
        format!("{CLIENTS}?sort[0][field]=Run+ID"),
    ] {
        let message = world.get(&query).await.refused(422, "LIST_TOO_LONG");
        assert!(message.contains("more than 5 records"), "{message}");
    }
    assert_eq!(
        world
            .listed(&filter(CLIENTS, "{Run ID} = 'nightly-1/initech'"), "Client ID")
            .await,
        ["initech"]
    );
    let few = format!("{all}&pageSize=1");
    assert_eq!(world.listed(&few, "Client ID").await, ["initech"]);
}
