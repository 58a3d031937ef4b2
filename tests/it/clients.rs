//! Clients that vanish, dawdle or misbehave.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hostler::Server;
use serde_json::json;

use crate::support::{Fake, TestServer, eventually, fake_mount};

async fn server(fake: &Fake) -> TestServer {
    TestServer::library(
        Server::builder::<()>()
            .pipeline(fake_mount("/fake", fake))
            .build()
            .unwrap(),
    )
    .await
}

fn raw(server: &TestServer) -> TcpStream {
    let stream = TcpStream::connect(server.client.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn post(stream: &mut TcpStream, body: &str) {
    let text = format!(
        "POST /fake HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_clients_leave_no_work_behind() {
    let fake = Fake::default();
    let server = server(&fake).await;
    let mut busy = raw(&server);
    post(&mut busy, r#"{"sleep_ms":60000}"#);
    eventually("the replica is busy", async || fake.ran.load(Ordering::SeqCst) == 1).await;
    let mut queued: Vec<_> = (0..50).map(|_| raw(&server)).collect();
    for stream in &mut queued {
        post(stream, r#"{"sleep_ms":60000}"#);
    }
    eventually("all are admitted", async || server.service.admitted() == 51).await;
    drop(queued);
    eventually("the places of those that waited are free", async || {
        server.service.admitted() == 1
    })
    .await;
    drop(busy);
    eventually("their places are free", async || server.service.admitted() == 0).await;
    // The one that ran noticed, and none of those that waited ever ran.
    assert_eq!(server.client.post("/fake", &json!({"row": 3})).await.ok()["row"], 3);
    assert_eq!(fake.cancelled.load(Ordering::SeqCst), 1);
    assert_eq!(fake.ran.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_sender_holds_nothing_but_its_connection() {
    let fake = Fake::default();
    let server = server(&fake).await;
    let mut slow = raw(&server);
    slow.write_all(b"POST /fake HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")
        .unwrap();
    assert_eq!(server.client.post("/fake", &json!({})).await.status, 200);
    assert_eq!(server.service.admitted(), 0);
    slow.write_all(b"\"row\": 5}").unwrap();
    let mut answer = [0; 1024];
    let n = slow.read(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer[..n]).starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_get_a_clear_answer_each() {
    let fake = Fake::default();
    let server = server(&fake).await;
    let client = &server.client;
    let broken = client.post_with("/fake", &[], "{\"row\":").await;
    assert_eq!(broken.status, 400);
    assert!(
        broken.json()["error"].as_str().unwrap().contains("line 1 column 7"),
        "{}",
        broken.text()
    );
    assert_eq!(client.post_with("/fake", &[], "").await.status, 400);
    let wrong = client.post("/fake", &json!({"row": "many"})).await;
    assert_eq!(wrong.status, 422);
    assert_eq!(wrong.json()["detail"][0]["loc"], json!(["body", "row"]));
    assert_eq!(
        client
            .post_with("/fake", &[("content-type", "image/png")], "x")
            .await
            .status,
        415
    );
    assert_eq!(
        client
            .post_with("/fake", &[("content-type", "application/octet-stream")], "x")
            .await
            .status,
        415
    );
    assert_eq!(
        client.post_with("/fake", &[("accept", "image/png")], "{}").await.status,
        406
    );
    let get = client.get("/fake").await;
    assert_eq!((get.status, get.header("allow")), (405, "POST"));
    assert_eq!(client.post("/nothing", &json!({})).await.status, 404);
    let id = client
        .post_with("/fake", &[("x-request-id", "mine-1")], "nonsense")
        .await;
    assert_eq!(
        (id.header("x-request-id"), id.json()["request_id"].as_str()),
        ("mine-1", Some("mine-1"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_whether_or_not_its_length_is_told() {
    let fake = Fake::default();
    let settings = crate::support::settings(&[("SERVER_MAX_BODY", "1000")]);
    let built = Server::builder::<()>()
        .settings(settings)
        .pipeline(fake_mount("/fake", &fake))
        .build()
        .unwrap();
    let server = TestServer::library(built).await;
    let large = vec![b' '; 2000];
    assert_eq!(server.client.post_with("/fake", &[], large.clone()).await.status, 413);
    let chunks = futures_util::stream::iter(
        large
            .chunks(500)
            .map(|c| Ok::<_, std::io::Error>(c.to_vec()))
            .collect::<Vec<_>>(),
    );
    let answer = server
        .client
        .post_with("/fake", &[], reqwest::Body::wrap_stream(chunks))
        .await;
    assert_eq!(answer.status, 413);
    assert!(answer.json()["error"].as_str().unwrap().contains("1000 bytes"));
}
