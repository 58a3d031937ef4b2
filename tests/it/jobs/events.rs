//! The event stream of a job: all that happens to it, for readers who come early, late and again.

use serde_json::{Value, json};

use super::{Gate, serve};
use crate::support::jobs::{becomes, job, submit};

/// Names, ids and data of an event stream that is over.
fn events(text: &str) -> Vec<(String, String, Value)> {
    let field = |event: &str, name: &str| {
        let start = format!("{name}: ");
        let lines = event.lines().filter_map(|line| line.strip_prefix(start.as_str()));
        lines.collect::<Vec<_>>().join("\n")
    };
    let told = text.split("\n\n").filter(|event| event.contains("event: "));
    told.map(|event| {
        let data = serde_json::from_str(&field(event, "data")).unwrap();
        (field(event, "event"), field(event, "id"), data)
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_of_status_progress_and_pieces_and_end_with_the_job() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let server = serve(folder.path(), &gate, &[]).await;
    let client = &server.client;
    let order = json!({"chunks": 3, "chunk_ms": 30, "progress": 2});
    let id = submit(client, "/fake", &order).await;
    let path = format!("/jobs/{id}/events");
    let answer = client.get(&path).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "text/event-stream")
    );
    let seen = events(&answer.text());
    let of = |kind: &str| -> Vec<Value> {
        let some = seen.iter().filter(|(name, ..)| name == kind);
        some.map(|(_, _, data)| data.clone()).collect()
    };
    assert_eq!(of("chunk"), [json!(0), json!(1), json!(2)]);
    assert_eq!(of("progress"), [json!({"step": 1}), json!({"step": 2})]);
    let statuses = of("status");
    assert_eq!(
        statuses[..2],
        [json!({"status": "queued"}), json!({"status": "running"})]
    );
    let running = statuses.iter().filter(|status| status["status"] == "running");
    assert_eq!(running.count(), 1);
    let (name, end, last) = seen.last().unwrap();
    assert_eq!((name.as_str(), end.as_str()), ("completed", "end"));
    assert_eq!(
        (&last["status"], &last["output"]),
        (&json!("succeeded"), &json!([0, 1, 2]))
    );
    assert!(last.get("input").is_none());
    // The job itself has what it last said of its progress.
    let progress = of("progress").pop().unwrap();
    assert_eq!(job(client, &id).await["progress"], progress);
    let numbers: Vec<u64> = seen.iter().filter_map(|(_, id, _)| id.parse().ok()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");

    // Who comes late reads the same, and who comes back the rest of it.
    assert_eq!(events(&client.get(&path).await.text()), seen);
    let back = async |last: &str| {
        let request = client.http.get(format!("{}{path}", client.url));
        request.header("last-event-id", last).send().await.unwrap()
    };
    let first = seen.iter().position(|(name, ..)| name == "chunk").unwrap();
    let rest = back(&seen[first].1).await.text().await.unwrap();
    assert_eq!(events(&rest), seen[first + 1..]);
    assert_eq!(back("end").await.status(), 204);
    assert_eq!(client.get("/jobs/x/events").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_arrive_while_the_job_runs() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let server = serve(folder.path(), &gate, &[]).await;
    let client = &server.client;
    let id = submit(client, "/fake", &json!({"chunks": 1_000_000, "chunk_ms": 2})).await;
    let mut response = client
        .http
        .get(format!("{}/jobs/{id}/events", client.url))
        .send()
        .await
        .unwrap();
    let mut text = String::new();
    while !text.contains("event: chunk") {
        text.push_str(&String::from_utf8_lossy(&response.chunk().await.unwrap().unwrap()));
    }
    let cancelled = client.post(&format!("/jobs/{id}/cancel"), &json!({})).await;
    assert_eq!(cancelled.status, 200);
    while let Some(more) = response.chunk().await.unwrap() {
        text.push_str(&String::from_utf8_lossy(&more));
    }
    let (name, _, last) = events(&text).pop().unwrap();
    assert_eq!((name.as_str(), &last["status"]), ("completed", &json!("cancelled")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_says_why() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let server = serve(folder.path(), &gate, &[]).await;
    let client = &server.client;
    let id = submit(client, "/fake", &json!({"fail": true})).await;
    let failed = becomes(client, &id, "failed").await;
    assert_eq!(
        failed["error"],
        json!({"type": "pipeline_failed", "message": "the fake was told to fail"})
    );
    let output = client.get(&format!("/jobs/{id}/output")).await;
    assert_eq!(output.status, 404);
    assert!(output.text().contains("the fake was told to fail"), "{}", output.text());
    let told = events(&client.get(&format!("/jobs/{id}/events")).await.text());
    assert_eq!(told.last().unwrap().2["error"], failed["error"]);
}
