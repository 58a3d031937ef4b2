//! Jobs after their time.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::json;

use super::{MODEL, OTHER, Stage, delivery, now, succeeded};
use crate::jobs::job::Status;
use crate::jobs::store::{Cancelled, Filter, JobEvent};

pub async fn jobs_are_forgotten_after_their_time_with_all_that_belongs_to_them(stage: Stage) {
    let (old, queued) = (stage.add(MODEL).await, stage.add(MODEL).await);
    let claim = stage.claim_one().await.unwrap();
    let chunk = vec![JobEvent::Chunk(json!("x"))];
    stage.publish(&claim.lease, chunk).await.unwrap();
    stage.tell(&claim.lease, delivery("old.start", false)).await.unwrap();
    let end = succeeded(Some(delivery("old.completed", true)));
    let at = end.at;
    assert!(stage.finish(&claim.lease, end).await.unwrap());
    assert_eq!(stage.forget(at).await.unwrap(), 0);
    // It stays for as long as somebody is to be told of it.
    assert_eq!(stage.forget(at + Duration::from_micros(1)).await.unwrap(), 0);
    for _ in 0..2 {
        let due = stage.due_now().await;
        assert_eq!(due.len(), 1);
        stage.delivered(&due[0]).await;
    }
    // A store may look at such a one again after an hour.
    assert_eq!(stage.forget(at + Duration::from_secs(7200)).await.unwrap(), 1);
    assert_eq!(stage.get(old).await.unwrap(), None);
    assert!(stage.deliveries(old).await.unwrap().is_empty());
    assert!(stage.due_now().await.is_empty());
    assert_eq!(stage.forget(Timestamp::MAX).await.unwrap(), 0);
    assert_eq!(stage.job(queued).await.status, Status::Queued);
    let claim = stage.claim_one().await.unwrap();
    assert_eq!(claim.job.id, queued);
    assert!(stage.finish(&claim.lease, succeeded(None)).await.unwrap());
    assert_eq!(stage.forget(Timestamp::MAX).await.unwrap(), 1);
    assert_eq!(stage.get(queued).await.unwrap(), None);
}

pub async fn many_jobs_are_forgotten_in_one_call(stage: Stage) {
    for _ in 0..3 {
        stage.add(MODEL).await;
    }
    // Far more than a store deletes at once.
    let stage = &stage;
    for _ in 0..12 {
        let some = (0..100).map(|_| async move {
            let id = stage.add(OTHER).await;
            stage.cancel(id, now(), None).await.unwrap()
        });
        let some = join_all(some).await;
        assert!(some.iter().all(|cancelled| matches!(cancelled, Cancelled::Now(_))));
    }
    assert_eq!(stage.forget(Timestamp::MAX).await.unwrap(), 1200);
    let all = Filter {
        limit: 9999,
        ..Filter::default()
    };
    assert_eq!(stage.listed(all).await.len(), 3);
}
