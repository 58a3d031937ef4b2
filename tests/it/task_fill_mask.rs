//! Masked words through HTTP: the answers of the transformers pipeline on the same weights.

use serde_json::json;

use crate::task_support::{Cases, fault, serve};

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_those_of_the_reference_alone_and_in_random_company() {
    Cases::read("fill_mask").hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_filled_is_told_with_its_path() {
    let server = serve(&json!([{"model": "fill_mask"}])).await;
    let path = "/fill_mask";
    let late = format!("{} [MASK]", "garden ".repeat(500));
    for (request, place) in [
        (json!({"text": "no mask"}), vec!["body", "text"]),
        (json!({"text": ["a [MASK]", "<mask>"]}), vec!["body", "text", "1"]),
        (json!({"text": late}), vec!["body", "text"]),
        (json!({"text": ""}), vec!["body", "text"]),
        (json!({"text": "a [MASK]", "top_k": 0}), vec!["body", "top_k"]),
        (json!({"text": "a [MASK]", "top_k": 999}), vec!["body", "top_k"]),
        (json!({"text": "a [MASK]", "targets": ["b"]}), vec!["body"]),
    ] {
        assert_eq!(fault(&server, path, &request).await, place, "{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_refused_spares_those_it_came_with() {
    let server = serve(&json!([{"model": "fill_mask", "max_queue_delay_ms": 20}])).await;
    let ask = |text: &str, top_k: usize| {
        let client = server.client.clone();
        let request = json!({"text": text, "top_k": top_k});
        async move { client.post("/fill_mask", &request).await.status }
    };
    let asked = [
        ask("a [MASK]", 1),
        ask("a mask", 1),
        ask("[MASK]", 999),
        ask("[MASK] b", 2),
    ];
    assert_eq!(futures_util::future::join_all(asked).await, [200, 422, 422, 200]);
}
