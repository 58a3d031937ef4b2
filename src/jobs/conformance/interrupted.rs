//! Jobs whose server died.

use std::time::Duration;

use serde_json::json;

use super::{MODEL, Stage, answer, delivery, ending, succeeded};
use crate::jobs::job::{JobId, Outcome, Status};
use crate::jobs::store::{Claim, JobEvent, Kept, Return};

/// Two jobs, the first of which runs.
async fn one_runs(stage: &Stage) -> (Claim, JobId) {
    let (first, second) = (stage.add(MODEL).await, stage.add(MODEL).await);
    let claim = stage.claim_one().await.unwrap();
    assert_eq!((claim.job.id, claim.job.interruptions), (first, 0));
    (claim, second)
}

/// The job that ran comes first, and it alone was interrupted.
async fn runs_again(stage: &Stage, before: &Claim, second: JobId) {
    let claims = stage.claim(MODEL, 9).await.unwrap();
    let claimed: Vec<_> = claims.iter().map(|claim| claim.job.id).collect();
    assert_eq!(claimed, [before.job.id, second]);
    let [again, other] = &claims[..] else { panic!() };
    assert_eq!((again.lease.attempt, again.job.attempts), (2, 2));
    assert_eq!((again.job.interruptions, again.job.losses), (1, 0));
    assert_eq!(again.job.status, Status::Running);
    assert_eq!((other.job.interruptions, other.job.attempts), (0, 1));
}

pub async fn what_a_killed_server_ran_runs_again_before_what_waits(stage: Stage) {
    let (claim, second) = one_runs(&stage).await;
    let stage = stage.kill().await;
    runs_again(&stage, &claim, second).await;
}

pub async fn what_a_server_ran_when_it_ended_runs_again_before_what_waits(stage: Stage) {
    let (claim, second) = one_runs(&stage).await;
    let stage = stage.restart().await;
    // Also before what came since.
    let third = stage.add(MODEL).await;
    let last = stage.claim(MODEL, 2).await.unwrap().pop().unwrap();
    assert_eq!(last.job.id, second);
    assert!(stage.put_back(&last.lease, Return::Unrun).await.unwrap());
    let stage = stage.restart().await;
    let claims = stage.claim(MODEL, 9).await.unwrap();
    let claimed: Vec<_> = claims.iter().map(|claim| claim.job.id).collect();
    assert_eq!(claimed, [claim.job.id, second, third]);
    let interruptions: Vec<_> = claims.iter().map(|claim| claim.job.interruptions).collect();
    assert_eq!(interruptions, [2, 0, 0]);
}

pub async fn an_earlier_run_has_no_say_and_the_later_ones_result_counts_once(stage: Stage) {
    let (before, _) = one_runs(&stage).await;
    let (id, earlier) = (before.job.id, before.lease);
    let stage = stage.kill().await;
    let again = stage.claim_one().await.unwrap();
    assert_eq!(again.job.id, id);
    assert!(!stage.finish(&earlier, ending(answer())).await.unwrap());
    assert!(!stage.finish(&earlier, ending(Outcome::Cancelled)).await.unwrap());
    assert!(!stage.put_back(&earlier, Return::Lost).await.unwrap());
    assert_eq!(stage.kept(&earlier).await, Kept::Lost);
    let both = [earlier.clone(), again.lease.clone()];
    assert_eq!(stage.keep(&both).await.unwrap(), [Kept::Lost, Kept::Yes]);
    let late = vec![JobEvent::Progress(json!(0.9)), JobEvent::Chunk(json!("late"))];
    stage.publish(&earlier, late.clone()).await.unwrap();
    stage.tell(&earlier, delivery("late", false)).await.unwrap();
    assert_eq!(stage.job(id).await.progress, None);
    let events = stage.events(id, 0, Duration::ZERO).await.unwrap();
    assert!(events.iter().all(|(_, event)| !late.contains(event)));
    assert!(stage.deliveries(id).await.unwrap().is_empty());
    assert!(stage.finish(&again.lease, succeeded(None)).await.unwrap());
    assert!(!stage.finish(&again.lease, succeeded(None)).await.unwrap());
    assert_eq!(stage.kept(&again.lease).await, Kept::Lost);
    let job = stage.job(id).await;
    assert_eq!((job.status, job.attempts, job.losses), (Status::Succeeded, 2, 0));
    assert!(job.finished.is_some());
    assert_eq!(job.outcome, Some(answer()));
}

pub async fn each_server_that_dies_counts_and_what_was_put_back_does_not(mut stage: Stage) {
    let (claim, second) = one_runs(&stage).await;
    let other = stage.claim_one().await.unwrap();
    assert_eq!(other.job.id, second);
    assert!(stage.put_back(&other.lease, Return::Unrun).await.unwrap());
    for times in 1..=3 {
        stage = stage.kill().await;
        let again = stage.claim_one().await.unwrap();
        assert_eq!((again.job.id, again.job.interruptions), (claim.job.id, times));
        assert_eq!((again.job.attempts, again.job.losses), (times + 1, 0));
    }
    let other = stage.claim_one().await.unwrap();
    assert_eq!((other.job.id, other.job.interruptions), (second, 0));
}
