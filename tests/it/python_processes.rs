//! The lives of replicas' processes: starts that fail, replacement, the end of their server.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::python::{children, copies, is_running, python_dir, status};
use crate::support::{Binary, TestServer, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_cannot_load_says_why_and_the_others_serve() {
    let models = r#"[{"model":"trouble_load"},{"model":"hostler_echo"}]"#;
    let server = TestServer::loading(&python_dir(), models, &[]).await;
    let client = &server.client;
    eventually("the other one serves", async || {
        client.post("/hostler_echo", &json!(1)).await.status == 200
    })
    .await;
    let reason = "RuntimeError: no such weights";
    eventually("the fault is told", async || {
        let ready = client.get("/health/readiness").await;
        let told = ready.json()["models"]["trouble_load"]["reason"].clone();
        ready.status == 503
            && told
                .as_str()
                .is_some_and(|told| told.contains(reason) && told.contains("app.py, line 2"))
    })
    .await;
    let refused = client.post("/trouble_load", &json!({})).await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, "1"),
        "{}",
        refused.text()
    );
    assert_eq!(
        client.get("/health/liveness").await.status,
        200,
        "a restart would not mend it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_takes_too_long_is_ended_and_names_the_remedy() {
    let dir = copies(&[("trouble_slow", "start_timeout = 0.5\n")]);
    let server = TestServer::loading(dir.path(), r#"[{"model":"trouble_slow"}]"#, &[]).await;
    let client = &server.client;
    assert_eq!(client.get("/health/startup").await.status, 200);
    for path in ["/healthcheck", "/_k/warmup"] {
        assert_eq!(client.get(path).await.status, 503, "{path}");
    }
    eventually("the limit is told", async || {
        let told = client.get("/health/readiness").await.json();
        let reason = told["models"]["trouble_slow"]["reason"].as_str().unwrap_or_default();
        reason.contains("loading") && reason.contains("start_timeout")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_max_requests_a_process_is_replaced_without_a_gap() {
    let dir = copies(&[("trouble_pid", "max_requests = 25\n")]);
    let server = TestServer::folders(dir.path(), r#"[{"model":"trouble_pid"}]"#, &[]).await;
    let over = Arc::new(AtomicBool::new(false));
    let end = Instant::now() + Duration::from_secs(10);
    let ask = |_: usize| {
        let (url, over) = (format!("{}/trouble_pid", server.client.url), Arc::clone(&over));
        tokio::spawn(async move {
            let (http, mut pids) = (reqwest::Client::new(), BTreeSet::new());
            let (mut requests, mut longest) = (0, Duration::ZERO);
            while !over.load(Ordering::SeqCst) && Instant::now() < end {
                let began = Instant::now();
                let response = http.post(&url).body(r#"{"seconds":0.001}"#).send().await.unwrap();
                assert_eq!(response.status(), 200);
                let told: Value = response.json().await.unwrap();
                pids.insert(told["pid"].as_u64().unwrap());
                (requests, longest) = (requests + 1, longest.max(began.elapsed()));
                if pids.len() >= 4 {
                    over.store(true, Ordering::SeqCst);
                }
            }
            (pids, requests, longest)
        })
    };
    let (mut pids, mut requests, mut longest) = (BTreeSet::new(), 0, Duration::ZERO);
    for told in join_all((0..4).map(ask)).await {
        let (seen, asked, took) = told.unwrap();
        pids.extend(seen);
        requests += asked;
        longest = longest.max(took);
    }
    println!(
        "{requests} requests by {} processes, the longest took {longest:?}",
        pids.len()
    );
    assert!(pids.len() >= 4, "{pids:?}");
    eventually("those that were replaced have ended", async || {
        pids.iter().filter(|pid| is_running(**pid)).count() <= 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_outlives_a_server_that_is_killed() {
    let models = r#"[{"model":"trouble_pid","replicas":2},{"model":"banana_hello"},{"model":"trouble_children"}]"#;
    let mut server = Binary::folders(&python_dir(), models).await;
    let id = server.child.id();
    eventually("each replica has its process", async || children(id).len() == 4).await;
    let mut processes = children(id);
    // Of those that an author's code starts the system knows nothing: it ends the server's own children only.
    for what in ["sleep", "fork"] {
        let told = server.client.post("/trouble_children", &json!(what)).await.ok();
        processes.push(told["child"].as_u64().unwrap());
    }
    assert!(processes.iter().all(|pid| is_running(*pid)));
    let busy = {
        let client = server.client.clone();
        tokio::spawn(async move {
            let request = client.http.post(format!("{}/trouble_pid", client.url));
            request.body(r#"{"seconds":60}"#).send().await.is_err()
        })
    };
    eventually("a call is under way", async || {
        status(&server.client).await["admitted"] == 1
    })
    .await;
    // SIGKILL: the server has no time to end anything itself.
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert!(busy.await.unwrap());
    eventually("no process is left", async || {
        !processes.iter().any(|pid| is_running(*pid))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_finishes_its_calls_and_ends_its_processes() {
    let mut server = TestServer::folders(&python_dir(), r#"[{"model":"trouble_pid"}]"#, &[]).await;
    let marks = tempfile::tempdir().unwrap();
    let mark = marks.path().join("begun");
    let body = json!({"row": 7, "seconds": 0.5, "mark": mark.to_str().unwrap()});
    let call = {
        let client = server.client.clone();
        tokio::spawn(async move {
            let request = client.http.post(format!("{}/trouble_pid", client.url));
            let response = request.body(body.to_string()).send().await.unwrap();
            (response.status(), response.json::<Value>().await.unwrap())
        })
    };
    eventually("the call has begun", async || mark.exists()).await;
    server.begin_stop();
    let (code, told) = call.await.unwrap();
    assert_eq!((code.as_u16(), &told["row"]), (200, &json!(7)));
    server.join();
    drop(server);
    let pid = told["pid"].as_u64().unwrap();
    eventually("its process has ended", async || !is_running(pid)).await;
}
