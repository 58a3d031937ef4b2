//! Servers that share a Redis and serve different models: each runs the jobs of its own, and answers for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hostler::{Batch, Contract, Error, Mount, Output, Pipeline, Schema, Server};
use serde_json::json;

use crate::support::jobs::{becomes, job, submit};
use crate::support::redis::RedisServer;
use crate::support::{TestServer, eventually, settings};

/// More than a server waits before it looks for jobs that nobody told it of, and more than a lease.
const A_LOOK: Duration = Duration::from_secs(2);

/// Runs that wait until they are let go or are cancelled.
#[derive(Clone, Default)]
struct Door {
    open: Arc<AtomicBool>,
    began: Arc<AtomicUsize>,
    /// Runs that saw that they were cancelled.
    heard: Arc<AtomicUsize>,
}

impl Door {
    fn opened() -> Self {
        let door = Self::default();
        door.open.store(true, Ordering::SeqCst);
        door
    }

    fn began(&self) -> usize {
        self.began.load(Ordering::SeqCst)
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }
}

struct Waiter(Door);

impl Pipeline for Waiter {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        for request in batch.iter_mut() {
            self.0.began.fetch_add(1, Ordering::SeqCst);
            while !self.0.open.load(Ordering::SeqCst) && !request.is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            if request.is_cancelled() {
                self.0.heard.fetch_add(1, Ordering::SeqCst);
            }
            request.finish(Output::json("waited"));
        }
        Ok(())
    }
}

/// A server of one model whose jobs are in this Redis. What runs when it is stopped goes back into the queue.
async fn serve(redis: &RedisServer, path: &str, door: &Door) -> TestServer {
    let url = redis.url();
    let settings = settings(&[
        ("SERVER_STORE_URL", url.as_str()),
        ("SERVER_JOB_LEASE", "1"),
        ("SERVER_DRAIN_TIMEOUT", "0"),
    ]);
    let door = door.clone();
    let contract = Contract::json(Schema::any(), Schema::any());
    let mount = Mount::new(path, contract, move |_| Ok(Waiter(door.clone())));
    let server = Server::builder::<()>().settings(settings).pipeline(mount);
    TestServer::library(server.build().unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_for_a_server_that_has_its_model() {
    let redis = RedisServer::start();
    let (own, shut) = (Door::opened(), Door::default());
    let a = serve(&redis, "/a", &own).await;
    let b = serve(&redis, "/b", &shut).await;
    let waiting = submit(&b.client, "/b", &json!({"n": 1})).await;
    eventually("its only server has it", async || shut.began() == 1).await;
    drop(b);

    let other = submit(&a.client, "/a", &json!({"n": 2})).await;
    becomes(&a.client, &other, "succeeded").await;
    tokio::time::sleep(A_LOOK).await;
    let left = job(&a.client, &waiting).await;
    assert_eq!((&left["status"], &left["model"]), (&json!("queued"), &json!("b")));
    assert_eq!(left["input"], json!({"n": 1}));
    assert_eq!(own.began(), 1);
    // It takes no new ones of a model that it does not serve.
    assert_eq!(a.client.post("/b/background", &json!({})).await.status, 404);

    let again = Door::opened();
    let b = serve(&redis, "/b", &again).await;
    for server in [&a, &b] {
        assert_eq!(becomes(&server.client, &waiting, "succeeded").await["output"], "waited");
        assert_eq!(job(&server.client, &other).await["status"], "succeeded");
    }
    assert_eq!((own.began(), again.began()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_cancelled_through_a_server_that_does_not_run_it() {
    let redis = RedisServer::start();
    let (running, idle) = (Door::default(), Door::opened());
    let a = serve(&redis, "/a", &running).await;
    let b = serve(&redis, "/b", &idle).await;
    let id = submit(&a.client, "/a", &json!({"n": 1})).await;
    eventually("it runs", async || running.began() == 1).await;
    assert_eq!(running.heard(), 0);

    let soon = b.client.post(&format!("/jobs/{id}/cancel"), &json!({})).await.ok();
    assert!(soon["status"] == "cancelled" || soon["cancelling"] == true, "{soon}");
    eventually("its run hears of it", async || running.heard() == 1).await;
    for server in [&a, &b] {
        let ended = becomes(&server.client, &id, "cancelled").await;
        assert!(ended.get("cancelling").is_none() && ended.get("output").is_none());
    }
    assert_eq!((running.began(), idle.began()), (1, 0));
}
