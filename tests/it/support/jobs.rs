//! Steps of tests that send jobs and wait for them.

use serde_json::Value;

use super::client::Client;
use super::eventually;

/// The header that makes a job of a request.
pub const PREFER: (&str, &str) = ("prefer", "respond-async");

/// Asks for a job; gives its id.
pub async fn submit(client: &Client, path: &str, body: &Value) -> String {
    submit_with(client, path, &[], body).await
}

/// As [`submit`], with further headers.
pub async fn submit_with(client: &Client, path: &str, headers: &[(&str, &str)], body: &Value) -> String {
    let headers = [&[PREFER][..], headers].concat();
    let answer = client.post_with(path, &headers, body.to_string()).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

pub async fn job(client: &Client, id: &str) -> Value {
    client.get(&format!("/jobs/{id}")).await.ok()
}

/// The job, once it has this status.
pub async fn becomes(client: &Client, id: &str, status: &str) -> Value {
    let mut last = Value::Null;
    eventually(&format!("the job is {status}"), async || {
        last = job(client, id).await;
        last["status"] == status
    })
    .await;
    last
}
