//! The flaws: one way each in which a store can be wrong, and the rule that must notice it.

/// Makes the enum of flaws and the list of them.
macro_rules! flaws {
    ($($flaw:ident breaks $rule:ident,)*) => {
        /// What is wrong with a store.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(crate) enum Flaw {
            /// Nothing: the store around which the wrong ones are built.
            None,
            $($flaw,)*
        }

        /// Every flaw, with the rule that must notice it. Others may notice it as well.
        pub(crate) const FLAWS: &[(Flaw, &str)] = &[$((Flaw::$flaw, stringify!($rule)),)*];
    };
}

flaws! {
    // Creating.
    CreatesWithoutStoring breaks a_created_record_is_read_back,
    CreatesTwice breaks another_attempt_is_a_conflict_that_carries_the_holder,
    CreatesTwiceInARace breaks of_many_attempts_on_one_key_one_creates,
    CreatesForEachRacingRetry breaks of_many_retries_of_one_attempt_one_creates,
    DropsTheBatchLabel breaks a_record_keeps_all_that_its_creator_gave,
    BeginsQueuedRecords breaks a_record_keeps_all_that_its_creator_gave,
    ReplaysAsConflict breaks a_retry_is_replayed_at_any_later_time,
    ReplaysAsCreated breaks a_retry_is_replayed_at_any_later_time,
    ReplaysTheFirstVersion breaks a_retry_is_replayed_at_any_later_time,
    ReplaysMakeAVersion breaks a_retry_is_replayed_at_any_later_time,
    ForgetsAttemptsOfEndedRecords breaks a_retry_is_replayed_at_any_later_time,
    ConflictShowsTheFirstVersion breaks another_attempt_is_a_conflict_that_carries_the_holder,
    ConflictShowsAnotherRecord breaks another_attempt_is_a_conflict_that_carries_the_holder,
    ConflictNamesNothing breaks other_content_is_a_conflict_that_names_the_fields,
    ConflictNamesOneField breaks other_content_is_a_conflict_that_names_the_fields,
    ReplaysOtherContent breaks other_content_is_a_conflict_that_names_the_fields,
    NeedsNoJob breaks a_client_needs_its_job,
    AlwaysNeedsAJob breaks a_client_needs_its_job,
    NeedsNoOpenJob breaks an_ended_job_takes_no_new_client,
    RefusesRetriesUnderAnEndedJob breaks an_ended_job_takes_no_new_client,
    CutsContentToFit breaks content_that_does_not_fit_is_refused,
    ImportsWithoutHistory breaks an_import_keeps_its_history,
    LogsImportsAsCreations breaks an_import_keeps_its_history,

    // Batches.
    ReversesOutcomes breaks a_batch_creates_all_in_its_order,
    CreatesBatchesInReverse breaks a_batch_creates_all_in_its_order,
    CreatesBatchesInPart breaks a_batch_with_a_conflict_creates_nothing,
    CreatesWhatIsNotRefused breaks a_batch_with_a_refusal_creates_nothing,
    WithholdsReplays breaks a_batch_with_a_conflict_creates_nothing,
    ReplaysBatchesAsAWhole breaks a_batch_sent_again_is_replayed,
    TakesTwiceForConflict breaks a_key_twice_in_a_batch_is_created_once,
    CreatesTheFirstOfTwo breaks a_batch_that_contradicts_itself_creates_nothing,
    LogsEmptyBatches breaks an_empty_batch_does_nothing,
    TearsRacingBatches breaks overlapping_batches_are_all_or_nothing,

    // Runs that the ledger named.
    FindsNoStart breaks a_started_run_is_found_by_its_attempt,
    FindsStartsOfAnybody breaks a_started_run_is_found_by_its_attempt,
    FindsWhatCallersNamed breaks a_started_run_is_found_by_its_attempt,
    StartsAnew breaks a_repeated_start_never_makes_a_second_run,
    ReplaysOtherStarts breaks a_repeated_start_never_makes_a_second_run,
    TakesAttemptsForStarts breaks another_start_is_another_run,
    StartsTwiceInARace breaks racing_starts_of_one_attempt_make_one_run,
    ForgetsStartsOnRestart breaks a_repeated_start_is_replayed_after_a_restart,

    // Keys that nobody created.
    GetCreates breaks reading_what_is_not_there_creates_nothing,
    ListCreates breaks reading_what_is_not_there_creates_nothing,
    SummaryCreates breaks reading_what_is_not_there_creates_nothing,
    SummaryOfNothing breaks reading_what_is_not_there_creates_nothing,
    ReadsLeaveLines breaks reading_what_is_not_there_creates_nothing,
    ChangeUpserts breaks changing_what_is_not_there_creates_nothing,
    HeartbeatUpserts breaks changing_what_is_not_there_creates_nothing,
    ForgetsNotFound breaks changing_what_is_not_there_creates_nothing,
    LineCreates breaks a_kept_line_makes_no_record,

    // Changing.
    RaisesVersionsByTwo breaks a_change_is_what_the_domain_decides,
    KeepsTheVersion breaks a_change_is_what_the_domain_decides,
    AnswersTheOldRecord breaks a_change_is_what_the_domain_decides,
    AnswersWithoutStoring breaks a_change_is_what_the_domain_decides,
    ReadsTheFirstVersion breaks a_change_is_what_the_domain_decides,
    KeepsTheDeadline breaks a_change_is_what_the_domain_decides,
    ReadsLag breaks nobody_reads_an_older_version_than_was_answered,
    StaysQueued breaks a_queued_record_is_begun_by_a_change,
    SucceedsUnstarted breaks a_queued_record_is_begun_by_a_change,
    IgnoresExpectedVersions breaks an_outdated_version_is_refused,
    ChecksVersionsTooEarly breaks of_many_changes_on_one_version_one_is_made,
    LosesUpdates breaks concurrent_deltas_add_up,
    CountsRepeatedUpdates breaks a_repeated_update_counts_once,
    RefusesRepeatsAfterTheEnd breaks a_repeated_update_counts_once,
    ChecksUpdateIdsTooEarly breaks concurrent_deltas_with_update_ids_count_once,
    TakesReusedIdsForRepeats breaks an_update_id_is_not_used_for_something_else,
    EndsStagesTwice breaks a_stage_begins_and_ends_once,
    RepeatedStagesMakeVersions breaks a_stage_begins_and_ends_once,
    RefusalsTouch breaks a_refusal_changes_nothing,
    RefusalsTouchTheJob breaks a_refusal_changes_nothing,
    ChangesTouchNeighbours breaks a_change_touches_its_own_record_only,
    RefusalsBlockTheRun breaks a_change_touches_its_own_record_only,
    MixesCallers breaks concurrent_callers_do_not_mix,

    // Ends.
    OverwritesEnds breaks the_same_end_again_changes_nothing,
    RefusesTheSameEnd breaks the_same_end_again_changes_nothing,
    NotesAfterTheEnd breaks an_end_is_final,
    HeartbeatsAfterTheEnd breaks an_end_is_final,
    EndsTwiceInARace breaks of_many_completions_one_is_made,
    EndsBesideOpenClients breaks a_job_with_open_clients_does_not_end,
    CountsForeignClients breaks a_job_with_open_clients_does_not_end,
    CountsClientsTooEarly breaks a_job_never_ends_beside_an_open_client,
    ClosesWithoutLines breaks a_job_closes_its_clients_each_with_a_line,
    ClosesNothing breaks a_job_closes_its_clients_each_with_a_line,
    HidesWhatItClosed breaks a_job_closes_its_clients_each_with_a_line,
    IgnoresOpenStages breaks open_stages_are_finished_or_closed,
    IgnoresTheGrace breaks a_record_is_lost_only_past_deadline_and_grace,
    LosesAtOnce breaks a_record_is_lost_only_past_deadline_and_grace,

    // The log.
    ForgetsCreated breaks every_attempt_leaves_one_line,
    ForgetsReplayed breaks every_attempt_leaves_one_line,
    ForgetsConflicts breaks every_attempt_leaves_one_line,
    ForgetsWithheld breaks a_batch_with_a_conflict_creates_nothing,
    ForgetsChanged breaks every_attempt_leaves_one_line,
    ForgetsUnchanged breaks every_attempt_leaves_one_line,
    ForgetsRefusedChanges breaks a_refusal_changes_nothing,
    ForgetsKeptLines breaks a_kept_line_is_kept_as_it_is,
    LogsRefusalsTwice breaks every_attempt_leaves_one_line,
    LogsItsOwnTime breaks a_line_says_who_what_and_when,
    LogsItself breaks a_line_says_who_what_and_when,
    LogsTheRunOnly breaks a_line_says_who_what_and_when,
    LogsOldVersions breaks a_line_says_who_what_and_when,
    SkipsNumbers breaks lines_are_gapless_and_chained,
    BreaksTheChain breaks lines_are_gapless_and_chained,
    BreaksTheChainUnderLoad breaks lines_are_gapless_and_chained,
    KeepsAsciiOnly breaks a_kept_line_is_kept_as_it_is,
    ClipsDetails breaks a_kept_line_is_kept_as_it_is,
    LogIgnoresRun breaks each_filter_finds_its_lines,
    LogIgnoresClient breaks each_filter_finds_its_lines,
    LogIgnoresSource breaks each_filter_finds_its_lines,
    LogIgnoresRefused breaks each_filter_finds_its_lines,
    LogPagesSkip breaks pages_of_the_log_hold_each_line_once,
    LogPagesOverlap breaks pages_of_the_log_hold_each_line_once,
    LogPagesEndEarly breaks pages_of_the_log_hold_each_line_once,
    LogNewestFirst breaks lines_are_gapless_and_chained,

    // Listings.
    ListIgnoresRun breaks each_filter_finds_its_records,
    ListIgnoresClient breaks each_filter_finds_its_records,
    ListIgnoresKind breaks each_filter_finds_its_records,
    ListIgnoresStatus breaks each_filter_finds_its_records,
    ListIgnoresOpen breaks each_filter_finds_its_records,
    ListIgnoresBatch breaks each_filter_finds_its_records,
    ListIgnoresExternalIds breaks each_filter_finds_its_records,
    ListKnowsFirstStatus breaks each_filter_finds_its_records,
    ListKnowsFirstReferences breaks each_filter_finds_its_records,
    ListSkipsAtPageEnds breaks pages_hold_each_record_once,
    ListRepeatsAtPageEnds breaks pages_hold_each_record_once,
    ListEndsEarly breaks pages_hold_each_record_once,
    ListNeverEnds breaks pages_hold_each_record_once,
    ListFillsOverTheBrim breaks pages_hold_each_record_once,
    ListSortsByKey breaks records_are_listed_in_the_order_of_creation,
    ListMovesChanged breaks records_are_listed_in_the_order_of_creation,
    ListPagesByPlaceFromTheEnd breaks pages_hold_each_record_once_while_others_are_created,

    // What is stalled.
    StalledInOrderOfCreation breaks stalled_records_come_longest_overdue_first,
    StalledSkipsEquals breaks stalled_records_come_longest_overdue_first,
    StalledAtTheDeadline breaks being_stalled_is_a_view,
    StalledKnowsFirstDeadline breaks being_stalled_is_a_view,
    StalledSweeps breaks being_stalled_is_a_view,
    StalledForgetsQueued breaks being_stalled_is_a_view,

    // Summaries.
    SumsOpenClientsOnly breaks totals_are_derived_from_the_clients,
    SumsTheJobToo breaks totals_are_derived_from_the_clients,
    SumsAllRuns breaks totals_are_derived_from_the_clients,
    SummaryNeedsAJob breaks a_summary_is_the_sum_of_the_listed_records,
    SummaryIsKept breaks a_summary_is_the_sum_of_the_listed_records,
    SumsOutOfRangeAsNothing breaks totals_out_of_range_are_an_error,
    SumsOutOfRangeInPart breaks totals_out_of_range_are_an_error,

    // Restarts and outages.
    ForgetsAll breaks a_restart_keeps_every_record_and_line,
    ForgetsTheLastChange breaks a_restart_keeps_every_record_and_line,
    ForgetsTheLastLine breaks a_restart_keeps_every_record_and_line,
    BeginsANewLog breaks the_log_goes_on_after_a_restart,
    ForgetsUpdateIds breaks retries_are_recognised_after_a_restart,
    OutageIsAbsence breaks a_stopped_store_never_says_not_there,
    OutageIsNotFound breaks a_stopped_store_never_says_not_there,
    OutageCreates breaks a_stopped_store_never_says_not_there,

    // Texts and times.
    TrimsNotes breaks texts_survive_byte_for_byte,
    ShortensNotes breaks texts_survive_byte_for_byte,
    TranslatesLineEnds breaks texts_survive_byte_for_byte,
    SwallowsOldChanges breaks a_clock_that_jumps_back_breaks_nothing,
    ListsByTime breaks a_clock_that_jumps_back_breaks_nothing,
    LogsByTime breaks a_clock_that_jumps_back_breaks_nothing,
}
