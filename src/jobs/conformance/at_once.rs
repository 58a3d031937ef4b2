//! Many callers of one store.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{MODEL, Stage, new_job};
use crate::jobs::job::{Idempotency, NewJob};
use crate::jobs::store::Inserted;

pub async fn the_same_key_sent_at_once_makes_one_job(stage: Stage) {
    let mut sent = JoinSet::new();
    for _ in 0..50 {
        let store = Arc::clone(&stage.store);
        sent.spawn(async move {
            let idempotency = Some(Idempotency {
                key: "k".into(),
                digest: [1; 32],
            });
            let job = NewJob {
                idempotency,
                ..new_job(MODEL)
            };
            store.insert(job, 1000).await.unwrap()
        });
    }
    let inserted = sent.join_all().await;
    let new = inserted.iter().filter(|inserted| matches!(inserted, Inserted::New));
    assert_eq!(new.count(), 1);
    assert_eq!(stage.unfinished(MODEL).await.unwrap(), 1);
}

pub async fn jobs_accepted_and_claimed_at_once_are_each_claimed_once(stage: Stage) {
    let mut adding = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&stage.store);
        adding.spawn(async move {
            for _ in 0..25 {
                store.add(MODEL).await;
            }
        });
    }
    let mut taking = JoinSet::new();
    for _ in 0..4 {
        let store = Arc::clone(&stage.store);
        taking.spawn(async move {
            let mut taken = Vec::new();
            while taken.len() < 50 {
                let claims = store.claim(MODEL, (50 - taken.len()).min(7)).await.unwrap();
                if claims.is_empty() {
                    store.wait(MODEL, Duration::from_millis(20)).await;
                }
                taken.extend(claims.into_iter().map(|claim| claim.job.id));
            }
            taken
        });
    }
    adding.join_all().await;
    let mut taken: Vec<_> = taking.join_all().await.concat();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), 200);
    assert!(stage.claim_one().await.is_none());
}
