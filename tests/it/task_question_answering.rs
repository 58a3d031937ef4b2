//! Question answering through HTTP: the answers of the transformers pipeline, alone and in random company.

use serde_json::{Map, Value, json};

use crate::task_support::{Cases, fault, record, serve};

const MODEL: &str = "question_answering";

/// The answer that best-first `answers` make: the best, and all of them where more than one was asked for.
fn answer(answers: &Value, top_k: &Value) -> Map<String, Value> {
    let best = &answers[0];
    let mut answer = Map::new();
    for (field, of) in [
        ("results", "answer"),
        ("score", "score"),
        ("start", "start"),
        ("end", "end"),
    ] {
        answer.insert(field.to_owned(), best[of].clone());
    }
    if top_k.as_u64().unwrap_or(1) > 1 {
        answer.insert("answers".to_owned(), answers.clone());
    }
    answer
}

/// The cases of the record, whose fields beside `answers` are those of the request.
fn cases() -> Vec<Value> {
    let recorded = record("qa_reference");
    let case = |one: &Value| {
        let mut request = one.as_object().unwrap().clone();
        let answers = request.remove("answers").unwrap();
        let mut case = answer(&answers, &one["top_k"]);
        case.insert("model".to_owned(), json!(MODEL));
        case.insert("request".to_owned(), Value::Object(request));
        Value::Object(case)
    };
    recorded["cases"].as_array().unwrap().iter().map(case).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_the_reference_alone_and_in_random_company() {
    let cases = cases();
    assert!(cases.len() >= 60, "the record has too few cases");
    for field in ["top_k", "doc_stride", "max_answer_len"] {
        let sent = cases.iter().filter(|case| !case["request"][field].is_null());
        assert!(sent.count() >= 9, "too few cases have {field}");
    }
    Cases::of(cases).hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_cannot_be_asked_are_told_with_their_path() {
    let server = serve(&json!([{"model": MODEL}])).await;
    let path = format!("/{MODEL}");
    let endless = "why ".repeat(400);
    let long = "because ".repeat(400);
    for (request, place) in [
        (json!({"context": "x"}), vec!["body", "question"]),
        (json!({"question": "Who?"}), vec!["body", "context"]),
        (json!({"question": "", "context": "x"}), vec!["body", "question"]),
        (json!({"question": "Who?", "context": ""}), vec!["body", "context"]),
        (json!({"question": 5, "context": "x"}), vec!["body", "question"]),
        (
            json!({"question": "Who?", "context": "x", "top_k": 0}),
            vec!["body", "top_k"],
        ),
        (
            json!({"question": "Who?", "context": "x", "top_k": 101}),
            vec!["body", "top_k"],
        ),
        (
            json!({"question": "Who?", "context": "x", "max_answer_len": 0}),
            vec!["body", "max_answer_len"],
        ),
        (
            json!({"question": "Who?", "context": "x", "doc_stride": 513}),
            vec!["body", "doc_stride"],
        ),
        (json!({"question": endless, "context": long}), vec!["body", "question"]),
        // No stride makes room where the question leaves none.
        (
            json!({"question": endless, "context": long, "doc_stride": 0}),
            vec!["body", "question"],
        ),
        // A misspelt field.
        (
            json!({"question": "Who?", "context": "x", "max_answer_length": 3}),
            vec!["body"],
        ),
    ] {
        assert_eq!(fault(&server, &path, &request).await, place, "{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stride_that_leaves_windows_no_room_to_move_is_told() {
    let server = serve(&json!([{"model": MODEL}])).await;
    let path = format!("/{MODEL}");
    // The question has two tokens and a window three special ones, so 379 of 384 are left for the context's 390.
    let asked = |stride: usize| json!({"question": "Who?", "context": "because ".repeat(130), "doc_stride": stride});
    for stride in [379, 380, 512] {
        let place = fault(&server, &path, &asked(stride)).await;
        assert_eq!(place, ["body", "doc_stride"], "{stride}");
    }
    server.client.post(&path, &asked(378)).await.ok();
    // A context of one window has nothing to share.
    let short = json!({"question": "Who?", "context": "because", "doc_stride": 512});
    server.client.post(&path, &short).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stride_that_makes_too_many_windows_of_a_context_is_told() {
    let server = serve(&json!([{"model": MODEL}])).await;
    let path = format!("/{MODEL}");
    // Windows have room for 379 of the context's 4476 tokens.
    let asked = |stride: usize| json!({"question": "Who?", "context": "because ".repeat(1492), "doc_stride": stride});
    assert_eq!(fault(&server, &path, &asked(378)).await, ["body", "context"]);
    let told = server.client.post(&path, &asked(378)).await.text();
    assert!(told.contains("makes 4098 windows"), "{told}");
    server.client.post(&path, &asked(64)).await.ok();
}
