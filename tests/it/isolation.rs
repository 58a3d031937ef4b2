//! `isolation = "process"`: ONNX replicas in processes of their own answer as those in threads do, and crash alone.
//!
//! The server starts its own program for them, so that here it is the command and not a server inside of the tests.

use std::path::Path;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::support::python::{children, is_running, kill_child, restarts, status};
use crate::support::{Binary, Client, eventually, models_dir};

const PROCESS: &str = "isolation = \"process\"\n";

/// A models folder with each demo model twice: as it is, and isolated.
fn demo_models(names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in names {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name);
        for (copy, first) in [((*name).to_owned(), ""), (format!("{name}_apart"), PROCESS)] {
            let copy = dir.path().join(copy);
            std::fs::create_dir(&copy).unwrap();
            for entry in std::fs::read_dir(&source).unwrap() {
                let file = entry.unwrap().path();
                std::fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
            }
            let manifest = std::fs::read_to_string(source.join("model.toml")).unwrap();
            std::fs::write(copy.join("model.toml"), format!("{first}{manifest}")).unwrap();
        }
    }
    dir
}

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Asks all requests, eight at a time; answers in order.
async fn ask_all(client: &Client, path: &str, requests: &[Value]) -> Vec<Value> {
    let ask = |request: &Value| {
        let (client, path, body) = (client.clone(), path.to_owned(), request.to_string());
        async move {
            let response = client.http.post(format!("{}{path}", client.url)).body(body);
            let response = response.send().await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            response.json().await.unwrap()
        }
    };
    stream::iter(requests.iter().map(ask)).buffered(8).collect().await
}

/// The same but for the last bits of a number: rows that run together are summed in another order.
fn agree(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agree(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, value)| b.get(key).is_some_and(|other| agree(value, other)))
        }
        (Value::Number(a), Value::Number(b)) => (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-4,
        _ => a == b,
    }
}

async fn compare(client: &Client, model: &str, requests: &[Value]) {
    compare_paths(client, &format!("/{model}"), &format!("/{model}_apart"), requests).await;
}

async fn compare_paths(client: &Client, here: &str, apart: &str, requests: &[Value]) {
    let here = ask_all(client, here, requests).await;
    let apart = ask_all(client, apart, requests).await;
    for ((here, apart), request) in here.iter().zip(&apart).zip(requests) {
        assert!(agree(here, apart), "{here}\n{apart}\n{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_in_processes_answer_as_three_in_threads() {
    let mlp = || crate::onnx::mlp(&[4, 16, 3], 11);
    let models = models_dir(&[
        ("mlp", mlp()),
        ("mlp_apart", mlp()),
        ("words_apart", crate::onnx::strings()),
    ]);
    for name in ["mlp_apart", "words_apart"] {
        std::fs::write(models.path().join(name).join("model.toml"), PROCESS).unwrap();
    }
    let entries = r#"[{"model":"mlp","replicas":3},{"model":"mlp_apart","replicas":3},{"model":"words_apart"}]"#;
    let server = Binary::folders(models.path(), entries).await;
    assert_eq!(children(server.child.id()).len(), 4);
    let rows = |n: usize| {
        let row = |i: usize| json!([i, n, -1.5, 0.25]);
        json!({"x": (0..=n % 5).map(row).collect::<Vec<_>>()})
    };
    compare(&server.client, "mlp", &(0..60).map(rows).collect::<Vec<_>>()).await;
    // More rows than a batch takes, and more bytes than go through the socket.
    let many = json!({"x": vec![[0.5, 1.0, -2.0, 0.125]; 6_000]});
    compare(&server.client, "mlp", &[many]).await;

    let client = &server.client;
    let words = json!(["wörd", "\"quoted\"", ""]);
    let told = client.post("/words_apart", &json!({"words": words})).await.ok();
    assert_eq!(told["results"]["same"], words);
    let predicted = client
        .post("/v1/models/mlp_apart:predict", &json!({"instances": [[1, 2, 3, 4]]}))
        .await;
    let native = client.post("/mlp", &json!({"x": [[1, 2, 3, 4]]})).await.ok();
    assert!(agree(&predicted.ok()["predictions"], &native["results"]["y"]));
    for path in ["/mlp", "/mlp_apart"] {
        let wrong = client.post(path, &json!({"x": [[1, 2]]})).await;
        assert_eq!(
            (wrong.status, &wrong.json()["detail"][0]["loc"]),
            (422, &json!(["body", "x"]))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_models_answer_the_same_in_processes() {
    let models = demo_models(&["digits", "question_answering"]);
    let entries = r#"[
        {"model":"digits"},{"model":"digits_apart"},
        {"model":"question_answering"},{"model":"question_answering_apart"}
    ]"#;
    let server = Binary::folders(models.path(), entries).await;
    assert_eq!(children(server.child.id()).len(), 2);
    let images = fixture("digits_heldout.json")["images"].as_array().unwrap()[..60].to_vec();
    let requests: Vec<Value> = images.iter().map(|image| json!({"image": [image]})).collect();
    compare(&server.client, "digits", &requests).await;
    let cases = fixture("qa_heldout.json").as_array().unwrap()[..30].to_vec();
    let request = |case: &Value| json!({"question": case["question"], "context": case["context"], "top_k": 2});
    let requests: Vec<Value> = cases.iter().map(request).collect();
    compare(&server.client, "question_answering", &requests).await;
    // A fault of the input is told as it is told by a thread.
    for model in ["question_answering", "question_answering_apart"] {
        let wrong = json!({"question": "", "context": "x"});
        let wrong = server.client.post(&format!("/{model}"), &wrong).await;
        assert_eq!(wrong.status, 422, "{}", wrong.text());
        assert_eq!(wrong.json()["detail"][0]["loc"], json!(["body", "question"]), "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_costs_the_call_under_way_and_nothing_else() {
    let models = models_dir(&[("slow", crate::onnx::slow(20_000))]);
    std::fs::write(models.path().join("slow/model.toml"), PROCESS).unwrap();
    let server = Binary::folders(models.path(), r#"[{"model":"slow"}]"#).await;
    let client = &server.client;
    let quick = json!({"x": [[0.5]]});
    assert_eq!(client.post("/slow", &quick).await.ok()["results"]["y"], json!([[0.5]]));
    let processes = children(server.child.id());
    assert_eq!(processes.len(), 1);
    let held = {
        let client = client.clone();
        tokio::spawn(async move { client.post("/slow", &json!({"x": [[2.0]]})).await })
    };
    eventually("the call is under way", async || {
        let told = status(client).await;
        told["admitted"] == 1 && told["waiting"] == 0
    })
    .await;
    assert!(kill_child(server.child.id(), processes[0]));
    let lost = held.await.unwrap();
    assert_eq!(lost.status, 500, "{}", lost.text());
    assert!(
        lost.json()["error"].as_str().unwrap().contains("signal 9"),
        "{}",
        lost.text()
    );
    assert_eq!(client.post("/slow", &quick).await.ok()["results"]["y"], json!([[0.5]]));
    assert!(!is_running(processes[0]));
    assert_eq!(restarts(client).await, 1);
    assert_eq!(client.get("/health/liveness").await.status, 200);

    // One that dies while it waits is started again before anybody asks.
    let processes = children(server.child.id());
    assert!(kill_child(server.child.id(), processes[0]));
    eventually("it was started again", async || {
        status(client).await["state"] == "ready" && restarts(client).await == 2
    })
    .await;
    client.post("/slow", &quick).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_past_its_deadline_is_answered_then_and_its_process_ends() {
    let models = models_dir(&[("slow", crate::onnx::slow(2_000_000))]);
    std::fs::write(models.path().join("slow/model.toml"), PROCESS).unwrap();
    let server = Binary::folders(models.path(), r#"[{"model":"slow"}]"#).await;
    let client = &server.client;
    let deadline = [("x-request-timeout", "0.2")];
    let late = client.post_with("/slow", &deadline, r#"{"x":[[2.0]]}"#).await;
    assert_eq!(late.status, 504, "{}", late.text());
    let next = client.post("/slow", &json!({"x": [[0.5]]})).await;
    assert_eq!(next.ok()["results"]["y"], json!([[0.5]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_outlives_a_server_that_is_killed() {
    let models = models_dir(&[("mlp", crate::onnx::mlp(&[2, 2], 1))]);
    std::fs::write(models.path().join("mlp/model.toml"), PROCESS).unwrap();
    let mut server = Binary::folders(models.path(), r#"[{"model":"mlp","replicas":2}]"#).await;
    let id = server.child.id();
    eventually("each replica has its process", async || children(id).len() == 2).await;
    let processes = children(id);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    eventually("no process is left", async || {
        !processes.iter().any(|pid| is_running(*pid))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_streams_from_its_process_and_a_short_one_joins_it_between_steps() {
    let models = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/text_generation");
    for name in ["here", "apart"] {
        let copy = models.path().join(name);
        std::fs::create_dir(&copy).unwrap();
        for entry in std::fs::read_dir(&source).unwrap() {
            let file = entry.unwrap().path();
            std::fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
        }
    }
    std::fs::write(models.path().join("apart/model.toml"), PROCESS).unwrap();
    let server = Binary::folders(models.path(), r#"[{"model":"here"},{"model":"apart"}]"#).await;
    let client = &server.client;
    // Goes on until the model's positions end.
    let long = json!({"prompt": "c", "max_new_tokens": 1000});
    let mut joined = 0;
    for _ in 0..5 {
        let request = client.http.post(format!("{}/apart", client.url));
        let request = request.header("accept", "text/event-stream").body(long.to_string());
        let mut stream = request.send().await.unwrap().bytes_stream();
        let mut told = stream.next().await.unwrap().unwrap().to_vec();
        let short = client
            .post("/apart", &json!({"prompt": "The", "max_new_tokens": 1}))
            .await
            .ok();
        assert_eq!(short["generated_tokens"], 1);
        let before = String::from_utf8_lossy(&told).matches("data:").count();
        while let Some(piece) = stream.next().await {
            told.extend(piece.unwrap());
        }
        let told = String::from_utf8(told).unwrap();
        let pieces = told.matches("data:").count();
        // The first pieces had come while the rest was not written yet.
        joined += usize::from(before < pieces / 2);
        let whole = client.post("/here", &long).await.ok();
        let result = told.split("event: result\ndata: ").nth(1).unwrap();
        assert_eq!(serde_json::from_str::<Value>(result).unwrap(), whole);
    }
    assert!(joined > 0, "no text streamed");
    // A reader that leaves ends its text, and its process goes on.
    let before = children(server.child.id());
    for _ in 0..40 {
        let request = client.http.post(format!("{}/apart", client.url));
        let request = request.header("accept", "text/event-stream").body(long.to_string());
        let mut stream = request.send().await.unwrap().bytes_stream();
        stream.next().await.unwrap().unwrap();
    }
    let request = |n: usize| json!({"prompt": "The garden", "max_new_tokens": 1 + n % 40});
    compare_paths(client, "/here", "/apart", &(0..60).map(request).collect::<Vec<_>>()).await;
    assert_eq!(children(server.child.id()), before);
}
