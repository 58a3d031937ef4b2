//! Jobs whose end somebody asks for.

use uuid::Uuid;

use super::{MODEL, Stage, delivery, ending, ids, now};
use crate::jobs::job::{Outcome, Status};
use crate::jobs::store::{Cancelled, Kept};

pub async fn queued_jobs_are_cancelled_at_once_and_their_webhooks_told(stage: Stage) {
    let (id, at) = (stage.add(MODEL).await, now());
    let told = delivery("completed", true);
    let Cancelled::Now(job) = stage.cancel(id, at, Some(told.clone())).await.unwrap() else {
        panic!()
    };
    assert_eq!((job.status, job.finished), (Status::Cancelled, Some(at)));
    assert_eq!(job.outcome, Some(Outcome::Cancelled));
    assert!(stage.claim_one().await.is_none());
    assert_eq!(stage.unfinished(MODEL).await.unwrap(), 0);
    assert_eq!(ids(&stage.deliveries(id).await.unwrap()), ["completed"]);
    let due = stage.due_now().await;
    assert_eq!((due.len(), &due[0].id, &due[0].body), (1, &told.id, &told.body));
    let again = stage.cancel(id, at, Some(told)).await.unwrap();
    assert!(matches!(again, Cancelled::Over(_)));
}

pub async fn running_jobs_are_asked_to_end_also_after_their_server_died(stage: Stage) {
    let id = stage.add(MODEL).await;
    let claim = stage.claim_one().await.unwrap();
    assert_eq!(stage.kept(&claim.lease).await, Kept::Yes);
    let told = Some(delivery("completed", true));
    let Cancelled::Soon(job) = stage.cancel(id, now(), told).await.unwrap() else {
        panic!()
    };
    assert!(job.cancelling && job.status == Status::Running);
    assert!(stage.deliveries(id).await.unwrap().is_empty());
    assert_eq!(stage.kept(&claim.lease).await, Kept::Cancelling);
    assert_eq!(stage.unfinished(MODEL).await.unwrap(), 1);

    // Its server dies before it could end it: the next one is told with the claim.
    let stage = stage.restart().await;
    let claim = stage.claim_one().await.unwrap();
    assert!(claim.job.cancelling);
    let end = ending(Outcome::Cancelled);
    assert!(stage.finish(&claim.lease, end).await.unwrap());
    assert_eq!(stage.job(id).await.status, Status::Cancelled);
    assert_eq!(stage.unfinished(MODEL).await.unwrap(), 0);
}

pub async fn what_is_over_or_unknown_is_not_cancelled(stage: Stage) {
    let id = stage.add(MODEL).await;
    let claim = stage.claim_one().await.unwrap();
    let end = ending(Outcome::Cancelled);
    assert!(stage.finish(&claim.lease, end).await.unwrap());
    let told = Some(delivery("completed", true));
    let over = stage.cancel(id, now(), told).await.unwrap();
    assert!(matches!(over, Cancelled::Over(_)));
    assert!(stage.deliveries(id).await.unwrap().is_empty());
    let unknown = stage.cancel(Uuid::now_v7(), now(), None).await.unwrap();
    assert!(matches!(unknown, Cancelled::Unknown));
}
