//! The base that the fake begins with: the two tables of the older system, so that a projection can be tried at once.

use crate::schema::{BaseSpec, FieldSpec, TableSpec};
use serde_json::{Value, json};

/// The id of the base.
pub const BASE: &str = "appRunLedgerDemo1";
/// The id of the table of jobs.
pub const JOBS: &str = "tblJobTracking001";
/// The id of the table of client runs.
pub const CLIENT_RUNS: &str = "tblClientRunRes01";

/// Numbers of a client run, and of a job as their sum.
const JOB_NUMBERS: [&str; 10] = [
    "Stream",
    "Clients Processed",
    "Clients With Errors",
    "Total Profiles Examined",
    "Successful Profiles",
    "Total Posts Harvested",
    "Posts Examined for Scoring",
    "Posts Successfully Scored",
    "Profile Scoring Tokens",
    "Post Scoring Tokens",
];
const CLIENT_NUMBERS: [&str; 9] = [
    "Profiles Examined for Scoring",
    "Profiles Successfully Scored",
    "Profile Scoring Tokens",
    "Posts Examined for Scoring",
    "Posts Successfully Scored",
    "Post Scoring Tokens",
    "Profiles Submitted for Post Harvesting",
    "Total Posts Harvested",
    "Apify API Costs",
];
const STATUSES: [&str; 5] = [
    "Running",
    "Completed",
    "Failed",
    "No Leads To Score",
    "Completed with Errors",
];

/// The base, its tables and their fields.
pub fn base() -> BaseSpec {
    let mut jobs = vec![text("Run ID"), status()];
    jobs.extend([
        moment("Start Time"),
        moment("End Time"),
        duration(),
        long("System Notes"),
    ]);
    jobs.extend(JOB_NUMBERS.iter().map(|name| number(name)));
    jobs.push(formula(
        "Total Tokens Used",
        "{Profile Scoring Tokens} + {Post Scoring Tokens}",
    ));
    jobs.push(formula(
        "Profile Success Rate",
        "IF({Total Profiles Examined}, {Successful Profiles} / {Total Profiles Examined})",
    ));
    jobs.push(text("Last Analyzed Log ID"));
    jobs.push(field("Seq", "autoNumber", None));
    let mut clients = vec![text("Run ID"), text("Client ID"), text("Client Name"), status()];
    clients.extend([moment("Start Time"), moment("End Time"), duration()]);
    clients.extend([
        text("Apify Run ID"),
        long("System Notes"),
        long("Error Details"),
        long("Progress Log"),
    ]);
    clients.extend(CLIENT_NUMBERS.iter().map(|name| number(name)));
    clients.push(formula(
        "Total Tokens Used",
        "{Profile Scoring Tokens} + {Post Scoring Tokens}",
    ));
    clients.push(formula(
        "Profile Scoring Success Rate",
        "IF({Profiles Examined for Scoring}, {Profiles Successfully Scored} / {Profiles Examined for Scoring})",
    ));
    clients.push(field("Seq", "autoNumber", None));
    BaseSpec {
        id: Some(BASE.into()),
        name: "Master Clients".into(),
        tables: vec![
            table(JOBS, "Job Tracking", jobs),
            table(CLIENT_RUNS, "Client Run Results", clients),
        ],
    }
}

fn table(id: &str, name: &str, fields: Vec<FieldSpec>) -> TableSpec {
    TableSpec {
        id: Some(id.into()),
        name: name.into(),
        description: None,
        fields,
    }
}

fn field(name: &str, kind: &str, options: Option<Value>) -> FieldSpec {
    FieldSpec {
        id: None,
        name: name.into(),
        kind: kind.into(),
        options,
        description: None,
    }
}

fn text(name: &str) -> FieldSpec {
    field(name, "singleLineText", None)
}

fn long(name: &str) -> FieldSpec {
    field(name, "multilineText", None)
}

fn number(name: &str) -> FieldSpec {
    let precision = if name == "Apify API Costs" { 2 } else { 0 };
    field(name, "number", Some(json!({ "precision": precision })))
}

fn moment(name: &str) -> FieldSpec {
    field(name, "dateTime", None)
}

fn formula(name: &str, formula: &str) -> FieldSpec {
    field(name, "formula", Some(json!({ "formula": formula })))
}

fn duration() -> FieldSpec {
    formula(
        "Duration",
        "IF(AND({Start Time}, {End Time}), DATETIME_DIFF({End Time}, {Start Time}, 'minutes'))",
    )
}

fn status() -> FieldSpec {
    let choices = STATUSES.map(|name| json!({ "name": name }));
    field("Status", "singleSelect", Some(json!({ "choices": choices })))
}
