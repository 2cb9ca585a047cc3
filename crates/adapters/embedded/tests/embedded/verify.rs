//! The check of a ledger finds what somebody did to the file behind its back; and the file itself keeps the worst off.

use std::time::Duration;

use runledger_domain::{
    ChangeContext, Command, Completion, CreationIntent, CreationPermit, CreationPolicy, Outcome, RunKey, Source,
    Timestamp,
};
use runledger_embedded::{DATABASE_FILE, EmbeddedOptions, EmbeddedStore, VerifyReport};
use runledger_ports::{
    ChangeRequest, DeliveryState, DeliveryStore as _, Duty, LeaseStore as _, RunChanger, RunCreator, Taken, WebhookName,
};
use rusqlite::Connection;
use tempfile::TempDir;

#[expect(clippy::disallowed_methods, reason = "the test stands in for the creation point")]
pub(crate) fn permit(key: &str) -> CreationPermit {
    let intent = CreationIntent::new(
        key.parse().unwrap(),
        "orchestrator".parse().unwrap(),
        "attempt-1".parse().unwrap(),
        Timestamp::EPOCH,
    );
    CreationPolicy::default().authorise(intent).unwrap()
}

async fn ledger() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), EmbeddedOptions::default()).unwrap();
    for key in ["250925-231841", "250925-231841-acme", "250925-231841-Guy-Wilson"] {
        let _ = store.create(vec![permit(key)]).await.unwrap();
    }
    let key: RunKey = "250925-231841-acme".parse().unwrap();
    let context = ChangeContext::new("batch_process".parse().unwrap(), Timestamp::EPOCH);
    let command = Command::Complete(Completion {
        outcome: Outcome::Succeeded,
        note: None,
        close_open: false,
    });
    let _ = store.change(ChangeRequest::new(key, context, command)).await.unwrap();
    let (billing, operator): (WebhookName, Source) = ("billing".parse().unwrap(), "operator".parse().unwrap());
    let disabled = DeliveryState {
        disabled_at: Some(Timestamp::EPOCH),
        ..DeliveryState::default()
    };
    let hour = Duration::from_hours(1);
    let taken = store.take_lease(&Duty::Deliver(billing.clone()), &operator, hour).await;
    let Ok(Taken::Held(fence)) = taken else {
        panic!("{taken:?}")
    };
    store.keep_delivery(&fence, &billing, disabled).await.unwrap();
    let enabled = store.enable_delivery(&billing, &operator, Timestamp::EPOCH).await;
    assert!(enabled.unwrap().is_some());
    let _taken = store.take_lease(&Duty::Sweep, &operator, hour).await.unwrap();
    assert!(store.verify().await.unwrap().is_clean());
    store.close();
    directory
}

/// Does something to the file with the triggers out of the way, and checks it.
async fn after(tamper: &str) -> VerifyReport {
    let directory = ledger().await;
    let connection = Connection::open(directory.path().join(DATABASE_FILE)).unwrap();
    let triggers: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for trigger in triggers {
        connection.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    connection.execute_batch(tamper).unwrap();
    drop(connection);
    EmbeddedStore::open_read_only(directory.path())
        .unwrap()
        .verify()
        .await
        .unwrap()
}

#[tokio::test]
async fn what_was_done_behind_the_ledgers_back_is_found() {
    let cases = [
        ("DELETE FROM run WHERE client_id = 'acme'", "not there"),
        ("DELETE FROM activity WHERE seq = 2", "lines are missing"),
        (
            "UPDATE activity SET source = 'somebody' WHERE seq = 2",
            "one of the two was changed",
        ),
        (
            "UPDATE activity SET detail = 'x' WHERE seq = 4",
            "one of the two was changed",
        ),
        (
            "UPDATE run SET version = 7 WHERE client_id = 'acme'",
            "columns and its body differ",
        ),
        (
            "UPDATE run SET status = 4 WHERE client_id = 'acme'",
            "columns and its body differ",
        ),
        ("UPDATE run SET body = '{}' WHERE client_id = 'acme'", "cannot be read"),
        (
            "UPDATE run SET client_id = 'other' WHERE client_id = 'acme'",
            "holds the record",
        ),
        (
            "INSERT INTO run SELECT 99, 'smuggled', '', status, version, deadline, batch, body FROM run WHERE id = 1",
            "0 create lines",
        ),
        (
            "INSERT INTO reference VALUES('apify', 'x', 77)",
            "a reference of a record that is not there",
        ),
        (
            "INSERT INTO outbox_entry(run, is_client, wanted, due, shown, step, failures) VALUES(77, 0, 1, 0, 0, 0, 0)",
            "the rows of a record that is not there",
        ),
        (
            "UPDATE tally SET records = 5 WHERE status = 1",
            "is kept as 5, but there are 2",
        ),
        ("DELETE FROM tally WHERE status = 2", "is kept as 0, but there are 1"),
        (
            "UPDATE client_load SET records = 3 WHERE client_id = 'Guy-Wilson'",
            "is kept as 3 open records with 0 notes, but there are 1 with 0",
        ),
        (
            "UPDATE client_load SET notes = 2 WHERE client_id = 'Guy-Wilson'",
            "with 2 notes, but there are 1 with 0",
        ),
        ("DELETE FROM client_load", "is kept as 0 open records"),
        ("INSERT INTO token VALUES('777777777777', '{}')", "lines of making one"),
    ];
    for (tamper, expected) in cases {
        let report = after(tamper).await;
        assert!(
            report.findings.iter().any(|f| f.problem.contains(expected)),
            "{tamper}: {:?}",
            report.findings
        );
    }
}

#[tokio::test]
async fn the_file_itself_refuses_to_break_the_invariants() {
    let directory = ledger().await;
    let connection = Connection::open(directory.path().join(DATABASE_FILE)).unwrap();
    let statements = [
        ("DELETE FROM run", "never deleted"),
        ("UPDATE run SET run_id = 'x', version = version + 1", "never changes"),
        (
            "UPDATE run SET status = 1, version = version + 1 WHERE client_id = 'acme'",
            "ended record never changes",
        ),
        (
            "UPDATE run SET version = version + 2 WHERE client_id = ''",
            "grows by one",
        ),
        ("DELETE FROM lease", "never forgotten"),
        ("UPDATE lease SET holder = 'x'", "greater than all before it"),
        ("DELETE FROM activity", "only grows"),
        ("UPDATE activity SET source = 'x'", "only grows"),
        (
            "INSERT INTO run SELECT 99, run_id, client_id, status, version, deadline, batch, body FROM run",
            "UNIQUE",
        ),
    ];
    for (statement, expected) in statements {
        let refused = connection.execute(statement, []).unwrap_err().to_string();
        assert!(refused.contains(expected), "{statement}: {refused}");
    }
}
