//! The Graphcore server's folders: `pipeline.py` alone, and with the endpoints of `endpoint.py`.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::python::{copies, python_dir, status, with_packages};
use crate::support::{Binary, TestServer};

const THREE: &str = r#"[{"model":"graphcore_pipeline","replicas":3}]"#;

fn question() -> Value {
    json!({"question": "What is his name?", "context": "Her dog is old. His name is Rob. Her name is Ann."})
}

/// A server with endpoints of three replicas, beside another folder.
async fn endpoints() -> (tempfile::TempDir, TestServer) {
    let dir = copies(&[("graphcore_endpoint", &with_packages()), ("graphcore_pipeline", "")]);
    let entries = r#"[{"model":"graphcore_endpoint","replicas":3},{"model":"graphcore_pipeline"}]"#;
    let server = TestServer::folders(dir.path(), entries, &[]).await;
    (dir, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_of_a_pipeline_answer_its_results() {
    let server = TestServer::folders(&python_dir(), THREE, &[]).await;
    let told = status(&server.client).await;
    assert_eq!(told["replicas"].as_array().unwrap().len(), 3);
    let ask = |n: usize| {
        let client = server.client.clone();
        async move {
            let text = format!("{} tail", "word ".repeat(n));
            let told = client
                .post("/graphcore_pipeline", &json!({"text": text, "top": 1}))
                .await
                .ok();
            assert_eq!(told, json!({"results": {"words": n + 1, "top": [["word", n]]}}));
        }
    };
    join_all((2..20).map(ask)).await;
    let predicted = server
        .client
        .post("/v1/models/graphcore_pipeline:predict", &json!({"text": "a"}))
        .await;
    assert_eq!(predicted.ok(), json!({"results": {"words": 1, "top": [["a", 1]]}}));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_faults_are_answers_and_its_traceback_is_in_the_log() {
    let server = Binary::folders(&python_dir(), r#"[{"model":"graphcore_pipeline"}]"#).await;
    let none = server.client.post("/graphcore_pipeline", &json!({})).await;
    assert_eq!(
        (none.status, none.json()["error"].clone()),
        (500, json!("KeyError: 'text'"))
    );
    let wrong = json!({"text": "a", "top": "many"});
    let value = server.client.post("/graphcore_pipeline", &wrong).await;
    assert_eq!(value.status, 422, "a ValueError is about the input: {}", value.text());
    let list = server.client.post("/graphcore_pipeline", &json!([1])).await;
    assert_eq!((list.status, &list.json()["detail"][0]["loc"]), (422, &json!(["body"])));
    crate::support::eventually("the log has the traceback", async || {
        let printed = server.printed();
        let has = |text: &str| {
            let messages = printed.iter().filter_map(|line| line["fields"]["message"].as_str());
            messages.into_iter().any(|message| message.contains(text))
        };
        has("Traceback") && has("pipeline.py") && has("KeyError: 'text'")
    })
    .await;
    let of_model = |line: &Value| line["span"]["model"] == "graphcore_pipeline" && line["span"]["replica"] == 0;
    assert!(server.printed().iter().all(of_model));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_decorated_paths_are_served_by_every_replica() {
    let (_dir, server) = endpoints().await;
    let ask = |loud: bool| {
        let client = server.client.clone();
        async move {
            let mut body = question();
            body["loud"] = json!(loud);
            client.post("/qa", &body).await.ok()
        }
    };
    let loud = [false, true].repeat(6);
    let told = join_all(loud.iter().copied().map(ask)).await;
    for (told, loud) in told.iter().zip(loud) {
        // The response model has no model_latency.
        let results = if loud { "HIS NAME IS ROB" } else { "His name is Rob" };
        assert_eq!(told, &json!({"results": results, "score": 3.0}));
    }
    let timed = server.client.post("/qa/latency", &question()).await.ok();
    assert!(timed["model_latency"].as_f64().unwrap() > 0.0);
    assert_eq!(timed.as_object().unwrap().len(), 1);
    let predicted = server
        .client
        .post("/v1/models/graphcore_endpoint:predict", &question())
        .await
        .ok();
    assert_eq!(predicted["results"], "His name is Rob");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_where_it_was_decorated_and_takes_the_verb_it_was_decorated_with() {
    let (_dir, server) = endpoints().await;
    let client = &server.client;
    let models = client.get("/qa/models").await.ok()["models"].clone();
    assert!(
        models.as_array().unwrap().contains(&json!("graphcore_endpoint")),
        "{models}"
    );
    let refused = client.post("/qa/models", &json!({})).await;
    assert_eq!((refused.status, refused.header("allow")), (405, "GET"));
    assert_eq!(client.get("/qa").await.status, 405);
    for path in ["/graphcore_pipeline/qa", "/graphcore_endpoint/qa", "/qa/nothing"] {
        assert_eq!(client.post(path, &question()).await.status, 404, "{path}");
    }
    assert_eq!(
        client.post("/graphcore_pipeline", &json!({"text": "a"})).await.status,
        200
    );
    let document = client.get("/openapi.json").await.ok();
    assert!(document["paths"]["/qa/models"]["get"].is_object());
    assert!(document["paths"]["/qa/models"]["post"].is_null());
    let post = &document["paths"]["/qa"]["post"];
    assert_eq!(post["summary"], "Answers a question from a context.");
    let schema = &post["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(schema["properties"]["context"]["minLength"], 1);
    assert_eq!(schema["required"], json!(["context", "question"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_request_model_is_422_and_what_the_code_raises_500() {
    let (_dir, server) = endpoints().await;
    let client = &server.client;
    for (body, loc) in [
        (json!({"question": 1, "context": "a"}), json!(["body", "question"])),
        (json!({"question": "a", "context": ""}), json!(["body", "context"])),
        (
            json!({"question": "a", "context": "a", "loud": [1]}),
            json!(["body", "loud"]),
        ),
        (json!([]), json!(["body"])),
    ] {
        for path in ["/qa", "/qa/latency"] {
            let wrong = client.post(path, &body).await;
            assert_eq!(wrong.status, 422, "{path} {body}: {}", wrong.text());
            assert_eq!(wrong.json()["detail"][0]["loc"], loc, "{path} {body}");
        }
    }
    let missing = client.post("/qa", &json!({"question": "a"})).await;
    assert_eq!((missing.status, missing.text().contains("context")), (422, true));
    let none = client
        .post("/qa", &json!({"question": "zebra", "context": "A horse."}))
        .await;
    assert_eq!(none.status, 500);
    assert_eq!(
        none.json()["error"],
        "LookupError: no sentence has a word of the question"
    );
    let other = client.post("/qa/other", &question()).await;
    assert_eq!((other.status, other.text().contains("summarization")), (500, true));
}
