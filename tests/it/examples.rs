//! The files of `examples/`, run as a reader would run them.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::support::{Client, eventually};

struct Example {
    child: Child,
    client: Client,
    _folder: tempfile::TempDir,
}

impl Example {
    async fn start(name: &str) -> Self {
        // Cargo builds examples beside the tests, in a folder of their own.
        let folder = PathBuf::from(env!("CARGO_BIN_EXE_hostler")).with_file_name("examples");
        let mut command = Command::new(folder.join(name));
        let here = tempfile::tempdir().unwrap();
        command
            .env_clear()
            .env("SERVER_HOST", "127.0.0.1")
            .env("SERVER_PORT", "0")
            .current_dir(here.path());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .find_map(|line| line.unwrap().strip_prefix("docs: ").map(str::to_owned))
            .unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        let client = Client::new(url.trim_end_matches("/docs").to_owned());
        eventually("ready", async || client.get("/health/readiness").await.status == 200).await;
        Self {
            child,
            client,
            _folder: here,
        }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_share_the_context_of_their_replica() {
    let example = Example::start("handlers").await;
    let client = &example.client;
    for n in 1..=3 {
        let greeting = client.post("/greet", &json!({"name": "Ada"})).await.ok();
        assert_eq!(greeting, json!({"text": "Hello Ada", "greeted": n}));
    }
    assert_eq!(client.post("/greeted", &json!(null)).await.ok(), 3);
    let refused = client.post("/greet", &json!({"name": ""})).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["detail"][0]["loc"], json!(["body", "name"]));
    let counted = client
        .post_with("/countdown", &[("accept", "text/event-stream")], "2")
        .await;
    assert_eq!(counted.text(), "data: 2\n\ndata: 1\n\ndata: 0\n\n");
    let document = client.get("/openapi.json").await.ok();
    assert!(document["paths"]["/greet"]["post"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_type_answers_batches() {
    let example = Example::start("pipeline").await;
    let body = json!({"text": "hello"});
    let answers = futures_util::future::join_all((0..8).map(|_| example.client.post("/shout", &body))).await;
    for answer in answers {
        let answer = answer.ok();
        assert_eq!(answer["results"], "HELLO");
        assert!((1..=8).contains(&answer["batch"].as_u64().unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_count_together_in_the_store() {
    let example = Example::start("store").await;
    let client = &example.client;
    let ada = json!({"name": "Ada"});
    let visits = futures_util::future::join_all((0..8).map(|_| client.post("/visit", &ada))).await;
    let mut counts: Vec<_> = visits
        .iter()
        .map(|visit| visit.ok()["visits"].as_u64().unwrap())
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 3, 4, 5, 6, 7, 8]);
    let last = client.post("/last", &json!(null)).await.ok();
    assert_eq!(last, "Ada");
}
