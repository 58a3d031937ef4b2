//! The Banana exercise: `init()` once, `inference()` for each call, asked at the root as Banana's clients ask.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::python::{copies, python_dir};
use crate::support::{Binary, TestServer};

const ONE: &str = r#"[{"model":"banana_hello"}]"#;

fn hello() -> Value {
    json!({"greeting": "hello world"})
}

#[tokio::test(flavor = "multi_thread")]
async fn five_calls_at_once_on_one_replica_print_hello_world_after_one_hello() {
    let server = Binary::folders(&python_dir(), ONE).await;
    let ask = |n: usize| {
        let client = server.client.clone();
        async move { client.post("/", &json!({"prompt": n})).await.ok() }
    };
    assert_eq!(join_all((0..5).map(ask)).await, vec![hello(); 5]);
    crate::support::eventually("six lines are printed", async || server.printed().len() >= 6).await;
    let printed = server.printed();
    let said: Vec<&str> = printed
        .iter()
        .map(|l| l["fields"]["message"].as_str().unwrap())
        .collect();
    assert_eq!(said[0], "hello", "once, when init has slept");
    assert_eq!(said[1..], ["hello world"; 5]);
    for line in &printed {
        assert_eq!(line["fields"]["stream"], "stdout", "{line}");
        assert_eq!(
            (&line["span"]["model"], &line["span"]["replica"]),
            (&json!("banana_hello"), &json!(0)),
            "{line}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_alone_is_mounted_at_the_root_and_under_its_name() {
    let server = TestServer::folders(&python_dir(), ONE, &[]).await;
    for path in ["/", "/banana_hello", "/banana_hello/"] {
        assert_eq!(server.client.post(path, &json!({})).await.ok(), hello(), "{path}");
    }
    let told = server.client.get("/").await.ok();
    assert_eq!(told["name"], "hostler", "GET of the root is the server's own");
    assert_eq!(told["models"][0]["paths"], json!(["/banana_hello", "/"]));
    let health = server.client.get("/healthcheck").await.ok();
    assert_eq!(health["state"], "healthy");
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_others_it_is_at_the_root_where_its_manifest_says_so() {
    let two = r#"[{"model":"banana_hello"},{"model":"hostler_echo"}]"#;
    let server = TestServer::folders(&python_dir(), two, &[]).await;
    assert_eq!(server.client.post("/", &json!({})).await.status, 404);
    assert_eq!(server.client.post("/banana_hello", &json!({})).await.ok(), hello());

    let dir = copies(&[("banana_hello", "mount = \"/\"\n"), ("hostler_echo", "")]);
    let server = TestServer::folders(dir.path(), two, &[]).await;
    assert_eq!(server.client.post("/", &json!({})).await.ok(), hello());
    assert_eq!(server.client.post("/hostler_echo", &json!([1])).await.ok(), json!([1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn predict_answers_what_inference_gave_or_a_list_of_it() {
    let server = TestServer::folders(&python_dir(), ONE, &[]).await;
    let predict = "/v1/models/banana_hello:predict";
    let own = server.client.post(predict, &json!({"prompt": "a"})).await;
    assert_eq!(own.ok(), hello());
    let listed = server.client.post(predict, &json!({"instances": [{}, {}, {}]})).await;
    assert_eq!(listed.ok(), json!({"predictions": vec![hello(); 3]}));
    assert_eq!(server.client.post(predict, &json!("text")).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_object_never_reaches_inference() {
    let server = Binary::folders(&python_dir(), ONE).await;
    for (body, status) in [("{", 400), ("", 400), ("[]", 422), ("\"text\"", 422), ("null", 422)] {
        let answer = server.client.post_with("/", &[], body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(answer.json()["error"].is_string(), "{body}");
    }
    assert_eq!(server.client.post("/", &json!({})).await.ok(), hello());
    crate::support::eventually("the one call is printed", async || server.printed().len() >= 2).await;
    assert_eq!(server.printed().len(), 2);
}
