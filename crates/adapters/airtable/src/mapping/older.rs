//! The tables of the older system: what their fields are called, and which of them came and went.

use super::data::{FieldMap, Mapping, StatusWords};
use super::source::LedgerField;
use runledger_domain::RecordKind;

/// Fields of a job's row. Its run id is its key; all but that and the status were missing at some time.
const JOB: &[(&str, &str)] = &[
    ("started_at", "Start Time"),
    ("ended_at", "End Time"),
    ("batch", "Stream"),
    ("notes", "System Notes"),
    ("total:clients", "Clients Processed"),
    ("total:with_errors", "Clients With Errors"),
    ("total:profiles_examined_for_scoring", "Total Profiles Examined"),
    ("total:profiles_successfully_scored", "Successful Profiles"),
    ("total:total_posts_harvested", "Total Posts Harvested"),
    ("total:posts_examined_for_scoring", "Posts Examined for Scoring"),
    ("total:posts_successfully_scored", "Posts Successfully Scored"),
    ("total:profile_scoring_tokens", "Profile Scoring Tokens"),
    ("total:post_scoring_tokens", "Post Scoring Tokens"),
];

/// Fields of a client's row.
const CLIENT: &[(&str, &str)] = &[
    ("client_name", "Client Name"),
    ("status", "Status"),
    ("started_at", "Start Time"),
    ("ended_at", "End Time"),
    ("notes", "System Notes"),
    ("progress_log", "Progress Log"),
    ("external_id:apify", "Apify Run ID"),
    ("metric:profiles_examined_for_scoring", "Profiles Examined for Scoring"),
    ("metric:profiles_successfully_scored", "Profiles Successfully Scored"),
    ("metric:profile_scoring_tokens", "Profile Scoring Tokens"),
    ("metric:posts_examined_for_scoring", "Posts Examined for Scoring"),
    ("metric:posts_successfully_scored", "Posts Successfully Scored"),
    ("metric:post_scoring_tokens", "Post Scoring Tokens"),
    (
        "metric:profiles_submitted_for_post_harvesting",
        "Profiles Submitted for Post Harvesting",
    ),
    ("metric:total_posts_harvested", "Total Posts Harvested"),
    ("metric:apify_api_costs", "Apify API Costs"),
];

pub(super) fn mapping(kind: RecordKind) -> Mapping {
    let (table, mut fields, rest) = match kind {
        RecordKind::Job => (
            "Job Tracking",
            vec![
                key(LedgerField::Key, "Run ID"),
                FieldMap {
                    from: LedgerField::Status,
                    to: "Status".into(),
                    key: false,
                    optional: false,
                },
            ],
            JOB,
        ),
        RecordKind::Client => (
            "Client Run Results",
            vec![key(LedgerField::Key, "Run ID"), key(LedgerField::ClientId, "Client ID")],
            CLIENT,
        ),
    };
    // The words of the tables above are all known; a test says so.
    let known = rest.iter().filter_map(|(from, to)| Some((from.parse().ok()?, *to)));
    fields.extend(known.map(|(from, to)| FieldMap {
        from,
        to: to.to_owned(),
        key: false,
        optional: true,
    }));
    Mapping {
        table: table.into(),
        fields,
        statuses: StatusWords::default(),
    }
}

fn key(from: LedgerField, to: &str) -> FieldMap {
    FieldMap {
        from,
        to: to.into(),
        key: true,
        optional: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_older_tables_is_known() {
        assert_eq!(mapping(RecordKind::Job).fields.len(), JOB.len() + 2);
        assert_eq!(mapping(RecordKind::Client).fields.len(), CLIENT.len() + 2);
    }
}
