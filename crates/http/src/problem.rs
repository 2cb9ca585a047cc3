//! The one table of problems: each code with its status, its title and what to do. Nothing else in this crate decides
//! a status for an error. The codes of the domain's refusals stand here as they are; its errors know no status.

use std::fmt::Write as _;

use axum::http::StatusCode;

/// One kind of problem.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The stable word for programs; also the end of its `type`.
    pub(crate) code: &'static str,
    /// The status that it is answered with.
    pub(crate) status: StatusCode,
    /// What it is, in general.
    pub(crate) title: &'static str,
    /// What was not done, and what to do.
    pub(crate) advice: &'static str,
}

macro_rules! kinds {
    ($($name:ident = $code:literal, $status:ident, $title:literal, $advice:literal;)*) => {
        $(
            #[doc = $title]
            pub(crate) static $name: Kind =
                Kind { code: $code, status: StatusCode::$status, title: $title, advice: $advice };
        )*
        /// Every kind of problem, by status.
        pub(crate) static KINDS: &[&Kind] = &[$(&$name),*];
    };
}

kinds! {
    // 400: not understood as HTTP or JSON.
    BODY_NOT_JSON = "body_not_json", BAD_REQUEST, "The body is not JSON",
        "Nothing was done. Send one JSON object in UTF-8.";
    BODY_UNREADABLE = "body_unreadable", BAD_REQUEST, "The body did not arrive",
        "Nothing was done. The connection broke while the body was read; send the request again.";
    PATH_INVALID = "path_invalid", BAD_REQUEST, "The path cannot be decoded",
        "Nothing was done. Percent-encode the parts of the path as UTF-8.";

    // 401: not known who asks.
    TOKEN_ENDED = "token_ended", UNAUTHORIZED, "The token counts no more",
        "Nothing was done. Use another token.";
    TOKEN_INVALID = "token_invalid", UNAUTHORIZED, "The token is not one of this ledger's",
        "Nothing was done. Send a token of this ledger, whole, as Authorization: Bearer rlt_...";
    TOKEN_MISSING = "token_missing", UNAUTHORIZED, "A token is needed",
        "Nothing was done. Send a token as Authorization: Bearer rlt_...; whoever runs the ledger makes them with \
         `runledger token create`.";

    // 403: understood, and not allowed.
    CLIENT_NOT_GRANTED = "client_not_granted", FORBIDDEN, "The token is limited to other clients",
        "Nothing was done. Use a token for these clients, or one without the limit.";
    HOST_NOT_ALLOWED = "host_not_allowed", FORBIDDEN, "The host name is not this server's",
        "Nothing was done. Address the server as localhost, 127.0.0.1, [::1] or by the name that it is bound to.";
    IMPORT_ONLY = "import_only", FORBIDDEN, "Only the import command creates records with a history",
        "Nothing was created. Create the record, then change it step by step.";
    ORIGIN_NOT_ALLOWED = "origin_not_allowed", FORBIDDEN, "A foreign page may not change anything",
        "Nothing was done. The request came from a page of another origin; send it from a program instead.";
    SCOPE_MISSING = "scope_missing", FORBIDDEN, "The token may not do this",
        "Nothing was done. Use a token that has the scope which the detail names.";
    SOURCE_NOT_GRANTED = "source_not_granted", FORBIDDEN, "The token does not speak for this source",
        "Nothing was done. Name a source that the token speaks for, or none if it has only one.";
    SOURCE_NOT_AUTHORISED = "source_not_authorised", FORBIDDEN, "The source may not create records of this kind",
        "Nothing was created. Records are created at the start of a process by the sources that the policy lists; \
         to change a record that exists, use update, stage, note or complete.";

    // 404, 405: nothing there.
    NOT_FOUND = "not_found", NOT_FOUND, "There is no such record",
        "Nothing was created: a change never creates. Check the run id and the client id. Attempts to change are in \
         the activity log.";
    TOKEN_NOT_FOUND = "token_not_found", NOT_FOUND, "There is no such token",
        "Nothing was done. GET /v1/tokens lists the ones there are.";
    WEBHOOK_NOT_FOUND = "webhook_not_found", NOT_FOUND, "There is no such webhook",
        "Nothing was done. GET /v1/webhooks lists the ones there are.";
    PROJECTION_ABSENT = "projection_absent", NOT_FOUND, "Records are shown nowhere else",
        "Nothing was done. Ask a server whose configuration says where records are shown.";
    RECONCILIATION_NOT_FOUND = "reconciliation_not_found", NOT_FOUND, "There is no such comparison here",
        "Begin a new one: it was forgotten, or the server was restarted, or another server has it.";
    ROUTE_NOT_FOUND = "route_not_found", NOT_FOUND, "There is no such path",
        "Nothing was done. The paths are listed in /openapi.json.";
    METHOD_NOT_ALLOWED = "method_not_allowed", METHOD_NOT_ALLOWED, "The path does not have this method",
        "Nothing was done. The header Allow lists the methods of the path.";

    // 408, 413, 415: the request as such.
    BODY_TOO_SLOW = "body_too_slow", REQUEST_TIMEOUT, "The body took too long to arrive",
        "Nothing was done. Send the request again.";
    BODY_TOO_LARGE = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large",
        "Nothing was done. Send fewer records in one call, or shorter notes.";
    CONTENT_TYPE_UNSUPPORTED = "content_type_unsupported", UNSUPPORTED_MEDIA_TYPE, "The body is not sent as JSON",
        "Nothing was done. Send Content-Type: application/json.";

    // 409: understood, but the state stands against it.
    AIRTABLE_ELSEWHERE = "airtable_elsewhere", CONFLICT, "Another server keeps the rows in step",
        "Nothing more was done. Ask that server, or stop it first.";
    AIRTABLE_NOT_BEGUN = "airtable_not_begun", CONFLICT, "No record was ever shown in these tables",
        "Nothing was done. Let the server begin to show records, or import the tables.";
    AIRTABLE_STOPPED = "airtable_stopped", CONFLICT, "Airtable refuses until something is mended",
        "Nothing was done. The detail says what to mend; `runledger airtable check` lists everything.";
    ALREADY_ENDED = "already_ended", CONFLICT, "The record has ended",
        "The record is untouched: an end is final. `existing` has its end. Start a new run for more work.";
    CONFLICT = "conflict", CONFLICT, "The key is taken by another creation",
        "Nothing was created. `existing` is the record that holds the key, `differs_in` says how the two creations \
         differ. To retry a creation, send the same Idempotency-Key and content.";
    EVENT_ID_UNKNOWN = "event_id_unknown", CONFLICT, "The log has no such event",
        "Nothing was sent. Send the id of the last event that came from this ledger, or 0 to begin at the start.";
    JOB_ENDED = "job_ended", CONFLICT, "The job of the run has ended",
        "Nothing was created. Start a new run for more work.";
    JOB_MISSING = "job_missing", CONFLICT, "The run has no job record",
        "Nothing was created. Create the job first, then its client run records.";
    METRIC_OVERFLOW = "metric_overflow", CONFLICT, "A metric would become too large",
        "Nothing was added. Metrics stay below 10^18.";
    NO_FREE_SECOND = "no_free_second", CONFLICT, "Every timestamp id of the next minute is taken",
        "Nothing was created. Start the run with a ULID as its run id.";
    NOT_STALLED = "not_stalled", CONFLICT, "The record is not silent for long enough",
        "The record is untouched. It still has time.";
    NOT_STARTED = "not_started", CONFLICT, "Work that never began cannot have succeeded",
        "The record is untouched. Start it first, or end it as skipped, cancelled or failed.";
    NOTES_FULL = "notes_full", CONFLICT, "The notes of the record are full",
        "Nothing was changed. Keep long logs elsewhere and note where.";
    NOTES_QUOTA = "notes_quota", CONFLICT, "The open records of the client hold as many notes as its quota allows",
        "Nothing was changed, nothing was created. End records of the client that are done: that frees their notes. To \
         wait alone does not help. The operator can allow more (quotas.notes).";
    OPEN_CLIENTS = "open_clients", CONFLICT, "Client records of the job are still open",
        "The job is untouched. Complete its clients, or complete with close_open to close them as cancelled.";
    OPEN_RECORDS_QUOTA = "open_records_quota", CONFLICT, "The client has as many open records as its quota allows",
        "Nothing was created. End records of the client that are done, then send the same request again: to wait alone \
         does not help. A retry of what was created is never refused. The operator can allow more (quotas.open_records).";
    OPEN_STAGES = "open_stages", CONFLICT, "Stages are still open",
        "The record is untouched. Finish them, or complete with close_open to close them as cancelled.";
    REFUSED = "refused", CONFLICT, "The rules do not allow it now",
        "Nothing was changed. The detail says why.";
    STAGE_ENDED = "stage_ended", CONFLICT, "The stage has ended",
        "The record is untouched: an ended stage never changes. Use another stage name for more work.";
    STAGE_NOT_STARTED = "stage_not_started", CONFLICT, "The stage was never started",
        "The record is untouched. Start the stage first.";
    TOKEN_HAS_ENDED = "token_has_ended", CONFLICT, "The token has ended already",
        "Nothing was done. Make a new token.";
    TOO_MANY_METRICS = "too_many_metrics", CONFLICT, "The record would hold too many metrics",
        "Nothing was changed. Use fewer names.";
    TOO_MANY_STAGES = "too_many_stages", CONFLICT, "The record holds too many stages",
        "Nothing was changed. Use fewer, longer stages.";
    TOO_MANY_TOKENS = "too_many_tokens", CONFLICT, "The ledger holds as many tokens as it may",
        "Nothing was made.";
    TOO_MANY_UPDATES = "too_many_updates", CONFLICT, "The record remembers too many update ids",
        "Nothing was changed. Report fewer, larger deltas, or send them as max or set without an id.";

    // 412: another version.
    VERSION_MISMATCH = "version_mismatch", PRECONDITION_FAILED, "The record has another version",
        "The record is untouched. `existing` is its present version; decide anew and send that version.";

    // 422: understood as JSON, but it does not make sense.
    BATCH_SIZE = "batch_size", UNPROCESSABLE_ENTITY, "Too many clients in one call, or none",
        "Nothing was created. Send 1 to 1000 clients.";
    BODY_INVALID = "body_invalid", UNPROCESSABLE_ENTITY, "The body does not fit",
        "Nothing was done. `field` names the place; the detail says what is expected there.";
    CANNOT_MINT = "cannot_mint", UNPROCESSABLE_ENTITY, "This ledger chooses no run ids",
        "Nothing was created. Send a run_id of a form that the ledger accepts.";
    CLIENT_ID_INVALID = "client_id_invalid", UNPROCESSABLE_ENTITY, "The client id is not one",
        "Nothing was done. Send the id of the client, byte for byte.";
    CLIENT_NAME_ON_JOB = "client_name_on_job", UNPROCESSABLE_ENTITY, "A job record has no client name",
        "Nothing was created. Create the client run record for it.";
    CLIENT_NAMED_TWICE = "client_named_twice", UNPROCESSABLE_ENTITY, "A client stands twice in one call",
        "Nothing was created. Send each client once.";
    CONTRADICTION = "contradiction", UNPROCESSABLE_ENTITY, "The same thing is said twice, differently",
        "Nothing was done. Say it once: in the header, in the path, or in the body.";
    CURSOR_INVALID = "cursor_invalid", UNPROCESSABLE_ENTITY, "The cursor is not one",
        "Send the `next` of the page before as it was, or no cursor to begin at the start.";
    GRANT_INVALID = "grant_invalid", UNPROCESSABLE_ENTITY, "What the token is to allow makes no sense",
        "Nothing was made. The detail says what is missing or too much.";
    IDEMPOTENCY_KEY_INVALID = "idempotency_key_invalid", UNPROCESSABLE_ENTITY, "The idempotency key is not one",
        "Nothing was done. Send 1 to 128 visible ASCII characters, once.";
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused", UNPROCESSABLE_ENTITY,
        "The idempotency key was used for another creation",
        "Nothing was created. `existing` is the record that the same source created under this key, `differs_in` says \
         how the contents differ. A retry sends the same content; a new creation needs a new key.";
    IF_MATCH_INVALID = "if_match_invalid", UNPROCESSABLE_ENTITY, "If-Match does not name a version of a record",
        "Nothing was done. Send the ETag of the record as it was, such as \"3\".";
    METRIC_NAMED_TWICE = "metric_named_twice", UNPROCESSABLE_ENTITY, "A metric is named twice",
        "Nothing was changed. Name a metric once, under one of add, max and set.";
    NOTHING_TO_CHANGE = "nothing_to_change", UNPROCESSABLE_ENTITY, "The update is empty",
        "Nothing was changed. Send metrics, a note, external ids or a status, or a heartbeat to keep the record alive.";
    RUN_ID_INVALID = "run_id_invalid", UNPROCESSABLE_ENTITY, "The run id is not one",
        "Nothing was done. Send the run id exactly as it was given out.";
    SCHEME_NOT_ACCEPTED = "scheme_not_accepted", UNPROCESSABLE_ENTITY, "The ledger does not accept run ids of this form",
        "Nothing was created. The detail lists the forms that are accepted.";
    SOURCE_INVALID = "source_invalid", UNPROCESSABLE_ENTITY, "The source is not one",
        "Nothing was done. Name the program or step that asks in the header Runledger-Source; generic names are refused.";
    SOURCE_MISSING = "source_missing", UNPROCESSABLE_ENTITY, "The source is missing",
        "Nothing was done. Name the program or step that asks in the header Runledger-Source.";
    STAGE_NAME_INVALID = "stage_name_invalid", UNPROCESSABLE_ENTITY, "The stage name is not one",
        "Nothing was done. Use a letter, then letters, digits, '_', '.' and '-'.";
    STATUS_NOT_SETTABLE = "status_not_settable", UNPROCESSABLE_ENTITY, "An update cannot set this status",
        "Nothing was changed. An update can only start a queued record (running); a record is ended by POST .../complete.";
    TOO_MANY_EXTERNAL_IDS = "too_many_external_ids", UNPROCESSABLE_ENTITY, "Too many external ids",
        "Nothing was done. A record holds at most 64.";
    UNKNOWN_FIELD = "unknown_field", UNPROCESSABLE_ENTITY, "The body has a field that is not known",
        "Nothing was done. `field` names it; the detail lists the ones there are.";
    UNKNOWN_PARAMETER = "unknown_parameter", UNPROCESSABLE_ENTITY, "The query has a parameter that is not known",
        "Nothing was done. `field` names it; the detail lists the ones there are.";
    UPDATE_ID_REUSED = "update_id_reused", UNPROCESSABLE_ENTITY, "The update id was used for another update",
        "Nothing was changed. Every new update needs a new id; a retry sends the same content.";
    VALUE_INVALID = "value_invalid", UNPROCESSABLE_ENTITY, "A value is not allowed",
        "Nothing was done. `field` names it; the detail says what is allowed.";

    // 429: too much at once.
    CLIENT_RATE_LIMITED = "client_rate_limited", TOO_MANY_REQUESTS, "Too many requests name the client",
        "Nothing was done, and no other client is held up. Wait as long as Retry-After says, then send the same request \
         again.";
    RATE_LIMITED = "rate_limited", TOO_MANY_REQUESTS, "The token sends too many requests",
        "Nothing was done. Wait as long as Retry-After says, then send the same request again.";

    // 500, 503: the server's side.
    INTERNAL = "internal", INTERNAL_SERVER_ERROR, "The server failed",
        "It is not known whether the request took effect. Read the record, or repeat the same request with the same \
         Idempotency-Key, and report what the server logged.";
    AIRTABLE_UNAVAILABLE = "airtable_unavailable", SERVICE_UNAVAILABLE, "Airtable gave no answer",
        "Nothing was done. Send the same request again after as long as Retry-After says.";
    BUSY = "busy", SERVICE_UNAVAILABLE, "Too many writes are waiting",
        "Nothing was done. Send the same request again in a moment.";
    IN_DOUBT = "in_doubt", SERVICE_UNAVAILABLE, "It is not known whether it took effect",
        "Repeat the same request with the same Idempotency-Key: that is safe at any time.";
    STOPPED = "stopped", SERVICE_UNAVAILABLE, "The ledger takes no writes",
        "Nothing was done. The detail says what the operator has to do.";
    TOO_MANY_STREAMS = "too_many_streams", SERVICE_UNAVAILABLE, "As many streams of events are open as there may be",
        "Nothing was sent. Close one, or come again later; the operator can allow more (events.streams).";
    STORE_FAILED = "store_failed", SERVICE_UNAVAILABLE, "The store failed",
        "Nothing was done, and nothing is known about the record. Try again; tell the operator if it stays.";
}

/// The kinds that no request meets, and why they are in the table all the same.
static NEVER_ANSWERED: [(&Kind, &str); 4] = [
    (
        &CLIENT_NAME_ON_JOB,
        "A body for a job has no field for a client name, so it is refused as `unknown_field`.",
    ),
    (&IMPORT_ONLY, "No body can ask for a record with a history."),
    (&NOT_STALLED, "Only the sweep gives records up; it is no request."),
    (
        &REFUSED,
        "It stands in for a refusal that is newer than this table; a test keeps that from happening.",
    ),
];

/// The refusals about a record whose reason never passes: an end, a key and a version that is gone by stay as they are,
/// and what is full is never emptied. So they say of an earlier try as well that it will have no effect, even of
/// one that is still on its way.
static LASTING: [&Kind; 9] = [
    &ALREADY_ENDED,
    &CONFLICT,
    &JOB_ENDED,
    &NOTES_FULL,
    &STAGE_ENDED,
    &TOO_MANY_METRICS,
    &TOO_MANY_STAGES,
    &TOO_MANY_UPDATES,
    &VERSION_MISMATCH,
];

/// The kind with this code; [`REFUSED`] for a refusal that is newer than the table (a test keeps that from happening).
pub(crate) fn of(code: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.code == code).copied().unwrap_or(&REFUSED)
}

/// The table as a page for people: `docs/problems.md`.
pub fn problems() -> String {
    let mut page = String::from(
        "# Problems\n\n\
         <!-- Written from crates/http/src/problem.rs by `runledger_http::problems`; a test compares them. -->\n\n\
         Every error of the HTTP API is a problem document (RFC 9457, `application/problem+json`). `code` is the stable\n\
         word for programs; `type` is `/problems/` and the code, and GET explains it; `detail` says what happened this time. `field`, `run_id`,\n\
         `client_id`, `existing` (the record as it stands) and `differs_in` are there when they are known.\n\n\
         | code | status | title | what it means for you |\n| --- | --- | --- | --- |\n",
    );
    for kind in KINDS {
        let Kind {
            code,
            status,
            title,
            advice,
        } = kind;
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{code}` | {} | {title} | {advice} |", status.as_u16());
    }
    page.push_str(
        "\n## Refusals that last\n\n\
         Their reason never passes, so a repetition that is refused with one of them says of the tries before it that they have\n\
         no effect either, now or later ([retries](retries.md#when-a-repetition-is-refused)). All of 422 last as well.\n\n",
    );
    let lasting: Vec<_> = LASTING.iter().map(|kind| format!("`{}`", kind.code)).collect();
    let _ = writeln!(page, "{}", lasting.join(", "));
    page.push_str(
        "\n## Codes that no request meets\n\n\
         They are words of the activity log, or of the rules behind the API. A test meets all the others.\n\n\
         | code | why |\n| --- | --- |\n",
    );
    for (kind, why) in NEVER_ANSWERED {
        let _ = writeln!(page, "| `{}` | {why} |", kind.code);
    }
    page
}
