//! Jobs that cannot be read any more.

use super::{MODEL, Stage};
use crate::jobs::store::Filter;
use crate::store::StoreError;

pub async fn a_job_that_cannot_be_read_holds_nobody_up(stage: Stage) {
    let (broken, whole) = (stage.add(MODEL).await, stage.add(MODEL).await);
    stage.damage(broken).await;
    let claims = stage.claim(MODEL, 9).await.unwrap();
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].job.id, whole);
    assert!(stage.claim_one().await.is_none());
    // It has failed, and is nobody's after this server either.
    assert_eq!(stage.unfinished(MODEL).await.unwrap(), 1);
    assert!(matches!(stage.get(broken).await, Err(StoreError::Broken(_))));
    let stage = stage.kill().await;
    let claims = stage.claim(MODEL, 9).await.unwrap();
    assert_eq!((claims.len(), claims[0].job.id), (1, whole));
}

pub async fn a_job_that_cannot_be_read_is_left_out_of_its_page(stage: Stage) {
    let mut newest = Vec::new();
    for _ in 0..5 {
        newest.insert(0, stage.add(MODEL).await);
    }
    for broken in [newest[0], newest[2], newest[3]] {
        stage.damage(broken).await;
    }
    let readable = [newest[1], newest[4]];
    let page = |limit| Filter {
        limit,
        ..Filter::default()
    };
    assert_eq!(stage.listed(page(10)).await, readable);
    // A page is no shorter for it, or it would look like the last.
    assert_eq!(stage.listed(page(2)).await, readable);
    assert_eq!(stage.listed(page(1)).await, readable[..1]);
    let before = Some(newest[1]);
    assert_eq!(stage.listed(Filter { before, ..page(1) }).await, readable[1..]);
    let model = Some(MODEL.to_owned());
    assert_eq!(stage.listed(Filter { model, ..page(2) }).await, readable);
}
