//! A Potassium app whose Store is a Redis of its author's. Needs Debian's redis-server.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::python::{all_ready, copies, restarts, with_packages};
use crate::support::redis::RedisServer as Redis;
use crate::support::{TestServer, eventually};

/// Two replicas of an app whose settings name this Redis.
async fn served(redis: &Redis) -> (tempfile::TempDir, TestServer) {
    let dir = copies(&[("potassium_redis", &with_packages())]);
    let settings = format!("HOST = \"127.0.0.1\"\nPORT = \"{}\"\n", redis.port);
    std::fs::write(dir.path().join("potassium_redis/settings.py"), settings).unwrap();
    let two = r#"[{"model":"potassium_redis","replicas":2}]"#;
    let server = TestServer::folders(dir.path(), two, &[]).await;
    all_ready(&server.client).await;
    (dir, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_values_with_each_other_and_with_all_who_use_that_redis() {
    let redis = Redis::start();
    let (_dir, server) = served(&redis).await;
    let client = &server.client;
    let value = json!({"text": "grüße", "numbers": [1, 2.5, null]});
    let set = client.post("/set", &json!({"key": "greeting", "value": value})).await;
    assert_eq!(set.status, 200, "{}", set.text());
    // The author's own key, and JSON for everybody.
    let raw: Value = serde_json::from_str(&redis.ask("GET greeting").unwrap()).unwrap();
    assert_eq!(raw, value);
    let ttl = redis.ask("TTL greeting").unwrap();
    assert!([":59", ":60"].contains(&ttl.as_str()), "{ttl}");

    let greeting = json!({"key": "greeting"});
    let mut readers = BTreeSet::new();
    eventually("both replicas have read what one has set", async || {
        for told in join_all((0..4).map(|_| client.post("/get", &greeting))).await {
            let told = told.ok();
            assert_eq!(told["value"], value);
            readers.insert(told["pid"].as_u64().unwrap());
        }
        readers.len() == 2
    })
    .await;

    assert_eq!(redis.ask("SET theirs [1,2]").unwrap(), "+OK");
    let read = async |key: &str| client.post("/get", &json!({"key": key})).await.ok()["value"].clone();
    assert_eq!(read("theirs").await, json!([1, 2]));
    assert_eq!(read("nobodys").await, json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_gone_fails_the_call_and_not_the_replica() {
    let redis = Redis::start();
    let (_dir, server) = served(&redis).await;
    let client = &server.client;
    let place = format!("127.0.0.1:{}", redis.port);
    client.post("/set", &json!({"key": "k", "value": 1})).await.ok();
    drop(redis);
    // After some seconds: the author's package tries again by itself.
    let failed = client.post("/get", &json!({"key": "k"})).await;
    assert_eq!(failed.status, 500, "{}", failed.text());
    let told = failed.json()["error"].as_str().unwrap().to_owned();
    assert!(told.starts_with("ConnectionError: ") && told.contains(&place), "{told}");
    assert_eq!(restarts(client).await, 0);
}
