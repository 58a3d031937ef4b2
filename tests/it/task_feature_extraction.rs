//! Feature extraction through HTTP: the vectors of the sentence-transformers library on the same weights.

use serde_json::{Value, json};

use crate::task_support::{Cases, fault, serve};

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_those_of_the_reference_alone_and_in_random_company() {
    Cases::read("feature_extraction").hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_embedded_is_told_with_its_path() {
    let server = serve(&json!([{"model": "feature_extraction"}])).await;
    let path = "/feature_extraction";
    for (request, place) in [
        (json!({}), vec!["body", "text"]),
        (json!({"text": [1]}), vec!["body", "text"]),
        (json!({"text": []}), vec!["body", "text"]),
        (json!({"text": "a", "pooling": "sum"}), vec!["body", "pooling"]),
        (json!({"text": "a", "normalize": 1}), vec!["body", "normalize"]),
        (json!({"text": "a", "input": "b"}), vec!["body"]),
    ] {
        assert_eq!(fault(&server, path, &request).await, place, "{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_is_cut_at_the_limit_of_the_folder_and_the_answer_says_so() {
    let server = serve(&json!([{"model": "feature_extraction"}])).await;
    let request = json!({"text": "garden ".repeat(500), "pooling": "none"});
    let answer = server.client.post("/feature_extraction", &request).await.ok();
    assert_eq!(answer["truncated"], json!([{"text": 0, "tokens": 502, "kept": 40}]));
    assert_eq!(answer["results"].as_array().unwrap().len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_have_length_one_where_the_folder_or_the_request_says_so() {
    let entries = json!([{"model": "feature_extraction"}, {"model": "feature_extraction_cls"}]);
    let server = serve(&entries).await;
    let length = |answer: &Value| {
        let squares = answer["results"].as_array().unwrap().iter();
        squares.map(|v| v.as_f64().unwrap().powi(2)).sum::<f64>().sqrt()
    };
    for (path, normalize, one) in [
        ("/feature_extraction", Value::Null, true),
        ("/feature_extraction", json!(false), false),
        ("/feature_extraction_cls", Value::Null, false),
        ("/feature_extraction_cls", json!(true), true),
    ] {
        let request = json!({"text": "The train is late.", "normalize": normalize});
        let length = length(&server.client.post(path, &request).await.ok());
        assert_eq!((length - 1.0).abs() < 1e-5, one, "{path} {normalize}: {length}");
    }
}
