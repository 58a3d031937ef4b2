//! Replicas of one model on the CPU share its weights.

use hostler::worker::ReplicaState;

use crate::support::{TestServer, eventually, models_dir};

/// Private and shared memory of this process that no file backs, in bytes.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("RssAnon")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_more_costs_activations_and_not_weights() {
    // 25 million weights, 100 MB.
    let models = models_dir(&[("large", crate::onnx::mlp(&[2048, 4096, 4096, 64], 3))]);
    let cost = async |replicas: usize| {
        let before = anonymous();
        let entry = format!(r#"[{{"model":"large","replicas":{replicas},"threads":1,"max_batch_size":1}}]"#);
        let server = TestServer::folders(models.path(), &entry, &[]).await;
        // The model is ready with its first replica; while others load they hold weights twice.
        let loaded = || {
            let routes = server.service.routes();
            let replicas = routes.models[0].group.snapshot().replicas;
            replicas.iter().all(|r| r.state == ReplicaState::Ready)
        };
        eventually("every replica is ready", async || loaded()).await;
        let row = vec![0.5f32; 2048];
        for _ in 0..4 {
            server
                .client
                .post("/large", &serde_json::json!({"x": [row]}))
                .await
                .ok();
        }
        let after = anonymous();
        drop(server);
        after.saturating_sub(before)
    };
    // The first server of a process also pays for what the runtime keeps.
    cost(1).await;
    let (one, five) = (cost(1).await, cost(5).await);
    let each = five.saturating_sub(one) / 4;
    println!("one replica {} MB, each further one {} MB", one >> 20, each >> 20);
    assert!(each <= 15 << 20, "each further replica costs {each} bytes");
}
