//! What becomes a job, what does not, and what is answered at once.

use serde_json::{Value, json};

use super::{Gate, serve};
use crate::support::jobs::{PREFER, becomes, submit};

type Headers<'a> = &'a [(&'a str, &'a str)];

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_accepted_before_it_runs_and_told_at_each_state() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let server = serve(folder.path(), &gate, &[]).await;
    let client = &server.client;
    // The answer comes though the gate is closed.
    let answer = client.post_with("/gated", &[PREFER], r#"{"n":1}"#).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(answer.header("preference-applied"), "respond-async");
    assert!(!answer.header("x-request-id").is_empty());
    let told = answer.json();
    let id = told["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/jobs/{id}"));
    assert_eq!((&told["success"], &told["status"]), (&json!(true), &json!("queued")));
    assert!(told["created"].as_str().unwrap().ends_with('Z'), "{told}");

    let running = becomes(client, id, "running").await;
    assert_eq!((&running["model"], &running["path"]), (&json!("app"), &json!("/gated")));
    assert_eq!(running["input"], json!({"n": 1}));
    assert_eq!(running["created"], told["created"]);
    assert!(running["started"].is_string() && running["finished"].is_null());
    assert!(running.get("output").is_none() && running.get("error").is_none());
    let early = client.get(&format!("/jobs/{id}/output")).await;
    assert_eq!(early.status, 404);
    assert!(early.text().contains("is running"), "{}", early.text());

    gate.open();
    let done = becomes(client, id, "succeeded").await;
    assert_eq!((&done["output"], &done["attempts"]), (&json!(2), &json!(1)));
    assert!(done["finished"].is_string());
    assert_eq!(done["webhooks"], json!([]));
    let output = client.get(&format!("/jobs/{id}/output/")).await;
    assert_eq!(
        (output.ok(), output.header("content-type")),
        (json!(2), "application/json")
    );
    assert_eq!(gate.began(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_model_has_a_path_for_jobs_but_where_its_author_has_one() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    gate.open();
    let server = serve(folder.path(), &gate, &[]).await;
    let client = &server.client;
    for path in ["/gated/background", "/gated/background/"] {
        let answer = client.post(path, &json!({"n": 3})).await;
        assert_eq!(
            (answer.status, answer.header("preference-applied")),
            (202, ""),
            "{path}"
        );
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(becomes(client, &id, "succeeded").await["output"], 6);
    }
    assert_eq!(client.post("/owned/background", &json!({"n": 3})).await.ok(), json!(4));
    let refused = client.get("/gated/background").await;
    assert_eq!((refused.status, refused.header("allow")), (405, "POST"));
    assert_eq!(client.post("/nothing/background", &json!({})).await.status, 404);
    // Other preferences are none of the server's.
    let headers = [("prefer", "wait=10, handling=strict")];
    assert_eq!(client.post_with("/owned", &headers, r#"{"n":1}"#).await.ok(), json!(1));

    let document = client.get("/openapi.json").await.ok();
    let paths = &document["paths"];
    for path in ["/jobs", "/jobs/{id}", "/jobs/{id}/events", "/jobs/webhooks/dead"] {
        assert!(paths[path]["get"].is_object(), "{path}");
    }
    let background = &paths["/gated/background"]["post"];
    assert!(background["responses"]["202"].is_object() && background["responses"]["200"].is_null());
    let fields = &background["requestBody"]["content"]["application/json"]["schema"]["properties"];
    assert!(fields["n"].is_object() && fields["webhook"].is_object(), "{fields}");
    assert!(paths["/owned/background"]["post"]["responses"]["200"].is_object());
    let headers = paths["/gated"]["post"]["parameters"].as_array().unwrap();
    assert!(headers.iter().any(|header| header["name"] == "Prefer"));
    assert!(paths["/gated"]["post"]["responses"]["202"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn kserve_v1_passes_over_the_preference_and_says_so() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let server = serve(folder.path(), &gate, &[]).await;
    for body in [json!({"row": 5}), json!({"instances": [{"row": 5}]})] {
        let path = "/v1/models/fake:predict";
        let answer = server.client.post_with(path, &[PREFER], body.to_string()).await;
        assert_eq!(
            (answer.status, answer.header("preference-applied")),
            (200, ""),
            "{body}"
        );
        assert!(answer.text().contains("\"row\":5"), "{}", answer.text());
    }
    assert_eq!(server.client.get("/jobs").await.ok()["jobs"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_refused_is_refused_before_there_is_a_job() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let server = serve(folder.path(), &gate, &[("SERVER_MAX_BODY", "1000")]).await;
    let client = &server.client;
    let long = format!("{{\"n\":1{}}}", " ".repeat(1000));
    let cases: [(Headers, &str, u16, Value); 9] = [
        (&[], r#"{"n":"one"}"#, 422, json!(["body", "n"])),
        (&[], "{}", 422, json!(["body", "n"])),
        (&[], r#"{"n":"#, 400, Value::Null),
        (&[("content-type", "image/png")], "x", 415, Value::Null),
        (&[], long.as_str(), 413, Value::Null),
        (
            &[],
            r#"{"n":1,"webhook":"http://127.0.0.1/"}"#,
            422,
            json!(["body", "webhook"]),
        ),
        (
            &[],
            r#"{"n":1,"upload_webhook":"http://169.254.169.254/"}"#,
            422,
            json!(["body", "upload_webhook"]),
        ),
        (
            &[],
            r#"{"n":1,"webhook_events":["soon"]}"#,
            422,
            json!(["body", "webhook_events"]),
        ),
        (
            &[("idempotency-key", "a\tb")],
            r#"{"n":1}"#,
            422,
            json!(["header", "Idempotency-Key"]),
        ),
    ];
    for (headers, body, status, place) in cases {
        for path in ["/gated", "/gated/background"] {
            let headers = [&[PREFER][..], headers].concat();
            let answer = client.post_with(path, &headers, body.to_owned()).await;
            assert_eq!(answer.status, status, "{path} {body}: {}", answer.text());
            assert_eq!(answer.json()["detail"][0]["loc"], place, "{path} {body}");
        }
    }
    assert_eq!(client.get("/jobs").await.ok(), json!({"jobs": [], "next": null}));
    assert!(gate.began().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_sent_again_brings_the_same_job() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    gate.open();
    let server = serve(folder.path(), &gate, &[]).await;
    let client = &server.client;
    let send = async |path: &str, body: &str| {
        let headers = [PREFER, ("idempotency-key", "order 7")];
        client.post_with(path, &headers, body.to_owned()).await
    };
    let first = send("/gated", r#"{"n":1}"#).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (202, ""));
    let id = first.json()["id"].as_str().unwrap().to_owned();
    becomes(client, &id, "succeeded").await;
    let again = send("/gated", r#"{"n":1}"#).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (202, "true"));
    assert_eq!(again.json()["id"], id);
    assert_eq!(again.json()["status"], "succeeded");
    for (path, body) in [
        ("/gated", r#"{"n":2}"#),
        ("/owned", r#"{"n":1}"#),
        ("/gated", r#"{"n":1,"webhook":"https://example.com/"}"#),
    ] {
        let other = send(path, body).await;
        assert_eq!(other.status, 409, "{path} {body}: {}", other.text());
        assert!(other.text().contains("order 7"), "{}", other.text());
    }
    assert_eq!(gate.began(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_the_media_type_that_its_body_was_sent_as() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let server = serve(folder.path(), &gate, &[]).await;
    let send = async |path: &str, key: &str, media: &str| {
        let headers = [PREFER, ("idempotency-key", key), ("content-type", media)];
        let answer = server.client.post_with(path, &headers, r#"{"n":1}"#).await;
        (answer.status, answer.header("idempotent-replayed") == "true")
    };
    assert_eq!(send("/reader", "k", "text/csv").await, (202, false));
    assert_eq!(send("/reader", "k", "text/csv").await, (202, true));
    assert_eq!(send("/reader", "k", "text/html").await, (409, false));
    // JSON is JSON, whatever a tool calls it.
    assert_eq!(send("/gated", "j", "application/json").await, (202, false));
    assert_eq!(send("/gated", "j", "text/plain").await, (202, true));
    gate.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_backlog_refuses_at_once() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let server = serve(folder.path(), &gate, &[("SERVER_JOB_BACKLOG", "2")]).await;
    let client = &server.client;
    let ids = [
        submit(client, "/gated", &json!({"n": 1})).await,
        submit(client, "/gated", &json!({"n": 2})).await,
    ];
    let refused = client.post_with("/gated", &[PREFER], r#"{"n":3}"#).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    assert!(refused.text().contains("SERVER_JOB_BACKLOG"), "{}", refused.text());
    // Another model has room of its own.
    submit(client, "/fake", &json!({})).await;
    gate.open();
    for id in &ids {
        becomes(client, id, "succeeded").await;
    }
    submit(client, "/gated", &json!({"n": 4})).await;
}
