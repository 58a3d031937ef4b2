//! What ends a job beside its answer: its time, faults that pass, panics. None of them leaves one running for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hostler::{Builder, Error, Kind, Server, ToSchema};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::support::jobs::{becomes, submit_with};
use crate::support::{Client, TestServer, eventually, settings};

/// Serves handlers whose jobs are kept in a folder of their own.
async fn serve(handlers: impl FnOnce(Builder<()>) -> Builder<()>) -> (TestServer, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("file:{}", folder.path().display());
    let builder = Server::builder::<()>().settings(settings(&[("SERVER_STORE_URL", store.as_str())]));
    let server = TestServer::library(handlers(builder).build().unwrap()).await;
    (server, folder)
}

/// Asks for a job whose run may take so many seconds.
async fn submit(client: &Client, path: &str, body: &Value, seconds: &str) -> String {
    submit_with(client, path, &[("x-request-timeout", seconds)], body).await
}

#[derive(Deserialize, ToSchema)]
struct Numbered {
    n: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_job_is_that_of_its_run() {
    let gate = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&gate);
    let wait = move |(): &mut (), order: Numbered| {
        while !opened.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok::<_, Error>(order.n)
    };
    let (server, _folder) = serve(|builder| builder.handler("/gated", wait)).await;
    let client = &server.client;
    let request = {
        let client = client.clone();
        tokio::spawn(async move { client.post("/gated", &json!({"n": 1})).await.ok() })
    };
    eventually("the only replica is busy", async || server.service.admitted() == 1).await;
    let id = submit(client, "/gated", &json!({"n": 2}), "1").await;
    becomes(client, &id, "running").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    gate.store(true, Ordering::SeqCst);
    assert_eq!(request.await.unwrap(), 1);
    assert_eq!(becomes(client, &id, "succeeded").await["output"], 2);

    gate.store(false, Ordering::SeqCst);
    let id = submit(client, "/gated", &json!({"n": 3}), "0.1").await;
    let failed = becomes(client, &id, "failed").await;
    gate.store(true, Ordering::SeqCst);
    assert_eq!(failed["error"]["type"], "deadline_exceeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_code_is_not_ready_is_tried_a_few_times() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let away = move |(): &mut (), _: Numbered| {
        counted.fetch_add(1, Ordering::SeqCst);
        Err::<u64, _>(Error::new(Kind::NotReady, "the index is away"))
    };
    let (server, _folder) = serve(|builder| builder.handler("/away", away)).await;
    let id = submit(&server.client, "/away", &json!({"n": 1}), "60").await;
    let failed = becomes(&server.client, &id, "failed").await;
    assert_eq!(
        failed["error"],
        json!({"type": "not_ready", "message": "the index is away"})
    );
    assert_eq!((runs.load(Ordering::SeqCst), &failed["attempts"]), (3, &json!(3)));
}

static DECODED: AtomicUsize = AtomicUsize::new(0);

/// Is decoded once, when it is accepted.
#[derive(ToSchema)]
struct Fragile {
    #[expect(dead_code, reason = "it is never built a second time")]
    n: u64,
}

impl<'de> Deserialize<'de> for Fragile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Numbered { n } = Numbered::deserialize(deserializer)?;
        assert_eq!(DECODED.fetch_add(1, Ordering::SeqCst), 0, "told to panic");
        Ok(Self { n })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_input_panics_fails_and_holds_nobody_up() {
    let (server, _folder) = serve(|builder| {
        builder
            .handler("/fragile", |(): &mut (), _: Fragile| Ok::<_, Error>(0))
            .handler("/sound", |(): &mut (), order: Numbered| Ok::<_, Error>(order.n))
    })
    .await;
    let client = &server.client;
    let id = submit(client, "/fragile", &json!({"n": 1}), "60").await;
    assert_eq!(becomes(client, &id, "failed").await["error"]["type"], "replica_lost");
    let id = submit(client, "/sound", &json!({"n": 5}), "60").await;
    assert_eq!(becomes(client, &id, "succeeded").await["output"], 5);
}
