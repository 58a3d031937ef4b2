//! What survives when things go wrong: panics, hangs, full queues, deadlines, crash loops.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hostler::{Error, Kind, Server};
use serde_json::json;

use crate::support::{Fake, TestServer, eventually, fake_mount, settings};

async fn one(fake: &Fake, replicas: usize, variables: &[(&str, &str)]) -> TestServer {
    let server = Server::builder::<()>()
        .settings(settings(variables))
        .hang_grace(Duration::from_millis(200));
    TestServer::library(
        server
            .pipeline(fake_mount("/fake", fake).replicas(replicas))
            .build()
            .unwrap(),
    )
    .await
}

#[tokio::test]
async fn a_panic_fails_its_request_at_once_and_the_replica_comes_back() {
    let fake = Fake::default();
    let server = one(&fake, 1, &[]).await;
    let answer = server.client.post("/fake", &json!({"panic": true})).await;
    assert_eq!(answer.status, 500);
    assert!(
        answer.json()["error"].as_str().unwrap().contains("restarted"),
        "{}",
        answer.text()
    );
    assert!(
        !answer.text().contains("told to panic"),
        "the panic's text is for the log"
    );
    assert_eq!(server.client.post("/fake", &json!({"row": 7})).await.ok()["row"], 7);
    assert_eq!(fake.built.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_failure_that_the_pipeline_reports_restarts_nothing() {
    let fake = Fake::default();
    let server = one(&fake, 1, &[]).await;
    let answer = server.client.post("/fake", &json!({"fail": true})).await;
    assert_eq!(
        (answer.status, answer.json()["error"].as_str()),
        (500, Some("the fake was told to fail"))
    );
    assert_eq!(fake.built.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_crash_loop_is_reported_and_what_waits_fails_at_once() {
    let server = Server::builder()
        .init(|_| Err::<(), _>(Error::pipeline("no such weights")))
        .handler("/never", |(): &mut (), (): ()| Ok(1))
        .build()
        .unwrap();
    let (service, _stores, _settings) = server.start().unwrap();
    let routes = service.routes();
    let group = &routes.models[0].group;
    eventually("the crash loop is reported", async || {
        group.snapshot().state.to_string() == "failed"
    })
    .await;
    assert_eq!(group.snapshot().reason.as_deref(), Some("no such weights"));
    let route = service.find("/never").unwrap();
    let input = route.contract().decode(b"null").unwrap();
    let refused = service
        .submit(&route, input, hostler::service::Call::default())
        .err()
        .unwrap();
    assert_eq!(refused.kind(), Kind::NotReady);
    assert!(refused.message().contains("no such weights"));
}

#[tokio::test]
async fn a_full_queue_is_refused_at_once_with_a_time_to_come_back() {
    let fake = Fake::default();
    let server = one(&fake, 1, &[("SERVER_QUEUE_SIZE", "2")]).await;
    let slow = || {
        let client = server.client.clone();
        tokio::spawn(async move { client.post("/fake", &json!({"sleep_ms": 400})).await.status })
    };
    let held = [slow(), slow()];
    eventually("two are admitted", async || server.service.admitted() == 2).await;
    let answer = server.client.post("/fake", &json!({})).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), "1");
    assert!(answer.json()["error"].as_str().unwrap().contains("queue is full"));
    for task in held {
        assert_eq!(task.await.unwrap(), 200);
    }
    assert_eq!(server.client.post("/fake", &json!({})).await.status, 200);
}

#[tokio::test]
async fn the_status_of_a_full_queue_is_a_setting() {
    let fake = Fake::default();
    let server = one(
        &fake,
        1,
        &[("SERVER_QUEUE_SIZE", "1"), ("SERVER_OVERLOAD_STATUS", "429")],
    )
    .await;
    let client = server.client.clone();
    let held = tokio::spawn(async move { client.post("/fake", &json!({"sleep_ms": 300})).await.status });
    eventually("one is admitted", async || server.service.admitted() == 1).await;
    assert_eq!(server.client.post("/fake", &json!({})).await.status, 429);
    assert_eq!(held.await.unwrap(), 200);
}

#[tokio::test]
async fn a_deadline_counts_the_queue_and_what_is_past_it_never_runs() {
    let fake = Fake::default();
    let server = one(&fake, 1, &[]).await;
    let client = server.client.clone();
    let held = tokio::spawn(async move { client.post("/fake", &json!({"sleep_ms": 300})).await.status });
    eventually("the replica is busy", async || fake.ran.load(Ordering::SeqCst) == 1).await;
    let began = Instant::now();
    let answer = server
        .client
        .post_with("/fake", &[("x-request-timeout", "0.05")], "{}")
        .await;
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert!(
        began.elapsed() < Duration::from_millis(250),
        "answered at its deadline, not when the replica was free"
    );
    assert_eq!(held.await.unwrap(), 200);
    assert_eq!(server.client.post("/fake", &json!({})).await.status, 200);
    assert_eq!(
        fake.ran.load(Ordering::SeqCst),
        2,
        "the expired request was passed over"
    );
}

#[tokio::test]
async fn the_servers_own_limit_holds_where_the_client_grants_more() {
    let fake = Fake::default();
    let server = one(&fake, 1, &[("SERVER_REQUEST_TIMEOUT", "100ms")]).await;
    let answer = server
        .client
        .post_with("/fake", &[("x-request-timeout", "60")], r#"{"sleep_ms":2000}"#)
        .await;
    assert_eq!(answer.status, 504);
    let answer = server
        .client
        .post_with("/fake", &[("x-request-timeout", "soon")], "{}")
        .await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn a_replica_that_hangs_is_replaced_and_liveness_says_so_until_it_returns() {
    let fake = Fake::default();
    let server = one(&fake, 1, &[("SERVER_REQUEST_TIMEOUT", "50ms")]).await;
    assert_eq!(server.client.get("/health/liveness").await.status, 200);
    let answer = server.client.post("/fake", &json!({"hang_ms": 1500})).await;
    assert_eq!(answer.status, 504);
    eventually("the replica is replaced", async || {
        fake.built.load(Ordering::SeqCst) == 2
    })
    .await;
    let live = server.client.get("/health/liveness").await;
    assert_eq!(live.status, 503);
    assert!(
        live.json()["message"].as_str().unwrap().contains("fake"),
        "{}",
        live.text()
    );
    eventually("the new replica serves", async || {
        server.client.post("/fake", &json!({})).await.status == 200
    })
    .await;
    eventually("the thread came back", async || {
        server.client.get("/health/liveness").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_run_of_onnx_runtime_is_terminated_at_its_deadline() {
    let models = crate::support::models_dir(&[("slow", crate::onnx::slow(2_000_000))]);
    let server = TestServer::folders(models.path(), r#"[{"model":"slow","max_batch_size":1}]"#, &[]).await;
    let began = Instant::now();
    let answer = server
        .client
        .post_with("/slow", &[("x-request-timeout", "0.2")], r#"{"x":[[2.0]]}"#)
        .await;
    assert_eq!(answer.status, 504, "{}", answer.text());
    // The replica is free again long before the run would have ended, and without being replaced.
    let service = std::sync::Arc::clone(&server.service);
    eventually("the replica takes the next request", async || {
        let answer = server
            .client
            .post_with("/slow", &[("x-request-timeout", "0.05")], r#"{"x":[[2.0]]}"#)
            .await;
        answer.status == 504 && service.routes().models[0].group.snapshot().waiting == 0
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(5));
    let snapshot = service.routes().models[0].group.snapshot();
    assert_eq!((snapshot.lost_threads, snapshot.replicas[0].restarts), (0, 0));
}
