//! The tables where records are shown: checked, compared page by page, surplus rows deleted; and every way in which that is
//! refused.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use runledger_app::system::RandomIds;
use runledger_app::{Duties, Ledger, PlanLimits, Ports, ReconcilePorts, Reconciler, Registry};
use runledger_domain::{CreationPolicy, JobSummary, RecordKind, RunKey, RunRecord};
use runledger_http::{Options, router};
use runledger_memory::MemoryStore;
use runledger_ports::{
    CellDifference, Cells, Duty, Fence, FoundRow, LeaseStore as _, ListRowsError, ListedRow, Mark, NotDone,
    OutboxStore as _, Prepared, ProjectionTarget, RemoveOutcome, RowId, RowState, RowsPage, RowsPlace, Severity,
    SurveyTarget, Taken, TargetFigures, TargetFinding, Unshowable, WriteOutcome,
};
use serde_json::{Value, json};

use crate::support::{ORCHESTRATOR, World};

/// Tables whose rows are as the test wants them, and that answer nothing when it wants that.
#[derive(Default)]
pub(crate) struct Tables {
    rows: Mutex<Vec<(RunKey, RowId, String)>>,
    trouble: Mutex<Option<NotDone>>,
}

impl Tables {
    pub(crate) fn fail(&self, trouble: Option<NotDone>) {
        *self.trouble.lock().unwrap() = trouble;
    }

    fn put(&self, key: &str, row: &str, text: &str) {
        let row = (key.parse().unwrap(), row.parse().unwrap(), text.to_owned());
        self.rows.lock().unwrap().push(row);
    }

    fn answer(&self) -> Result<(), NotDone> {
        self.trouble.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn listed(&self, kind: RecordKind, wanted: impl Fn(&RunKey) -> bool) -> Vec<ListedRow> {
        let rows = self.rows.lock().unwrap();
        let rows = rows.iter().filter(|(key, ..)| key.kind() == kind && wanted(key));
        rows.map(|(key, id, text)| ListedRow {
            id: id.clone(),
            key: if text == "unreadable" {
                Err("it is blurred".into())
            } else {
                Ok(key.clone())
            },
            known_by: key.to_string(),
            made_at: Some("2025-09-25T23:18:41Z".parse().unwrap()),
            cells: cells(text),
        })
        .collect()
    }
}

fn cells(text: &str) -> Cells {
    let mut digest = [0; 32];
    digest[..text.len().min(32)].copy_from_slice(&text.as_bytes()[..text.len().min(32)]);
    Cells {
        text: json!({ "fldA": text }).to_string(),
        digest,
    }
}

#[async_trait]
impl ProjectionTarget for Tables {
    fn groups(&self) -> Vec<Vec<RecordKind>> {
        vec![vec![RecordKind::Job, RecordKind::Client]]
    }

    fn rows_max(&self) -> usize {
        10
    }

    async fn prepare(&self) -> Result<Prepared, NotDone> {
        self.answer()?;
        Ok(Prepared {
            target: "tables".into(),
            is_changed: false,
            notes: Vec::new(),
        })
    }

    fn shows_totals(&self) -> bool {
        false
    }

    fn render(&self, record: &RunRecord, _: Option<&JobSummary>) -> Result<Cells, Unshowable> {
        Ok(cells(&record.status().to_string()))
    }

    async fn ready(&self, _: RecordKind) {}

    async fn has_rows(&self, _: RecordKind) -> Result<bool, NotDone> {
        self.answer().map(|()| false)
    }

    async fn look_up(&self, _: RecordKind, _: &[Arc<RunRecord>]) -> Result<Vec<(RunKey, FoundRow)>, NotDone> {
        self.answer().map(|()| Vec::new())
    }

    async fn make_rows(&self, _: RecordKind, _: Vec<(RunKey, Cells)>) -> WriteOutcome {
        panic!("nothing here makes a row")
    }

    async fn change_rows(&self, _: RecordKind, _: Vec<(RunKey, RowId, Cells)>) -> WriteOutcome {
        panic!("nothing here changes a row")
    }

    fn figures(&self) -> TargetFigures {
        TargetFigures::default()
    }
}

#[async_trait]
impl SurveyTarget for Tables {
    async fn check(&self) -> Vec<TargetFinding> {
        vec![TargetFinding {
            severity: Severity::Informs,
            code: "write_not_tried",
            what: "it was not tried".into(),
            remedy: "try it".into(),
        }]
    }

    async fn list_rows(&self, kind: RecordKind, _: Option<&RowsPlace>) -> Result<RowsPage, ListRowsError> {
        self.answer()?;
        Ok(RowsPage {
            rows: self.listed(kind, |_| true),
            next: None,
        })
    }

    async fn rows_of(&self, kind: RecordKind, records: &[Arc<RunRecord>]) -> Result<Vec<ListedRow>, NotDone> {
        self.answer()?;
        Ok(self.listed(kind, |key| records.iter().any(|record| record.key() == key)))
    }

    fn differences(&self, _: RecordKind, cells: &Cells, row: &Cells) -> Vec<CellDifference> {
        vec![CellDifference {
            field: "Status".into(),
            ledger: cells.text.clone(),
            row: row.text.clone(),
        }]
    }

    async fn remove_rows(&self, _: RecordKind, rows: &[RowId]) -> RemoveOutcome {
        self.rows.lock().unwrap().retain(|(_, id, _)| !rows.contains(id));
        RemoveOutcome::Done
    }

    async fn rows_there(&self, _: RecordKind, rows: &[RowId]) -> Result<Vec<RowId>, NotDone> {
        Ok(rows.to_vec())
    }
}

/// A ledger that is shown in these tables; what each row shows is known.
pub(crate) struct Shown {
    pub(crate) world: World,
    pub(crate) tables: Arc<Tables>,
    store: Arc<MemoryStore>,
    fence: Fence,
}

impl Shown {
    pub(crate) async fn new(limits: PlanLimits) -> Self {
        let (store, tables) = (Arc::new(MemoryStore::new()), Arc::new(Tables::default()));
        let clock = World::clock();
        let ports = Ports::of(&store, clock.clone(), Arc::new(RandomIds::new().unwrap()));
        let ledger = Arc::new(Ledger::new(
            ports,
            CreationPolicy::default(),
            Registry::new(1_000, true),
        ));
        let ports = ReconcilePorts {
            outbox: store.clone(),
            leases: store.clone(),
            duties: Arc::new(Duties::new(store.clone())),
            holder: "server_1".parse().unwrap(),
            target: tables.clone(),
        };
        let options = Options {
            reconciler: Some(Arc::new(Reconciler::new(&ledger, ports, limits))),
            ..Options::default()
        };
        let hour = Duration::from_hours(1);
        let taken = store
            .take_lease(&Duty::Project, &"server_2".parse().unwrap(), hour)
            .await;
        let Ok(Taken::Held(fence)) = taken else {
            panic!("{taken:?}")
        };
        Self {
            world: World {
                router: router(ledger, options),
                clock,
            },
            tables,
            store,
            fence,
        }
    }

    pub(crate) async fn begin(&self) {
        self.store.begin_outbox(&self.fence, "tables", 0).await.unwrap();
        let keys: Vec<RunKey> = self
            .world
            .records()
            .await
            .iter()
            .map(|key| key.split(' ').next().unwrap().parse().unwrap())
            .collect();
        let line = u64::try_from(self.world.lines().await.len()).unwrap();
        let at = "2025-09-25T23:18:41Z".parse().unwrap();
        let marks = keys.iter().map(|key| Mark {
            key: key.clone(),
            line,
            due: at,
        });
        self.store
            .mark_outbox(&self.fence, line, marks.collect())
            .await
            .unwrap();
        let rows = keys.iter().map(|key| {
            let state = RowState {
                shown: line,
                ..RowState::default()
            };
            (key.clone(), at, state)
        });
        self.store.keep_rows(&self.fence, rows.collect()).await.unwrap();
    }

    /// A record with two rows.
    pub(crate) async fn surplus(&self) {
        self.world.run("r1", &[]).await;
        self.tables.put("r1", "rec1", "running");
        self.tables.put("r1", "rec2", "running");
    }

    async fn give_up(&self) {
        self.store.end_lease(&self.fence).await.unwrap();
    }

    async fn sweep(&self, body: &str) -> (Vec<Value>, Value) {
        let begun = self
            .world
            .post("/v1/airtable/reconciliations", body)
            .await
            .check(201, "");
        let id = begun.json["id"].as_str().unwrap().to_owned();
        let (mut found, mut page) = (Vec::new(), 1);
        loop {
            let path = format!("/v1/airtable/reconciliations/{id}/pages/{page}");
            let answer = self.world.post(&path, "").await.check(200, "");
            found.extend(answer.json["found"].as_array().unwrap().clone());
            match answer.json["next"].as_u64() {
                Some(next) => page = next,
                None => return (found, answer.json["counts"].clone()),
            }
        }
    }
}

async fn shown() -> Shown {
    let shown = Shown::new(PlanLimits::default()).await;
    shown.world.run("r1", &["a", "b", "c"]).await;
    shown.tables.put("r1", "rec1", "running");
    shown.tables.put("r1/a", "rec2", "failed");
    shown.tables.put("r1/b", "rec3", "running");
    shown.tables.put("r1/b", "rec4", "running");
    shown.tables.put("r9/x", "rec5", "unreadable");
    shown.begin().await;
    shown
}

#[tokio::test]
async fn a_comparison_is_asked_for_page_by_page_and_says_all_that_differs() {
    let shown = shown().await;
    let (found, counts) = shown.sweep("").await;
    let expected = json!([
        { "what": "drifted", "kind": "client", "run_id": "r1", "client_id": "a", "rows": ["rec2"], "known_by": null, "why": null,
          "cells": [{ "field": "Status", "ledger": r#"{"fldA":"running"}"#, "row": r#"{"fldA":"failed"}"# }] },
        { "what": "missing", "kind": "client", "run_id": "r1", "client_id": "c", "rows": [], "cells": [], "known_by": null, "why": null },
        { "what": "duplicated", "kind": "client", "run_id": "r1", "client_id": "b", "rows": ["rec3", "rec4"], "cells": [],
          "known_by": null, "why": null },
        { "what": "extra", "kind": "client", "run_id": null, "client_id": null, "rows": ["rec5"], "cells": [],
          "known_by": "r9/x", "why": "it is blurred" },
    ]);
    assert_eq!(json!(found), expected);
    assert_eq!(counts["in_step"], 1);
    assert_eq!(counts["repairs"], 0);
    let lines = shown.world.lines().await.len();
    let (_, counts) = shown.sweep(r#"{"apply":true}"#).await;
    assert_eq!(counts["repairs"], 2);
    let lines = shown.world.lines().await.split_off(lines);
    let told: Vec<_> = lines
        .iter()
        .map(|line| (&line["action"], &line["source"], &line["client_id"], &line["outcome"]))
        .collect();
    let (action, source, outcome) = (json!("repair_row"), json!("orchestrator"), json!("unchanged"));
    let (a, c) = (json!("a"), json!("c"));
    assert_eq!(
        told,
        [(&action, &source, &a, &outcome), (&action, &source, &c, &outcome)]
    );
}

#[tokio::test]
async fn surplus_rows_go_and_their_copies_are_listed() {
    let shown = shown().await;
    let remove = "/v1/airtable/copies/remove";
    let body = |dry: bool| json!({ "records": [{ "run_id": "r1", "client_id": "b" }], "dry_run": dry }).to_string();
    let tried = shown.world.post(remove, &body(true)).await.check(200, "");
    let copy = |row: &str| json!({ "row": row, "created_time": "2025-09-25T23:18:41.000Z" });
    let expected = json!({ "run_id": "r1", "client_id": "b", "kept": copy("rec3"), "surplus": [copy("rec4")],
        "state": "would_remove", "why": null, "in_doubt": [] });
    assert_eq!(tried.json["records"], json!([expected]));
    shown
        .world
        .post(remove, &body(false))
        .await
        .check(409, "airtable_elsewhere");
    shown.give_up().await;
    shown
        .world
        .post(remove, &body(false))
        .await
        .check(200, "")
        .has("/records/0/state", "removed");
    shown
        .world
        .post(remove, &body(false))
        .await
        .check(200, "")
        .has("/records/0/state", "none");
    let removed = shown.world.get("/v1/airtable/removed").await.check(200, "");
    let expected = json!({ "run_id": "r1", "client_id": "b", "row": "rec4", "at": "2025-09-25T23:18:41.000Z",
        "by": "orchestrator", "cells": { "fldA": "running" } });
    assert_eq!(removed.json, json!({ "removed": [expected], "next": null }));
    let paged = shown.world.get("/v1/airtable/removed?limit=1").await.check(200, "");
    assert_eq!(paged.json["next"], 1);
    let rest = shown
        .world
        .get("/v1/airtable/removed?after=1&limit=1")
        .await
        .check(200, "");
    assert_eq!(rest.json, json!({ "removed": [], "next": null }));
    for (body, field) in [
        ("{}", "records"),
        (r#"{"records":[{}]}"#, "records[0].run_id"),
        (
            r#"{"records":[{"run_id":"r1"},{"run_id":"undefined"}]}"#,
            "records[1].run_id",
        ),
        (
            r#"{"records":[{"run_id":"r1","client_id":"a b"}]}"#,
            "records[0].client_id",
        ),
    ] {
        let answer = shown.world.post(remove, body).await;
        assert_eq!(
            (answer.status, &answer.json["field"]),
            (422, &json!(field)),
            "{body}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_check_says_what_was_found_and_what_the_plan_does_not_allow_for() {
    for (limits, codes) in [
        (PlanLimits::default(), vec!["write_not_tried"]),
        (
            PlanLimits {
                rows: Some(3),
                monthly_requests: Some(1),
            },
            vec!["rows_beyond_plan", "write_not_tried"],
        ),
        (
            PlanLimits {
                rows: Some(4),
                monthly_requests: None,
            },
            vec!["rows_near_plan", "write_not_tried"],
        ),
        (
            PlanLimits {
                rows: Some(5),
                monthly_requests: Some(0),
            },
            vec!["requests_beyond_plan", "write_not_tried"],
        ),
        (
            PlanLimits {
                rows: Some(6),
                monthly_requests: Some(1),
            },
            vec!["write_not_tried"],
        ),
    ] {
        let shown = Shown::new(limits).await;
        shown.world.run("r1", &["a", "b", "c"]).await;
        let found = shown.world.get("/v1/airtable/check").await.check(200, "");
        let findings = found.json["findings"].as_array().unwrap();
        let found: Vec<_> = findings
            .iter()
            .map(|finding| finding["code"].as_str().unwrap())
            .collect();
        assert_eq!(found, codes, "{limits:?}");
        assert!(findings.iter().all(|finding| finding["remedy"] != ""));
    }
}

#[tokio::test]
async fn what_cannot_be_compared_is_refused_by_name() {
    let later = || NotDone::Later {
        why: "it was cut".into(),
    };
    let shown = Shown::new(PlanLimits::default()).await;
    let begin = "/v1/airtable/reconciliations";
    shown.world.post(begin, "").await.check(409, "airtable_not_begun");
    shown.begin().await;
    shown.tables.fail(Some(later()));
    shown.world.post(begin, "").await.check(503, "airtable_unavailable");
    shown.tables.fail(None);
    let id = shown.world.post(begin, "").await.check(201, "").json["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let page = |page: &str| format!("{begin}/{id}/pages/{page}");
    shown.tables.fail(Some(later()));
    shown
        .world
        .post(&page("1"), "")
        .await
        .check(503, "airtable_unavailable");
    shown.tables.fail(None);
    shown.world.post(&page("1"), "").await.check(200, "");
    for wrong in ["0", "3", "x", "-1"] {
        shown
            .world
            .post(&page(wrong), "")
            .await
            .check(422, "value_invalid")
            .has("/field", "page");
    }
    let refused = shown
        .world
        .refused(422, "unknown_field", "POST", begin, &ORCHESTRATOR, r#"{"aply":true}"#);
    refused.await;
    let nowhere = format!("{begin}/1-1/pages/1");
    shown
        .world
        .post(&nowhere, "")
        .await
        .check(404, "reconciliation_not_found");
    let elsewhere = World::new();
    for (method, path) in [
        ("POST", begin),
        ("POST", nowhere.as_str()),
        ("GET", "/v1/airtable/check"),
        ("GET", "/v1/airtable/removed"),
    ] {
        let headers: &[_] = if method == "POST" { &ORCHESTRATOR } else { &[] };
        elsewhere
            .send(method, path, headers, "")
            .await
            .check(404, "projection_absent");
    }
}
