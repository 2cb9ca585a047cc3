//! Changes that are decided, and then somebody else is faster.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use runledger_domain::{ChangeContext, Command, Completion, Outcome, RunKey};
use runledger_memory::MemoryStore;
use runledger_ports::{ChangeError, ChangeRequest, Changed, RunChanger};
use serde_json::{Value, json};

use crate::{CLIENTS, World};

/// A store in front of which somebody else ends a record in the last moment.
struct Overtaken {
    store: Arc<MemoryStore>,
    ends: Mutex<Option<End>>,
}

/// Whose record ends, and before which of its changes.
struct End {
    key: RunKey,
    before: fn(&Command) -> bool,
}

#[async_trait]
impl RunChanger for Overtaken {
    async fn change(&self, request: ChangeRequest) -> Result<Changed, ChangeError> {
        let is_meant = |end: &mut End| end.key == request.key && (end.before)(&request.command);
        let ended = self.ends.lock().unwrap().take_if(is_meant);
        if let Some(End { key, .. }) = ended {
            let by = ChangeContext::new("post_scoring".parse().unwrap(), request.context.at);
            let end = Command::Complete(Completion {
                outcome: Outcome::Failed,
                note: None,
                close_open: false,
            });
            self.store.change(ChangeRequest::new(key, by, end)).await?;
        }
        self.store.change(request).await
    }
}

/// A world with three clients, one of which is ended by somebody else right before a change of it, and their rows.
async fn overtaken(client: &str, before: fn(&Command) -> bool) -> (World, Vec<Value>) {
    let store = Arc::new(MemoryStore::new());
    let key = format!("250925-231841-{client}").parse().unwrap();
    let changer = Arc::new(Overtaken {
        store: store.clone(),
        ends: Mutex::new(Some(End { key, before })),
    });
    let world = World::over(&store, changer, |_| {}).begin().await;
    let record = |client: &str| json!({"fields": {"Run ID": "250925-231841", "Client ID": client}});
    let more = json!({"records": [record("globex"), record("initech")]}).to_string();
    world.post(CLIENTS, &more).await.ok();
    let rows = world.get(CLIENTS).await.ok()["records"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 3);
    (world, rows)
}

fn batch(rows: &[Value], fields: &Value) -> String {
    let record = |row: &Value| json!({"id": row["id"], "fields": fields});
    json!({"records": rows.iter().map(record).collect::<Vec<_>>()}).to_string()
}

#[tokio::test]
async fn a_batch_that_is_overtaken_says_how_much_of_it_was_written_and_can_be_sent_again() {
    let (world, rows) = overtaken("globex", |_| true).await;
    let work = json!({"Total Posts Harvested": 9, "System Notes": "harvested"});
    let refused = world.patch(CLIENTS, &batch(&rows, &work)).await;
    let message = refused.refused(422, "ALREADY_ENDED");
    assert!(message.contains("the first 1 of 3 records were updated"), "{message}");
    let shown = world.listed(CLIENTS, "Total Posts Harvested").await;
    assert_eq!(shown, ["9", "0", "0"]);
    // Nothing is written twice when what is left of it is sent again, with what was written or without.
    let left = [rows[0].clone(), rows[2].clone()];
    for _ in 0..2 {
        world.patch(CLIENTS, &batch(&left, &work)).await.ok();
    }
    assert_eq!(
        world.listed(CLIENTS, "System Notes").await,
        ["harvested", "null", "harvested"]
    );
}

#[tokio::test]
async fn an_end_that_is_overtaken_says_that_the_rest_of_its_request_was_written() {
    let (world, rows) = overtaken("acme", Command::ends_record).await;
    let at = format!("{CLIENTS}/{}", rows[0]["id"].as_str().unwrap());
    let end = r#"{"fields":{"Total Posts Harvested":9,"Status":"Completed"}}"#;
    let message = world.patch(&at, end).await.refused(422, "ALREADY_ENDED");
    assert!(
        message.contains("what this request says beside Status was written") && !message.contains("of 1 records"),
        "{message}"
    );
    let row = world.get(&at).await.ok();
    assert_eq!(
        (&row["fields"]["Total Posts Harvested"], &row["fields"]["Status"]),
        (&json!(9), &json!("Failed"))
    );
}
