//! Every metric with its name, its kind and its help, once.

use super::text::{Kind, Metric};

macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:ident, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub(super) const $constant: Metric = Metric { name: $name, kind: Kind::$kind, help: $help };
        )*
    };
}

metrics! {
    BUILD_INFO = "runledger_build_info", Gauge,
        "Always 1; the version of the server is a label.";
    CREATES = "runledger_creates_total", Counter,
        "Creations of records that were asked for, by source, outcome and reason.";
    CHANGES = "runledger_changes_total", Counter,
        "Changes of records that were asked for, by source, outcome and reason.";
    TOKEN_CHANGES = "runledger_token_changes_total", Counter,
        "Tokens made and ended, and refused attempts to, by source, outcome and reason.";
    WEBHOOK_CHANGES = "runledger_webhook_changes_total", Counter,
        "Webhooks enabled and tried, and refused attempts to, by source, outcome and reason.";
    IMPLICIT_CREATIONS = "runledger_attempted_implicit_creations_total", Counter,
        "Changes of records that do not exist. Nothing was created.";
    TURNED_AWAY = "runledger_requests_turned_away_total", Counter,
        "Requests that nobody looked at further, by reason: no token that counts, or too many requests.";
    READS = "runledger_reads_total", Counter,
        "Reads of records, lists and summaries.";
    WRITES_UNDER_WAY = "runledger_writes_under_way", Gauge,
        "Creations and changes that the store is at.";
    WRITES_WAITING = "runledger_writes_waiting", Gauge,
        "Creations and changes that wait for their turn.";
    REGISTRY_HITS = "runledger_registry_hits_total", Counter,
        "Reads of a record that were answered from memory.";
    REGISTRY_MISSES = "runledger_registry_misses_total", Counter,
        "Reads of a record that went to the store.";
    REGISTRY_RECORDS = "runledger_registry_records", Gauge,
        "Records that are remembered.";
    SPANS = "runledger_spans_total", Counter,
        "Spans of requests for the collector, by outcome: sent, dropped because too many waited, or lost on the way.";
    SWEEPER_PASSES = "runledger_sweeper_passes_total", Counter,
        "Passes over the stalled records, by whether they came to their end.";
    SWEEPER_LOST = "runledger_sweeper_lost_total", Counter,
        "Records that were closed as lost.";
    SWEEPER_FAILURES = "runledger_sweeper_failures_total", Counter,
        "Records that were due and could not be closed.";
    SWEEPER_LAST_PASS = "runledger_sweeper_last_pass_timestamp_seconds", Gauge,
        "When the last pass came to its end, in seconds since 1970; 0 before the first.";
    DUTY_HELD = "runledger_duty_held", Gauge,
        "Whether this server does a duty now: 1 or 0.";
    DUTIES_TAKEN = "runledger_duty_taken_total", Counter,
        "How often this server took a duty.";
    DUTIES_LOST = "runledger_duty_lost_total", Counter,
        "How often this server lost a duty to another one, or could not keep it in time.";
    STORE_READABLE = "runledger_store_readable", Gauge,
        "Whether the store could be read for these metrics: 1 or 0.";
    RECORDS = "runledger_records", Gauge,
        "Records in the ledger, by status.";
    RECORDS_STALLED = "runledger_records_stalled", Gauge,
        "Open records whose deadline has passed; 10000 says: as many, or more.";
    ACTIVITY_LINES = "runledger_activity_lines", Gauge,
        "Lines of the activity log.";
    STORE_STOPPED = "runledger_store_stopped", Gauge,
        "Whether the store has stopped taking writes: 1 or 0.";
    STORE_QUEUE = "runledger_store_queue", Gauge,
        "Operations that wait for the writer.";
    STORE_QUEUE_MAX = "runledger_store_queue_max", Gauge,
        "How many operations may wait for the writer; beyond it the ledger is busy.";
    STORE_LINES_WAITING = "runledger_store_lines_waiting", Gauge,
        "Lines of attempts without an effect that wait to be written with others.";
    STORE_GROUP_SIZE = "runledger_store_group_size", Histogram,
        "Operations in one commit.";
    STORE_COMMIT_DURATION = "runledger_store_commit_duration_seconds", Histogram,
        "How long a group took from its beginning until it was safe on disk.";
    STORE_COMMITS_FAILED = "runledger_store_commits_failed_total", Counter,
        "Groups that were rolled back, or whose commit failed.";
    STORE_BYTES = "runledger_store_bytes", Gauge,
        "Size of the database and its log file.";
    STORE_FREE_BYTES = "runledger_store_free_bytes", Gauge,
        "What the file system of the data directory can still take.";
    WEBHOOK_DELIVERIES = "runledger_webhook_deliveries_total", Counter,
        "Tries to deliver a line to a webhook, by webhook and outcome.";
    WEBHOOK_POSITION = "runledger_webhook_position", Gauge,
        "The line of the log up to which a webhook got what it wants, as noted.";
    WEBHOOK_FAILURES = "runledger_webhook_failures", Gauge,
        "Tries that failed since the last one that did not, by webhook.";
    WEBHOOK_DISABLED = "runledger_webhook_disabled", Gauge,
        "Whether a webhook was disabled: 1 or 0.";
    PROJECTION_CHANGES = "runledger_projection_changes_total", Counter,
        "Rows elsewhere, or all of them, let go on, and refused attempts to, by source, outcome and reason.";
    PROJECTION_STOPPED = "runledger_projection_stopped", Gauge,
        "Whether nothing is shown elsewhere until somebody acts or a time comes: 1 or 0.";
    PROJECTION_LAG = "runledger_projection_lag_lines", Gauge,
        "Lines of the log that were not looked at for what they show elsewhere.";
    PROJECTION_LATE = "runledger_projection_late_seconds", Gauge,
        "For how long the row elsewhere that has waited longest has been due.";
    PROJECTION_ROWS = "runledger_projection_rows", Gauge,
        "Rows elsewhere that lack something, by what is being done about them.";
    PROJECTION_REQUESTS = "runledger_projection_requests_total", Counter,
        "Requests that this server sent elsewhere.";
    PROJECTION_TOO_MANY = "runledger_projection_too_many_requests_total", Counter,
        "Requests of this server that were refused elsewhere because there were too many.";
    PROJECTION_WRITTEN = "runledger_projection_written_total", Counter,
        "Rows elsewhere that this server sent or was about to, by what came of them.";
    GATEWAY_REQUESTS = "runledger_gateway_requests_total", Counter,
        "Requests to the gateway that were answered, by what they do, outcome and reason.";
    GATEWAY_DURATION = "runledger_gateway_request_duration_seconds", Histogram,
        "How long requests to the gateway took until they were answered, by what they do.";
    PROCESS_RESIDENT_MEMORY = "process_resident_memory_bytes", Gauge,
        "Resident memory of the server.";
    PROCESS_OPEN_FDS = "process_open_fds", Gauge,
        "Open files and connections of the server.";
    PROCESS_MAX_FDS = "process_max_fds", Gauge,
        "How many files and connections the server may have open.";
    PROCESS_START_TIME = "process_start_time_seconds", Gauge,
        "When the server started, in seconds since 1970.";
}
