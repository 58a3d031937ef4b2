//! Idempotency keys.

use jiff::Timestamp;

use super::{MODEL, Stage, new_job, succeeded};
use crate::jobs::job::{Idempotency, NewJob};
use crate::jobs::store::Inserted;

const KEY: &str = "key: ü";

fn keyed(digest: u8) -> NewJob {
    NewJob {
        idempotency: Some(Idempotency {
            key: KEY.into(),
            digest: [digest; 32],
        }),
        ..new_job(MODEL)
    }
}

pub async fn a_key_brings_the_same_job_again_and_no_other_request(stage: Stage) {
    let first = keyed(1);
    let id = first.id;
    assert!(matches!(stage.insert(first, 1).await.unwrap(), Inserted::New));
    let stage = stage.restart().await;
    // Also where there is no room for another.
    let Inserted::Known(known) = stage.insert(keyed(1), 1).await.unwrap() else {
        panic!()
    };
    assert_eq!(known.id, id);
    let Inserted::Conflict(sent) = stage.insert(keyed(2), 1).await.unwrap() else {
        panic!()
    };
    assert_eq!((sent.key.as_str(), sent.digest), (KEY, [1; 32]));
    assert_eq!(stage.unfinished(MODEL).await.unwrap(), 1);
}

pub async fn a_key_is_free_once_its_job_is_forgotten(stage: Stage) {
    assert!(matches!(stage.insert(keyed(1), 1).await.unwrap(), Inserted::New));
    let claim = stage.claim_one().await.unwrap();
    assert!(stage.finish(&claim.lease, succeeded(None)).await.unwrap());
    assert!(matches!(stage.insert(keyed(1), 1).await.unwrap(), Inserted::Known(_)));
    assert_eq!(stage.forget(Timestamp::MAX).await.unwrap(), 1);
    assert!(matches!(stage.insert(keyed(2), 1).await.unwrap(), Inserted::New));
}
