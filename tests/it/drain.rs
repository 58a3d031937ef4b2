//! SIGTERM under load loses nothing that was accepted, and resets nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hostler::Server;
use serde_json::json;

use crate::support::{Fake, TestServer, eventually, fake_mount};

#[tokio::test(flavor = "multi_thread")]
async fn accepted_work_finishes_and_new_work_is_refused_kindly() {
    let fake = Fake::default();
    let built = Server::builder::<()>()
        .pipeline(fake_mount("/fake", &fake).replicas(2))
        .build()
        .unwrap();
    let mut server = TestServer::library(built).await;
    let accepted: Vec<_> = (0..10)
        .map(|row| {
            let client = server.client.clone();
            tokio::spawn(async move { client.post("/fake", &json!({"row": row, "sleep_ms": 150})).await })
        })
        .collect();
    eventually("all are admitted", async || server.service.admitted() == 10).await;
    server.begin_stop();
    eventually("the drain began", async || server.service.is_draining()).await;
    let refused = server.client.post("/fake", &json!({})).await;
    assert_eq!((refused.status, refused.header("connection")), (503, "close"));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(server.client.get("/health/readiness").await.status, 503);
    assert_eq!(server.client.get("/health/liveness").await.status, 200);
    for (row, task) in accepted.into_iter().enumerate() {
        assert_eq!(task.await.unwrap().ok()["row"], row);
    }
    server.join();
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_keep_asking_on_new_connections_see_answers_and_refusals_only() {
    let built = Server::builder::<()>()
        .pipeline(fake_mount("/fake", &Fake::default()).replicas(2))
        .build()
        .unwrap();
    let mut server = TestServer::library(built).await;
    let over = Arc::new(AtomicBool::new(false));
    let (answered, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let url = format!("{}/fake", server.client.url);
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let (over, answered, refused, url) = (
                Arc::clone(&over),
                Arc::clone(&answered),
                Arc::clone(&refused),
                url.clone(),
            );
            tokio::spawn(async move {
                let http = reqwest::Client::new();
                while !over.load(Ordering::SeqCst) {
                    let status = http
                        .post(&url)
                        .body(r#"{"sleep_ms":5}"#)
                        .send()
                        .await
                        .map(|r| r.status().as_u16());
                    match status {
                        Ok(200) => answered.fetch_add(1, Ordering::SeqCst),
                        Ok(503) => refused.fetch_add(1, Ordering::SeqCst),
                        other => panic!("{other:?}"),
                    };
                }
            })
        })
        .collect();
    eventually("the load runs", async || answered.load(Ordering::SeqCst) > 100).await;
    server.begin_stop();
    let began = Instant::now();
    eventually("refusals are seen", async || refused.load(Ordering::SeqCst) > 20).await;
    // The listener stays for a second; the clients stop before it closes, as a load balancer would.
    tokio::time::sleep(Duration::from_millis(700).saturating_sub(began.elapsed())).await;
    over.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    server.join();
}
