//! Waiting for jobs.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::{MINUTE, MODEL, OTHER, Stage};
use crate::jobs::store::Return;

pub async fn a_new_job_ends_the_wait_of_its_model(stage: Stage) {
    let began = Instant::now();
    // Word that comes before the wait is not lost.
    stage.add(MODEL).await;
    stage.wait(MODEL, MINUTE).await;
    let claim = stage.claim_one().await.unwrap();
    let wait = stage.wait(MODEL, MINUTE);
    tokio::pin!(wait);
    assert!(timeout(Duration::from_millis(1), &mut wait).await.is_err());
    assert!(stage.put_back(&claim.lease, Return::Unrun).await.unwrap());
    wait.await;
    assert!(began.elapsed() < MINUTE);
    stage.add(OTHER).await;
    stage.wait(MODEL, Duration::from_millis(1)).await;
}
