//! From the queue into a run, and back.

use bytes::Bytes;
use serde_json::json;

use super::{MODEL, OTHER, Stage, new_job};
use crate::jobs::job::Status;
use crate::jobs::store::{Inserted, JobEvent, MOST_BYTES, Return};

pub async fn jobs_of_a_model_are_claimed_oldest_first_and_once(stage: Stage) {
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.push(stage.add(MODEL).await);
        stage.add(OTHER).await;
    }
    let claims = stage.claim(MODEL, 3).await.unwrap();
    let claimed: Vec<_> = claims.iter().map(|claim| claim.job.id).collect();
    assert_eq!(claimed, sent[..3]);
    for claim in &claims {
        let (job, lease) = (&claim.job, &claim.lease);
        assert_eq!((job.status, job.attempts, lease.attempt), (Status::Running, 1, 1));
        assert_eq!((lease.job, lease.model.as_str()), (job.id, MODEL));
        assert!(job.started.is_some() && !job.input.body.is_empty());
    }
    let rest = stage.claim(MODEL, 100).await.unwrap();
    let rest: Vec<_> = rest.iter().map(|claim| claim.job.id).collect();
    assert_eq!(rest, sent[3..]);
    assert!(stage.claim_one().await.is_none());
    assert!(stage.claim(OTHER, 0).await.unwrap().is_empty());
    for (model, unfinished) in [(MODEL, 5), (OTHER, 5), ("unknown", 0)] {
        assert_eq!(stage.unfinished(model).await.unwrap(), unfinished);
    }
}

pub async fn jobs_with_many_bytes_are_claimed_a_few_at_a_time(stage: Stage) {
    let mut long = new_job(MODEL);
    long.input.body = Bytes::from(vec![b' '; MOST_BYTES]);
    assert!(matches!(stage.insert(long, 1000).await.unwrap(), Inserted::New));
    stage.add(MODEL).await;
    stage.add(MODEL).await;
    assert_eq!(stage.claim(MODEL, 9).await.unwrap().len(), 1);
    assert_eq!(stage.claim(MODEL, 9).await.unwrap().len(), 2);
}

pub async fn a_job_that_did_not_run_keeps_its_place(stage: Stage) {
    let (first, second) = (stage.add(MODEL).await, stage.add(MODEL).await);
    let unrun = stage.claim_one().await.unwrap();
    let progress = vec![JobEvent::Progress(json!(0.5))];
    stage.publish(&unrun.lease, progress).await.unwrap();
    assert!(stage.put_back(&unrun.lease, Return::Unrun).await.unwrap());
    assert!(!stage.put_back(&unrun.lease, Return::Unrun).await.unwrap());
    let job = stage.job(first).await;
    assert_eq!((job.status, job.started), (Status::Queued, None));
    assert_eq!((job.losses, job.interruptions), (0, 0));
    assert_eq!(stage.queue().await, [first, second]);
    let again = stage.claim_one().await.unwrap();
    assert_eq!((again.job.id, again.job.progress), (first, None));
    assert_eq!((again.job.losses, again.job.interruptions), (0, 0));
    assert_ne!(again.lease, unrun.lease);
}

pub async fn a_job_that_ended_its_replica_goes_behind(stage: Stage) {
    let (first, second, third) = (stage.add(MODEL).await, stage.add(MODEL).await, stage.add(MODEL).await);
    let claim = stage.claim_one().await.unwrap();
    assert_eq!(claim.job.id, first);
    assert!(stage.put_back(&claim.lease, Return::Lost).await.unwrap());
    assert!(!stage.put_back(&claim.lease, Return::Lost).await.unwrap());
    let job = stage.job(first).await;
    assert_eq!((job.status, job.losses, job.interruptions), (Status::Queued, 1, 0));
    assert_eq!(stage.queue().await, [second, third, first]);
    let claims = stage.claim(MODEL, 5).await.unwrap();
    let claimed: Vec<_> = claims.iter().map(|claim| claim.job.id).collect();
    assert_eq!(claimed, [second, third, first]);
    assert_eq!((claims[2].job.losses, claims[2].job.interruptions), (1, 0));
}
