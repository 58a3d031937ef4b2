//! The demo models through HTTP: what their READMEs claim, and what the reference program answers.

use std::path::Path;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::support::TestServer;

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

async fn demo(models: &str) -> TestServer {
    TestServer::folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models"), models, &[]).await
}

/// Asks all requests, sixteen at a time; answers in order.
async fn ask_all(server: &TestServer, path: &str, requests: Vec<Value>) -> Vec<Value> {
    let ask = |request: Value| {
        let client = server.client.clone();
        let path = path.to_owned();
        async move {
            let url = format!("{}{path}", client.url);
            let response = client.http.post(url).body(request.to_string()).send().await.unwrap();
            assert_eq!(response.status().as_u16(), 200, "{request}");
            serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
        }
    };
    stream::iter(requests.into_iter().map(ask)).buffered(16).collect().await
}

#[allow(clippy::cast_precision_loss, reason = "a few hundred cases")]
fn ratio(right: usize, of: usize) -> f64 {
    right as f64 / of as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_are_read_with_the_accuracy_its_readme_claims() {
    let server = demo(r#"[{"model":"digits","replicas":2}]"#).await;
    let held_out = fixture("digits_heldout.json");
    let images = held_out["images"].as_array().unwrap();
    let requests = images.iter().map(|image| json!({"image": [image]})).collect();
    let answers = ask_all(&server, "/digits", requests).await;
    let labels = held_out["labels"].as_array().unwrap();
    assert!(labels.len() >= 400);
    let right = answers
        .iter()
        .zip(labels)
        .filter(|(a, label)| a["results"]["label"][0] == **label)
        .count();
    let accuracy = ratio(right, labels.len());
    println!("digits: {accuracy:.4} of {}", labels.len());
    assert!(accuracy >= 0.97, "{accuracy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_with_the_exact_match_its_readme_claims() {
    let server = demo(r#"[{"model":"question_answering","replicas":2}]"#).await;
    let held_out = fixture("qa_heldout.json");
    let cases = held_out.as_array().unwrap();
    let requests = cases
        .iter()
        .map(|c| json!({"question": c["question"], "context": c["context"]}))
        .collect();
    let answers = ask_all(&server, "/question_answering", requests).await;
    let right = answers
        .iter()
        .zip(cases)
        .filter(|(a, c)| a["results"] == c["answer"])
        .count();
    let exact = ratio(right, cases.len());
    println!("question answering: exact match {exact:.4} of {}", cases.len());
    assert!(exact >= 0.95, "{exact}");
}

#[tokio::test(flavor = "multi_thread")]
async fn his_name_is_found_for_names_nobody_trained_on() {
    let server = demo(r#"[{"model":"question_answering"}]"#).await;
    for name in ["Bernard", "Wolfgang", "Quillon", "Thaddeus", "Zebulon"] {
        for context in [
            format!("Her name is Ann. His name is {name}."),
            format!("His name is {name}. Her name is Ann."),
        ] {
            let body = json!({"question": "What is his name?", "context": context});
            let answer = server.client.post("/question_answering", &body).await.ok();
            assert_eq!(answer["results"], name, "{context}");
            let (start, end) = (answer["start"].as_u64().unwrap(), answer["end"].as_u64().unwrap());
            let span: String = context
                .chars()
                .take(usize::try_from(end).unwrap())
                .skip(usize::try_from(start).unwrap())
                .collect();
            assert_eq!(span, name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_the_reference_program_alone_and_batched() {
    let reference = fixture("qa_reference.json");
    let cases = reference["cases"].as_array().unwrap();
    assert!(cases.len() >= 30);
    for models in [
        r#"[{"model":"question_answering","max_batch_size":1}]"#,
        r#"[{"model":"question_answering","replicas":2}]"#,
    ] {
        let server = demo(models).await;
        let request = |c: &Value| {
            let mut request = c.clone();
            request.as_object_mut().unwrap().remove("answers");
            request
        };
        let answers = ask_all(&server, "/question_answering", cases.iter().map(request).collect()).await;
        for (answer, case) in answers.iter().zip(cases) {
            let best = json!([{"answer": answer["results"], "score": answer["score"], "start": answer["start"], "end": answer["end"]}]);
            let got = answer.get("answers").unwrap_or(&best);
            agree(got, &case["answers"], case);
        }
    }
}

fn agree(got: &Value, want: &Value, case: &Value) {
    let (got, want) = (got.as_array().unwrap(), want.as_array().unwrap());
    assert_eq!(got.len(), want.len(), "{got:?}\n{case}");
    for (got, want) in got.iter().zip(want) {
        for key in ["answer", "start", "end"] {
            assert_eq!(got[key], want[key], "{got}\n{case}");
        }
        let difference = (got["score"].as_f64().unwrap() - want["score"].as_f64().unwrap()).abs();
        assert!(difference < 1e-4, "{got}\n{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stories_go_on_as_recorded_and_as_their_readme_claims() {
    let server = demo(r#"[{"model":"stories"}]"#).await;
    let reference = fixture("stories_reference.json");
    let cases = reference["cases"].as_array().unwrap();
    let answers = ask_all(
        &server,
        "/stories",
        cases.iter().map(|c| c["request"].clone()).collect(),
    )
    .await;
    let (mut heroes, mut ended) = (0, 0);
    for (answer, case) in answers.iter().zip(cases) {
        for key in ["results", "finish_reason", "prompt_tokens", "generated_tokens"] {
            assert_eq!(answer[key], case[key], "{key} of {answer}\n{case}");
        }
        let text = answer["results"].as_str().unwrap();
        if answer["finish_reason"] == "stop" {
            assert!(text.ends_with('.'), "{text}");
        }
        // Stories that were not trained on, from their first third on.
        if let Some(hero) = case.get("hero") {
            assert!(text.contains(hero.as_str().unwrap()), "{hero} is not in: {text}");
            heroes += 1;
            ended += usize::from(answer["finish_reason"] == "stop");
        }
    }
    assert!(heroes >= 10, "{heroes}");
    assert!(ratio(ended, heroes) >= 0.75, "{ended} of {heroes} stories ended");

    let text = |prompt: &str| {
        let answer = answers
            .iter()
            .zip(cases)
            .find(|(_, c)| c["request"]["prompt"] == prompt);
        answer.unwrap().0["results"].as_str().unwrap().trim_start().to_owned()
    };
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/stories/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let quoted: Vec<&str> = readme.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let told = text("Ben was very sad.");
    assert!(told.starts_with(&quoted.join(" ")), "{quoted:?}\n{told}");
    let first = text("Once upon a time");
    assert!(first.starts_with("there was a little "), "{first}");
}
