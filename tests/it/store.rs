//! Keys and values of Rust handlers, and their progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use hostler::store::{Entry, KeyValue, Memory, StoreError};
use hostler::{Batch, Contract, Error, Mount, Output, Pipeline, ReplicaContext, Schema, Server, Store, ToSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::redis::RedisServer;
use crate::support::{Client, TestServer};

#[derive(Deserialize, ToSchema)]
struct Put {
    key: String,
    value: Value,
}

#[derive(Serialize, ToSchema)]
struct Looked {
    value: Option<Value>,
}

fn counting(name: &str) -> hostler::Builder<Store> {
    Server::builder()
        .name(name)
        .replicas(2)
        .init(ReplicaContext::store)
        .handler("/add", |store: &mut Store, key: String| Ok(store.increment(&key, 1)?))
        .handler("/put", |store: &mut Store, put: Put| {
            Ok(store.set(&put.key, &Entry::Json(put.value), None)?)
        })
        .handler("/look", |store: &mut Store, key: String| {
            let value = store.get(&key)?.map(Entry::into_typed).transpose()?;
            Ok(Looked { value })
        })
}

async fn ask(client: &Client, path: &str, body: Value) -> Value {
    client.post(path, &body).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_what_each_model_keeps_for_itself() {
    let engine = Arc::new(Memory::default());
    let one = TestServer::library(counting("one").store(engine.clone()).build().unwrap()).await;
    let other = TestServer::library(counting("other").store(engine).build().unwrap()).await;
    let sums = join_all((0..40).map(|_| ask(&one.client, "/add", json!("n")))).await;
    let mut sums: Vec<_> = sums.iter().map(|sum| sum.as_i64().unwrap()).collect();
    sums.sort_unstable();
    assert!(sums.into_iter().eq(1..=40));
    assert_eq!(ask(&other.client, "/add", json!("n")).await, 1);
    ask(&one.client, "/put", json!({"key": "key", "value": {"a": [1, null]}})).await;
    assert_eq!(
        ask(&one.client, "/look", json!("key")).await["value"],
        json!({"a": [1, null]})
    );
    assert_eq!(ask(&other.client, "/look", json!("key")).await["value"], json!(null));
    let refused = one.client.post("/look", &json!("")).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.text().contains("a key has 1 to 1024 bytes"),
        "{}",
        refused.text()
    );
}

/// Starts a server three times on one store: each finds what the one before left.
async fn keeps_for_the_next_start(url: &str) {
    for start in 1..=3 {
        let server = TestServer::library(counting("app").store_url(url).build().unwrap()).await;
        assert_eq!(ask(&server.client, "/add", json!("starts")).await, start);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_values_for_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    keeps_for_the_next_start(&format!("file:{}", dir.path().join("store").display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_keeps_values_for_the_next_start() {
    let redis = RedisServer::start();
    keeps_for_the_next_start(&redis.url()).await;
}

/// A pipeline that keeps values itself, and tells what came of each step.
struct Keeper(Store);

impl Keeper {
    fn bytes(&self) -> Result<Value, Error> {
        let bytes = Entry::Bytes(Bytes::from_static(b"\x00\xff\n"));
        self.0.set("bytes", &bytes, None)?;
        let same = self.0.get("bytes")? == Some(bytes);
        let deleted = [self.0.delete("bytes")?, self.0.delete("bytes")?];
        Ok(json!({"same": same, "deleted": deleted, "left": self.0.get("bytes")?.is_some()}))
    }

    fn swapped(&self) -> Result<Value, Error> {
        let (old, new) = (Entry::json(&json!({"n": 1}))?, Entry::Bytes(Bytes::from_static(b"2")));
        let made = self.0.compare_and_set("turn", None, Some(&old), None)?;
        let made_again = self.0.compare_and_set("turn", None, Some(&old), None)?;
        let changed = self.0.compare_and_set("turn", Some(&old), Some(&new), None)?;
        let too_late = self.0.compare_and_set("turn", Some(&old), None, None)?;
        let removed = self.0.compare_and_set("turn", Some(&new), None, None)?;
        Ok(json!([made, made_again, changed, too_late, removed]))
    }

    fn times(&self) -> Result<Value, Error> {
        let value = Entry::json("value")?;
        self.0.set("short", &value, Some(Duration::from_millis(300)))?;
        self.0.set("long", &value, Some(Duration::from_secs(3600)))?;
        let began = Instant::now();
        while self.0.get("short")?.is_some() && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(json!({"short": self.0.get("short")?.is_some(), "long": self.0.get("long")? == Some(value)}))
    }
}

impl Pipeline for Keeper {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        for request in batch.iter_mut() {
            let told = json!({"bytes": self.bytes()?, "swapped": self.swapped()?, "times": self.times()?});
            request.finish(Output::json(&told));
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_keeps_values_in_a_folder_and_in_redis() {
    let (dir, redis) = (tempfile::tempdir().unwrap(), RedisServer::start());
    let folder = format!("file:{}", dir.path().join("store").display());
    for url in [folder, redis.url()] {
        let contract = Contract::json(Schema::any(), Schema::any());
        let app = Server::builder::<()>()
            .store_url(&url)
            .pipeline(Mount::new("/keeper", contract, |ctx| Ok(Keeper(ctx.store()?))));
        let server = TestServer::library(app.build().unwrap()).await;
        assert_eq!(
            ask(&server.client, "/keeper", json!({})).await,
            json!({
                "bytes": {"same": true, "deleted": [true, false], "left": false},
                "swapped": [true, false, true, false, true],
                "times": {"short": false, "long": true},
            }),
            "{url}"
        );
    }
}

/// A store that goes away and comes back.
#[derive(Default)]
struct Unsteady {
    memory: Memory,
    away: AtomicBool,
}

impl Unsteady {
    fn there(&self) -> Result<&Memory, StoreError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(StoreError::Away("the store cannot be reached".to_owned()));
        }
        Ok(&self.memory)
    }
}

impl KeyValue for Unsteady {
    fn get(&self, namespace: &str, key: &str) -> Result<Option<Entry>, StoreError> {
        self.there()?.get(namespace, key)
    }

    fn set(&self, namespace: &str, key: &str, value: &Entry, ttl: Option<Duration>) -> Result<(), StoreError> {
        self.there()?.set(namespace, key, value, ttl)
    }

    fn delete(&self, namespace: &str, key: &str) -> Result<bool, StoreError> {
        self.there()?.delete(namespace, key)
    }

    fn increment(&self, namespace: &str, key: &str, by: i64) -> Result<i64, StoreError> {
        self.there()?.increment(namespace, key, by)
    }

    fn compare_and_set(
        &self,
        namespace: &str,
        key: &str,
        expected: Option<&Entry>,
        value: Option<&Entry>,
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        self.there()?.compare_and_set(namespace, key, expected, value, ttl)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_fails_the_call_that_needs_it() {
    let engine = Arc::new(Unsteady::default());
    let app = counting("app").store(engine.clone());
    let app = app.handler("/plain", |_: &mut Store, text: String| Ok(text));
    let server = TestServer::library(app.build().unwrap()).await;
    engine.away.store(true, Ordering::SeqCst);
    let away = server.client.post("/add", &json!("n")).await;
    assert_eq!(away.status, 503);
    assert_eq!(away.json()["error"], "the store cannot be reached");
    assert!(!away.header("retry-after").is_empty());
    assert_eq!(ask(&server.client, "/plain", json!("x")).await, "x");
    engine.away.store(false, Ordering::SeqCst);
    assert_eq!(ask(&server.client, "/add", json!("n")).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_reports_progress_beside_its_pieces() {
    let app = Server::builder().stream::<u32, u32, _>("/count", |(): &mut (), to, stream| {
        for n in 1..=to {
            stream.progress(&json!({"step": n, "of": to}));
            stream.emit(&n)?;
        }
        Ok::<_, Error>(())
    });
    let server = TestServer::library(app.build().unwrap()).await;
    let events = [("accept", "text/event-stream")];
    let told = server.client.post_with("/count", &events, "2").await;
    assert_eq!(
        told.text(),
        "event: progress\ndata: {\"step\":1,\"of\":2}\n\ndata: 1\n\n\
         event: progress\ndata: {\"step\":2,\"of\":2}\n\ndata: 2\n\n"
    );
    assert_eq!(ask(&server.client, "/count", json!(2)).await, json!([1, 2]));
}
