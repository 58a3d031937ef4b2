//! Requests share runs, get the right rows back, and leave idle replicas their share.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use hostler::Server;
use serde_json::{Value, json};

use crate::support::{Fake, TestServer, eventually, fake_mount, models_dir};

async fn fakes(replicas: usize, max: usize, delay: Duration) -> (TestServer, Fake) {
    let fake = Fake::default();
    let mount = fake_mount("/fake", &fake).replicas(replicas).batch(max, delay);
    (
        TestServer::library(Server::builder::<()>().pipeline(mount).build().unwrap()).await,
        fake,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_taken_together_up_to_the_limit() {
    let (server, _fake) = fakes(1, 4, Duration::ZERO).await;
    let client = server.client.clone();
    let first = tokio::spawn(async move { client.post("/fake", &json!({"sleep_ms": 200})).await.ok() });
    eventually("the first runs", async || server.service.admitted() == 1).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let rest = join_all((0..8).map(|row| {
        let client = server.client.clone();
        async move { client.post("/fake", &json!({"row": row})).await.ok() }
    }));
    let rest = rest.await;
    assert_eq!(first.await.unwrap()["batch"], 1);
    for (row, answer) in rest.iter().enumerate() {
        assert_eq!(answer["row"], row);
        assert_eq!(answer["batch"], 4, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_gathers_requests_that_come_apart() {
    let (server, _fake) = fakes(1, 3, Duration::from_secs(5)).await;
    let answers = join_all((0..3).map(|row| {
        let client = server.client.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(30 * row)).await;
            client.post("/fake", &json!({"row": row})).await.ok()
        }
    }));
    for answer in answers.await {
        assert_eq!(answer["batch"], 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_are_threads_named_after_their_model_and_share_the_work() {
    let (server, _fake) = fakes(3, 1, Duration::ZERO).await;
    let answers = join_all((0..30).map(|row| {
        let client = server.client.clone();
        async move { client.post("/fake", &json!({"row": row, "sleep_ms": 20})).await.ok() }
    }));
    let threads: BTreeSet<String> = answers
        .await
        .iter()
        .map(|a| a["thread"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(threads, ["fake/0", "fake/1", "fake/2"].map(str::to_owned).into());
}

fn row(i: usize) -> Vec<f32> {
    #[allow(clippy::cast_precision_loss, reason = "small")]
    (0..4).map(|j| (i * 4 + j) as f32 / 100.0).collect()
}

/// 200 requests, one by one and then at 50, have the same answers.
async fn own_rows_at_fifty(server: &TestServer, row: impl Fn(usize) -> Vec<f32>) {
    let mut alone = Vec::new();
    for i in 0..200 {
        alone.push(server.client.post("/mlp", &json!({"x": [row(i)]})).await.ok());
    }
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(50));
    let together = join_all((0..200).map(|i| {
        let (client, gate) = (server.client.clone(), std::sync::Arc::clone(&gate));
        let body = json!({"x": [row(i)]});
        async move {
            let _place = gate.acquire().await.unwrap();
            client.post("/mlp", &body).await.ok()
        }
    }));
    for (alone, together) in alone.iter().zip(together.await) {
        assert!(
            close(&alone["results"]["y"], &together["results"]["y"]),
            "{alone} {together}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_requests_at_fifty_through_two_replicas_get_their_own_rows() {
    let models = models_dir(&[("mlp", crate::onnx::mlp(&[4, 8, 3], 1))]);
    let server = TestServer::folders(models.path(), r#"[{"model":"mlp","replicas":2}]"#, &[]).await;
    own_rows_at_fifty(&server, row).await;
}

/// Threads of this process by these names.
fn threads(names: &[&str]) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.unwrap().path().join("comm"));
    // A thread may end meanwhile.
    let told = tasks.filter_map(|task| name(task).ok());
    told.filter(|told| names.contains(&told.trim_end())).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_batch_are_spread_over_the_threads_of_a_replica_and_keep_their_place() {
    // A run takes half a millisecond: long enough to be handed to another thread.
    let models = models_dir(&[("mlp", crate::onnx::mlp(&[8, 2048, 2048, 3], 1))]);
    let server = TestServer::folders(models.path(), r#"[{"model":"mlp","threads":3}]"#, &[]).await;
    own_rows_at_fifty(&server, |i| [row(i), row(i + 1)].concat()).await;
    assert_eq!(threads(&["mlp/0.0", "mlp/0.1", "mlp/0.2"]), 3);
    drop(server);
    eventually("its threads have ended", async || {
        threads(&["mlp/0", "mlp/0.0", "mlp/0.1", "mlp/0.2"]) == 0
    })
    .await;
}

fn close(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(a, b)),
        (a, b) => (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-5,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unequal_rows_never_meet_in_a_run() {
    let models = models_dir(&[("two", crate::onnx::two_inputs())]);
    let server = TestServer::folders(models.path(), r#"[{"model":"two"}]"#, &[]).await;
    let answers = join_all((1..40usize).map(|i| {
        let client = server.client.clone();
        let length = i % 5 + 1;
        async move {
            let answer = client
                .post("/two", &json!({"a": [vec![1.0; length]], "b": [i]}))
                .await
                .ok();
            (
                answer["results"].as_object().unwrap().values().next().unwrap()[0]
                    .as_f64()
                    .unwrap(),
                length + i,
            )
        }
    }));
    for (got, want) in answers.await {
        #[allow(clippy::cast_precision_loss, reason = "small")]
        let want = want as f64;
        assert!((got - want).abs() < 1e-4, "{got} {want}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_whose_rows_lean_on_each_other_is_not_batched() {
    let models = models_dir(&[("mean", crate::onnx::batch_variant())]);
    let server = TestServer::folders(models.path(), r#"[{"model":"mean","max_queue_delay_ms":50}]"#, &[]).await;
    let ask = |n: usize| {
        let client = server.client.clone();
        async move {
            #[allow(clippy::cast_precision_loss, reason = "small")]
            let x = n as f32;
            client.post("/mean", &json!({"x": [[x, x, x, x]]})).await.ok()["results"]["y"].clone()
        }
    };
    for answer in join_all((0..16).map(ask)).await {
        // A row minus the mean of the rows of its run is zero only when it ran alone.
        assert!(
            answer[0]
                .as_array()
                .unwrap()
                .iter()
                .all(|v| v.as_f64().unwrap().abs() < 1e-6),
            "{answer}"
        );
    }
}
