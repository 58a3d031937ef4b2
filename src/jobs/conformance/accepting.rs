//! Jobs as they are accepted.

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use super::{LONG, MINUTE, MODEL, OTHER, Stage, answer, ending, new_job, succeeded};
use crate::jobs::job::{Answer, Job, Outcome, Status};
use crate::jobs::store::{Cancelled, Ending, Filter, Inserted, JobStore};

/// More than any store brings along with the rest of a job.
const MANY_BYTES: usize = 1024 * 1024;

/// Asks an empty store for everything.
pub async fn look(store: &dyn JobStore) {
    let id = Uuid::now_v7();
    assert_eq!(store.get(id).await.unwrap(), None);
    assert!(store.list(&Filter::default()).await.unwrap().is_empty());
    let page = Filter {
        limit: 10,
        ..Filter::default()
    };
    assert!(store.list(&page).await.unwrap().is_empty());
    assert!(store.claim(MODEL, 1).await.unwrap().is_empty());
    assert!(store.keep(&[]).await.unwrap().is_empty());
    assert_eq!(store.unfinished(MODEL).await.unwrap(), 0);
    let events = tokio::time::timeout(LONG, store.events(id, 0, MINUTE)).await;
    assert!(events.expect("nothing is waited for").unwrap().is_empty());
    assert!(store.due(1, MINUTE).await.unwrap().is_empty());
    assert!(store.deliveries(id).await.unwrap().is_empty());
    assert!(store.dead_letters(None, 10).await.unwrap().is_empty());
    assert!(!store.resend("x").await.unwrap());
    assert!(matches!(
        store.cancel(id, Timestamp::now(), None).await.unwrap(),
        Cancelled::Unknown
    ));
    assert_eq!(store.forget(Timestamp::now()).await.unwrap(), 0);
}

pub async fn nothing_is_known_before_the_first_job(stage: Stage) {
    look(stage.store.as_ref()).await;
}

pub async fn an_accepted_job_survives_a_kill_as_it_was_sent(stage: Stage) {
    let sent = new_job(MODEL);
    let expected = Job::queued(&sent);
    assert!(matches!(stage.insert(sent, 1000).await.unwrap(), Inserted::New));
    assert_eq!(stage.job(expected.id).await, expected);
    assert_eq!(stage.kill().await.job(expected.id).await, expected);
}

pub async fn long_bodies_come_back_whole(stage: Stage) {
    let mut sent = new_job(MODEL);
    sent.input.body = Bytes::from(vec![7; MANY_BYTES]);
    let expected = Job::queued(&sent);
    assert!(matches!(stage.insert(sent, 1000).await.unwrap(), Inserted::New));
    assert_eq!(stage.job(expected.id).await, expected);
    let claim = stage.claim_one().await.unwrap();
    assert_eq!((claim.job.status, claim.job.attempts), (Status::Running, 1));
    assert!(claim.job.started.is_some());
    assert_eq!(claim.job.input, expected.input);
    let outcome = Outcome::Succeeded(Answer {
        content_type: "image/png".into(),
        body: Bytes::from(vec![9; MANY_BYTES]),
    });
    let end = Ending {
        outcome: outcome.clone(),
        ..succeeded(None)
    };
    assert!(stage.finish(&claim.lease, end).await.unwrap());
    let job = stage.job(expected.id).await;
    assert_eq!((job.input, job.outcome), (expected.input, Some(outcome)));
}

pub async fn a_model_has_no_more_unfinished_jobs_than_it_may(stage: Stage) {
    let is_full = async |stage: &Stage| {
        let inserted = stage.insert(new_job(MODEL), 3).await.unwrap();
        matches!(inserted, Inserted::Full)
    };
    for _ in 0..3 {
        assert!(!is_full(&stage).await);
    }
    assert!(is_full(&stage).await);
    // Running ones count; other models do not.
    let claim = stage.claim_one().await.unwrap();
    assert!(is_full(&stage).await);
    stage.add(OTHER).await;
    let stage = stage.kill().await;
    assert!(is_full(&stage).await);
    assert_eq!(stage.unfinished(MODEL).await.unwrap(), 3);
    assert_eq!(stage.unfinished(OTHER).await.unwrap(), 1);
    let again = stage.claim_one().await.unwrap();
    assert_eq!(again.job.id, claim.job.id);
    assert!(stage.finish(&again.lease, ending(answer())).await.unwrap());
    assert!(!is_full(&stage).await);
}
