//! The names of the older tables' columns, and what each of them is called in the ledger. Both ways.

/// The column of the run id, in both tables.
pub const RUN_ID: &str = "Run ID";
/// The column of the client id.
pub const CLIENT_ID: &str = "Client ID";
/// The column of the client's name.
pub const CLIENT_NAME: &str = "Client Name";
/// The column of the status.
pub const STATUS: &str = "Status";
/// The column of the start; written when the row was created.
pub const START_TIME: &str = "Start Time";
/// The column of the end.
pub const END_TIME: &str = "End Time";
/// The column of the stream number of a job.
pub const STREAM: &str = "Stream";
/// The column of the notes.
pub const SYSTEM_NOTES: &str = "System Notes";
/// The column of what went wrong: appended to the notes.
pub const ERROR_DETAILS: &str = "Error Details";
/// The column that operations appended their lines to: appended to the notes.
pub const PROGRESS_LOG: &str = "Progress Log";
/// The column of the Apify run id: a reference, never a key.
pub const APIFY_RUN_ID: &str = "Apify Run ID";

/// The column of what was said at the end: appended to the notes. No table had it, and older services wrote it.
pub const COMPLETION_NOTES: &str = "Completion Notes";

/// Columns in which older services wrote what the ledger says itself: who did something, when, and how long it took. No
/// table had them.
pub const SAID_BY_THE_LEDGER: [&str; 8] = [
    "Created At",
    "Creation Source",
    "Update Source",
    "Completion Source",
    "Metrics Update Source",
    "Last Updated",
    "Metrics Updated",
    "Duration (seconds)",
];

/// Columns that hold something else than a number, and the ledger's field for each.
pub const FIELDS: [(&str, &str); 9] = [
    (RUN_ID, "run_id"),
    (CLIENT_ID, "client_id"),
    (CLIENT_NAME, "client_name"),
    (STATUS, "status"),
    (START_TIME, "started_at"),
    (END_TIME, "ended_at"),
    (STREAM, "batch"),
    (SYSTEM_NOTES, "note"),
    (APIFY_RUN_ID, "external_ids"),
];

/// Columns of a client's row that hold a number, and the ledger's metric for each.
pub const METRICS: [(&str, &str); 9] = [
    ("Profiles Examined for Scoring", "profiles_examined_for_scoring"),
    ("Profiles Successfully Scored", "profiles_successfully_scored"),
    ("Total Posts Harvested", "total_posts_harvested"),
    ("Posts Examined for Scoring", "posts_examined_for_scoring"),
    ("Posts Successfully Scored", "posts_successfully_scored"),
    ("Profile Scoring Tokens", "profile_scoring_tokens"),
    ("Post Scoring Tokens", "post_scoring_tokens"),
    ("Apify API Costs", "apify_api_costs"),
    (
        "Profiles Submitted for Post Harvesting",
        "profiles_submitted_for_post_harvesting",
    ),
];

/// Columns of a job's row that repeat what the ledger derives from the client run records (I19), and what the derived
/// total is called there. They are never written.
pub const JOB_TOTALS: [(&str, &str); 9] = [
    ("Clients Processed", "clients"),
    ("Clients With Errors", "with_errors"),
    ("Total Profiles Examined", "profiles_examined_for_scoring"),
    ("Successful Profiles", "profiles_successfully_scored"),
    ("Total Posts Harvested", "total_posts_harvested"),
    ("Posts Examined for Scoring", "posts_examined_for_scoring"),
    ("Posts Successfully Scored", "posts_successfully_scored"),
    ("Profile Scoring Tokens", "profile_scoring_tokens"),
    ("Post Scoring Tokens", "post_scoring_tokens"),
];

/// Columns that the older tables computed by formula from others.
pub const FORMULAS: [&str; 6] = [
    "Duration",
    "Success Rate",
    "Profile Success Rate",
    "Profile Scoring Success Rate",
    "Post Scoring Success Rate",
    "Total Tokens Used",
];

/// The ledger's name for a column of a client's row: a field or a metric.
///
/// ```
/// use runledger_legacy::fields::{column, ledger_name};
/// assert_eq!(ledger_name("Apify API Costs"), Some("apify_api_costs"));
/// assert_eq!(column("apify_api_costs"), Some("Apify API Costs"));
/// assert_eq!(ledger_name("Progress Log"), None);
/// ```
pub fn ledger_name(column: &str) -> Option<&'static str> {
    names().find(|(older, _)| *older == column).map(|(_, ledger)| ledger)
}

/// The column that holds a field or a metric of the ledger.
pub fn column(ledger_name: &str) -> Option<&'static str> {
    names()
        .find(|(_, ledger)| *ledger == ledger_name)
        .map(|(older, _)| older)
}

/// Whether the column is one of those that Airtable fills with the time at which a row was created.
pub(crate) fn is_created_column(column: &str) -> bool {
    let word: String = column
        .chars()
        .filter(|c| !matches!(c, ' ' | '_'))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    matches!(word.as_str(), "created" | "createdtime" | "createdat" | "createdon")
}

fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    FIELDS.into_iter().chain(METRICS)
}

#[cfg(test)]
mod tests {
    use runledger_domain::MetricName;

    use super::*;

    #[test]
    fn every_name_leads_there_and_back() {
        for (older, ledger) in names() {
            assert_eq!(ledger_name(older), Some(ledger));
            assert_eq!(column(ledger), Some(older));
        }
    }

    #[test]
    fn metrics_are_metric_names_and_totals_are_sums_of_them() {
        for (_, metric) in METRICS {
            assert_eq!(metric.parse::<MetricName>().unwrap().as_str(), metric);
        }
        for (_, total) in JOB_TOTALS.iter().skip(2) {
            assert!(METRICS.iter().any(|(_, metric)| metric == total), "{total}");
        }
    }

    #[test]
    fn the_columns_for_the_time_of_creation_are_known_in_their_spellings() {
        for name in ["Created", "Created Time", "createdTime", "Created At", "created_time"] {
            assert!(is_created_column(name), "{name}");
        }
        assert!(!is_created_column("Start Time"));
    }
}
