//! Summaries, translations and rewritten texts through HTTP: what transformers writes with the same weights.

use serde_json::{Value, json};

use crate::task_support::{Cases, fault, serve};

#[tokio::test(flavor = "multi_thread")]
async fn texts_and_scores_are_those_of_the_reference_alone_and_in_random_company_in_every_layout() {
    Cases::read("text2text").hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greedy_answer_streams_and_beams_answer_at_once() {
    let server = serve(&json!([{"model": "summarization"}])).await;
    let ask = async |beams: u8| {
        let body = json!({"text": ["The garden is old.", "Anna"], "max_length": 24, "num_beams": beams});
        let events = [("accept", "text/event-stream")];
        server
            .client
            .post_with("/summarization", &events, body.to_string())
            .await
            .text()
    };
    let text = ask(1).await;
    let data = |event: &str| -> Value { serde_json::from_str(event.split_once("data: ").unwrap().1).unwrap() };
    let all: Vec<&str> = text.split("\n\n").filter(|e| !e.is_empty()).collect();
    let (last, chunks) = all.split_last().unwrap();
    assert!(last.starts_with("event: result"), "{text}");
    assert!(chunks.len() > 4, "{text}");
    let results = data(last)["results"].clone();
    for index in 0..2 {
        let pieces = chunks.iter().map(|c| data(c)).filter(|c| c["index"] == index);
        let whole: String = pieces.map(|c| c["text"].as_str().unwrap().to_owned()).collect();
        assert_eq!(results[index], whole);
    }
    let text = ask(3).await;
    assert!(text.starts_with("event: result"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_told_with_its_path() {
    let server = serve(&json!([{"model": "text2text"}])).await;
    for (request, place) in [
        (json!({}), vec!["body", "text"]),
        (json!({"text": "a", "documents": "b"}), vec!["body", "documents"]),
        (json!({"text": []}), vec!["body", "text"]),
        (json!({"documents": vec!["a"; 1025]}), vec!["body", "documents"]),
        (json!({"text": 5}), vec!["body", "text"]),
        (json!({"text": "a", "num_beams": 0}), vec!["body", "num_beams"]),
        (json!({"text": "a", "num_beams": 33}), vec!["body", "num_beams"]),
        (
            json!({"text": vec!["a"; 33], "num_beams": 32}),
            vec!["body", "num_beams"],
        ),
        (json!({"text": "a", "max_length": 1}), vec!["body", "max_length"]),
        (json!({"text": "a", "max_length": 65}), vec!["body", "max_length"]),
        (
            json!({"text": "a", "max_length": 8, "min_length": 9}),
            vec!["body", "min_length"],
        ),
        (json!({"text": "a", "temperature": 1}), vec!["body"]),
    ] {
        assert_eq!(fault(&server, "/text2text", &request).await, place, "{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_is_cut_and_the_answer_says_so() {
    let server = serve(&json!([{"model": "text2text"}])).await;
    let request = json!({"text": ["short", "garden ".repeat(500)], "max_length": 8});
    let answer = server.client.post("/text2text", &request).await.ok();
    let cut = &answer["truncated"];
    assert_eq!(
        (cut.as_array().unwrap().len(), &cut[0]["text"], &cut[0]["kept"]),
        (1, &json!(1), &json!(64))
    );
    assert!(cut[0]["tokens"].as_u64().unwrap() > 500, "{cut}");
    assert_eq!(answer["details"][1]["input_tokens"], 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_of_the_docs_work() {
    let server = serve(&json!([{"model": "text2text"}, {"model": "summarization"}])).await;
    let document = server.client.get("/openapi.json").await.ok();
    for path in ["/text2text", "/summarization"] {
        let content = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"];
        for example in content["examples"].as_object().unwrap().values() {
            server.client.post(path, &example["value"]).await.ok();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_texts_and_beams_than_run_together_are_written_in_turns() {
    let texts = [
        "The garden is old.",
        "Anna",
        "",
        "A train from Paris",
        "We missed it again, and then we walked.",
    ];
    let request = json!({"text": ([texts, texts].concat()), "max_length": 20, "num_beams": 3});
    let mut answers = Vec::new();
    for most in [2, 4, 32] {
        let server = serve(&json!([{"model": "text2text", "max_batch_size": most}])).await;
        let answer = server.client.post("/text2text", &request).await.ok();
        assert_eq!(answer["results"].as_array().unwrap().len(), 10);
        answers.push(answer["results"].clone());
    }
    assert_eq!(answers[0], answers[2]);
    assert_eq!(answers[1], answers[2]);
}
