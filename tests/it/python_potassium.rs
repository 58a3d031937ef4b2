//! Potassium apps: routes, responses of the author's own, streams, background tasks, the store.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::python::python_dir;
use crate::support::{TestServer, eventually};

async fn routes() -> TestServer {
    TestServer::folders(&python_dir(), r#"[{"model":"potassium_routes"}]"#, &[]).await
}

/// Asks for an answer whose status is the author's own.
async fn ask(server: &TestServer, path: &str, headers: &[(&str, &str)], body: &Value) -> reqwest::Response {
    let request = server.client.http.post(format!("{}{path}", server.client.url));
    let request = headers.iter().fold(request, |r, (name, value)| r.header(*name, *value));
    request.body(body.to_string()).send().await.unwrap()
}

fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_where_its_author_put_it_and_below_the_folders_name() {
    let server = routes().await;
    for (path, place) in [
        ("", "/"),
        ("/weather", "/weather"),
        ("/weather/today", "/weather/today"),
    ] {
        for mount in ["", "/potassium_routes"] {
            let path = if mount.is_empty() && path.is_empty() { "/" } else { path };
            let path = format!("{mount}{path}");
            assert_eq!(
                server.client.post(&path, &json!({})).await.ok()["place"],
                place,
                "{path}"
            );
        }
    }
    assert_eq!(
        server.client.post("/weather/", &json!({})).await.ok()["place"],
        "/weather"
    );
    assert_eq!(server.client.post("/weather/tomorrow", &json!({})).await.status, 404);
    assert_eq!(server.client.get("/weather").await.status, 405);
    let own = server
        .client
        .post("/v1/models/potassium_routes:predict", &json!({}))
        .await;
    assert_eq!(own.ok(), json!({"place": "/"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_author_mounts_and_reads_stays_his_beside_jobs() {
    let server = routes().await;
    // `/jobs` is a handler of the app and of the server.
    let job = server.client.post("/jobs/background", &json!({})).await;
    assert_eq!(job.status, 202, "{}", job.text());
    assert_eq!(server.client.get("/jobs/background").await.status, 404);
    // He shapes his answers himself: no file of them is posted anywhere.
    let body = json!({"upload_webhook": "mine"});
    let echo = server.client.post("/echo", &body).await.ok();
    assert_eq!(echo, json!({ "json": body }));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_go_out_as_they_are() {
    let server = routes().await;
    let answer = server.client.post("/binary", &json!({})).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "application/octet-stream")
    );
    assert_eq!(answer.body, (0..=255).collect::<Vec<u8>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_out_chunk_by_chunk_with_its_authors_head() {
    let server = routes().await;
    let response = ask(&server, "/byte_stream", &[], &json!({"n": 2, "pause": 0.4})).await;
    assert_eq!(response.status(), 206);
    assert_eq!(header(&response, "transfer-encoding"), "chunked");
    assert_eq!(header(&response, "content-type"), "text/plain");
    assert_eq!(header(&response, "x-chunks"), "yes");
    assert!(!header(&response, "x-request-id").is_empty());
    let mut chunks = response.bytes_stream();
    assert_eq!(chunks.next().await.unwrap().unwrap(), "chunk 0\n");
    let first = Instant::now();
    assert_eq!(chunks.next().await.unwrap().unwrap(), "chunk 1\n");
    assert!(
        first.elapsed() > Duration::from_millis(200),
        "the first did not wait for the second"
    );
    assert!(chunks.next().await.is_none());

    let text = server.client.post("/text_stream", &json!({})).await;
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!((text.status, text.text().as_str()), (200, "grüße\nfrom\na\nstream\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_before_its_first_byte_is_a_plain_error() {
    let server = routes().await;
    let answer = server.client.post("/byte_stream", &json!([])).await;
    assert_eq!(answer.status, 500);
    assert!(
        answer.json()["error"].as_str().unwrap().contains("AttributeError"),
        "{}",
        answer.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_make_the_round_trip_and_the_request_id_is_the_clients() {
    let server = routes().await;
    let sent = [("Colour", "blue"), ("count", "two"), ("X-Banana-Request-Id", "b-9")];
    let response = ask(&server, "/headers", &sent, &json!({})).await;
    assert_eq!(response.status(), 201);
    for (name, value) in [("colour", "blue"), ("count", "two"), ("x-banana-request-id", "b-9")] {
        assert_eq!(header(&response, name), value);
    }
    assert_eq!(response.json::<Value>().await.unwrap(), json!({"id": "b-9"}));
    let made = server.client.post("/id", &json!({})).await;
    assert_eq!(made.ok()["id"], made.header("x-request-id"));
    let response = ask(&server, "/teapot", &[], &json!({})).await;
    assert_eq!(response.status(), 418);
    assert_eq!(response.json::<Value>().await.unwrap()["error"], "short and stout");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docs_say_that_an_author_may_answer_with_any_status() {
    let server = routes().await;
    let document = server.client.get("/openapi.json").await.ok();
    let responses = |path: &str| document["paths"][path]["post"]["responses"].clone();
    assert!(responses("/byte_stream")["default"].is_object());
    assert!(
        responses("/background")["default"].is_null(),
        "the server answers there"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_background_task_is_answered_before_it_is_done_and_shares_the_context() {
    let server = routes().await;
    let hook = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/done", hook.local_addr().unwrap());
    let started = server
        .client
        .post("/background", &json!({"job": "a", "url": url}))
        .await
        .ok();
    assert_eq!(started, json!({"success": true, "started": true}));
    // The task is still under way: it waits for the answer to its webhook.
    let (mut socket, _) = hook.accept().await.unwrap();
    let mut posted = Vec::new();
    while !String::from_utf8_lossy(&posted).contains("done\"]") {
        assert_ne!(socket.read_buf(&mut posted).await.unwrap(), 0, "the webhook broke off");
    }
    let posted = String::from_utf8(posted).unwrap();
    let (head, body) = posted.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /done HTTP/1.1"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body, json!({"job": "a", "outputs": ["done"]}));
    socket
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    drop(socket);

    let failed = server.client.post("/background", &json!({"job": "fails"})).await.ok();
    assert_eq!(failed, started, "its client has left by the time it fails");
    eventually("the task is done", async || {
        server.client.post("/jobs", &json!({})).await.ok() == json!({"jobs": ["a"], "calls": 1})
    })
    .await;
    assert_eq!(server.client.post("/count", &json!({})).await.ok(), json!({"calls": 2}));
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_told_without_a_traceback() {
    let server = routes().await;
    for path in ["/echo", "/background"] {
        assert_eq!(
            server.client.post_with(path, &[], r#"{"a":"#).await.status,
            400,
            "{path}"
        );
    }
    let raised = server.client.post("/raises", &json!({})).await;
    assert_eq!(
        (raised.status, raised.json()["error"].clone()),
        (500, json!("KeyError: 'missing'"))
    );
    let none = server.client.post("/no_response", &json!({})).await;
    assert_eq!(none.status, 500);
    for answer in [raised, none] {
        assert!(
            !answer.text().contains("Traceback") && !answer.text().contains("line "),
            "{}",
            answer.text()
        );
    }
    assert_eq!(
        server.client.post("/echo", &json!({"a": [1]})).await.ok(),
        json!({"json": {"a": [1]}})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_warm_up_are_those_of_its_server() {
    let server = routes().await;
    let client = &server.client;
    let status = async |path: &str| client.get(path).await.ok();
    let before = status("/_k/status").await;
    assert_eq!(
        (&before["gpu_available"], &before["inference_time"]),
        (&json!(true), &json!(0))
    );
    let busy = {
        let client = client.clone();
        tokio::spawn(async move {
            let request = client.http.post(format!("{}/byte_stream", client.url));
            let response = request.body(r#"{"n":1,"pause":0.6}"#).send().await.unwrap();
            response.text().await.unwrap()
        })
    };
    eventually("the replica is busy", async || {
        let told = status("/_k/status").await;
        told["gpu_available"] == false && told["inference_time"].as_u64().unwrap() > 0 && told["idle_time"] == 0
    })
    .await;
    assert_eq!(busy.await.unwrap(), "chunk 0\n");
    eventually("the replica is free", async || {
        status("/_k/status").await["gpu_available"] == true
    })
    .await;
    let told = status("/__status__").await;
    let (first, now) = (&before["sequence_number"], &told["sequence_number"]);
    assert_eq!(first.as_u64().unwrap() + 1, now.as_u64().unwrap());
    assert_eq!(client.get("/_k/warmup").await.ok(), json!({"warm": true}));
    assert_eq!(client.post("/_k/warmup", &json!({})).await.ok(), json!({"warm": true}));
    assert_eq!(
        status("/_k/status").await["sequence_number"].as_u64(),
        now.as_u64().map(|n| n + 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_app_answers_and_a_value_error_is_the_clients_fault() {
    let server = TestServer::folders(&python_dir(), r#"[{"model":"potassium_readme"}]"#, &[]).await;
    let told = server.client.post("/", &json!({"prompt": "It is [MASK]."})).await.ok();
    assert_eq!(told["outputs"][0]["sequence"], "It is sunny.");
    let wrong = server.client.post("/", &json!({"prompt": "It is."})).await;
    assert_eq!(
        (wrong.status, wrong.json()["error"].clone()),
        (422, json!("the prompt has no [MASK]"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_store_is_one_for_all_replicas() {
    let two = r#"[{"model":"potassium_store","replicas":2}]"#;
    let server = TestServer::folders(&python_dir(), two, &[]).await;
    let ask = |path: &'static str, body: Value| {
        let client = server.client.clone();
        async move { client.post(path, &body).await.ok() }
    };
    let keys = || (0..12).map(|n| format!("key {n}"));
    let sets = keys().map(|key| ask("/set", json!({"key": key, "value": {"of": key}})));
    assert!(join_all(sets).await.iter().all(|told| told["ok"] == true));
    let gets = keys().map(|key| ask("/get", json!({"key": key})));
    for (key, told) in keys().zip(join_all(gets).await) {
        assert_eq!(told, json!({"value": {"of": key}}));
    }
    assert_eq!(ask("/get", json!({"key": "another"})).await, json!({"value": null}));
    ask("/set", json!({"key": "short", "value": 1, "ttl": 0.05})).await;
    eventually("the value is forgotten", async || {
        ask("/get", json!({"key": "short"})).await == json!({"value": null})
    })
    .await;
}
