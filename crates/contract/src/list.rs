//! The one list of rules: the table and the tests are made from it, so that neither can miss one.

/// Hands the list to a macro: `each_rule_of_the_contract!([macro] arguments)` calls `macro! { [arguments] list }`.
#[doc(hidden)]
#[macro_export]
macro_rules! each_rule_of_the_contract {
    ([$($macro:tt)*] $($arguments:tt)*) => {
        $($macro)*! { [$($arguments)*]
            a_created_record_is_read_back in creation ["I1", "I2"];
            a_record_keeps_all_that_its_creator_gave in creation ["I1", "I2"];
            a_retry_is_replayed_at_any_later_time in creation ["I1", "I7"];
            another_attempt_is_a_conflict_that_carries_the_holder in creation ["I1", "I7", "I9"];
            other_content_is_a_conflict_that_names_the_fields in creation ["I7"];
            a_client_needs_its_job in creation ["I2", "I11"];
            an_ended_job_takes_no_new_client in creation ["I5", "I7"];
            content_that_does_not_fit_is_refused in creation ["I2", "I11"];
            an_attempt_without_effect_leaves_the_line_of_the_domain in creation ["I6"];
            an_import_keeps_its_history in creation ["I2", "I6"];
            a_batch_creates_all_in_its_order in batches ["I2"];
            a_batch_with_a_conflict_creates_nothing in batches ["I2", "I6", "I11"];
            a_batch_with_a_refusal_creates_nothing in batches ["I2", "I6", "I11"];
            a_batch_sent_again_is_replayed in batches ["I6", "I7"];
            a_key_twice_in_a_batch_is_created_once in batches ["I1", "I7"];
            a_batch_that_contradicts_itself_creates_nothing in batches ["I1", "I11"];
            an_empty_batch_does_nothing in batches ["I3"];
            a_started_run_is_found_by_its_attempt in minted ["I7"];
            a_repeated_start_never_makes_a_second_run in minted ["I1", "I7"];
            another_start_is_another_run in minted ["I7"];
            a_repeated_start_is_replayed_after_a_restart in minted ["I4", "I7"];
            of_many_attempts_on_one_key_one_creates in races ["I1", "I6", "I9"];
            of_many_retries_of_one_attempt_one_creates in races ["I1", "I7"];
            racing_starts_of_one_attempt_make_one_run in races ["I1", "I7"];
            overlapping_batches_are_all_or_nothing in races ["I1", "I8", "I9"];
            concurrent_deltas_add_up in races ["I5", "I8"];
            concurrent_deltas_with_update_ids_count_once in races ["I7", "I8"];
            of_many_changes_on_one_version_one_is_made in races ["I8"];
            of_many_completions_one_is_made in races ["I5", "I8"];
            a_job_never_ends_beside_an_open_client in races ["I5", "I8"];
            nobody_reads_an_older_version_than_was_answered in races ["I8"];
            concurrent_callers_do_not_mix in races ["I8", "I12"];
            a_client_has_no_more_open_records_than_its_quota in quotas ["I6", "I11", "I12"];
            an_ended_record_frees_its_place in quotas ["I12"];
            a_retry_is_replayed_at_the_quota in quotas ["I7"];
            a_quota_stands_against_its_own_client_only in quotas ["I12"];
            a_batch_beyond_a_quota_creates_nothing in quotas ["I6", "I11"];
            of_many_creators_as_many_create_as_there_is_room in quotas ["I8", "I12"];
            open_records_hold_no_more_notes_than_the_quota in quotas ["I6", "I7", "I11", "I12"];
            of_many_notes_as_many_are_written_as_there_is_room in quotas ["I8", "I12"];
            quotas_hold_after_a_restart in quotas ["I4", "I12"];
            reading_what_is_not_there_creates_nothing in unknown ["I3"];
            changing_what_is_not_there_creates_nothing in unknown ["I3", "I6", "I11"];
            a_kept_line_makes_no_record in unknown ["I3"];
            a_change_is_what_the_domain_decides in changes ["I5", "I8"];
            a_queued_record_is_begun_by_a_change in changes ["I5"];
            an_outdated_version_is_refused in changes ["I8"];
            a_repeated_update_counts_once in changes ["I7"];
            an_update_id_is_not_used_for_something_else in changes ["I7"];
            a_stage_begins_and_ends_once in changes ["I7"];
            a_refusal_changes_nothing in changes ["I6", "I11"];
            a_change_touches_its_own_record_only in changes ["I12"];
            an_end_is_final in endings ["I5"];
            the_same_end_again_changes_nothing in endings ["I5", "I7"];
            a_job_with_open_clients_does_not_end in endings ["I5"];
            a_job_closes_its_clients_each_with_a_line in endings ["I5", "I6"];
            open_stages_are_finished_or_closed in endings ["I5"];
            a_record_is_lost_only_past_deadline_and_grace in endings ["I5"];
            every_attempt_leaves_one_line in log ["I6"];
            a_line_says_who_what_and_when in log ["I6"];
            lines_are_gapless_and_chained in log ["I6"];
            a_kept_line_is_kept_as_it_is in log ["I6", "I15"];
            each_filter_finds_its_lines in log ["I6"];
            pages_of_the_log_hold_each_line_once in log ["I6"];
            the_log_is_read_on_from_any_line in following ["I6"];
            the_last_line_is_known in following ["I6"];
            whoever_waits_is_told_of_a_new_line in following ["I6", "I12"];
            whoever_waits_is_told_of_nothing_else in following ["I6"];
            records_are_listed_in_the_order_of_creation in lists ["I18"];
            each_filter_finds_its_records in lists ["I8"];
            pages_hold_each_record_once in lists ["I8"];
            pages_hold_each_record_once_while_others_are_created in lists ["I8"];
            pages_of_open_records_hold_each_once_while_delivered_ones_end in lists ["I8"];
            counts_are_those_of_records_and_lines in counts ["I2", "I6"];
            stalled_records_come_longest_overdue_first in stalled ["I8"];
            pages_of_stalled_records_hold_each_once_while_delivered_ones_recover in stalled ["I8"];
            stalled_records_of_some_clients_come_alone in stalled ["I12"];
            being_stalled_is_a_view in stalled ["I3"];
            totals_are_derived_from_the_clients in summaries ["I19"];
            a_summary_is_the_sum_of_the_listed_records in summaries ["I19"];
            totals_beyond_the_bound_of_a_metric_are_exact in summaries ["I12", "I19"];
            a_restart_keeps_every_record_and_line in restarts ["I4", "I17"];
            a_restart_keeps_every_refusal in restarts ["I4", "I6"];
            the_log_goes_on_after_a_restart in restarts ["I6", "I17"];
            retries_are_recognised_after_a_restart in restarts ["I1", "I4", "I7"];
            a_token_is_added_once_with_its_line in tokens ["I6"];
            an_ended_token_stays_ended in tokens ["I6"];
            ending_what_is_not_there_makes_no_token in tokens ["I3", "I6"];
            a_restart_keeps_every_token in tokens ["I4", "I6"];
            the_state_of_a_delivery_is_kept_as_it_is in deliveries ["I3", "I6"];
            a_delivery_never_goes_back in deliveries ["I6"];
            webhooks_do_not_touch_each_other in deliveries ["I12"];
            enabling_lets_a_webhook_go_on_and_leaves_a_line in deliveries ["I6"];
            enabling_what_is_not_there_makes_no_webhook in deliveries ["I3", "I6"];
            a_restart_keeps_every_delivery in deliveries ["I4"];
            a_crash_takes_back_no_delivery in deliveries ["I4"];
            a_delivery_in_doubt_is_not_answered_as_kept in deliveries ["I10"];
            a_delivery_in_doubt_is_settled_by_a_retry in deliveries ["I6", "I10"];
            a_duty_has_one_holder_at_a_time in leases ["I13"];
            of_many_who_want_a_duty_one_gets_it in leases ["I13"];
            a_duty_whose_time_is_over_is_given_again in leases ["I13"];
            a_kept_duty_lasts_from_then_on in leases ["I13"];
            a_duty_that_was_given_up_is_free in leases ["I13"];
            epochs_grow_when_a_store_is_opened_again in leases ["I4", "I13"];
            a_duty_in_doubt_is_not_held in leases ["I10", "I13"];
            leases_touch_no_record_and_no_line in leases ["I3"];
            an_outbox_begins_empty in outbox ["I14"];
            an_outbox_that_was_not_begun_takes_nothing in outbox ["I14"];
            marks_raise_what_is_wanted in outbox ["I14"];
            only_marks_of_records_make_entries in outbox ["I3", "I14"];
            rows_are_kept_as_they_are in outbox ["I14"];
            what_a_row_shows_never_goes_back in outbox ["I14"];
            due_are_those_that_wait_earliest_first in due ["I14"];
            entries_at_a_step_are_found_and_counted in due ["I14"];
            why_nothing_is_sent_is_kept in outbox ["I14"];
            removed_rows_are_kept_as_they_were in outbox ["I14"];
            the_outbox_touches_no_record_and_no_line in outbox ["I3"];
            a_lost_fence_writes_no_outbox in projecting ["I13", "I14"];
            nothing_is_written_past_a_taking in projecting ["I13", "I14"];
            an_outbox_outlives_its_store in projecting ["I4", "I14"];
            an_outbox_in_doubt_is_kept_whole_or_not in projecting ["I10", "I14"];
            a_lost_fence_changes_nothing_but_the_log in fences ["I6", "I11", "I13"];
            a_lost_fence_keeps_no_delivery in fences ["I13"];
            nothing_is_changed_past_a_taking in fences ["I13"];
            a_ledger_moves_as_it_is in moving ["I1", "I2", "I6", "I7", "I19"];
            a_moved_ledger_goes_on_as_the_first_would in moving ["I6", "I7", "I12"];
            a_part_that_does_not_follow_is_not_taken_over in moving ["I6", "I11"];
            a_part_leaves_no_record_behind_its_lines in moving ["I5", "I11"];
            a_record_that_is_ahead_stays_so in moving ["I5"];
            what_is_taken_over_ends_the_outbox in moving ["I14"];
            a_snapshot_is_of_one_moment in snapshots ["I8"];
            a_crash_takes_back_nothing_that_was_taken_over in moving ["I2", "I4"];
            a_ledger_says_until_when_it_is_not_whole in whole ["I4", "I17"];
            a_ledger_that_is_not_whole_takes_parts_alone in whole ["I2", "I6"];
            a_stopped_store_never_says_not_there in restarts ["I10"];
            a_crash_takes_back_no_creation_and_no_change in crashes ["I1", "I4", "I6"];
            a_crash_takes_back_no_refusal in crashes ["I4", "I6"];
            a_creation_in_doubt_hands_its_intents_back in doubt ["I10"];
            a_change_in_doubt_is_neither_made_nor_refused in doubt ["I10"];
            a_refusal_in_doubt_is_not_answered in doubt ["I6", "I10"];
            a_store_in_doubt_takes_no_writes_until_it_is_reopened in doubt ["I16"];
            a_store_that_outlives_a_doubt_knows_again in doubt ["I1", "I10"];
            a_store_in_doubt_never_says_not_there in doubt ["I10"];
            what_was_in_doubt_is_settled_by_a_retry in doubt ["I1", "I7", "I10"];
            a_creation_whose_caller_went_away_is_whole_or_nothing in cancelled ["I2", "I10"];
            a_change_whose_caller_went_away_is_whole_or_nothing in cancelled ["I8", "I10"];
            texts_survive_byte_for_byte in fidelity ["I4", "I15"];
            a_clock_that_jumps_back_breaks_nothing in fidelity ["I18"];
        }
    };
}

/// Makes one test for each rule of the contract, named after it.
///
/// The argument is a [`StoreUnderTest`](crate::StoreUnderTest), such as the path of a function that opens a fresh
/// store:
///
/// ```text
/// runledger_contract::store_contract_tests!(fresh);
/// runledger_contract::store_contract_tests!(fresh, histories = 32);
/// ```
///
/// The last test plays random histories, as many as [`check_histories`](crate::check_histories) says.
#[macro_export]
macro_rules! store_contract_tests {
    ($store:expr) => {
        $crate::store_contract_tests!(@with $store, None);
    };
    ($store:expr, histories = $histories:expr) => {
        $crate::store_contract_tests!(@with $store, Some($histories));
    };
    (@with $store:expr, $histories:expr) => {
        $crate::each_rule_of_the_contract!([$crate::contract_tests_of_the_list] $store);

        #[test]
        fn random_histories_follow_the_model() {
            $crate::assert_histories(&$store, $histories);
        }
    };
}

/// One test for each rule of the list. Called by [`store_contract_tests!`].
#[doc(hidden)]
#[macro_export]
macro_rules! contract_tests_of_the_list {
    ([$store:expr] $($rule:ident in $module:ident $invariants:tt;)*) => {
        $(
            #[test]
            fn $rule() {
                $crate::assert_rule(&$store, stringify!($rule));
            }
        )*
    };
}
