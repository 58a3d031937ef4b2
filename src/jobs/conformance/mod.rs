//! What every [`JobStore`](super::store::JobStore) does, as cases that are run for each of them.
//!
//! Tests of one engine alone, of its files or its keys, stand beside that engine.

mod samples;
mod shorthand;
mod stage;

pub mod accepting;
pub mod at_once;
pub mod cancelling;
pub mod claiming;
pub mod damage;
pub mod deliveries;
pub mod ending;
pub mod events;
pub mod forgetting;
pub mod interrupted;
pub mod keys;
pub mod listing;
pub mod posting;
pub mod waiting;

pub use samples::{
    LONG, MINUTE, MODEL, OTHER, answer, dead, delivery, ending, eventually, ids, new_job, now, succeeded,
};
pub use stage::{Ground, Stage};

/// One test for each case, in a module for each theme. `stage` opens an empty store: an async function that gives a
/// [`Stage`].
macro_rules! for_store {
    ($stage:path) => {
        $crate::jobs::conformance::cases! {
            #[tokio::test] $stage;
            accepting {
                nothing_is_known_before_the_first_job
                an_accepted_job_survives_a_kill_as_it_was_sent
                long_bodies_come_back_whole
                a_model_has_no_more_unfinished_jobs_than_it_may
            }
            keys {
                a_key_brings_the_same_job_again_and_no_other_request
                a_key_is_free_once_its_job_is_forgotten
            }
            claiming {
                jobs_of_a_model_are_claimed_oldest_first_and_once
                jobs_with_many_bytes_are_claimed_a_few_at_a_time
                a_job_that_did_not_run_keeps_its_place
                a_job_that_ended_its_replica_goes_behind
            }
            interrupted {
                what_a_killed_server_ran_runs_again_before_what_waits
                what_a_server_ran_when_it_ended_runs_again_before_what_waits
                an_earlier_run_has_no_say_and_the_later_ones_result_counts_once
                each_server_that_dies_counts_and_what_was_put_back_does_not
            }
            ending {
                an_end_is_recorded_once_with_its_answer_and_progress
                a_failure_comes_back_as_it_was
            }
            cancelling {
                queued_jobs_are_cancelled_at_once_and_their_webhooks_told
                running_jobs_are_asked_to_end_also_after_their_server_died
                what_is_over_or_unknown_is_not_cancelled
            }
            listing {
                lists_are_paged_newest_first
                lists_are_of_a_model_or_a_status
            }
            damage {
                a_job_that_cannot_be_read_holds_nobody_up
                a_job_that_cannot_be_read_is_left_out_of_its_page
            }
            forgetting {
                jobs_are_forgotten_after_their_time_with_all_that_belongs_to_them
                many_jobs_are_forgotten_in_one_call
            }
            waiting {
                a_new_job_ends_the_wait_of_its_model
            }
            events {
                readers_follow_a_job_from_the_queue_to_its_end
                a_run_that_begins_is_told_once_and_by_the_store_alone
                a_run_that_begins_anew_is_told
                events_are_numbered_and_reach_who_waits_for_them
                cancelling_a_queued_job_is_told_to_its_readers
            }
            deliveries {
                deliveries_of_a_job_are_made_one_after_another
                a_delivery_is_told_of_once_and_only_by_who_holds_the_job
                the_wait_for_deliveries_ends_with_a_new_one_or_when_one_is_due
            }
            posting {
                a_delivery_that_failed_waits_and_holds_back_the_next_one
                a_delivery_that_nobody_settles_is_due_again
                a_delivery_that_a_dead_server_took_is_taken_by_the_next
                dead_letters_are_paged_and_sent_again
                a_delivery_is_tried_again_given_up_and_sent_anew
            }
        }
        $crate::jobs::conformance::cases! {
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)] $stage;
            at_once {
                the_same_key_sent_at_once_makes_one_job
                jobs_accepted_and_claimed_at_once_are_each_claimed_once
            }
        }
    };
}

macro_rules! cases {
    (#[$test:meta] $stage:path; $($theme:ident { $($case:ident)* })*) => {
        $(mod $theme {
            $(
                #[$test]
                async fn $case() {
                    $crate::jobs::conformance::$theme::$case($stage().await).await;
                }
            )*
        })*
    };
}

pub(super) use cases;
pub(super) use for_store;
