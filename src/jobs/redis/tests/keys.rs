//! What stands in the Redis: nothing of what is over, what a durable one keeps, and what was lost from it.

use bytes::Bytes;
use tokio::time::{sleep, timeout};

use super::*;
use crate::jobs::conformance::{LONG, answer, delivery, new_job, succeeded};
use crate::jobs::job::{Answer, Outcome, Status};

#[tokio::test]
async fn bodies_too_long_to_come_along_are_read_by_themselves() {
    let redis = RedisServer::start();
    let jobs = server_of(&redis, LEASE);
    for length in [queue::WHOLE, queue::WHOLE + 1] {
        let mut job = new_job(MODEL);
        let id = job.id;
        job.input.body = Bytes::from(vec![7; length]);
        let sent = job.input.clone();
        jobs.insert(job, 10).await.unwrap();
        assert_eq!(jobs.job(id).await.input, sent);
        let claim = jobs.claim_one().await.unwrap();
        assert_eq!((claim.job.id, claim.job.input), (id, sent));
        let outcome = Outcome::Succeeded(Answer {
            content_type: "image/png".to_owned(),
            body: Bytes::from(vec![9; length]),
        });
        let end = Ending {
            outcome: outcome.clone(),
            ..succeeded(None)
        };
        assert!(jobs.finish(&claim.lease, end).await.unwrap());
        assert_eq!(jobs.job(id).await.outcome, Some(outcome));
    }
}

#[tokio::test]
async fn a_job_that_is_sent_twice_is_one_job() {
    let redis = RedisServer::start();
    let jobs = server_of(&redis, LEASE);
    let job = new_job(MODEL);
    for _ in 0..2 {
        assert!(matches!(jobs.insert(job.clone(), 2).await.unwrap(), Inserted::New));
    }
    assert_eq!(jobs.unfinished(MODEL).await.unwrap(), 1);
    jobs.insert(new_job(MODEL), 2).await.unwrap();
    let full = jobs.insert(new_job(MODEL), 2).await.unwrap();
    assert!(matches!(full, Inserted::Full));
}

#[tokio::test]
async fn what_is_over_leaves_the_queue() {
    let redis = RedisServer::start();
    let jobs = server_of(&redis, LEASE);
    for _ in 0..3 {
        jobs.add(MODEL).await;
    }
    let unrun = jobs.claim_one().await.unwrap().lease;
    assert!(jobs.put_back(&unrun, Return::Unrun).await.unwrap());
    let lost = jobs.claim_one().await.unwrap().lease;
    assert!(jobs.put_back(&lost, Return::Lost).await.unwrap());
    let broken = jobs.add(MODEL).await;
    redis.ask(&format!("HSET hostler:job:{broken} about {{")).unwrap();
    let claims = jobs.claim(MODEL, 9).await.unwrap();
    assert_eq!(claims.len(), 3);
    assert_eq!(redis.ask("XLEN hostler:jobs:digits").unwrap(), ":3");
    for claim in claims {
        assert!(jobs.finish(&claim.lease, succeeded(None)).await.unwrap());
    }
    assert_eq!(redis.ask("XLEN hostler:jobs:digits").unwrap(), ":0");
}

#[tokio::test]
async fn forgotten_jobs_leave_nothing_behind() {
    let redis = RedisServer::start();
    let jobs = server_of(&redis, LEASE);
    let claim = jobs.telling(&["old.start"]).await;
    jobs.add(MODEL).await;
    let chunk = vec![JobEvent::Chunk("x".into())];
    jobs.publish(&claim.lease, chunk).await.unwrap();
    let end = succeeded(Some(delivery("old.completed", true)));
    assert!(jobs.finish(&claim.lease, end).await.unwrap());
    for _ in 0..2 {
        let told = jobs.due_now().await.remove(0);
        jobs.delivered(&told).await;
    }
    let lease = jobs.claim_one().await.unwrap().lease;
    assert!(jobs.finish(&lease, succeeded(None)).await.unwrap());
    assert_eq!(jobs.forget(Timestamp::MAX).await.unwrap(), 2);
    assert_eq!(redis.ask("DBSIZE").unwrap(), ":0");
}

#[tokio::test]
async fn what_was_accepted_outlives_the_redis() {
    let mut redis = RedisServer::durable();
    let jobs = server_of(&redis, LEASE);
    let (first, second) = (jobs.add(MODEL).await, jobs.add(MODEL).await);
    let lease = jobs.claim_one().await.unwrap().lease;
    redis.kill();
    let refused = timeout(LONG, jobs.insert(new_job(MODEL), 10)).await;
    let refused = refused.expect("an answer");
    assert!(matches!(refused, Err(StoreError::Away(_))));
    let refused = timeout(LONG, jobs.keep(std::slice::from_ref(&lease))).await;
    let refused = refused.expect("an answer");
    assert!(matches!(refused, Err(StoreError::Away(_))));
    // Waiting does not fail, and does not spin.
    jobs.wait(MODEL, Duration::from_millis(50)).await;
    jobs.wait_due(Duration::from_millis(50)).await;
    redis.restart();
    let back = async {
        while jobs.keep(std::slice::from_ref(&lease)).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, back).await.expect("Redis is found again");
    assert_eq!(jobs.kept(&lease).await, Kept::Yes);
    assert!(jobs.finish(&lease, succeeded(None)).await.unwrap());
    let job = jobs.job(first).await;
    assert_eq!((job.status, job.outcome), (Status::Succeeded, Some(answer())));
    assert_eq!(jobs.claim_one().await.unwrap().job.id, second);
    assert_eq!(jobs.unfinished(MODEL).await.unwrap(), 1);
}

#[tokio::test]
async fn an_entry_without_its_job_holds_nobody_up() {
    let redis = RedisServer::start();
    let jobs = server_of(&redis, Duration::from_secs(1));
    let (lost, claimed, whole) = (jobs.add(MODEL).await, jobs.add(MODEL).await, jobs.add(MODEL).await);
    redis.ask(&format!("DEL hostler:job:{lost}")).unwrap();
    assert_eq!(jobs.claim_one().await.unwrap().job.id, claimed);
    redis.ask(&format!("DEL hostler:job:{claimed}")).unwrap();
    assert_eq!(claim_late(&jobs).await.lease.job, whole);
    assert_eq!(claim_late(&jobs).await.lease.attempt, 2);
    assert_eq!(redis.ask("XLEN hostler:jobs:digits").unwrap(), ":1");
    assert_eq!(jobs.unfinished(MODEL).await.unwrap(), 1);
}
