//! Tensors to Python and back: as JSON, as raw bytes, in the body of a frame and through shared memory.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::TestServer;
use crate::support::python::{copies, with_packages};

const OCTETS: [(&str, &str); 2] = [
    ("content-type", "application/octet-stream"),
    ("accept", "application/octet-stream"),
];
/// From this many bytes on tensors travel through shared memory.
const IN_MEMORY: usize = 64 * 1024;

async fn serve(model: &str, replicas: usize) -> (tempfile::TempDir, TestServer) {
    let dir = copies(&[(model, &with_packages())]);
    let entries = json!([{"model": model, "replicas": replicas}]).to_string();
    let server = TestServer::folders(dir.path(), &entries, &[]).await;
    (dir, server)
}

/// Any bits, those of no number among them.
fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; size];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

async fn echo(server: &TestServer, bytes: &[u8]) {
    let answer = server
        .client
        .post_with("/hostler_tensor_rows", &OCTETS, bytes.to_vec())
        .await;
    assert_eq!(answer.status, 200, "{} bytes: {}", bytes.len(), answer.text());
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert!(answer.body == bytes, "{} bytes came back as others", bytes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_tensors_are_arrays_in_and_out() {
    let (_dir, server) = serve("hostler_tensors", 1).await;
    let client = &server.client;
    let told = client
        .post("/hostler_tensors", &json!({"x": [[3, 4, 0], [0, 0, 2]]}))
        .await
        .ok();
    let unit = json!([[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]]);
    assert_eq!(told, json!({"results": {"length": [5.0, 2.0], "unit": unit}}));
    let row = client.post("/hostler_tensors", &json!({"x": [3, 4, 0]})).await.ok();
    assert_eq!(row, json!({"results": {"length": 5.0, "unit": [0.6, 0.8, 0.0]}}));
    let bytes: Vec<u8> = [3.0f32, 4.0, 0.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let raw = client.post_with("/hostler_tensors", &OCTETS[..1], bytes).await.ok();
    assert_eq!(raw["results"]["length"], json!([5.0]));
    let predicted = client
        .post(
            "/v1/models/hostler_tensors:predict",
            &json!({"instances": [[3, 4, 0], [0, 0, 2]]}),
        )
        .await
        .ok();
    assert_eq!(
        predicted["predictions"][1],
        json!({"length": 2.0, "unit": [0.0, 0.0, 1.0]})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_shapes_and_values_that_the_author_refuses_are_422() {
    let (_dir, server) = serve("hostler_tensors", 1).await;
    for body in [
        json!({"x": [[1, 2]]}),
        json!({"x": [["a", "b", "c"]]}),
        json!({"z": [[1, 2, 3]]}),
    ] {
        let wrong = server.client.post("/hostler_tensors", &body).await;
        assert_eq!(wrong.status, 422, "{body}: {}", wrong.text());
        assert_eq!(wrong.json()["detail"][0]["loc"][0], "body");
    }
    let refused = server.client.post("/hostler_tensors", &json!({"x": [[0, 0, 0]]})).await;
    assert_eq!(
        (refused.status, refused.json()["error"].clone()),
        (422, json!("a vector of length 0 has no direction"))
    );
    let short = server.client.post_with("/hostler_tensors", &OCTETS, vec![0; 10]).await;
    assert_eq!(short.status, 400, "{}", short.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_bytes_come_back_bit_for_bit_whichever_way_they_go() {
    let (_dir, server) = serve("hostler_tensor_rows", 1).await;
    // Larger and smaller by turns: memory of a slot grows, and is used again.
    let sizes = [
        4,
        IN_MEMORY - 4,
        IN_MEMORY,
        600_000,
        IN_MEMORY + 4,
        40,
        4_000_000,
        IN_MEMORY,
    ];
    for (seed, size) in (0..).zip(sizes) {
        echo(&server, &noise(size, seed)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_tensors_of_many_clients_are_not_mixed_up() {
    let (_dir, server) = serve("hostler_tensor_rows", 2).await;
    let client = |n: u64| {
        let server = &server;
        async move {
            for turn in 0..4 {
                let size = if (n + turn) % 4 == 3 {
                    400
                } else {
                    100_000 + 4 * usize::try_from(n).unwrap()
                };
                echo(server, &noise(size, n * 10 + turn)).await;
            }
        }
    };
    join_all((0..8).map(client)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_json_come_back_as_the_same_numbers() {
    let (_dir, server) = serve("hostler_tensor_echo", 1).await;
    let values: Vec<f32> = (0u16..20_000)
        .map(|n| f32::from(n).mul_add(0.37, -1_000.0) / 7.0)
        .collect();
    let sent = json!({"x": values});
    let told = server.client.post("/hostler_tensor_echo", &sent).await.ok();
    let listed: Vec<f32> = serde_json::from_value(told["results"]["y"].clone()).unwrap();
    let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(listed.len(), values.len());
    assert!(bits(&listed) == bits(&values));
}
