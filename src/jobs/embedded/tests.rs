use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::{EmbeddedJobs, SCHEMA};
use crate::error::Kind;
use crate::jobs::job::{
    About, Answer, Failure, Idempotency, Input, Job, JobId, NewJob, Outcome, Status, Webhook, WebhookEvent,
};
use crate::jobs::store::{
    Cancelled, Claim, Delivery, DeliveryState, Ending, Filter, Inserted, JobEvent, JobStore, Kept, MOST_BYTES,
    NewDelivery, Posted, Return,
};
use crate::store::StoreError;
use crate::store::embedded::Database;

const MODEL: &str = "digits";
const MINUTE: Duration = Duration::from_secs(60);

struct Fixture {
    store: EmbeddedJobs,
    folder: tempfile::TempDir,
}

async fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    Fixture { store, folder }
}

/// Another test may spawn a process just now, which holds a copy of the lock until it runs its program.
async fn open(folder: &Path) -> EmbeddedJobs {
    let store = EmbeddedJobs::new(Database::new(folder, &[SCHEMA]));
    let began = Instant::now();
    while let Err(StoreError::Away(told)) = store.unfinished(MODEL).await {
        assert!(began.elapsed() < Duration::from_secs(20), "{told}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    store
}

impl Fixture {
    /// The server ends without a word to its jobs, and another one begins.
    async fn restart(self) -> Self {
        let Self { store, folder } = self;
        drop(store);
        let store = open(folder.path()).await;
        Self { store, folder }
    }

    /// The server is killed: another one begins with what stands on disk at this moment.
    async fn kill(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["hostler.sqlite3", "hostler.sqlite3-wal"] {
            std::fs::copy(self.folder.path().join(name), folder.path().join(name)).unwrap();
        }
        let store = open(folder.path()).await;
        Self { store, folder }
    }

    async fn add(&self, model: &str) -> JobId {
        let job = job(model);
        let id = job.id;
        assert!(matches!(self.store.insert(job, 1000).await.unwrap(), Inserted::New));
        id
    }

    async fn get(&self, id: JobId) -> Job {
        self.store.get(id).await.unwrap().unwrap()
    }

    async fn claim(&self) -> Option<Claim> {
        self.store.claim(MODEL, 1).await.unwrap().pop()
    }

    /// The ids of all that waits, in the order of their claims.
    async fn queue(&self) -> Vec<JobId> {
        let claims = self.store.claim(MODEL, 1000).await.unwrap();
        for claim in &claims {
            assert!(self.store.put_back(&claim.lease, Return::Unrun).await.unwrap());
        }
        claims.iter().map(|claim| claim.job.id).collect()
    }

    /// A running job with these deliveries.
    async fn telling(&self, ids: &[&str]) -> Claim {
        self.add(MODEL).await;
        let claim = self.claim().await.unwrap();
        for id in ids {
            self.store.tell(&claim.lease, delivery(id, false)).await.unwrap();
        }
        claim
    }

    async fn due(&self) -> Vec<Delivery> {
        self.store.due(100, MINUTE).await.unwrap()
    }

    async fn delivered(&self, delivery: &Delivery) {
        let posted = Posted::Delivered { status: 204 };
        self.store.settle(delivery, posted).await.unwrap();
    }

    async fn list(&self, filter: Filter) -> Vec<JobId> {
        let jobs = self.store.list(&filter).await.unwrap();
        jobs.iter().map(|job| job.id).collect()
    }
}

fn job(model: &str) -> NewJob {
    NewJob {
        id: Uuid::now_v7(),
        model: model.to_owned(),
        path: format!("/{model}"),
        input: Input {
            body: Bytes::from_static(b"{\"x\":1}"),
            about: About {
                content_type: Some("application/json".into()),
                timeout_ms: Some(5000),
                request_id: "r-1".into(),
                ..About::default()
            },
        },
        webhook: Some(Webhook {
            url: "http://example.com/hook".into(),
            events: vec![WebhookEvent::Start, WebhookEvent::Completed],
        }),
        upload_webhook: Some("http://example.com/upload".into()),
        idempotency: None,
        created: Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap(),
    }
}

fn delivery(id: &str, terminal: bool) -> NewDelivery {
    NewDelivery {
        id: id.to_owned(),
        url: "http://example.com/hook".into(),
        body: Bytes::from(format!("{{\"id\":{id:?}}}")),
        terminal,
        skippable: id.contains("progress"),
    }
}

fn answer() -> Outcome {
    Outcome::Succeeded(Answer {
        content_type: "application/json".into(),
        body: Bytes::from_static(b"{\"results\":1}"),
    })
}

fn ending(outcome: Outcome) -> Ending {
    Ending {
        outcome,
        at: Timestamp::from_second(2_000_000_000).unwrap(),
        delivery: None,
    }
}

fn ids(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.id.as_str()).collect()
}

#[tokio::test]
async fn an_accepted_job_survives_a_kill_as_it_was_sent() {
    let fixture = fixture().await;
    let sent = job(MODEL);
    let inserted = fixture.store.insert(sent.clone(), 1000).await.unwrap();
    assert!(matches!(inserted, Inserted::New));
    let kept = fixture.kill().await.get(sent.id).await;
    assert_eq!(
        kept,
        Job {
            id: sent.id,
            model: sent.model,
            path: sent.path,
            status: Status::Queued,
            input: sent.input,
            webhook: sent.webhook,
            upload_webhook: sent.upload_webhook,
            created: sent.created,
            started: None,
            finished: None,
            attempts: 0,
            losses: 0,
            interruptions: 0,
            progress: None,
            cancelling: false,
            outcome: None,
        }
    );
}

#[tokio::test]
async fn looking_makes_no_database() {
    let Fixture { store, folder } = fixture().await;
    let id = Uuid::now_v7();
    assert_eq!(store.get(id).await.unwrap(), None);
    assert!(store.list(&Filter::default()).await.unwrap().is_empty());
    assert!(store.claim(MODEL, 1).await.unwrap().is_empty());
    assert!(store.events(id, 0, MINUTE).await.unwrap().is_empty());
    assert!(store.due(1, MINUTE).await.unwrap().is_empty());
    assert!(store.deliveries(id).await.unwrap().is_empty());
    assert!(store.dead_letters(None, 10).await.unwrap().is_empty());
    assert!(!store.resend("x").await.unwrap());
    assert!(matches!(
        store.cancel(id, Timestamp::now(), None).await.unwrap(),
        Cancelled::Unknown
    ));
    assert_eq!(store.forget(Timestamp::now()).await.unwrap(), 0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn jobs_of_a_model_are_claimed_oldest_first_and_once() {
    let fixture = fixture().await;
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.push(fixture.add(MODEL).await);
        fixture.add("letters").await;
    }
    let claims = fixture.store.claim(MODEL, 3).await.unwrap();
    let claimed: Vec<_> = claims.iter().map(|claim| claim.job.id).collect();
    assert_eq!(claimed, sent[..3]);
    for claim in &claims {
        let job = &claim.job;
        assert_eq!((job.status, job.attempts, claim.lease.attempt), (Status::Running, 1, 1));
        assert!(job.started.is_some() && !job.input.body.is_empty());
    }
    let rest = fixture.store.claim(MODEL, 100).await.unwrap();
    assert_eq!(rest.len(), 2);
    assert!(fixture.claim().await.is_none());
}

#[tokio::test]
async fn jobs_with_many_bytes_are_claimed_a_few_at_a_time() {
    let fixture = fixture().await;
    let mut long = job(MODEL);
    long.input.body = Bytes::from(vec![b' '; MOST_BYTES]);
    fixture.store.insert(long, 1000).await.unwrap();
    fixture.add(MODEL).await;
    fixture.add(MODEL).await;
    assert_eq!(fixture.store.claim(MODEL, 9).await.unwrap().len(), 1);
    assert_eq!(fixture.store.claim(MODEL, 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_job_that_cannot_be_read_holds_nobody_up() {
    let fixture = fixture().await;
    let (broken, whole) = (fixture.add(MODEL).await, fixture.add(MODEL).await);
    let damage = fixture.store.database.write(
        move |connection| Ok(connection.execute("UPDATE jobs SET about = '{' WHERE id = ?1", [broken.as_bytes()])?),
        |_| (),
    );
    assert_eq!(damage.await.unwrap(), 1);
    assert_eq!(fixture.claim().await.unwrap().job.id, whole);
    assert!(fixture.claim().await.is_none());
    assert_eq!(fixture.store.unfinished(MODEL).await.unwrap(), 1);
    assert!(matches!(fixture.store.get(broken).await, Err(StoreError::Broken(_))));
}

#[tokio::test]
async fn a_job_that_did_not_run_keeps_its_place_and_one_that_ended_its_replica_goes_behind() {
    let fixture = fixture().await;
    let (first, second, third) = (
        fixture.add(MODEL).await,
        fixture.add(MODEL).await,
        fixture.add(MODEL).await,
    );
    let claim = fixture.claim().await.unwrap();
    assert!(fixture.store.put_back(&claim.lease, Return::Unrun).await.unwrap());
    assert_eq!(fixture.get(first).await.started, None);
    assert_eq!(fixture.queue().await, [first, second, third]);
    let claim = fixture.claim().await.unwrap();
    assert_eq!((claim.job.id, claim.job.losses), (first, 0));
    assert!(fixture.store.put_back(&claim.lease, Return::Lost).await.unwrap());
    assert_eq!(fixture.get(first).await.losses, 1);
    assert_eq!(fixture.queue().await, [second, third, first]);
}

#[tokio::test]
async fn what_ran_when_the_server_died_runs_again_behind_what_waits() {
    let fixture = fixture().await;
    let (first, second) = (fixture.add(MODEL).await, fixture.add(MODEL).await);
    let stale = fixture.claim().await.unwrap();
    assert_eq!(stale.job.id, first);
    for (mut fixture, times) in [(fixture.kill().await, 1), (fixture.restart().await, 1)] {
        let job = fixture.get(first).await;
        assert_eq!((job.status, job.interruptions, job.losses), (Status::Queued, times, 0));
        assert_eq!(fixture.get(second).await.interruptions, 0);
        // The earlier run has no say any more, before the next claim or after it.
        assert!(!fixture.store.finish(&stale.lease, ending(answer())).await.unwrap());
        assert_eq!(fixture.claim().await.unwrap().job.id, second);
        let again = fixture.claim().await.unwrap();
        assert_eq!((again.job.id, again.lease.attempt), (first, 2));
        assert!(!fixture.store.finish(&stale.lease, ending(answer())).await.unwrap());
        assert!(!fixture.store.put_back(&stale.lease, Return::Lost).await.unwrap());
        assert_eq!(
            fixture.store.keep(std::slice::from_ref(&stale.lease)).await.unwrap(),
            [Kept::Lost]
        );
        fixture = fixture.restart().await;
        assert_eq!(fixture.get(first).await.interruptions, times + 1);
    }
}

#[tokio::test]
async fn an_end_is_recorded_once_with_its_answer_and_progress() {
    let fixture = fixture().await;
    let id = fixture.add(MODEL).await;
    let claim = fixture.claim().await.unwrap();
    let events = vec![JobEvent::Status(Status::Running), JobEvent::Progress(json!(0.5))];
    fixture.store.publish(&claim.lease, events).await.unwrap();
    assert_eq!(fixture.get(id).await.progress, Some(json!(0.5)));
    assert_eq!(fixture.store.unfinished(MODEL).await.unwrap(), 1);
    assert!(fixture.store.finish(&claim.lease, ending(answer())).await.unwrap());
    let failure = Outcome::Failed(Failure::new(Kind::PipelineFailed, "no"));
    assert!(!fixture.store.finish(&claim.lease, ending(failure)).await.unwrap());
    assert!(!fixture.store.put_back(&claim.lease, Return::Lost).await.unwrap());
    assert_eq!(fixture.store.unfinished(MODEL).await.unwrap(), 0);
    let job = fixture.kill().await.get(id).await;
    assert_eq!((job.status, job.outcome), (Status::Succeeded, Some(answer())));
    assert_eq!(job.finished, Some(ending(answer()).at));
    assert_eq!(job.progress, Some(json!(0.5)));
    assert!(!job.input.body.is_empty());
}

#[tokio::test]
async fn a_failure_comes_back_as_it_was() {
    let fixture = fixture().await;
    let id = fixture.add(MODEL).await;
    let claim = fixture.claim().await.unwrap();
    let failure = Outcome::Failed(Failure::new(Kind::ReplicaLost, "three times"));
    assert!(
        fixture
            .store
            .finish(&claim.lease, ending(failure.clone()))
            .await
            .unwrap()
    );
    assert_eq!(fixture.get(id).await.outcome, Some(failure));
}

#[tokio::test]
async fn queued_jobs_are_cancelled_at_once_and_running_ones_asked() {
    let fixture = fixture().await;
    let (first, second) = (fixture.add(MODEL).await, fixture.add(MODEL).await);
    let claim = fixture.claim().await.unwrap();
    let store = &fixture.store;
    assert_eq!(
        store.keep(std::slice::from_ref(&claim.lease)).await.unwrap(),
        [Kept::Yes]
    );
    let at = Timestamp::now();

    let told = Some(delivery("second.completed", true));
    let Cancelled::Now(job) = store.cancel(second, at, told.clone()).await.unwrap() else {
        panic!()
    };
    assert_eq!(
        (job.status, job.outcome.clone()),
        (Status::Cancelled, Some(Outcome::Cancelled))
    );
    assert!(job.finished.is_some());
    assert_eq!(ids(&store.deliveries(second).await.unwrap()), ["second.completed"]);
    assert!(matches!(
        store.cancel(second, at, told).await.unwrap(),
        Cancelled::Over(_)
    ));

    let told = Some(delivery("first.completed", true));
    let Cancelled::Soon(job) = store.cancel(first, at, told).await.unwrap() else {
        panic!()
    };
    assert!(job.cancelling && job.status == Status::Running);
    assert!(store.deliveries(first).await.unwrap().is_empty());
    assert_eq!(
        store.keep(std::slice::from_ref(&claim.lease)).await.unwrap(),
        [Kept::Cancelling]
    );
    assert_eq!(store.unfinished(MODEL).await.unwrap(), 1);

    // Its server dies before it could end it: the next one is told with the claim.
    let fixture = fixture.restart().await;
    let claim = fixture.claim().await.unwrap();
    assert!(claim.job.cancelling);
    assert!(
        fixture
            .store
            .finish(&claim.lease, ending(Outcome::Cancelled))
            .await
            .unwrap()
    );
    assert_eq!(fixture.store.unfinished(MODEL).await.unwrap(), 0);
}

#[tokio::test]
async fn a_model_has_no_more_unfinished_jobs_than_it_may() {
    let fixture = fixture().await;
    let full = async |store: &EmbeddedJobs| matches!(store.insert(job(MODEL), 3).await.unwrap(), Inserted::Full);
    for _ in 0..3 {
        assert!(!full(&fixture.store).await);
    }
    assert!(full(&fixture.store).await);
    // Running ones count; other models do not.
    let claim = fixture.claim().await.unwrap();
    assert!(full(&fixture.store).await);
    fixture.add("letters").await;
    let fixture = fixture.kill().await;
    assert!(full(&fixture.store).await);
    assert_eq!(fixture.store.unfinished(MODEL).await.unwrap(), 3);
    // The job of the claim goes last now.
    assert_ne!(fixture.claim().await.unwrap().job.id, claim.job.id);
    let claim = fixture.claim().await.unwrap();
    assert!(fixture.store.finish(&claim.lease, ending(answer())).await.unwrap());
    assert!(!full(&fixture.store).await);
}

#[tokio::test]
async fn a_key_brings_the_same_job_again_and_no_other_request() {
    let fixture = fixture().await;
    let keyed = |digest: u8| NewJob {
        idempotency: Some(Idempotency {
            key: "k".into(),
            digest: [digest; 32],
        }),
        ..job(MODEL)
    };
    let first = keyed(1);
    let id = first.id;
    assert!(matches!(fixture.store.insert(first, 1).await.unwrap(), Inserted::New));
    let fixture = fixture.restart().await;
    // Also where there is no room for another.
    let Inserted::Known(known) = fixture.store.insert(keyed(1), 1).await.unwrap() else {
        panic!()
    };
    assert_eq!(known.id, id);
    let Inserted::Conflict(sent) = fixture.store.insert(keyed(2), 1).await.unwrap() else {
        panic!()
    };
    assert_eq!((sent.key.as_str(), sent.digest), ("k", [1; 32]));
    assert_eq!(fixture.store.unfinished(MODEL).await.unwrap(), 1);
}

#[tokio::test]
async fn the_same_key_sent_at_once_makes_one_job() {
    let fixture = fixture().await;
    let store = Arc::new(fixture.store);
    let mut sent = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let store = Arc::clone(&store);
        sent.spawn(async move {
            let idempotency = Some(Idempotency {
                key: "k".into(),
                digest: [1; 32],
            });
            let job = NewJob {
                idempotency,
                ..job(MODEL)
            };
            store.insert(job, 1000).await.unwrap()
        });
    }
    let inserted = sent.join_all().await;
    let new = inserted.iter().filter(|inserted| matches!(inserted, Inserted::New));
    assert_eq!(new.count(), 1);
    assert_eq!(store.unfinished(MODEL).await.unwrap(), 1);
}

#[tokio::test]
async fn lists_are_paged_newest_first() {
    let fixture = fixture().await;
    let mut newest = Vec::new();
    for n in 0..20 {
        let id = fixture.add(if n % 2 == 0 { MODEL } else { "letters" }).await;
        newest.insert(0, id);
    }
    let page = |limit| Filter {
        limit,
        ..Filter::default()
    };
    assert_eq!(fixture.list(page(3)).await, newest[..3]);
    let before = Some(newest[2]);
    assert_eq!(fixture.list(Filter { before, ..page(3) }).await, newest[3..6]);
    let model = Some(MODEL.to_owned());
    let digits: Vec<_> = newest.iter().copied().skip(1).step_by(2).collect();
    assert_eq!(
        fixture
            .list(Filter {
                model: model.clone(),
                ..page(100)
            })
            .await,
        digits
    );
    let claimed: Vec<_> = fixture.store.claim(MODEL, 2).await.unwrap();
    let status = Some(Status::Running);
    let running = fixture.list(Filter { status, ..page(100) }).await;
    assert_eq!(running, [claimed[1].job.id, claimed[0].job.id]);
    let status = Some(Status::Queued);
    let rest = Filter {
        model,
        status,
        before,
        limit: 100,
    };
    assert_eq!(fixture.list(rest).await, digits[1..8]);
}

#[tokio::test]
async fn jobs_are_forgotten_after_their_time_with_all_that_belongs_to_them() {
    let fixture = fixture().await;
    let (old, queued) = (fixture.add(MODEL).await, fixture.add(MODEL).await);
    let claim = fixture.claim().await.unwrap();
    let ending = Ending {
        delivery: Some(delivery("old.completed", true)),
        ..ending(answer())
    };
    let at = ending.at;
    assert!(fixture.store.finish(&claim.lease, ending).await.unwrap());
    assert_eq!(fixture.store.forget(at).await.unwrap(), 0);
    // It stays for as long as somebody is to be told of it.
    assert_eq!(fixture.store.forget(at + Duration::from_secs(1)).await.unwrap(), 0);
    let told = fixture.store.deliveries(old).await.unwrap();
    fixture.delivered(&told[0]).await;
    assert_eq!(fixture.store.forget(at + Duration::from_secs(1)).await.unwrap(), 1);
    assert_eq!(fixture.store.get(old).await.unwrap(), None);
    assert!(fixture.store.deliveries(old).await.unwrap().is_empty());
    assert!(fixture.due().await.is_empty());
    let rows = |table: &'static str| {
        fixture.store.database.read(move |connection| {
            let sql = format!("SELECT count(*) FROM {table}");
            Ok(connection.query_row(&sql, (), |row| row.get::<_, i64>(0))?)
        })
    };
    for (table, left) in [
        ("jobs", 1),
        ("inputs", 1),
        ("answers", 0),
        ("deliveries", 0),
        ("posts", 0),
    ] {
        assert_eq!(rows(table).await.unwrap(), Some(left), "{table}");
    }
    assert_eq!(fixture.get(queued).await.status, Status::Queued);
}

#[tokio::test]
async fn many_jobs_are_forgotten_in_one_call() {
    let fixture = fixture().await;
    for _ in 0..3 {
        fixture.add(MODEL).await;
    }
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
         INSERT INTO jobs (id, model, path, turn, created, about, status, finished)
         SELECT randomblob(16), 'digits', '/digits', 0, 0, '{}', 4, 5 FROM n";
    let written = fixture
        .store
        .database
        .write(move |connection| Ok(connection.execute(many, ())?), |_| ());
    assert_eq!(written.await.unwrap(), 1200);
    assert_eq!(fixture.store.forget(Timestamp::now()).await.unwrap(), 1200);
    assert_eq!(
        fixture
            .list(Filter {
                limit: 9999,
                ..Filter::default()
            })
            .await
            .len(),
        3
    );
}

#[tokio::test]
async fn a_new_job_ends_the_wait_of_its_model() {
    let fixture = fixture().await;
    let began = Instant::now();
    // Word that comes before the wait is not lost.
    fixture.add(MODEL).await;
    fixture.store.wait(MODEL, MINUTE).await;
    let claim = fixture.claim().await.unwrap();
    let wait = fixture.store.wait(MODEL, MINUTE);
    tokio::pin!(wait);
    assert!(tokio::time::timeout(Duration::from_millis(1), &mut wait).await.is_err());
    assert!(fixture.store.put_back(&claim.lease, Return::Unrun).await.unwrap());
    wait.await;
    assert!(began.elapsed() < MINUTE);
    fixture.add("letters").await;
    fixture.store.wait(MODEL, Duration::from_millis(1)).await;
}

#[tokio::test]
async fn readers_follow_a_job_from_the_queue_to_its_end() {
    let fixture = fixture().await;
    let id = fixture.add(MODEL).await;
    let first = fixture.store.events(id, 0, MINUTE).await.unwrap();
    assert_eq!(first, [(1, JobEvent::Status(Status::Queued))]);
    let claim = fixture.claim().await.unwrap();
    let events = vec![JobEvent::Status(Status::Running), JobEvent::Chunk(json!("a"))];
    fixture.store.publish(&claim.lease, events).await.unwrap();
    assert!(fixture.store.put_back(&claim.lease, Return::Lost).await.unwrap());
    let claim = fixture.claim().await.unwrap();
    assert!(fixture.store.finish(&claim.lease, ending(answer())).await.unwrap());
    let rest = fixture.store.events(id, 1, MINUTE).await.unwrap();
    assert_eq!(
        rest,
        [
            (2, JobEvent::Status(Status::Running)),
            (3, JobEvent::Chunk(json!("a"))),
            (4, JobEvent::Status(Status::Queued)),
            (5, JobEvent::Status(Status::Succeeded)),
        ]
    );
    assert!(fixture.store.events(id, 5, MINUTE).await.unwrap().is_empty());
    // Of a job that ended before this server began, the last event is left.
    let fixture = fixture.restart().await;
    let last = fixture.store.events(id, 3, MINUTE).await.unwrap();
    assert_eq!(last, [(1, JobEvent::Status(Status::Succeeded))]);
    assert!(fixture.store.events(id, 1, MINUTE).await.unwrap().is_empty());
}

#[tokio::test]
async fn cancelling_a_queued_job_is_told_to_its_readers() {
    let fixture = fixture().await;
    let id = fixture.add(MODEL).await;
    fixture.store.cancel(id, Timestamp::now(), None).await.unwrap();
    let events = fixture.store.events(id, 1, MINUTE).await.unwrap();
    assert_eq!(events, [(2, JobEvent::Status(Status::Cancelled))]);
}

#[tokio::test]
async fn deliveries_of_a_job_are_made_one_after_another() {
    let fixture = fixture().await;
    // Progress is left out while the start is still to be told.
    let claim = fixture.telling(&["a.start", "a.progress.1", "a.next"]).await;
    let other = fixture.telling(&["b.start"]).await;
    let end = Ending {
        delivery: Some(delivery("a.completed", true)),
        ..ending(answer())
    };
    assert!(fixture.store.finish(&claim.lease, end).await.unwrap());
    let due = fixture.due().await;
    assert_eq!(ids(&due), ["a.start", "b.start"]);
    assert_eq!((due[0].job, due[1].job), (claim.job.id, other.job.id));
    assert_eq!(due[0].body, delivery("a.start", false).body);
    assert!(fixture.due().await.is_empty(), "both are taken");
    fixture.delivered(&due[0]).await;
    let due = fixture.due().await;
    assert_eq!(ids(&due), ["a.next"]);
    let dead = Posted::Dead {
        status: Some(404),
        error: "not found".into(),
    };
    fixture.store.settle(&due[0], dead).await.unwrap();
    // The end is told at the time it has, which lies ahead here: once its turn has come, it is due at once.
    let due = fixture.due().await;
    assert_eq!(ids(&due), ["a.completed"]);
    fixture.delivered(&due[0]).await;
    let all = fixture.store.deliveries(claim.job.id).await.unwrap();
    assert_eq!(ids(&all), ["a.start", "a.next", "a.completed"]);
    let states: Vec<_> = all.iter().map(|delivery| delivery.state).collect();
    assert_eq!(
        states,
        [DeliveryState::Delivered, DeliveryState::Dead, DeliveryState::Delivered]
    );
    assert_eq!(all[1].error.as_deref(), Some("not found"));
    assert_eq!((all[1].status, all[1].attempts, all[2].terminal), (Some(404), 1, true));
    assert!(
        fixture.store.dead_letters(None, 10).await.unwrap().is_empty(),
        "it was no terminal one"
    );
}

#[tokio::test]
async fn a_delivery_is_told_of_once_and_only_by_who_holds_the_job() {
    let fixture = fixture().await;
    let claim = fixture.telling(&["a.start", "a.start"]).await;
    assert!(fixture.store.put_back(&claim.lease, Return::Lost).await.unwrap());
    fixture
        .store
        .tell(&claim.lease, delivery("a.late", false))
        .await
        .unwrap();
    let claim = fixture.claim().await.unwrap();
    fixture
        .store
        .tell(&claim.lease, delivery("a.start", false))
        .await
        .unwrap();
    assert_eq!(ids(&fixture.store.deliveries(claim.job.id).await.unwrap()), ["a.start"]);
}

#[tokio::test]
async fn a_delivery_that_failed_waits_and_holds_back_the_next_one() {
    let fixture = fixture().await;
    let claim = fixture.telling(&["a.start", "a.next"]).await;
    let due = fixture.due().await;
    let at = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap() + Duration::from_secs(3600);
    let again = Posted::Again {
        at,
        status: Some(503),
        error: "busy".into(),
    };
    fixture.store.settle(&due[0], again).await.unwrap();
    assert!(fixture.due().await.is_empty());
    let fixture = fixture.kill().await;
    assert!(fixture.due().await.is_empty(), "a restart does not hurry it");
    let all = fixture.store.deliveries(claim.job.id).await.unwrap();
    assert_eq!(
        (all[0].state, all[0].attempts, all[0].at),
        (DeliveryState::Pending, 1, at)
    );
    assert_eq!(all[0].error.as_deref(), Some("busy"));
}

#[tokio::test]
async fn a_delivery_that_nobody_settles_is_due_again() {
    let fixture = fixture().await;
    fixture.telling(&["a.start"]).await;
    assert_eq!(fixture.store.due(100, Duration::ZERO).await.unwrap().len(), 1);
    assert_eq!(fixture.due().await.len(), 1);
    assert!(fixture.due().await.is_empty());
    // Whoever took it died.
    let fixture = fixture.kill().await;
    let due = fixture.due().await;
    assert_eq!(ids(&due), ["a.start"]);
    fixture.delivered(&due[0]).await;
    let late = Posted::Dead {
        status: None,
        error: "late".into(),
    };
    fixture.store.settle(&due[0], late).await.unwrap();
    let all = fixture.store.deliveries(due[0].job).await.unwrap();
    assert_eq!(
        (all[0].state, all[0].status, all[0].attempts),
        (DeliveryState::Delivered, Some(204), 1)
    );
}

#[tokio::test]
async fn dead_letters_are_paged_and_sent_again() {
    let fixture = fixture().await;
    for id in ["a", "b", "c"] {
        fixture.add(MODEL).await;
        let claim = fixture.claim().await.unwrap();
        let end = Ending {
            outcome: answer(),
            at: Timestamp::now(),
            delivery: Some(delivery(id, true)),
        };
        assert!(fixture.store.finish(&claim.lease, end).await.unwrap());
    }
    for delivery in fixture.due().await {
        let dead = Posted::Dead {
            status: Some(500),
            error: "no".into(),
        };
        fixture.store.settle(&delivery, dead).await.unwrap();
    }
    let store = &fixture.store;
    let page = store.dead_letters(None, 2).await.unwrap();
    assert_eq!(ids(&page), ["c", "b"]);
    assert_eq!(ids(&store.dead_letters(Some("b"), 2).await.unwrap()), ["a"]);
    assert!(store.resend("b").await.unwrap());
    assert!(!store.resend("b").await.unwrap(), "it is no dead letter now");
    assert!(!store.resend("unknown").await.unwrap());
    let due = fixture.due().await;
    assert_eq!(ids(&due), ["b"]);
    assert_eq!((due[0].attempts, due[0].state), (0, DeliveryState::Pending));
    fixture.delivered(&due[0]).await;
    assert_eq!(ids(&store.dead_letters(None, 9).await.unwrap()), ["c", "a"]);
}

#[tokio::test]
async fn the_wait_for_deliveries_ends_with_a_new_one_or_when_one_is_due() {
    let fixture = fixture().await;
    let began = Instant::now();
    fixture.telling(&["a.start"]).await;
    fixture.store.wait_due(MINUTE).await;
    let due = fixture.due().await;
    assert_eq!(due.len(), 1);
    let again = Posted::Again {
        at: Timestamp::now() + Duration::from_millis(50),
        status: None,
        error: "refused".into(),
    };
    fixture.store.settle(&due[0], again).await.unwrap();
    while fixture.due().await.is_empty() {
        fixture.store.wait_due(MINUTE).await;
    }
    assert!(began.elapsed() < MINUTE);
}

#[tokio::test]
async fn another_server_with_the_folder_is_told_so() {
    let fixture = fixture().await;
    let id = fixture.add(MODEL).await;
    let second = EmbeddedJobs::new(Database::new(fixture.folder.path(), &[SCHEMA]));
    assert!(matches!(second.get(id).await, Err(StoreError::Away(_))));
    assert!(matches!(second.insert(job(MODEL), 9).await, Err(StoreError::Away(_))));
    assert!(matches!(second.claim(MODEL, 9).await, Err(StoreError::Away(_))));
    let Fixture { store, folder } = fixture;
    drop(store);
    let second = open(folder.path()).await;
    assert_eq!(second.get(id).await.unwrap().unwrap().id, id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn jobs_accepted_and_claimed_at_once_are_each_claimed_once() {
    let fixture = fixture().await;
    let store = Arc::new(fixture.store);
    let mut adding = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        adding.spawn(async move {
            for _ in 0..25 {
                assert!(matches!(store.insert(job(MODEL), 1000).await.unwrap(), Inserted::New));
            }
        });
    }
    let mut taking = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = Arc::clone(&store);
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
    assert!(store.claim(MODEL, 1).await.unwrap().is_empty());
}
