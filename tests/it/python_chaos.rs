//! Two thousand requests while the processes that answer them are killed at random.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::python::{copies, kill_child, restarts};
use crate::support::{TestServer, eventually};

const CLIENTS: usize = 16;
const REQUESTS: usize = 2_000;
/// Longer than several starts of an interpreter on a busy machine: who waits so long hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the clients have seen, shared with whoever kills.
#[derive(Default)]
struct Seen {
    /// The processes that answered last.
    pids: Mutex<Vec<u64>>,
    asked: AtomicUsize,
}

/// Asks as long as there is something left to ask; gives statuses and how long the slowest answer took.
async fn ask(url: String, seen: Arc<Seen>) -> (BTreeMap<u16, usize>, Duration) {
    let (http, mut statuses, mut longest) = (reqwest::Client::new(), BTreeMap::new(), Duration::ZERO);
    loop {
        let row = seen.asked.fetch_add(1, Ordering::SeqCst);
        if row >= REQUESTS {
            return (statuses, longest);
        }
        let began = Instant::now();
        let body = json!({"row": row, "seconds": 0.004}).to_string();
        let request = async {
            let response = http.post(&url).body(body).send().await?;
            Ok::<(u16, Value), reqwest::Error>((response.status().as_u16(), response.json().await?))
        };
        let answer = tokio::time::timeout(PATIENCE, request).await;
        let (status, told) = answer.expect("no request hangs").expect("every request is answered");
        longest = longest.max(began.elapsed());
        *statuses.entry(status).or_default() += 1;
        if status == 200 {
            assert_eq!(told["row"], row, "the answer is this request's own");
            let mut pids = seen.pids.lock().unwrap();
            pids.push(told["pid"].as_u64().unwrap());
            let old = pids.len().saturating_sub(8);
            pids.drain(..old);
        } else {
            assert!(status == 500 || status == 503, "{status}: {told}");
            assert!(!told["error"].as_str().unwrap().is_empty(), "{told}");
        }
    }
}

/// Kills one of the processes that answered last, now and then; gives how many it killed.
async fn kill_now_and_then(seen: Arc<Seen>) -> usize {
    let mut killed = 0;
    while seen.asked.load(Ordering::SeqCst) < REQUESTS {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(40..160))).await;
        let pids = seen.pids.lock().unwrap().clone();
        if let Some(pid) = fastrand::choice(pids) {
            killed += usize::from(kill_child(std::process::id(), pid));
        }
    }
    killed
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_answered_while_processes_are_killed_at_random() {
    let dir = copies(&[("trouble_pid", "")]);
    let server = TestServer::folders(dir.path(), r#"[{"model":"trouble_pid","replicas":3}]"#, &[]).await;
    let client = &server.client;
    let seen = Arc::new(Seen::default());
    let began = Instant::now();
    let hunt = tokio::spawn(kill_now_and_then(Arc::clone(&seen)));
    let clients = (0..CLIENTS).map(|_| tokio::spawn(ask(format!("{}/trouble_pid", client.url), Arc::clone(&seen))));
    let (mut statuses, mut longest) = (BTreeMap::new(), Duration::ZERO);
    for told in join_all(clients).await {
        let (counts, took) = told.unwrap();
        counts
            .into_iter()
            .for_each(|(status, n)| *statuses.entry(status).or_default() += n);
        longest = longest.max(took);
    }
    let (killed, took) = (hunt.await.unwrap(), began.elapsed());
    println!("{REQUESTS} requests in {took:?}, {killed} processes killed: {statuses:?}, the longest took {longest:?}");
    assert_eq!(statuses.values().sum::<usize>(), REQUESTS);
    assert!(killed >= 5, "{killed} were killed");
    assert!(statuses[&200] > REQUESTS / 2, "{statuses:?}");

    // This process is the server: it has not restarted, nor given a thread up.
    eventually("all replicas are back", async || server.service.is_ready()).await;
    assert_eq!(client.get("/health/liveness").await.status, 200);
    assert!(restarts(client).await >= 5);
    assert_eq!(client.post("/trouble_pid", &json!({"row": 1})).await.ok()["row"], 1);
}
