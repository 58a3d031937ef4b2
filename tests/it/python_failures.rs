//! Calls that go wrong in a replica's process: exceptions, exits, hangs, kills.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::python::{all_ready, copies, is_running, kill_child, python_dir, restarts, status};
use crate::support::{Client, TestServer, eventually};

async fn calls() -> TestServer {
    TestServer::folders(&python_dir(), r#"[{"model":"trouble_calls"}]"#, &[]).await
}

async fn process_id(client: &Client, path: &str) -> u64 {
    client.post(path, &json!({})).await.ok()["pid"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_code_raises_is_told_and_costs_no_restart() {
    let server = calls().await;
    let client = &server.client;
    let pid = process_id(client, "/trouble_calls").await;
    for (fault, status, told) in [
        ("raise", 500, "RuntimeError: the model has no opinion"),
        ("value", 422, "a horse is no number"),
        ("interrupt", 500, "KeyboardInterrupt"),
        ("recurse", 500, "RecursionError: maximum recursion depth exceeded"),
        ("answer", 500, "the answer holds a value of type set_iterator at answer"),
    ] {
        let answer = client.post("/trouble_calls", &json!({"fault": fault})).await;
        assert_eq!(answer.status, status, "{fault}: {}", answer.text());
        assert!(
            answer.json()["error"].as_str().unwrap().starts_with(told),
            "{}",
            answer.text()
        );
        assert!(!answer.text().contains("Traceback"), "{}", answer.text());
        assert!(answer.json()["request_id"].is_string());
    }
    let after = client.post("/trouble_calls", &json!({})).await.ok();
    assert_eq!(after, json!({"pid": pid, "calls": after["calls"]}));
    assert_eq!(restarts(client).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_in_a_call_fails_it_at_once_and_the_next_is_answered() {
    let server = TestServer::folders(&python_dir(), r#"[{"model":"trouble_pid"}]"#, &[]).await;
    let client = &server.client;
    let pid = process_id(client, "/trouble_pid").await;
    let marks = tempfile::tempdir().unwrap();
    let mark = marks.path().join("begun");
    let body = json!({"seconds": 20, "mark": mark.to_str().unwrap()});
    let call = {
        let client = client.clone();
        tokio::spawn(async move {
            // Without the client's look at the docs: the time is what counts.
            let request = client.http.post(format!("{}/trouble_pid", client.url));
            let response = request.body(body.to_string()).send().await.unwrap();
            (
                Instant::now(),
                response.status(),
                response.json::<Value>().await.unwrap(),
            )
        })
    };
    eventually("the call has begun", async || mark.exists()).await;
    let killed = Instant::now();
    assert!(kill_child(std::process::id(), pid));
    let (answered, status, told) = call.await.unwrap();
    let took = answered - killed;
    println!("a killed process failed its call after {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(status, 500, "{told}");
    assert!(told["error"].as_str().unwrap().contains("signal 9"), "{told}");
    assert_ne!(process_id(client, "/trouble_pid").await, pid);
    assert_eq!(restarts(client).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_exits_or_aborts_in_a_call_says_how_it_ended() {
    let server = calls().await;
    let client = &server.client;
    for (fault, told) in [("exit", "exit code 7"), ("abort", "signal 6")] {
        let pid = process_id(client, "/trouble_calls").await;
        let answer = client.post("/trouble_calls", &json!({"fault": fault})).await;
        assert_eq!(answer.status, 500, "{fault}: {}", answer.text());
        assert_ne!(
            process_id(client, "/trouble_calls").await,
            pid,
            "{fault}: another process answers"
        );
        assert!(!is_running(pid), "{fault}");
        assert!(
            answer.json()["error"].as_str().unwrap().contains(told),
            "{fault}: {}",
            answer.text()
        );
    }
    assert_eq!(restarts(client).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_hangs_is_ended_at_its_limit_and_its_process_starts_anew() {
    let dir = copies(&[("trouble_calls", "call_timeout = 0.3\n")]);
    let server = TestServer::folders(dir.path(), r#"[{"model":"trouble_calls"}]"#, &[]).await;
    let client = &server.client;
    let pid = process_id(client, "/trouble_calls").await;
    let began = Instant::now();
    let answer = client.post("/trouble_calls", &json!({"seconds": 60})).await;
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert!(
        answer.json()["error"].as_str().unwrap().contains("call_timeout"),
        "{}",
        answer.text()
    );
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_ne!(process_id(client, "/trouble_calls").await, pid);
    assert!(!is_running(pid), "the process that hung is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_behind_a_call_that_hangs_is_answered_by_the_next_process() {
    let dir = copies(&[("trouble_calls", "call_timeout = 0.5\n")]);
    let server = TestServer::folders(dir.path(), r#"[{"model":"trouble_calls"}]"#, &[]).await;
    let ask = |seconds: u64| {
        let client = server.client.clone();
        async move { client.post("/trouble_calls", &json!({"seconds": seconds})).await.status }
    };
    let hung = tokio::spawn(ask(60));
    eventually("the replica hangs", async || {
        let told = status(&server.client).await;
        told["admitted"] == 1 && told["waiting"] == 0
    })
    .await;
    assert_eq!(join_all((0..4).map(|_| ask(0))).await, [200; 4]);
    assert_eq!(hung.await.unwrap(), 504);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_while_it_waits_for_work_is_started_again_unasked() {
    let two = r#"[{"model":"trouble_pid","replicas":2}]"#;
    let server = TestServer::folders(&python_dir(), two, &[]).await;
    let client = &server.client;
    let both = async || {
        // Together they keep both replicas busy.
        let body = json!({"seconds": 0.3});
        let told = join_all((0..2).map(|_| client.post("/trouble_pid", &body))).await;
        let mut pids: Vec<u64> = told.into_iter().map(|one| one.ok()["pid"].as_u64().unwrap()).collect();
        pids.sort_unstable();
        pids
    };
    all_ready(client).await;
    let before = both().await;
    assert_ne!(before[0], before[1], "each replica has a process of its own");
    assert!(kill_child(std::process::id(), before[0]));
    eventually("it was started again", async || restarts(client).await == 1).await;
    all_ready(client).await;
    let after = both().await;
    assert_ne!(after[0], after[1]);
    assert!(
        after.contains(&before[1]) && !after.contains(&before[0]),
        "{before:?} {after:?}"
    );
}
