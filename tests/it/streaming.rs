//! Answers in pieces: server-sent events, WebSocket, and one answer for a client that does not stream.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hostler::Server;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Fake, TestServer, eventually, fake_mount};

const EVENTS: (&str, &str) = ("accept", "text/event-stream");

async fn server(fake: &Fake) -> TestServer {
    TestServer::library(
        Server::builder::<()>()
            .pipeline(fake_mount("/fake", fake))
            .build()
            .unwrap(),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_are_events_and_a_plain_client_gets_them_as_one_list() {
    let server = server(&Fake::default()).await;
    let answer = server.client.post_with("/fake", &[EVENTS], r#"{"chunks":3}"#).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.text(), "data: 0\n\ndata: 1\n\ndata: 2\n\n");
    assert_eq!(
        server.client.post("/fake", &json!({"chunks": 3})).await.ok(),
        json!([0, 1, 2])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_before_the_first_chunk_is_a_plain_error_and_after_it_an_event() {
    let server = server(&Fake::default()).await;
    let before = server.client.post_with("/fake", &[EVENTS], r#"{"fail":true}"#).await;
    assert_eq!(
        (before.status, before.header("content-type")),
        (500, "application/json")
    );
    let after = server
        .client
        .post_with("/fake", &[EVENTS], r#"{"chunks":1,"fail":true}"#)
        .await;
    assert_eq!(after.status, 200);
    assert_eq!(
        after.text(),
        "data: 0\n\nevent: error\ndata: {\"error\":\"the fake was told to fail\"}\n\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_arrive_as_they_come_and_a_reader_that_leaves_ends_the_run() {
    let fake = Fake::default();
    let server = server(&fake).await;
    let request = server
        .client
        .http
        .post(format!("{}/fake", server.client.url))
        .header(EVENTS.0, EVENTS.1);
    let response = request.body(r#"{"chunks":100000,"chunk_ms":1}"#).send().await.unwrap();
    let mut chunks = response.bytes_stream();
    assert!(chunks.next().await.unwrap().unwrap().starts_with(b"data: 0"));
    drop(chunks);
    eventually("the run ends", async || {
        fake.cancelled.load(std::sync::atomic::Ordering::SeqCst) == 1
    })
    .await;
    assert_eq!(server.client.post("/fake", &json!({"row": 1})).await.ok()["row"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_a_stream_with_an_error_event() {
    let server = server(&Fake::default()).await;
    let headers = [EVENTS, ("x-request-timeout", "0.2")];
    let answer = server
        .client
        .post_with("/fake", &headers, r#"{"chunks":100000,"chunk_ms":5}"#)
        .await;
    let text = answer.text();
    assert!(
        text.starts_with("data: 0\n\n") && text.contains("event: error\ndata: {\"error\":\"no answer within"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_takes_requests_one_after_another() {
    let server = server(&Fake::default()).await;
    let url = format!("{}/fake", server.client.url.replace("http", "ws"));
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    socket.send(Message::text(r#"{"chunks":2}"#)).await.unwrap();
    let mut next = async || -> Value {
        let message = tokio::time::timeout(Duration::from_secs(5), socket.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    };
    assert_eq!(next().await, json!({"event": "chunk", "data": 0}));
    assert_eq!(next().await, json!({"event": "chunk", "data": 1}));
    assert_eq!(next().await, json!({"event": "result", "data": null}));
    socket.send(Message::text("nonsense")).await.unwrap();
    let mut next = async || -> Value {
        let message = tokio::time::timeout(Duration::from_secs(5), socket.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    };
    let fault = next().await;
    assert_eq!((&fault["event"], &fault["status"]), (&json!("error"), &json!(400)));
}
