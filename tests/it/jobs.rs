//! Background jobs over HTTP: accepted before they run, followed, listed, cancelled, and behind those who wait.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use hostler::{Batch, Contract, Error, Mount, Output, Pipeline, Schema, Server, ToSchema};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Client, Fake, TestServer, eventually, fake_mount, models_dir, settings};

const PREFER: (&str, &str) = ("prefer", "respond-async");

/// Runs that wait until they are let go, and the numbers of those that began.
#[derive(Clone, Default)]
struct Gate {
    open: Arc<AtomicBool>,
    began: Arc<Mutex<Vec<u64>>>,
}

#[derive(Deserialize, ToSchema)]
struct Numbered {
    n: u64,
}

impl Gate {
    fn pass(&self, n: u64) -> u64 {
        self.began.lock().unwrap().push(n);
        while !self.open.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        n * 2
    }

    fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }

    fn began(&self) -> Vec<u64> {
        self.began.lock().unwrap().clone()
    }
}

/// Answers with a picture.
struct Painter;

impl Pipeline for Painter {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        for request in batch.iter_mut() {
            request.finish(Ok(Output::Media {
                content_type: "image/png".to_owned(),
                bytes: vec![0x89, b'P', b'N', b'G', 0xff].into(),
            }));
        }
        Ok(())
    }
}

/// A server whose jobs are kept in `folder`: handlers behind a gate, the fake, a painter.
async fn serve(folder: &Path, gate: &Gate, more: &[(&str, &str)]) -> TestServer {
    let store = format!("file:{}", folder.join("jobs").display());
    let settings = settings(&[&[("SERVER_STORE_URL", store.as_str())][..], more].concat());
    let gate = gate.clone();
    let server = Server::builder::<()>()
        .settings(settings)
        .handler("/gated", move |(): &mut (), order: Numbered| {
            Ok::<_, Error>(gate.pass(order.n))
        })
        .handler("/owned", |(): &mut (), order: Numbered| Ok::<_, Error>(order.n))
        .handler("/owned/background", |(): &mut (), order: Numbered| {
            Ok::<_, Error>(order.n + 1)
        })
        .pipeline(fake_mount("/fake", &Fake::default()))
        .pipeline(Mount::new(
            "/painter",
            Contract::json(Schema::any(), Schema::any()),
            |_| Ok(Painter),
        ));
    TestServer::library(server.build().unwrap()).await
}

/// Asks for a job; gives its id.
async fn submit(client: &Client, path: &str, body: &Value) -> String {
    let answer = client.post_with(path, &[PREFER], body.to_string()).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

async fn job(client: &Client, id: &str) -> Value {
    client.get(&format!("/jobs/{id}")).await.ok()
}

/// The job, once it has this status.
async fn becomes(client: &Client, id: &str, status: &str) -> Value {
    let mut last = Value::Null;
    eventually(&format!("the job is {status}"), async || {
        last = job(client, id).await;
        last["status"] == status
    })
    .await;
    last
}

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

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_by_page_model_and_status() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    gate.open();
    let server = serve(folder.path(), &gate, &[]).await;
    let client = &server.client;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(submit(client, "/gated", &json!({"n": n})).await);
    }
    let failing = submit(client, "/fake", &json!({"fail": true})).await;
    for id in &ids {
        becomes(client, id, "succeeded").await;
    }
    becomes(client, &failing, "failed").await;
    ids.push(failing.clone());
    ids.reverse();

    let listed = async |query: &str| {
        let page = client.get(&format!("/jobs{query}")).await.ok();
        let jobs = page["jobs"].as_array().unwrap().clone();
        let ids: Vec<String> = jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect();
        (ids, page["next"].as_str().map(str::to_owned))
    };
    assert_eq!(listed("").await, (ids.clone(), None));
    assert_eq!(listed("/?model=&status=").await, (ids.clone(), None));
    let (mut seen, mut next) = (Vec::new(), Some(String::new()));
    while let Some(before) = next {
        let (page, following) = listed(&format!("?limit=4&before={before}")).await;
        assert!(page.len() <= 4);
        seen.extend(page);
        next = following;
    }
    assert_eq!(seen, ids);
    assert_eq!(listed("?model=fake").await.0, std::slice::from_ref(&failing));
    assert_eq!(listed("?status=failed&model=fake").await.0, [failing]);
    assert_eq!(listed("?status=succeeded").await.0.len(), 5);
    assert_eq!(listed("?model=app&status=failed").await.0.len(), 0);
    assert_eq!(listed("?model=unknown").await.0.len(), 0);
    let page = client.get("/jobs?limit=1").await.ok();
    assert!(page["jobs"][0].get("input").is_none() && page["jobs"][0].get("output").is_none());

    for (query, place) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("status=done", "status"),
        ("before=yesterday", "before"),
        ("modle=fake", "modle"),
    ] {
        let wrong = client.get(&format!("/jobs?{query}")).await;
        assert_eq!(wrong.status, 422, "{query}");
        assert_eq!(wrong.json()["detail"][0]["loc"], json!(["query", place]), "{query}");
    }
    assert_eq!(
        client.get("/jobs/webhooks/dead").await.ok(),
        json!({"webhooks": [], "next": null})
    );
    assert_eq!(client.get("/jobs/webhooks/dead?status=x").await.status, 422);
    let resend = client.post("/jobs/webhooks/x.completed/resend", &json!({})).await;
    assert_eq!(resend.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_cancelled_in_the_queue_and_while_it_runs() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let server = serve(folder.path(), &gate, &[]).await;
    let client = &server.client;
    let cancel = async |id: &str| client.post(&format!("/jobs/{id}/cancel"), &json!({})).await.ok();
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(submit(client, "/gated", &json!({"n": n})).await);
    }
    eventually("the first runs", async || gate.began() == [0]).await;
    let (first, last) = (&ids[0], &ids[19]);
    for _ in 0..2 {
        let cancelled = cancel(last).await;
        assert_eq!(cancelled["status"], "cancelled");
        assert!(cancelled["started"].is_null() && cancelled["finished"].is_string());
    }
    let soon = cancel(first).await;
    assert!(soon["status"] == "cancelled" || soon["cancelling"] == true, "{soon}");
    // It is over though its run hears of nothing.
    let ended = becomes(client, first, "cancelled").await;
    assert!(ended.get("cancelling").is_none() && ended.get("output").is_none());
    let output = client.get(&format!("/jobs/{first}/output")).await;
    assert_eq!(output.status, 404);
    assert!(output.text().contains("cancelled"), "{}", output.text());
    gate.open();
    for id in &ids[1..19] {
        becomes(client, id, "succeeded").await;
    }
    // Two that are taken together may begin in either order.
    let mut began = gate.began();
    began.sort_unstable();
    assert_eq!(began, (0..19).collect::<Vec<_>>());
    // What has ended stays as it is.
    assert_eq!(cancel(&ids[1]).await["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_wait_behind_requests_whose_clients_wait() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let server = serve(folder.path(), &gate, &[]).await;
    let client = &server.client;
    let ask = |n: u64| {
        let client = client.clone();
        tokio::spawn(async move { client.post("/gated", &json!({"n": n})).await.ok() })
    };
    let mut waiting = vec![ask(0)];
    eventually("the only replica is busy", async || gate.began() == [0]).await;
    let ids = [
        submit(client, "/gated", &json!({"n": 1})).await,
        submit(client, "/gated", &json!({"n": 2})).await,
    ];
    becomes(client, &ids[0], "running").await;
    waiting.push(ask(3));
    eventually("the second request stands in the queue", async || {
        server.service.admitted() == 2
    })
    .await;
    gate.open();
    for answer in join_all(waiting).await {
        assert!(answer.unwrap().is_number());
    }
    for id in &ids {
        becomes(client, id, "succeeded").await;
    }
    assert_eq!(gate.began()[..2], [0, 3]);
}

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
    let (name, end, last) = seen.last().unwrap();
    assert_eq!((name.as_str(), end.as_str()), ("completed", "end"));
    assert_eq!(
        (&last["status"], &last["output"]),
        (&json!("succeeded"), &json!([0, 1, 2]))
    );
    assert!(last.get("input").is_none());
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

#[tokio::test(flavor = "multi_thread")]
async fn an_output_of_bytes_comes_as_it_is() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let server = serve(folder.path(), &gate, &[]).await;
    let client = &server.client;
    let id = submit(client, "/painter", &json!({})).await;
    let done = becomes(client, &id, "succeeded").await;
    assert_eq!(
        done["output"],
        json!({"content_type": "image/png", "base64": "iVBOR/8="})
    );
    let output = client.get(&format!("/jobs/{id}/output")).await;
    assert_eq!((output.status, output.header("content-type")), (200, "image/png"));
    assert_eq!(output.body, [0x89, b'P', b'N', b'G', 0xff]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_of_bytes_is_kept_as_it_is() {
    let models = models_dir(&[("mlp", crate::onnx::mlp(&[2, 3, 2], 7))]);
    let server = TestServer::folders(models.path(), r#"[{"model":"mlp"}]"#, &[]).await;
    let client = &server.client;
    let direct = client.post("/mlp", &json!({"x": [[1.0, 2.0]]})).await.ok();
    let raw: Vec<u8> = [1.0_f32, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let headers = [PREFER, ("content-type", "application/octet-stream")];
    let answer = client.post_with("/mlp", &headers, raw).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let done = becomes(client, &id, "succeeded").await;
    assert_eq!(
        done["input"],
        json!({"content_type": "application/octet-stream", "base64": "AACAPwAAAEA="})
    );
    assert_eq!(done["output"], direct);
    let short = client.post_with("/mlp", &headers, vec![0_u8; 3]).await;
    assert_eq!(short.status, 400, "{}", short.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_and_what_is_not_done_there_is_told() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let server = serve(folder.path(), &gate, &[]).await;
    let client = &server.client;
    let unknown = "00000000-0000-7000-8000-000000000000";
    for path in ["", "/output", "/events", "/else"] {
        for id in [unknown, "x"] {
            let answer = client.get(&format!("/jobs/{id}{path}")).await;
            assert_eq!(answer.status, 404, "{path}");
            assert_eq!(answer.json()["request_id"], answer.header("x-request-id"), "{path}");
        }
    }
    let cancel = client.post(&format!("/jobs/{unknown}/cancel"), &json!({})).await;
    assert_eq!(cancel.status, 404);
    for path in ["/jobs", "/jobs/", "/jobs/x", "/jobs/x/output", "/jobs/webhooks/dead"] {
        let answer = client.post(path, &json!({})).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "GET"), "{path}");
    }
    for path in ["/jobs/x/cancel", "/jobs/webhooks/x/resend"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{path}");
    }
}
