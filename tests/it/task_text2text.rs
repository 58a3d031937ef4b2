//! Summaries, translations and rewritten texts through HTTP: what transformers writes with the same weights.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::{TestServer, eventually};
use crate::task_support::{Cases, fault, serve};

#[tokio::test(flavor = "multi_thread")]
async fn texts_and_scores_are_those_of_the_reference_alone_and_in_random_company_in_every_layout() {
    Cases::read("text2text").hold().await;
}

const EVENTS: (&str, &str) = ("accept", "text/event-stream");

/// The chunks of a stream and its result.
fn events(text: &str) -> (Vec<Value>, Value) {
    let data = |event: &str| serde_json::from_str(event.split_once("data: ").unwrap().1).unwrap();
    let all: Vec<&str> = text.split("\n\n").filter(|e| !e.is_empty()).collect();
    let (last, chunks) = all.split_last().unwrap();
    assert!(last.starts_with("event: result"), "{text}");
    (chunks.iter().map(|event| data(event)).collect(), data(last))
}

/// What the chunks tell of the text at this place.
fn pieces(chunks: &[Value], index: usize) -> String {
    let of_it = chunks.iter().filter(|c| c["index"] == index);
    of_it.map(|c| c["text"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn greedy_answers_of_bytes_stream_as_the_reference_writes_them() {
    let server = serve(&json!([{"model": "text2text"}])).await;
    let record = Cases::read("text2text");
    let greedy = |case: &&Value| case["model"] == "text2text" && case["request"]["num_beams"] == 1;
    let mut streamed = 0;
    for case in record.cases.iter().filter(greedy) {
        let body = case["request"].to_string();
        let text = server.client.post_with("/text2text", &[EVENTS], body).await.text();
        let (chunks, result) = events(&text);
        assert_eq!(result["results"], case["results"]);
        let one = std::slice::from_ref(&case["results"]);
        let wanted = case["results"].as_array().map_or(one, Vec::as_slice);
        for (index, want) in wanted.iter().enumerate() {
            assert_eq!(pieces(&chunks, index), *want, "{case}");
        }
        assert!(chunks.iter().all(|c| c["text"] != ""), "{chunks:?}");
        streamed += 1;
    }
    assert!(streamed >= 8, "{streamed} cases");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greedy_answer_streams_and_beams_answer_at_once() {
    let server = serve(&json!([{"model": "summarization"}])).await;
    let ask = async |beams: u8| {
        let body = json!({"text": ["The garden is old.", "Anna"], "max_length": 24, "num_beams": beams});
        let answer = server
            .client
            .post_with("/summarization", &[EVENTS], body.to_string())
            .await;
        answer.text()
    };
    let text = ask(1).await;
    let (chunks, result) = events(&text);
    assert!(chunks.len() > 4, "{text}");
    for index in 0..2 {
        assert_eq!(result["results"][index], pieces(&chunks, index));
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
    let models = ["text2text", "summarization", "translation"];
    let entries: Value = models.iter().map(|model| json!({"model": model})).collect();
    let server = serve(&entries).await;
    let document = server.client.get("/openapi.json").await.ok();
    for path in models.map(|model| format!("/{model}")) {
        let content = &document["paths"][&path]["post"]["requestBody"]["content"]["application/json"];
        for example in content["examples"].as_object().unwrap().values() {
            server.client.post(&path, &example["value"]).await.ok();
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

/// A streamed text of so many tokens that has begun; the reader tells how many events have come.
async fn long_text(server: &TestServer, tokens: usize) -> (JoinHandle<()>, Arc<AtomicUsize>) {
    let body = json!({
        "text": "Anna", "max_length": tokens, "min_length": tokens, "num_beams": 1, "no_repeat_ngram_size": 0,
    });
    let url = format!("{}/summarization", server.client.url);
    let request = server.client.http.post(url).header("accept", "text/event-stream");
    let mut stream = request.body(body.to_string()).send().await.unwrap().bytes_stream();
    stream.next().await.unwrap().unwrap();
    let events = Arc::new(AtomicUsize::new(1));
    let come = Arc::clone(&events);
    let reader = tokio::spawn(async move {
        while let Some(Ok(bytes)) = stream.next().await {
            let ends = bytes.windows(2).filter(|pair| pair == b"\n\n").count();
            come.fetch_add(ends, Ordering::Relaxed);
        }
    });
    (reader, events)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_text_is_answered_while_long_ones_are_written_and_has_the_place_of_one_that_is_left() {
    let server = serve(&json!([{"model": "summarization", "max_batch_size": 2}])).await;
    let short = json!({"text": "The garden", "max_length": 4, "num_beams": 1});
    let (first, _) = long_text(&server, 4096).await;
    server.client.post("/summarization", &short).await.ok();
    assert!(!first.is_finished(), "the short text waited for the long one");
    // Both places are taken, and one is left.
    let (second, events) = long_text(&server, 2048).await;
    first.abort();
    server.client.post("/summarization", &short).await.ok();
    let come = events.load(Ordering::Relaxed);
    assert!(
        !second.is_finished() && come < 1024,
        "the second text was told in {come} events"
    );
    second.abort();
    eventually("nothing runs", async || server.service.admitted() == 0).await;
}
