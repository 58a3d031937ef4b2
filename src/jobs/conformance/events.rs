//! What readers of a job's events are told.

use std::time::Duration;

use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{LONG, MINUTE, MODEL, Stage, answer, ending, now, succeeded};
use crate::jobs::job::Status;
use crate::jobs::store::{JobEvent, Return};

const QUEUED: JobEvent = JobEvent::Status(Status::Queued);
const RUNNING: JobEvent = JobEvent::Status(Status::Running);
const SUCCEEDED: JobEvent = JobEvent::Status(Status::Succeeded);

pub async fn readers_follow_a_job_from_the_queue_to_its_end(stage: Stage) {
    let id = stage.add(MODEL).await;
    let first = stage.events(id, 0, MINUTE).await.unwrap();
    assert_eq!(first, [(1, QUEUED)]);
    let claim = stage.claim_one().await.unwrap();
    let chunk = JobEvent::Chunk(json!("a"));
    stage.publish(&claim.lease, vec![chunk.clone()]).await.unwrap();
    assert!(stage.put_back(&claim.lease, Return::Lost).await.unwrap());
    let claim = stage.claim_one().await.unwrap();
    assert!(stage.finish(&claim.lease, ending(answer())).await.unwrap());
    let rest = stage.events(id, 1, MINUTE).await.unwrap();
    assert_eq!(
        rest,
        [(2, RUNNING), (3, chunk), (4, QUEUED), (5, RUNNING), (6, SUCCEEDED)]
    );
    // Nothing more will come.
    let late = timeout(LONG, stage.events(id, 6, MINUTE)).await;
    assert!(late.expect("nothing is waited for").unwrap().is_empty());
}

pub async fn a_run_that_begins_is_told_once_and_by_the_store_alone(stage: Stage) {
    let id = stage.add(MODEL).await;
    let claim = stage.claim_one().await.unwrap();
    let told = vec![RUNNING, JobEvent::Chunk(json!("a")), SUCCEEDED];
    stage.publish(&claim.lease, told).await.unwrap();
    let events = stage.events(id, 0, Duration::ZERO).await.unwrap();
    assert_eq!(events, [(1, QUEUED), (2, RUNNING), (3, JobEvent::Chunk(json!("a")))]);
    assert_eq!(stage.job(id).await.status, Status::Running);
    assert!(stage.finish(&claim.lease, succeeded(None)).await.unwrap());
    let end = stage.events(id, 3, MINUTE).await.unwrap();
    assert_eq!(end, [(4, SUCCEEDED)]);
}

pub async fn a_run_that_begins_anew_is_told(stage: Stage) {
    let id = stage.add(MODEL).await;
    stage.claim_one().await.unwrap();
    let seen = stage.events(id, 0, MINUTE).await.unwrap();
    assert_eq!(seen, [(1, QUEUED), (2, RUNNING)]);
    let stage = stage.kill().await;
    stage.claim_one().await.unwrap();
    // For who comes new, and who comes back. A store may have forgotten what was told before.
    let all = stage.events(id, 0, MINUTE).await.unwrap();
    assert!(all.is_sorted_by(|(a, _), (b, _)| a < b), "{all:?}");
    let all: Vec<_> = all.into_iter().map(|(_, event)| event).collect();
    assert!(all.ends_with(&[QUEUED, RUNNING]), "{all:?}");
    let rest = stage.events(id, 2, MINUTE).await.unwrap();
    assert!(rest.iter().all(|(number, _)| *number > 2));
    assert_eq!(rest.last().map(|(_, event)| event), Some(&RUNNING));
}

pub async fn events_are_numbered_and_reach_who_waits_for_them(stage: Stage) {
    let id = stage.add(MODEL).await;
    let queued = (1_u64, QUEUED);
    let first = stage.events(id, 0, Duration::MAX).await.unwrap();
    assert_eq!(first, std::slice::from_ref(&queued));
    for patience in [Duration::ZERO, Duration::from_millis(20)] {
        assert!(stage.events(id, 1, patience).await.unwrap().is_empty());
    }
    let claim = stage.claim_one().await.unwrap();
    let told = [JobEvent::Progress(json!({"step": 1})), JobEvent::Chunk(json!("a"))];
    stage.publish(&claim.lease, told.to_vec()).await.unwrap();
    let [progress, chunk] = told;
    let all = [queued, (2, RUNNING), (3, progress), (4, chunk)];
    assert_eq!(stage.events(id, 0, LONG).await.unwrap(), all);
    assert_eq!(stage.events(id, 3, LONG).await.unwrap(), all[3..]);
    // A number that was never given.
    assert_eq!(stage.events(id, 99, LONG).await.unwrap(), all);
    assert_eq!(stage.job(id).await.progress, Some(json!({"step": 1})));
    let (later, done) = tokio::join!(timeout(LONG, stage.events(id, 4, Duration::MAX)), async {
        // It may wait by then or not: it hears of it either way.
        sleep(Duration::from_millis(20)).await;
        stage.finish(&claim.lease, succeeded(None)).await
    });
    assert!(done.unwrap());
    assert_eq!(later.expect("an event").unwrap(), [(5, SUCCEEDED)]);
    // Nothing more will come.
    let late = timeout(LONG, stage.events(id, 5, Duration::MAX)).await;
    assert!(late.expect("nothing is waited for").unwrap().is_empty());
}

pub async fn cancelling_a_queued_job_is_told_to_its_readers(stage: Stage) {
    let id = stage.add(MODEL).await;
    stage.cancel(id, now(), None).await.unwrap();
    let events = stage.events(id, 1, MINUTE).await.unwrap();
    assert_eq!(events, [(2, JobEvent::Status(Status::Cancelled))]);
}
