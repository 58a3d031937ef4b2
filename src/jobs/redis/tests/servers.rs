//! Servers that share a Redis, live and dead, and leases that run out by themselves.

use bytes::Bytes;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::*;
use crate::jobs::conformance::{LONG, OTHER, answer, delivery, ending, succeeded};
use crate::jobs::job::{Outcome, Status};
use crate::jobs::store::DeliveryState;

/// A lease that runs out within a test.
const SHORT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn every_job_is_claimed_by_one_server_oldest_first() {
    let redis = RedisServer::start();
    let (one, two) = (server_of(&redis, LEASE), server_of(&redis, LEASE));
    assert!(one.claim(MODEL, 3).await.unwrap().is_empty());
    let mut sent = Vec::new();
    for _ in 0..6 {
        sent.push(one.add(MODEL).await);
    }
    one.add(OTHER).await;
    let mut claimed = Vec::new();
    for jobs in [&one, &two, &one] {
        let claims = jobs.claim(MODEL, 2).await.unwrap();
        claimed.extend(claims.into_iter().map(|claim| claim.lease.job));
    }
    assert_eq!(claimed, sent);
    assert!(two.claim_one().await.is_none());
    assert_eq!(two.unfinished(MODEL).await.unwrap(), 6);
    assert_eq!(two.unfinished(OTHER).await.unwrap(), 1);
}

#[tokio::test]
async fn a_dead_servers_job_is_claimed_by_another_and_its_result_counts_once() {
    let redis = RedisServer::start();
    let (slow, other) = (server_of(&redis, SHORT), server_of(&redis, SHORT));
    let id = slow.add(MODEL).await;
    let before = slow.claim_one().await.unwrap().lease;
    assert!(other.claim_one().await.is_none());
    let again = claim_late(&other).await;
    assert_eq!((again.lease.job, again.lease.attempt), (id, 2));
    assert_eq!((again.job.interruptions, again.job.losses), (1, 0));
    let anew: Vec<_> = [Status::Queued, Status::Running, Status::Queued, Status::Running]
        .map(JobEvent::Status)
        .into_iter()
        .zip(1..)
        .map(|(event, number)| (number, event))
        .collect();
    assert_eq!(other.events(id, 0, LONG).await.unwrap(), anew);
    // The first server wakes up.
    let both = [before.clone(), again.lease.clone()];
    assert_eq!(slow.keep(&both).await.unwrap(), [Kept::Lost, Kept::Yes]);
    assert!(!slow.finish(&before, ending(Outcome::Cancelled)).await.unwrap());
    assert!(!slow.put_back(&before, Return::Lost).await.unwrap());
    let late = vec![JobEvent::Progress(json!(0.9))];
    slow.publish(&before, late).await.unwrap();
    slow.tell(&before, delivery("start", false)).await.unwrap();
    assert_eq!(slow.job(id).await.progress, None);
    assert!(slow.deliveries(id).await.unwrap().is_empty());
    assert!(other.finish(&again.lease, succeeded(None)).await.unwrap());
    assert!(!other.finish(&again.lease, succeeded(None)).await.unwrap());
    let job = slow.job(id).await;
    assert_eq!((job.status, job.attempts, job.losses), (Status::Succeeded, 2, 0));
    assert!(job.finished.is_some());
    assert_eq!(job.outcome, Some(answer()));
}

#[tokio::test]
async fn a_lease_that_is_renewed_stays() {
    let redis = RedisServer::start();
    let (one, two) = (server_of(&redis, LEASE), server_of(&redis, SHORT));
    one.add(MODEL).await;
    let lease = one.claim_one().await.unwrap().lease;
    for _ in 0..10 {
        assert_eq!(one.kept(&lease).await, Kept::Yes);
        assert!(two.claim_one().await.is_none());
        sleep(SHORT / 6).await;
    }
    assert!(one.finish(&lease, succeeded(None)).await.unwrap());
    assert_eq!(one.kept(&lease).await, Kept::Lost);
}

#[tokio::test]
async fn what_one_server_put_back_another_has() {
    let redis = RedisServer::start();
    let (one, two) = (server_of(&redis, LEASE), server_of(&redis, LEASE));
    let (first, second) = (one.add(MODEL).await, one.add(MODEL).await);
    let unrun = one.claim_one().await.unwrap().lease;
    assert!(one.put_back(&unrun, Return::Unrun).await.unwrap());
    let Claim { lease, job } = two.claim_one().await.unwrap();
    assert_eq!((job.id, job.interruptions), (first, 0));
    assert!(two.put_back(&lease, Return::Lost).await.unwrap());
    let claims = one.claim(MODEL, 5).await.unwrap();
    let claimed: Vec<_> = claims.iter().map(|claim| claim.lease.job).collect();
    assert_eq!(claimed, [second, first]);
    assert_eq!((claims[1].job.losses, claims[1].job.interruptions), (1, 0));
}

#[tokio::test]
async fn readers_hear_of_a_job_from_any_server() {
    let redis = RedisServer::start();
    let (one, two) = (server_of(&redis, LEASE), server_of(&redis, LEASE));
    let id = one.add(MODEL).await;
    let queued = JobEvent::Status(Status::Queued);
    let first = two.events(id, 0, Duration::MAX).await.unwrap();
    assert_eq!(first, [(1, queued)]);
    let lease = one.claim_one().await.unwrap().lease;
    let progress = vec![JobEvent::Progress(json!({"step": 1}))];
    one.publish(&lease, progress.clone()).await.unwrap();
    let told = two.events(id, 2, LONG).await.unwrap();
    assert_eq!(told, [(3, progress[0].clone())]);
    assert_eq!(two.job(id).await.progress, Some(json!({"step": 1})));
    let (later, done) = tokio::join!(timeout(LONG, two.events(id, 3, Duration::MAX)), async {
        // It may wait by then or not: it hears of it either way.
        sleep(Duration::from_millis(20)).await;
        one.finish(&lease, succeeded(None)).await
    });
    assert!(done.unwrap());
    let later = later.expect("an event").unwrap();
    assert_eq!(later, [(4, JobEvent::Status(Status::Succeeded))]);
    // Nothing more will come.
    assert!(two.events(id, 4, Duration::MAX).await.unwrap().is_empty());
    let unknown = two.events(Uuid::now_v7(), 0, Duration::MAX).await;
    assert!(unknown.unwrap().is_empty());
}

#[tokio::test]
async fn who_waits_for_jobs_hears_of_them_from_any_server() {
    let redis = RedisServer::start();
    let (one, two) = (server_of(&redis, LEASE), server_of(&redis, LEASE));
    for _ in 0..3 {
        let run = async {
            loop {
                if let Some(claim) = one.claim_one().await {
                    return claim.lease;
                }
                one.wait(MODEL, Duration::MAX).await;
            }
        };
        let insertion = async {
            sleep(Duration::from_millis(20)).await;
            two.add(MODEL).await
        };
        let (lease, id) = tokio::join!(timeout(LONG, run), insertion);
        let lease = lease.expect("a job");
        assert_eq!(lease.job, id);
        one.finish(&lease, succeeded(None)).await.unwrap();
    }
    // A lease that is over tells nobody: waiting ends by itself.
    let waited = server_of(&redis, SHORT);
    timeout(LONG, waited.wait(MODEL, Duration::MAX)).await.expect("an end");
}

#[tokio::test]
async fn deliveries_of_a_job_are_made_one_after_the_other_by_whichever_server() {
    let redis = RedisServer::start();
    let (one, two) = (server_of(&redis, LEASE), server_of(&redis, LEASE));
    let first = one.telling(&["1.start", "1.progress", "1.resume", "1.start"]).await;
    let second = one.telling(&[]).await;
    for (claim, id) in [(&first, "1.completed"), (&second, "2.completed")] {
        let end = succeeded(Some(delivery(id, true)));
        assert!(one.finish(&claim.lease, end).await.unwrap());
    }
    let mut posted = Vec::new();
    loop {
        let taken = two.due_now().await;
        // Taken is taken, for every server.
        assert!(one.due_now().await.is_empty());
        if taken.is_empty() {
            break;
        }
        for delivery in taken {
            two.delivered(&delivery).await;
            posted.push(delivery.id);
        }
    }
    assert_eq!(posted.len(), 4);
    let of_first: Vec<_> = posted.into_iter().filter(|id| id.starts_with("1.")).collect();
    assert_eq!(of_first, ["1.start", "1.resume", "1.completed"]);
    let kept = one.deliveries(first.job.id).await.unwrap();
    assert!(kept.iter().map(|delivery| &delivery.id).eq(of_first.iter()));
    assert!(
        kept.iter()
            .all(|delivery| delivery.state == DeliveryState::Delivered && delivery.status == Some(204))
    );
}

#[tokio::test]
async fn a_delivery_that_is_held_is_left_alone() {
    let redis = RedisServer::start();
    let (one, two) = (server_of(&redis, LEASE), server_of(&redis, LEASE));
    let claim = one.telling(&[]).await;
    let end = succeeded(Some(delivery("completed", true)));
    assert!(one.finish(&claim.lease, end).await.unwrap());
    let brief = Duration::from_millis(50);
    let taken = one.due(10, brief).await.unwrap();
    one.hold(&taken, LONG).await.unwrap();
    sleep(brief * 2).await;
    assert!(two.due_now().await.is_empty());
    let again = Posted::Again {
        at: Timestamp::now(),
        status: Some(503),
        error: "busy".to_owned(),
    };
    one.settle(&taken[0], again).await.unwrap();
    // Too late: its next post is not put off.
    one.hold(&taken, LONG).await.unwrap();
    assert_eq!(two.due_now().await.len(), 1);
}

#[tokio::test]
async fn a_delivery_that_a_dead_server_took_is_taken_by_another() {
    let redis = RedisServer::start();
    let (one, two) = (server_of(&redis, LEASE), server_of(&redis, LEASE));
    let claim = one.telling(&[]).await;
    let waited = async {
        // Nothing is under way: this waits for a message.
        timeout(LONG, two.wait_due(Duration::MAX)).await.expect("a delivery");
        timeout(LONG, two.wait_due(Duration::MAX)).await.expect("a delivery");
    };
    let mut long = delivery("completed", true);
    long.body = Bytes::from(vec![b'x'; queue::WHOLE + 1]);
    let end = succeeded(Some(long.clone()));
    let told = async { one.finish(&claim.lease, end).await.unwrap() };
    let ((), told) = tokio::join!(waited, told);
    assert!(told);
    assert_eq!(one.due(1, SHORT).await.unwrap().len(), 1);
    let tries = async {
        loop {
            if let Some(delivery) = two.due_now().await.pop() {
                return delivery;
            }
            two.wait_due(Duration::MAX).await;
        }
    };
    let taken = timeout(LONG, tries).await.expect("the lease is over");
    assert_eq!((taken.id, taken.body), (long.id, long.body));
}
