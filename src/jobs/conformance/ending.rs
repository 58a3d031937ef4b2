//! How jobs end.

use serde_json::json;

use super::{MODEL, Stage, answer, ending};
use crate::error::Kind;
use crate::jobs::job::{Failure, Outcome, Status};
use crate::jobs::store::{JobEvent, Kept, Return};

pub async fn an_end_is_recorded_once_with_its_answer_and_progress(stage: Stage) {
    let id = stage.add(MODEL).await;
    let claim = stage.claim_one().await.unwrap();
    let events = vec![JobEvent::Progress(json!(0.1)), JobEvent::Progress(json!(0.5))];
    stage.publish(&claim.lease, events).await.unwrap();
    assert_eq!(stage.job(id).await.progress, Some(json!(0.5)));
    assert_eq!(stage.unfinished(MODEL).await.unwrap(), 1);
    assert!(stage.finish(&claim.lease, ending(answer())).await.unwrap());
    let failure = Outcome::Failed(Failure::new(Kind::PipelineFailed, "no"));
    assert!(!stage.finish(&claim.lease, ending(failure)).await.unwrap());
    assert!(!stage.put_back(&claim.lease, Return::Lost).await.unwrap());
    assert_eq!(stage.kept(&claim.lease).await, Kept::Lost);
    assert_eq!(stage.unfinished(MODEL).await.unwrap(), 0);
    assert!(stage.claim_one().await.is_none());
    let job = stage.kill().await.job(id).await;
    assert_eq!((job.status, job.outcome), (Status::Succeeded, Some(answer())));
    assert_eq!(job.finished, Some(ending(answer()).at));
    assert_eq!(job.progress, Some(json!(0.5)));
    assert!(!job.input.body.is_empty());
}

pub async fn a_failure_comes_back_as_it_was(stage: Stage) {
    let id = stage.add(MODEL).await;
    let claim = stage.claim_one().await.unwrap();
    let failure = Outcome::Failed(Failure::new(Kind::ReplicaLost, "three times"));
    let end = ending(failure.clone());
    assert!(stage.finish(&claim.lease, end).await.unwrap());
    let job = stage.job(id).await;
    assert_eq!((job.status, job.outcome), (Status::Failed, Some(failure)));
}
