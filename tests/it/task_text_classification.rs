//! Text classification through HTTP: the answers of the transformers pipeline on the same weights.

use serde_json::json;

use crate::task_support::{Cases, fault, serve};

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_those_of_the_reference_alone_and_in_random_company() {
    Cases::read("text_classification").hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_classified_is_told_with_its_path() {
    let server = serve(&json!([{"model": "text_classification"}])).await;
    let path = "/text_classification";
    for (request, place) in [
        (json!({}), vec!["body", "text"]),
        (json!({"text": 5}), vec!["body", "text"]),
        (json!({"text": []}), vec!["body", "text"]),
        (json!({"text": vec!["a"; 1025]}), vec!["body", "text"]),
        (json!({"text": "a", "top_k": 0}), vec!["body", "top_k"]),
        (json!({"text": "a", "text_pair": ["b", "c"]}), vec!["body", "text_pair"]),
        (json!({"text": "a", "candidate_labels": ["b"]}), vec!["body"]),
    ] {
        assert_eq!(fault(&server, path, &request).await, place, "{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_is_cut_and_the_answer_says_so() {
    let server = serve(&json!([{"model": "text_classification"}])).await;
    let request = json!({"text": ["short", "garden ".repeat(500)]});
    let answer = server.client.post("/text_classification", &request).await.ok();
    assert_eq!(answer["truncated"], json!([{"text": 1, "tokens": 502, "kept": 48}]));
    let request = json!({"text": "short"});
    let answer = server.client.post("/text_classification", &request).await.ok();
    assert!(answer.get("truncated").is_none(), "{answer}");
}
