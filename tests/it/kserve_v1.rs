//! KServe V1: lists of models, predictions of rows, of columns and of whole requests, and JSON lines.

use std::time::Duration;

use hostler::Server;
use serde_json::{Value, json};

use crate::support::{Fake, TestServer, fake_mount, models_dir};

const PREDICT: &str = "/v1/models/fake:predict";
const GENERATE: &str = "/v1/models/fake:generate";

async fn server(fake: &Fake) -> TestServer {
    let mount = fake_mount("/fake", fake);
    TestServer::library(Server::builder::<()>().pipeline(mount).build().unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_answer_clients_of_v1_and_of_openai() {
    let models = models_dir(&[
        ("one", crate::onnx::mlp(&[2, 2], 1)),
        ("two", crate::onnx::mlp(&[2, 2], 2)),
    ]);
    let server = TestServer::folders(models.path(), r#"[{"model":"two"}]"#, &[]).await;
    let client = &server.client;
    let list = client.get("/v1/models").await.ok();
    assert_eq!(list["models"], json!(["two"]));
    assert_eq!(
        (&list["object"], &list["data"][0]["id"]),
        (&json!("list"), &json!("two"))
    );
    assert_eq!(list["data"][0]["object"], "model");
    let one = client.get("/v1/models/two").await.ok();
    assert_eq!((&one["name"], &one["ready"]), (&json!("two"), &json!(true)));
    assert_eq!((&one["id"], &one["object"]), (&json!("two"), &json!("model")));
    assert!(one["created"].as_u64().unwrap() > 1_600_000_000);

    // The folder exists, but is not configured.
    let unknown = client.get("/v1/models/one").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.json()["error"].is_string() && unknown.json()["request_id"].is_string());
    for (path, body) in [("/v1/models/one:predict", "{}"), ("/v1/models/two:sing", "{}")] {
        assert_eq!(client.post_with(path, &[], body).await.status, 404, "{path}");
    }
    let explain = client.post("/v1/models/two:explain", &json!({})).await;
    assert_eq!(explain.status, 501);
    for (path, allow) in [("/v1/models", "GET"), ("/v1/models/two", "GET")] {
        let wrong = client.post(path, &json!({})).await;
        assert_eq!((wrong.status, wrong.header("allow")), (405, allow), "{path}");
    }
    let wrong = client.get("/v1/models/two:predict").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, "POST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_not_ready_says_so_by_its_status() {
    let models = models_dir(&[("bad", crate::onnx::unknown_operator())]);
    let server = TestServer::loading(models.path(), r#"[{"model":"bad"}]"#, &[]).await;
    let told = server.client.get("/v1/models/bad").await;
    assert_eq!((told.status, told.header("retry-after")), (503, "1"));
    assert_eq!(told.json()["name"], "bad");
    assert_eq!(told.json()["ready"], false);
    let refused = server
        .client
        .post("/v1/models/bad:predict", &json!({"instances": [[1, 2]]}))
        .await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_model_answers_its_own_request_unwrapped_and_lists_in_order() {
    let server = server(&Fake::default()).await;
    let own = server.client.post(PREDICT, &json!({"row": 5})).await;
    assert_eq!(own.header("content-type"), "application/json");
    assert_eq!(own.ok()["row"], 5);
    let escaped = server
        .client
        .post("/v1/models/fake%3Apredict", &json!({"row": 6}))
        .await;
    assert_eq!(escaped.ok()["row"], 6);
    let single = server.client.post(PREDICT, &json!({"inputs": {"row": 7}})).await.ok();
    assert_eq!(single["predictions"][0]["row"], 7);
    let none = server.client.post(PREDICT, &json!({"instances": []})).await.ok();
    assert_eq!(none, json!({"predictions": []}));
    // What streams elsewhere is gathered here.
    let body = json!({"instances": [{"chunks": 2}, {"row": 1}]});
    let mixed = server.client.post(PREDICT, &body).await.ok();
    assert_eq!(mixed["predictions"][0], json!([0, 1]));
    assert_eq!(mixed["predictions"][1]["row"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_entries_of_a_list_share_a_run() {
    // Were they sent one after another, each would wait alone for the whole delay.
    let mount = fake_mount("/fake", &Fake::default()).batch(4, Duration::from_secs(5));
    let server = TestServer::library(Server::builder::<()>().pipeline(mount).build().unwrap()).await;
    let rows: Vec<Value> = (0..4).map(|row| json!({"row": row})).collect();
    for key in ["instances", "inputs"] {
        let answer = server.client.post(PREDICT, &json!({key: rows})).await;
        assert!(answer.header("server-timing").starts_with("queue;dur="));
        let answer = answer.ok();
        let predictions = answer["predictions"].as_array().unwrap();
        assert_eq!(predictions.len(), 4);
        for (row, prediction) in predictions.iter().enumerate() {
            assert_eq!(
                (&prediction["row"], &prediction["batch"]),
                (&json!(row), &json!(4)),
                "{answer}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_400_with_their_place_in_the_body_that_was_sent() {
    let server = server(&Fake::default()).await;
    let client = &server.client;
    for (body, loc) in [
        (json!({"row": "many"}), json!(["body", "row"])),
        (
            json!({"instances": [{"row": 1}, {"row": "many"}]}),
            json!(["body", "instances", "1", "row"]),
        ),
        (json!({"inputs": {"row": "many"}}), json!(["body", "inputs", "row"])),
    ] {
        let wrong = client.post(PREDICT, &body).await;
        assert_eq!(wrong.status, 400, "{}", wrong.text());
        assert_eq!(wrong.json()["detail"][0]["loc"], loc);
    }
    for body in [
        r#"{"instances":5}"#,
        r#"{"instances":[]"#,
        "",
        r#"{"instances":[],"inputs":[]}"#,
    ] {
        let wrong = client.post_with(PREDICT, &[("x-request-id", "mine")], body).await;
        assert_eq!(wrong.status, 400, "{body}: {}", wrong.text());
        assert_eq!(
            (wrong.header("x-request-id"), &wrong.json()["request_id"]),
            ("mine", &json!("mine"))
        );
    }
    let octets = [("content-type", "application/octet-stream")];
    assert_eq!(client.post_with(PREDICT, &octets, "x").await.status, 415);
    let failed = client.post(PREDICT, &json!({"instances": [{}, {"fail": true}]})).await;
    assert_eq!(
        (failed.status, failed.json()["error"].as_str()),
        (500, Some("the fake was told to fail"))
    );
    // The same fault on the model's own path keeps its own status.
    assert_eq!(client.post("/fake", &json!({"row": "many"})).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_and_ids_hold_as_on_the_native_path() {
    let server = server(&Fake::default()).await;
    let headers = [("x-request-timeout", "0.05"), ("x-banana-request-id", "b-1")];
    for body in [r#"{"sleep_ms":5000}"#, r#"{"instances":[{},{"sleep_ms":5000}]}"#] {
        let late = server.client.post_with(PREDICT, &headers, body).await;
        assert_eq!(
            (late.status, late.header("x-request-id")),
            (504, "b-1"),
            "{}",
            late.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_numbered_json_lines() {
    let server = server(&Fake::default()).await;
    let client = &server.client;
    let lines = "{\"id\":0,\"data\":0}\n{\"id\":1,\"data\":1}\n";
    for path in [PREDICT, GENERATE] {
        let answer = client.post(path, &json!({"chunks": 2})).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, lines), "{path}");
        assert_eq!(answer.header("content-type"), "application/x-ndjson");
        assert!(!answer.header("x-request-id").is_empty());
        let before = client.post(path, &json!({"fail": true})).await;
        assert_eq!(
            (before.status, before.header("content-type")),
            (500, "application/json")
        );
        let after = client.post(path, &json!({"chunks": 1, "fail": true})).await;
        let text = "{\"id\":0,\"data\":0}\n{\"id\":1,\"error\":\"the fake was told to fail\"}\n";
        assert_eq!((after.status, after.text().as_str()), (200, text), "{path}");
    }
    let once = client.post(GENERATE, &json!({"row": 3})).await;
    let line: Value = serde_json::from_str(once.text().trim_end()).unwrap();
    assert_eq!((&line["id"], &line["data"]["row"]), (&json!(0), &json!(3)));
    let wrong = client.post(GENERATE, &json!({"row": "many"})).await;
    assert_eq!(wrong.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn generate_is_the_endpoint_of_that_name_and_predict_the_first() {
    let built = Server::builder::<()>()
        .name("app")
        .handler("/say", |(): &mut (), word: String| Ok(word))
        .stream::<u32, u32, _>("/say/generate", |_context, upto, stream| {
            for n in 0..upto {
                stream.emit(&n)?;
            }
            Ok(())
        })
        .build()
        .unwrap();
    let server = TestServer::library(built).await;
    let client = &server.client;
    assert_eq!(
        client.post("/v1/models/app:predict", &json!("hello")).await.ok(),
        "hello"
    );
    let words = json!({"instances": ["a", "b"]});
    assert_eq!(
        client.post("/v1/models/app:predict", &words).await.ok(),
        json!({"predictions": ["a", "b"]})
    );
    let lines = client.post("/v1/models/app:generate", &json!(2)).await;
    assert_eq!(lines.text(), "{\"id\":0,\"data\":0}\n{\"id\":1,\"data\":1}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn tensor_models_take_rows_and_columns() {
    let models = models_dir(&[
        ("mlp", crate::onnx::mlp(&[2, 3, 2], 7)),
        ("two", crate::onnx::two_inputs()),
        ("fixed", crate::onnx::fixed_batch()),
        ("words", crate::onnx::strings()),
    ]);
    let entries = r#"[{"model":"mlp"},{"model":"two"},{"model":"fixed"},{"model":"words"}]"#;
    let server = TestServer::folders(models.path(), entries, &[]).await;
    let ask = async |model: &str, body: Value| {
        let path = format!("/v1/models/{model}:predict");
        server.client.post(&path, &body).await.ok()["predictions"].clone()
    };
    let rows = json!([[1, 2], [3, 4], [5, 6]]);
    let native = server.client.post("/mlp", &json!({"x": rows})).await.ok()["results"]["y"].clone();
    let named = json!([{"x": [1, 2]}, {"x": [3, 4]}, {"x": [5, 6]}]);
    for body in [
        json!({"instances": rows}),
        json!({"instances": named}),
        json!({"inputs": rows}),
        json!({"inputs": {"x": rows}}),
    ] {
        assert_eq!(ask("mlp", body.clone()).await, native, "{body}");
    }
    let instances = json!([{"a": [1, 2], "b": 10}, {"a": [3, 4], "b": 20}]);
    assert_eq!(ask("two", json!({"instances": instances})).await, json!([13.0, 27.0]));
    let inputs = json!({"a": [[1, 2], [3, 4]], "b": [10, 20]});
    assert_eq!(ask("two", json!({"inputs": inputs})).await, json!([13.0, 27.0]));
    // Takes one row and no more: each instance is a request.
    let rows = json!([[1, 2, 3, 4], [5, 6, 7, 8]]);
    let next = json!([[2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0]]);
    assert_eq!(ask("fixed", json!({"instances": rows})).await, next);
    assert_eq!(
        ask("words", json!({"instances": ["a", "\"b\""]})).await,
        json!(["a", "\"b\""])
    );

    for (model, body) in [
        ("mlp", json!({"instances": [[1, 2, 3]]})),
        ("mlp", json!({"instances": [1, 2]})),
        ("mlp", json!({"x": [[1, 2]]})),
        ("two", json!({"instances": [{"a": [1, 2]}]})),
        ("two", json!({"instances": [{"a": [1], "b": 1}, {"a": [1, 2], "b": 1}]})),
    ] {
        let path = format!("/v1/models/{model}:predict");
        assert_eq!(server.client.post(&path, &body).await.status, 400, "{body}");
    }
    let stream = server.client.post("/v1/models/mlp:generate", &json!({})).await;
    assert_eq!(stream.status, 501);
}
