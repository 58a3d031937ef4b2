//! What load balancers and clients of Potassium and Banana ask for.

use hostler::Server;
use serde_json::{Value, json};

use crate::support::{Fake, TestServer, eventually, fake_mount, models_dir};

async fn server() -> TestServer {
    let mount = fake_mount("/fake", &Fake::default());
    TestServer::library(Server::builder::<()>().pipeline(mount).build().unwrap()).await
}

async fn status(server: &TestServer) -> Value {
    let told = server.client.get("/_k/status").await.ok();
    for key in ["sequence_number", "idle_time", "inference_time"] {
        assert!(told[key].is_u64(), "{key}: {told}");
    }
    told
}

async fn pause() {
    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_idle_from_busy() {
    let server = server().await;
    pause().await;
    let idle = status(&server).await;
    assert_eq!(
        (&idle["gpu_available"], &idle["sequence_number"]),
        (&json!(true), &json!(0))
    );
    assert!(idle["idle_time"].as_u64().unwrap() >= 30, "{idle}");
    assert_eq!(idle["inference_time"], 0);
    let keys = |told: &Value| told.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&server.client.get("/__status__").await.ok()), keys(&idle));

    let client = server.client.clone();
    let task = tokio::spawn(async move { client.post("/fake", &json!({"sleep_ms": 60_000})).await });
    eventually("the request is under way", async || server.service.admitted() == 1).await;
    pause().await;
    let busy = status(&server).await;
    assert_eq!(
        (&busy["gpu_available"], &busy["sequence_number"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(busy["idle_time"], 0);
    let running = busy["inference_time"].as_u64().unwrap();
    assert!((30..60_000).contains(&running), "{busy}");

    // The client leaves; the idle time begins there and not at the start of the server.
    task.abort();
    eventually("it is over", async || server.service.admitted() == 0).await;
    let after = status(&server).await;
    assert_eq!(
        (&after["gpu_available"], &after["inference_time"]),
        (&json!(true), &json!(0))
    );
    assert!(after["idle_time"].as_u64().unwrap() < idle["idle_time"].as_u64().unwrap() + running);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sequence_counts_what_is_received_whatever_becomes_of_it() {
    let server = server().await;
    let client = &server.client;
    let numbers = async || status(&server).await["sequence_number"].as_u64().unwrap();
    client.post("/fake", &json!({})).await.ok();
    assert_eq!(numbers().await, 1);
    assert_eq!(client.post("/nothing", &json!({})).await.status, 404);
    assert_eq!(client.post_with("/fake", &[], "{").await.status, 400);
    assert_eq!(numbers().await, 3);
    assert_eq!(client.post("/fake", &json!({"fail": true})).await.status, 500);
    assert_eq!(numbers().await, 4);
    client.post("/v1/models/fake:predict", &json!({"chunks": 2})).await;
    assert_eq!(numbers().await, 5);
    // What only looks is not counted.
    assert_eq!(client.get("/nothing").await.status, 404);
    assert_eq!(client.get("/health/readiness").await.status, 200);
    assert_eq!(numbers().await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_up_counts_as_a_request_and_ends_the_idle_time() {
    let server = server().await;
    pause().await;
    assert_eq!(
        server.client.post("/_k/warmup", &json!({})).await.ok(),
        json!({"warm": true})
    );
    let after = status(&server).await;
    assert_eq!(
        (&after["gpu_available"], &after["sequence_number"]),
        (&json!(true), &json!(1))
    );
    let rested = after["idle_time"].as_u64().unwrap();
    pause().await;
    assert!(status(&server).await["idle_time"].as_u64().unwrap() >= rested + 30);
    assert_eq!(server.client.get("/_k/warmup").await.ok(), json!({"warm": true}));
}

#[tokio::test(flavor = "multi_thread")]
async fn banana_is_told_of_health_and_other_verbs_are_the_authors() {
    let server = server().await;
    assert_eq!(
        server.client.get("/healthcheck").await.ok(),
        json!({"state": "healthy", "gpu": false})
    );
    for path in ["/healthcheck", "/_k/status", "/__status__"] {
        let wrong = server.client.post(path, &json!({})).await;
        assert_eq!((wrong.status, wrong.header("allow")), (405, "GET"), "{path}");
        assert!(wrong.json()["error"].is_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_ready_is_not_warm() {
    let models = models_dir(&[("bad", crate::onnx::unknown_operator())]);
    let server = TestServer::loading(models.path(), r#"[{"model":"bad"}]"#, &[]).await;
    for path in ["/_k/warmup", "/healthcheck"] {
        let cold = server.client.get(path).await;
        assert_eq!((cold.status, cold.header("retry-after")), (503, "1"), "{path}");
        assert!(cold.json()["error"].is_string());
    }
    let told = status(&server).await;
    assert_eq!((&told["gpu_available"], &told["idle_time"]), (&json!(false), &json!(0)));
}
