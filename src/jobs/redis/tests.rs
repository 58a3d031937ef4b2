use bytes::Bytes;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::*;
use crate::error::Kind;
use crate::jobs::job::{About, Answer, Failure, Idempotency, Input, Outcome, Status, Webhook, WebhookEvent};
use crate::jobs::store::{DeliveryState, MOST_BYTES};
use crate::store::redis::server::RedisServer;

/// Far more than anything here takes, and far less than for ever.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_secs(1);

fn server_of(redis: &RedisServer, lease: Duration) -> RedisJobs {
    RedisJobs::new(Redis::open(&redis.url()).unwrap(), lease)
}

fn new_job(model: &str) -> NewJob {
    NewJob {
        id: Uuid::now_v7(),
        model: model.to_owned(),
        path: format!("/{model}"),
        input: Input {
            body: Bytes::from_static(b"{\"x\":1}"),
            about: About {
                content_type: Some("application/json".to_owned()),
                timeout_ms: Some(5),
                request_id: "r".to_owned(),
                ..About::default()
            },
        },
        webhook: None,
        upload_webhook: None,
        idempotency: None,
        created: Timestamp::now(),
    }
}

async fn insert(jobs: &RedisJobs, model: &str) -> JobId {
    let job = new_job(model);
    let id = job.id;
    assert!(matches!(jobs.insert(job, 1000).await.unwrap(), Inserted::New));
    id
}

async fn claim(jobs: &RedisJobs, model: &str) -> Lease {
    let mut claims = jobs.claim(model, 1).await.unwrap();
    assert_eq!(claims.len(), 1);
    claims.remove(0).lease
}

async fn claim_late(jobs: &RedisJobs, model: &str) -> Claim {
    let tries = async {
        loop {
            if let Some(claim) = jobs.claim(model, 1).await.unwrap().pop() {
                return claim;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, tries).await.expect("a lease that is over")
}

async fn get(jobs: &RedisJobs, id: JobId) -> Job {
    jobs.get(id).await.unwrap().expect("a job")
}

fn delivery(id: JobId, event: &str) -> NewDelivery {
    NewDelivery {
        id: format!("{id}.{event}"),
        url: "http://receiver/".to_owned(),
        body: Bytes::from(format!("{{\"event\":\"{event}\"}}")),
        terminal: event == "completed",
        skippable: event.starts_with("progress"),
    }
}

fn succeeded(delivery: Option<NewDelivery>) -> Ending {
    Ending {
        outcome: Outcome::Succeeded(Answer {
            content_type: "application/json".to_owned(),
            body: Bytes::from_static(b"{\"y\":2}"),
        }),
        at: Timestamp::now(),
        delivery,
    }
}

fn ended(outcome: Outcome) -> Ending {
    Ending {
        outcome,
        at: Timestamp::now(),
        delivery: None,
    }
}

async fn due(jobs: &RedisJobs) -> Vec<Delivery> {
    jobs.due(10, LONG).await.unwrap()
}

#[tokio::test]
async fn a_job_is_kept_as_it_was_sent() {
    let redis = RedisServer::start();
    let jobs = server_of(&redis, LONG);
    let mut job = new_job("m");
    job.webhook = Some(Webhook {
        url: "http://receiver/".to_owned(),
        events: vec![WebhookEvent::Start, WebhookEvent::Completed],
    });
    job.upload_webhook = Some("http://files/".to_owned());
    // Longer than what comes along with a job.
    job.input.body = Bytes::from(vec![7; queue::WHOLE + 1]);
    jobs.insert(job.clone(), 10).await.unwrap();
    let kept = get(&jobs, job.id).await;
    let expected = Job {
        id: job.id,
        model: job.model,
        path: job.path,
        status: Status::Queued,
        input: job.input,
        webhook: job.webhook,
        upload_webhook: job.upload_webhook,
        created: job.created,
        started: None,
        finished: None,
        attempts: 0,
        losses: 0,
        interruptions: 0,
        progress: None,
        cancelling: false,
        outcome: None,
    };
    assert_eq!(kept, expected);
    let claimed = jobs.claim("m", 1).await.unwrap().remove(0).job;
    assert_eq!((claimed.status, claimed.attempts), (Status::Running, 1));
    assert!(claimed.started.is_some());
    assert_eq!(claimed.input, expected.input);
    assert_eq!(jobs.get(Uuid::now_v7()).await.unwrap(), None);
}

#[tokio::test]
async fn every_job_is_claimed_by_one_server_oldest_first() {
    let redis = RedisServer::start();
    let (one, two) = (server_of(&redis, LONG), server_of(&redis, LONG));
    assert!(one.claim("m", 3).await.unwrap().is_empty());
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(insert(&one, "m").await);
    }
    insert(&one, "other").await;
    let mut claimed = Vec::new();
    for jobs in [&one, &two, &one] {
        let claims = jobs.claim("m", 2).await.unwrap();
        claimed.extend(claims.into_iter().map(|claim| claim.lease.job));
    }
    assert_eq!(claimed, ids);
    assert!(two.claim("m", 1).await.unwrap().is_empty());
    assert!(one.claim("other", 0).await.unwrap().is_empty());
    assert_eq!(one.unfinished("m").await.unwrap(), 6);
    assert_eq!(one.unfinished("other").await.unwrap(), 1);
    assert_eq!(one.unfinished("unknown").await.unwrap(), 0);
}

#[tokio::test]
async fn a_model_takes_so_many_jobs_and_the_same_job_once() {
    let redis = RedisServer::start();
    let jobs = server_of(&redis, LONG);
    let job = new_job("m");
    for _ in 0..2 {
        assert!(matches!(jobs.insert(job.clone(), 2).await.unwrap(), Inserted::New));
    }
    assert_eq!(jobs.unfinished("m").await.unwrap(), 1);
    jobs.insert(new_job("m"), 2).await.unwrap();
    assert!(matches!(jobs.insert(new_job("m"), 2).await.unwrap(), Inserted::Full));
    // A running job is unfinished too, an ended one is not.
    let lease = claim(&jobs, "m").await;
    assert!(matches!(jobs.insert(new_job("m"), 2).await.unwrap(), Inserted::Full));
    assert!(jobs.finish(&lease, succeeded(None)).await.unwrap());
    assert!(matches!(jobs.insert(new_job("m"), 2).await.unwrap(), Inserted::New));
}

#[tokio::test]
async fn an_idempotency_key_brings_one_job_until_it_is_forgotten() {
    let redis = RedisServer::start();
    let jobs = server_of(&redis, LONG);
    let keyed = |digest: u8| NewJob {
        idempotency: Some(Idempotency {
            key: "key: ü".to_owned(),
            digest: [digest; 32],
        }),
        ..new_job("m")
    };
    let first = keyed(1);
    assert!(matches!(jobs.insert(first.clone(), 1).await.unwrap(), Inserted::New));
    match jobs.insert(keyed(1), 1).await.unwrap() {
        Inserted::Known(job) => assert_eq!(job.id, first.id),
        other => panic!("{other:?}"),
    }
    assert!(matches!(jobs.insert(keyed(2), 1).await.unwrap(), Inserted::Conflict(_)));
    let lease = claim(&jobs, "m").await;
    jobs.finish(&lease, succeeded(None)).await.unwrap();
    assert!(matches!(jobs.insert(keyed(1), 1).await.unwrap(), Inserted::Known(_)));
    assert_eq!(jobs.forget(Timestamp::MAX).await.unwrap(), 1);
    assert!(matches!(jobs.insert(keyed(2), 1).await.unwrap(), Inserted::New));
}

#[tokio::test]
async fn a_dead_servers_job_is_claimed_by_another_and_its_result_counts_once() {
    let redis = RedisServer::start();
    let (slow, other) = (server_of(&redis, SHORT), server_of(&redis, SHORT));
    let id = insert(&slow, "m").await;
    let old = claim(&slow, "m").await;
    assert!(other.claim("m", 1).await.unwrap().is_empty());
    let new = claim_late(&other, "m").await;
    assert_eq!((new.lease.job, new.lease.attempt), (id, 2));
    assert_eq!((new.job.interruptions, new.job.losses), (1, 0));
    let anew: Vec<_> = [Status::Queued, Status::Running, Status::Queued, Status::Running]
        .map(JobEvent::Status)
        .into_iter()
        .zip(1..)
        .map(|(event, number)| (number, event))
        .collect();
    assert_eq!(other.events(id, 0, LONG).await.unwrap(), anew);
    // The first server wakes up.
    assert_eq!(
        slow.keep(&[old.clone(), new.lease.clone()]).await.unwrap(),
        [Kept::Lost, Kept::Yes]
    );
    assert!(!slow.finish(&old, ended(Outcome::Cancelled)).await.unwrap());
    assert!(!slow.put_back(&old, Return::Lost).await.unwrap());
    slow.publish(&old, vec![JobEvent::Progress(json!(0.9))]).await.unwrap();
    slow.tell(&old, delivery(id, "start")).await.unwrap();
    assert_eq!(get(&slow, id).await.progress, None);
    assert!(slow.deliveries(id).await.unwrap().is_empty());
    assert!(other.finish(&new.lease, succeeded(None)).await.unwrap());
    assert!(!other.finish(&new.lease, succeeded(None)).await.unwrap());
    let job = get(&slow, id).await;
    assert_eq!((job.status, job.attempts, job.losses), (Status::Succeeded, 2, 0));
    assert!(job.finished.is_some());
    match job.outcome {
        Some(Outcome::Succeeded(answer)) => assert_eq!(answer.body, "{\"y\":2}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn jobs_with_many_bytes_are_claimed_a_few_at_a_time() {
    let redis = RedisServer::start();
    let jobs = server_of(&redis, LONG);
    let mut long = new_job("m");
    long.input.body = Bytes::from(vec![b' '; MOST_BYTES]);
    jobs.insert(long, 1000).await.unwrap();
    insert(&jobs, "m").await;
    insert(&jobs, "m").await;
    assert_eq!(jobs.claim("m", 9).await.unwrap().len(), 1);
    assert_eq!(jobs.claim("m", 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_lease_that_is_renewed_stays() {
    let redis = RedisServer::start();
    let (one, two) = (server_of(&redis, LONG), server_of(&redis, SHORT));
    insert(&one, "m").await;
    let lease = claim(&one, "m").await;
    for _ in 0..10 {
        assert_eq!(one.keep(std::slice::from_ref(&lease)).await.unwrap(), [Kept::Yes]);
        assert!(two.claim("m", 1).await.unwrap().is_empty());
        sleep(SHORT / 6).await;
    }
    assert!(one.keep(&[]).await.unwrap().is_empty());
    assert!(one.finish(&lease, succeeded(None)).await.unwrap());
    assert_eq!(one.keep(&[lease]).await.unwrap(), [Kept::Lost]);
}

#[tokio::test]
async fn a_job_that_did_not_run_keeps_its_place_and_one_that_cost_a_replica_makes_way() {
    let redis = RedisServer::start();
    let (one, two) = (server_of(&redis, LONG), server_of(&redis, LONG));
    let (first, second) = (insert(&one, "m").await, insert(&one, "m").await);
    let unrun = claim(&one, "m").await;
    one.publish(&unrun, vec![JobEvent::Progress(json!(0.5))]).await.unwrap();
    assert!(one.put_back(&unrun, Return::Unrun).await.unwrap());
    assert!(!one.put_back(&unrun, Return::Unrun).await.unwrap());
    let job = get(&one, first).await;
    assert_eq!((job.status, job.losses, job.interruptions), (Status::Queued, 0, 0));
    let mut claims = two.claim("m", 1).await.unwrap();
    let Claim { lease, job } = claims.remove(0);
    assert_eq!((job.id, job.interruptions, job.progress), (first, 0, None));
    assert_ne!(lease, unrun);
    assert!(two.put_back(&lease, Return::Lost).await.unwrap());
    let claims = one.claim("m", 5).await.unwrap();
    let ids: Vec<_> = claims.iter().map(|claim| claim.lease.job).collect();
    assert_eq!(ids, [second, first]);
    assert_eq!((claims[1].job.losses, claims[1].job.interruptions), (1, 0));
    for claim in claims {
        assert!(one.finish(&claim.lease, succeeded(None)).await.unwrap());
    }
    assert_eq!(redis.ask("XLEN hostler:jobs:m").unwrap(), ":0");
}

#[tokio::test]
async fn a_queued_job_is_cancelled_at_once_and_a_running_one_is_asked_to_end() {
    let redis = RedisServer::start();
    let jobs = server_of(&redis, LONG);
    let at = Timestamp::now();
    let (running, queued) = (insert(&jobs, "m").await, insert(&jobs, "m").await);
    let lease = claim(&jobs, "m").await;
    let told = delivery(queued, "completed");
    match jobs.cancel(queued, at, Some(told.clone())).await.unwrap() {
        Cancelled::Now(job) => assert_eq!((job.status, job.finished), (Status::Cancelled, Some(at))),
        other => panic!("{other:?}"),
    }
    assert!(jobs.claim("m", 1).await.unwrap().is_empty());
    let posts = due(&jobs).await;
    assert_eq!((posts.len(), &posts[0].id, &posts[0].body), (1, &told.id, &told.body));
    match jobs
        .cancel(running, at, Some(delivery(running, "completed")))
        .await
        .unwrap()
    {
        Cancelled::Soon(job) => assert!(job.cancelling && job.status == Status::Running),
        other => panic!("{other:?}"),
    }
    assert!(jobs.deliveries(running).await.unwrap().is_empty());
    assert_eq!(
        jobs.keep(std::slice::from_ref(&lease)).await.unwrap(),
        [Kept::Cancelling]
    );
    assert!(jobs.finish(&lease, ended(Outcome::Cancelled)).await.unwrap());
    assert!(matches!(
        jobs.cancel(running, at, None).await.unwrap(),
        Cancelled::Over(_)
    ));
    assert!(matches!(
        jobs.cancel(Uuid::now_v7(), at, None).await.unwrap(),
        Cancelled::Unknown
    ));
    assert_eq!(jobs.unfinished("m").await.unwrap(), 0);
}

#[tokio::test]
async fn jobs_are_listed_newest_first_and_page_by_page() {
    let redis = RedisServer::start();
    let jobs = server_of(&redis, LONG);
    let mut ids = Vec::new();
    for model in ["a", "b", "a", "b", "a"] {
        ids.push(insert(&jobs, model).await);
    }
    let lease = claim(&jobs, "a").await;
    let failure = Failure::new(Kind::PipelineFailed, "it broke");
    let failed = Outcome::Failed(failure.clone());
    assert!(jobs.finish(&lease, ended(failed.clone())).await.unwrap());
    let list = async |model: Option<&str>, status, before, limit| {
        let filter = Filter {
            model: model.map(str::to_owned),
            status,
            before,
            limit,
        };
        let page = jobs.list(&filter).await.unwrap();
        page.iter().map(|job| job.id).collect::<Vec<_>>()
    };
    let newest_first: Vec<_> = ids.iter().rev().copied().collect();
    assert_eq!(list(None, None, None, 10).await, newest_first);
    assert_eq!(list(None, None, None, 2).await, newest_first[..2]);
    assert_eq!(list(None, None, Some(newest_first[1]), 2).await, newest_first[2..4]);
    assert_eq!(list(Some("b"), None, None, 10).await, [ids[3], ids[1]]);
    assert_eq!(list(Some("a"), Some(Status::Queued), None, 10).await, [ids[4], ids[2]]);
    assert_eq!(list(None, Some(Status::Failed), None, 10).await, [ids[0]]);
    assert!(list(Some("c"), None, None, 10).await.is_empty());
    assert!(list(None, None, None, 0).await.is_empty());
    assert_eq!(get(&jobs, ids[0]).await.outcome, Some(failed));
}

#[tokio::test]
async fn forgotten_jobs_leave_nothing_behind() {
    let redis = RedisServer::start();
    let jobs = server_of(&redis, LONG);
    let (old, new) = (insert(&jobs, "m").await, insert(&jobs, "m").await);
    let lease = claim(&jobs, "m").await;
    jobs.publish(&lease, vec![JobEvent::Chunk(json!("x"))]).await.unwrap();
    jobs.tell(&lease, delivery(old, "start")).await.unwrap();
    let ending = succeeded(Some(delivery(old, "completed")));
    let at = ending.at;
    assert!(jobs.finish(&lease, ending).await.unwrap());
    assert_eq!(jobs.forget(at).await.unwrap(), 0);
    // It stays for as long as somebody is to be told of it.
    assert_eq!(jobs.forget(at + Duration::from_micros(1)).await.unwrap(), 0);
    for _ in 0..2 {
        let told = due(&jobs).await.remove(0);
        jobs.settle(&told, Posted::Delivered { status: 204 }).await.unwrap();
    }
    assert_eq!(jobs.forget(at + Duration::from_secs(7200)).await.unwrap(), 1);
    assert_eq!(jobs.get(old).await.unwrap(), None);
    assert!(jobs.deliveries(old).await.unwrap().is_empty());
    assert!(due(&jobs).await.is_empty());
    assert_eq!(jobs.forget(Timestamp::MAX).await.unwrap(), 0);
    let lease = claim(&jobs, "m").await;
    assert_eq!(lease.job, new);
    assert!(jobs.finish(&lease, succeeded(None)).await.unwrap());
    assert_eq!(jobs.forget(Timestamp::MAX).await.unwrap(), 1);
    assert_eq!(redis.ask("DBSIZE").unwrap(), ":0");
}

#[tokio::test]
async fn events_are_numbered_and_reach_who_waits_for_them() {
    let redis = RedisServer::start();
    let (one, two) = (server_of(&redis, LONG), server_of(&redis, LONG));
    let id = insert(&one, "m").await;
    let queued = (1_u64, JobEvent::Status(Status::Queued));
    assert_eq!(
        two.events(id, 0, Duration::MAX).await.unwrap(),
        std::slice::from_ref(&queued)
    );
    assert!(two.events(id, 1, Duration::ZERO).await.unwrap().is_empty());
    assert!(two.events(id, 1, Duration::from_millis(20)).await.unwrap().is_empty());
    let lease = claim(&one, "m").await;
    let told = [
        // The store has told it.
        JobEvent::Status(Status::Running),
        JobEvent::Progress(json!({"step": 1})),
        JobEvent::Chunk(json!("a")),
    ];
    one.publish(&lease, told.to_vec()).await.unwrap();
    let [running, progress, chunk] = told;
    let all = [queued, (2, running), (3, progress), (4, chunk)];
    assert_eq!(two.events(id, 0, LONG).await.unwrap(), all);
    assert_eq!(two.events(id, 3, LONG).await.unwrap(), all[3..]);
    assert_eq!(two.events(id, 99, LONG).await.unwrap(), all);
    assert_eq!(get(&two, id).await.progress, Some(json!({"step": 1})));
    let (later, done) = tokio::join!(timeout(LONG, two.events(id, 4, Duration::MAX)), async {
        // It may wait by then or not: it hears of it either way.
        sleep(Duration::from_millis(20)).await;
        one.finish(&lease, succeeded(None)).await
    });
    assert!(done.unwrap());
    let later = later.expect("an event").unwrap();
    assert_eq!(later, [(5, JobEvent::Status(Status::Succeeded))]);
    // Nothing more will come.
    assert!(two.events(id, 5, Duration::MAX).await.unwrap().is_empty());
    assert!(two.events(Uuid::now_v7(), 0, Duration::MAX).await.unwrap().is_empty());
}

#[tokio::test]
async fn who_waits_for_jobs_hears_of_them_from_any_server() {
    let redis = RedisServer::start();
    let (one, two) = (server_of(&redis, Duration::from_secs(3600)), server_of(&redis, LONG));
    for _ in 0..3 {
        let run = async {
            loop {
                if let Some(claim) = one.claim("m", 1).await.unwrap().pop() {
                    return claim.lease;
                }
                one.wait("m", Duration::MAX).await;
            }
        };
        let insertion = async {
            sleep(Duration::from_millis(20)).await;
            insert(&two, "m").await
        };
        let (lease, id) = tokio::join!(timeout(LONG, run), insertion);
        let lease = lease.expect("a job");
        assert_eq!(lease.job, id);
        one.finish(&lease, succeeded(None)).await.unwrap();
    }
    // A lease that is over tells nobody: waiting ends by itself.
    let waited = server_of(&redis, SHORT);
    timeout(LONG, waited.wait("m", Duration::MAX)).await.expect("an end");
}

#[tokio::test]
async fn deliveries_of_a_job_are_made_one_after_the_other() {
    let redis = RedisServer::start();
    let (one, two) = (server_of(&redis, LONG), server_of(&redis, LONG));
    let (first, second) = (insert(&one, "m").await, insert(&one, "m").await);
    let (lease, other) = (claim(&one, "m").await, claim(&one, "m").await);
    // Progress is left out while the start is still to be told.
    for event in ["start", "progress.1", "resume", "start"] {
        one.tell(&lease, delivery(first, event)).await.unwrap();
    }
    one.finish(&lease, succeeded(Some(delivery(first, "completed"))))
        .await
        .unwrap();
    one.finish(&other, succeeded(Some(delivery(second, "completed"))))
        .await
        .unwrap();
    let mut posted = Vec::new();
    loop {
        let taken = two.due(10, LONG).await.unwrap();
        // Taken is taken, for every server.
        assert!(one.due(10, LONG).await.unwrap().is_empty());
        if taken.is_empty() {
            break;
        }
        for delivery in taken {
            two.settle(&delivery, Posted::Delivered { status: 204 }).await.unwrap();
            posted.push(delivery.id);
        }
    }
    let of_first: Vec<_> = posted.iter().filter(|id| id.starts_with(&first.to_string())).collect();
    let names = ["start", "resume", "completed"].map(|event| format!("{first}.{event}"));
    assert_eq!(of_first, names.iter().collect::<Vec<_>>());
    assert_eq!(posted.len(), 4);
    let kept = one.deliveries(first).await.unwrap();
    assert!(kept.iter().map(|delivery| &delivery.id).eq(names.iter()));
    assert!(
        kept.iter()
            .all(|delivery| delivery.state == DeliveryState::Delivered && delivery.status == Some(204))
    );
}

#[tokio::test]
async fn a_delivery_is_tried_again_given_up_and_sent_anew() {
    let redis = RedisServer::start();
    let jobs = server_of(&redis, LONG);
    let id = insert(&jobs, "m").await;
    let lease = claim(&jobs, "m").await;
    jobs.tell(&lease, delivery(id, "start")).await.unwrap();
    jobs.finish(&lease, succeeded(Some(delivery(id, "completed"))))
        .await
        .unwrap();
    let start = due(&jobs).await.remove(0);
    let dead = |error: &str| Posted::Dead {
        status: None,
        error: error.to_owned(),
    };
    // Only the terminal one becomes a dead letter; others make way.
    jobs.settle(&start, dead("no")).await.unwrap();
    assert!(jobs.dead_letters(None, 10).await.unwrap().is_empty());
    let last = due(&jobs).await.remove(0);
    let at = Timestamp::now() + SHORT;
    let again = Posted::Again {
        at,
        status: Some(503),
        error: "busy".to_owned(),
    };
    jobs.settle(&last, again).await.unwrap();
    assert!(due(&jobs).await.is_empty());
    timeout(LONG, jobs.wait_due(Duration::MAX)).await.expect("it is due");
    let tries = async {
        loop {
            if let Some(delivery) = due(&jobs).await.pop() {
                return delivery;
            }
            jobs.wait_due(Duration::MAX).await;
        }
    };
    let last = timeout(LONG, tries).await.expect("it is due");
    assert_eq!(
        (last.attempts, last.status, last.error.as_deref()),
        (1, Some(503), Some("busy"))
    );
    assert_eq!(last.at, at);
    jobs.settle(&last, dead("gone")).await.unwrap();
    // What is settled is settled.
    jobs.settle(&last, Posted::Delivered { status: 200 }).await.unwrap();
    let letters = jobs.dead_letters(None, 10).await.unwrap();
    assert_eq!(
        (letters.len(), &letters[0].id, letters[0].state),
        (1, &last.id, DeliveryState::Dead)
    );
    assert!(jobs.dead_letters(Some(&last.id), 10).await.unwrap().is_empty());
    assert!(jobs.resend(&last.id).await.unwrap());
    assert!(!jobs.resend(&last.id).await.unwrap());
    assert!(!jobs.resend(&start.id).await.unwrap());
    let last = due(&jobs).await.remove(0);
    assert_eq!((last.attempts, last.state), (0, DeliveryState::Pending));
    jobs.settle(&last, Posted::Delivered { status: 200 }).await.unwrap();
    let kept = jobs.deliveries(id).await.unwrap().remove(1);
    assert_eq!(
        (kept.state, kept.attempts, kept.error),
        (DeliveryState::Delivered, 1, None)
    );
    assert!(jobs.dead_letters(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_delivery_that_is_held_is_left_alone() {
    let redis = RedisServer::start();
    let (one, two) = (server_of(&redis, LONG), server_of(&redis, LONG));
    let id = insert(&one, "m").await;
    let lease = claim(&one, "m").await;
    one.finish(&lease, succeeded(Some(delivery(id, "completed"))))
        .await
        .unwrap();
    let brief = Duration::from_millis(50);
    let taken = one.due(10, brief).await.unwrap();
    one.hold(&taken, LONG).await.unwrap();
    sleep(brief * 2).await;
    assert!(due(&two).await.is_empty());
    let again = Posted::Again {
        at: Timestamp::now(),
        status: Some(503),
        error: "busy".to_owned(),
    };
    one.settle(&taken[0], again).await.unwrap();
    // Too late: its next post is not put off.
    one.hold(&taken, LONG).await.unwrap();
    assert_eq!(due(&two).await.len(), 1);
}

#[tokio::test]
async fn a_delivery_that_a_dead_server_took_is_taken_by_another() {
    let redis = RedisServer::start();
    let (one, two) = (server_of(&redis, LONG), server_of(&redis, LONG));
    let id = insert(&one, "m").await;
    let lease = claim(&one, "m").await;
    let waited = async {
        // Nothing is under way: this waits for a message.
        timeout(LONG, two.wait_due(Duration::MAX)).await.expect("a delivery");
        timeout(LONG, two.wait_due(Duration::MAX)).await.expect("a delivery");
    };
    let mut long = delivery(id, "completed");
    long.body = Bytes::from(vec![b'x'; queue::WHOLE + 1]);
    let told = async { one.finish(&lease, succeeded(Some(long.clone()))).await.unwrap() };
    let ((), told) = tokio::join!(waited, told);
    assert!(told);
    assert_eq!(one.due(1, SHORT).await.unwrap().len(), 1);
    let tries = async {
        loop {
            if let Some(delivery) = due(&two).await.pop() {
                return delivery;
            }
            two.wait_due(Duration::MAX).await;
        }
    };
    let taken = timeout(LONG, tries).await.expect("the lease is over");
    assert_eq!((taken.id, taken.body), (long.id, long.body));
}

#[tokio::test]
async fn what_was_accepted_outlives_the_redis() {
    let mut redis = RedisServer::durable();
    let jobs = server_of(&redis, LONG);
    let (first, second) = (insert(&jobs, "m").await, insert(&jobs, "m").await);
    let lease = claim(&jobs, "m").await;
    redis.kill();
    let refused = timeout(LONG, jobs.insert(new_job("m"), 10)).await.expect("an answer");
    assert!(matches!(refused, Err(StoreError::Away(_))));
    let refused = timeout(LONG, jobs.keep(std::slice::from_ref(&lease)))
        .await
        .expect("an answer");
    assert!(matches!(refused, Err(StoreError::Away(_))));
    // Waiting does not fail, and does not spin.
    jobs.wait("m", Duration::from_millis(50)).await;
    jobs.wait_due(Duration::from_millis(50)).await;
    redis.restart();
    let back = async {
        while jobs.keep(std::slice::from_ref(&lease)).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, back).await.expect("Redis is found again");
    assert_eq!(jobs.keep(std::slice::from_ref(&lease)).await.unwrap(), [Kept::Yes]);
    assert!(jobs.finish(&lease, succeeded(None)).await.unwrap());
    assert_eq!(get(&jobs, first).await.status, Status::Succeeded);
    assert_eq!(claim(&jobs, "m").await.job, second);
    assert_eq!(jobs.unfinished("m").await.unwrap(), 1);
}

#[tokio::test]
async fn an_entry_without_its_job_holds_nobody_up() {
    let redis = RedisServer::start();
    let jobs = server_of(&redis, SHORT);
    let (lost, claimed, whole) = (
        insert(&jobs, "m").await,
        insert(&jobs, "m").await,
        insert(&jobs, "m").await,
    );
    redis.ask(&format!("DEL hostler:job:{lost}")).unwrap();
    let lease = claim(&jobs, "m").await;
    assert_eq!(lease.job, claimed);
    redis.ask(&format!("DEL hostler:job:{claimed}")).unwrap();
    assert_eq!(claim_late(&jobs, "m").await.lease.job, whole);
    assert_eq!(claim_late(&jobs, "m").await.lease.attempt, 2);
    assert_eq!(redis.ask("XLEN hostler:jobs:m").unwrap(), ":1");
    assert_eq!(jobs.unfinished("m").await.unwrap(), 1);
}
