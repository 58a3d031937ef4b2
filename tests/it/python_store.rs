//! The server's store and progress, as Python pipelines have them. Needs Debian's redis-server.

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::python::{all_ready, children, is_running, kill_child, python_dir, restarts};
use crate::support::redis::RedisServer;
use crate::support::{Client, TestServer, eventually};

const TWO: &str = r#"[{"model":"hostler_store","replicas":2}]"#;
const EVENTS: (&str, &str) = ("accept", "text/event-stream");

async fn serve(models: &str, store_url: &str) -> TestServer {
    let server = TestServer::folders(&python_dir(), models, &[("SERVER_STORE_URL", store_url)]).await;
    all_ready(&server.client).await;
    server
}

/// Asks for something to be done with the store, and gives what came of it.
async fn ask(client: &Client, body: Value) -> Value {
    client.post("/hostler_store", &body).await.ok()["result"].clone()
}

fn file(dir: &Path) -> String {
    format!("file:{}", dir.join("store").display())
}

/// What holds for every place that values are kept at.
async fn keeps(store_url: &str) {
    let value = json!({"text": "grüße", "numbers": [1, 2.5, null, true]});
    let bytes = json!({"base64": "AAH/gA=="});
    {
        let server = serve(TWO, store_url).await;
        let client = &server.client;
        ask(client, json!({"op": "set", "key": "k", "value": value})).await;
        ask(client, json!({"op": "set", "key": "b", "value": bytes})).await;
        let mut readers = BTreeSet::new();
        eventually("both replicas have read what one has set", async || {
            let get = json!({"op": "get", "key": "k"});
            for told in join_all((0..4).map(|_| client.post("/hostler_store", &get))).await {
                let told = told.ok();
                assert_eq!(told["result"], value);
                readers.insert(told["pid"].as_u64().unwrap());
            }
            readers.len() == 2
        })
        .await;
        assert_eq!(ask(client, json!({"op": "get", "key": "b"})).await, bytes);
        assert_eq!(ask(client, json!({"op": "get", "key": "other"})).await, json!(null));

        // Each of four threads in each of the replicas that take these calls adds 1 twenty-five times.
        let add = json!({"op": "incr", "key": "n", "times": 25});
        join_all((0..6).map(|_| ask(client, add.clone()))).await;
        assert_eq!(ask(client, json!({"op": "get", "key": "n"})).await, 6 * 4 * 25);
        let append = |n: u64| ask(client, json!({"op": "append", "key": "list", "value": n, "times": 10}));
        join_all((0..4).map(append)).await;
        let list = ask(client, json!({"op": "get", "key": "list"})).await;
        for n in 0..4 {
            assert_eq!(
                list.as_array().unwrap().iter().filter(|one| **one == n).count(),
                10,
                "{list}"
            );
        }

        let swap = |expected: Value, value: Value| {
            ask(
                client,
                json!({"op": "compare_and_set", "key": "lock", "expected": expected, "value": value}),
            )
        };
        assert_eq!(swap(json!(null), json!("mine")).await, true);
        assert_eq!(swap(json!(null), json!("yours")).await, false);
        assert_eq!(swap(json!("mine"), bytes.clone()).await, true);
        assert_eq!(swap(json!("mine"), json!(null)).await, false);
        assert_eq!(swap(bytes.clone(), json!(null)).await, true);
        assert_eq!(ask(client, json!({"op": "delete", "key": "lock"})).await, false);

        ask(client, json!({"op": "set", "key": "short", "value": 1, "ttl": 0.2})).await;
        eventually("the value is forgotten", async || {
            ask(client, json!({"op": "get", "key": "short"})).await == json!(null)
        })
        .await;
        ask(client, json!({"op": "set", "key": "long", "value": 1, "ttl": 600})).await;
        assert_eq!(ask(client, json!({"op": "get", "key": "long"})).await, 1);

        ask(client, json!({"op": "later", "key": "late", "value": "done"})).await;
        eventually("the key is set when its call has ended", async || {
            ask(client, json!({"op": "get", "key": "late"})).await == "done"
        })
        .await;
    }
    // The server's next start.
    let server = serve(TWO, store_url).await;
    assert_eq!(ask(&server.client, json!({"op": "get", "key": "k"})).await, value);
    assert_eq!(ask(&server.client, json!({"op": "get", "key": "b"})).await, bytes);
    assert_eq!(ask(&server.client, json!({"op": "delete", "key": "k"})).await, true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_values_for_replicas_and_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    keeps(&file(dir.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_values_for_replicas_and_the_next_start() {
    let redis = RedisServer::start();
    keeps(&redis.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_share_a_redis_share_its_values() {
    let redis = RedisServer::start();
    let url = redis.url();
    let (one, other) = (serve(TWO, &url).await, serve(TWO, &url).await);
    let add = json!({"op": "incr", "key": "n", "times": 25});
    let both = [&one.client, &other.client, &one.client, &other.client];
    join_all(both.map(|client| ask(client, add.clone()))).await;
    assert_eq!(ask(&other.client, json!({"op": "get", "key": "n"})).await, 4 * 4 * 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_model_has_keys_of_its_own() {
    let models = tempfile::tempdir().unwrap();
    for name in ["one", "other"] {
        std::fs::create_dir(models.path().join(name)).unwrap();
        let source = python_dir().join("hostler_store/pipeline.py");
        std::fs::copy(source, models.path().join(name).join("pipeline.py")).unwrap();
    }
    let server = TestServer::folders(models.path(), r#"[{"model":"one"},{"model":"other"}]"#, &[]).await;
    let get = json!({"op": "get", "key": "k"});
    let set = json!({"op": "set", "key": "k", "value": 1});
    server.client.post("/one", &set).await.ok();
    assert_eq!(server.client.post("/one", &get).await.ok()["result"], 1);
    assert_eq!(server.client.post("/other", &get).await.ok()["result"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn values_outlive_the_replica_that_has_set_them() {
    let server = TestServer::folders(&python_dir(), r#"[{"model":"hostler_store"}]"#, &[]).await;
    let client = &server.client;
    let set = json!({"op": "set", "key": "k", "value": [1]});
    let pid = client.post("/hostler_store", &set).await.ok()["pid"].as_u64().unwrap();
    assert!(children(std::process::id()).contains(&pid) && kill_child(std::process::id(), pid));
    eventually("another replica serves", async || {
        !is_running(pid) && restarts(client).await == 1 && server.service.is_ready()
    })
    .await;
    assert_eq!(ask(client, json!({"op": "get", "key": "k"})).await, json!([1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_the_codes_to_handle_else_the_answer_is_503() {
    let mut redis = RedisServer::start();
    let server = serve(r#"[{"model":"hostler_store"}]"#, &redis.url()).await;
    let client = &server.client;
    ask(client, json!({"op": "set", "key": "k", "value": 1})).await;
    redis.kill();
    let handled = ask(client, json!({"op": "away", "key": "k"})).await;
    let sentence = handled.as_str().unwrap().strip_prefix("away: ").unwrap_or_default();
    assert!(!sentence.is_empty(), "{handled}");
    let failed = client.post("/hostler_store", &json!({"op": "get", "key": "k"})).await;
    assert_eq!((failed.status, failed.header("retry-after").is_empty()), (503, false));
    assert_eq!(failed.json()["error"], sentence);
    redis.restart();
    ask(client, json!({"op": "set", "key": "k", "value": 2})).await;
    assert_eq!(ask(client, json!({"op": "get", "key": "k"})).await, 2);
    assert_eq!(restarts(client).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_in_words() {
    let server = TestServer::folders(&python_dir(), r#"[{"model":"hostler_store"}]"#, &[]).await;
    let client = &server.client;
    ask(client, json!({"op": "set", "key": "text", "value": "x"})).await;
    for (body, status, said) in [
        (json!({"op": "get", "key": ""}), 422, "a key has 1 to 1024 bytes"),
        (
            json!({"op": "set", "key": "k", "value": 1, "ttl": 0}),
            422,
            "seconds above 0",
        ),
        (
            json!({"op": "set", "key": "k", "value": 1, "ttl": 1e15}),
            422,
            "a hundred years",
        ),
        (json!({"op": "forked", "key": "k"}), 200, "this process was forked"),
    ] {
        let answer = client.post("/hostler_store", &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(answer.text().contains(said), "{body}: {}", answer.text());
    }
    assert_eq!(ask(client, json!({"op": "get", "key": "text"})).await, "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_comes_as_events_where_a_stream_is_read() {
    let server = TestServer::folders(&python_dir(), r#"[{"model":"hostler_progress"}]"#, &[]).await;
    let client = &server.client;
    for thread in [false, true] {
        let body = json!({"steps": 3, "thread": thread});
        let told = client.post_with("/hostler_progress", &[EVENTS], body.to_string()).await;
        let event = |step: u32| format!("event: progress\ndata: {{\"step\":{step},\"of\":3}}\n\n");
        let result = "event: result\ndata: {\"steps\":3}\n\n";
        assert_eq!(told.text(), [event(1), event(2), event(3), result.to_owned()].concat());
        assert_eq!(client.post("/hostler_progress", &body).await.ok(), json!({"steps": 3}));
    }
    assert_eq!(restarts(client).await, 0);
}
