//! Zero-shot classification through HTTP: the answers of the transformers pipeline on the same weights.

use serde_json::json;

use crate::task_support::{Cases, fault, serve};

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_those_of_the_reference_alone_and_in_random_company() {
    Cases::read("zero_shot").hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sorted_is_told_with_its_path() {
    let server = serve(&json!([{"model": "zero_shot"}])).await;
    let path = "/zero_shot";
    let sentence = "garden ".repeat(60);
    for (request, place) in [
        (json!({"text": "a"}), vec!["body", "candidate_labels"]),
        (json!({"text": "", "candidate_labels": ["b"]}), vec!["body", "text"]),
        (
            json!({"text": ["a", ""], "candidate_labels": ["b"]}),
            vec!["body", "text", "1"],
        ),
        (
            json!({"text": "a", "candidate_labels": []}),
            vec!["body", "candidate_labels"],
        ),
        (
            json!({"text": "a", "candidate_labels": " , "}),
            vec!["body", "candidate_labels"],
        ),
        (
            json!({"text": "a", "candidate_labels": vec!["b"; 101]}),
            vec!["body", "candidate_labels"],
        ),
        (
            json!({"text": vec!["a"; 100], "candidate_labels": vec!["b"; 50]}),
            vec!["body", "candidate_labels"],
        ),
        (
            json!({"text": "a", "candidate_labels": ["b", sentence]}),
            vec!["body", "candidate_labels", "1"],
        ),
        (
            json!({"text": "a", "candidate_labels": ["b"], "hypothesis_template": "no place"}),
            vec!["body", "hypothesis_template"],
        ),
        (
            json!({"text": "a", "candidate_labels": ["b"], "hypothesis_template": "{label}"}),
            vec!["body", "hypothesis_template"],
        ),
    ] {
        assert_eq!(fault(&server, path, &request).await, place, "{request}");
    }
}
