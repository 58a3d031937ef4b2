//! Authors' code that is loud, closes what is not its own, forks and leaves processes behind: the wire holds.

use serde_json::{Value, json};

use crate::support::python::{is_running, kill_child, python_dir, restarts};
use crate::support::{Binary, Client, TestServer, eventually};

const NOISE: &str = r#"[{"model":"trouble_noise"}]"#;

async fn noise(client: &Client, noise: &str, size: u32) -> Value {
    let answer = client
        .post("/trouble_noise", &json!({"noise": noise, "size": size}))
        .await;
    assert_eq!(answer.status, 200, "{noise}: {}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_any_kind_and_size_goes_to_the_log_and_nowhere_else() {
    let server = TestServer::folders(&python_dir(), NOISE, &[]).await;
    let client = &server.client;
    let pid = noise(client, "none", 0).await["pid"].clone();
    for (kind, size) in [
        ("print", 1 << 20),
        ("lines", 2_000),
        ("error", 1 << 20),
        ("raw", 1 << 20),
    ] {
        assert_eq!(noise(client, kind, size).await, json!({"noise": kind, "pid": pid}));
    }
    let read = noise(client, "read", 0).await;
    assert_eq!(read, json!({"read": "", "raw": 0}), "nothing of the wire can be read");
    assert_eq!(noise(client, "none", 0).await["pid"], pid);
    assert_eq!(restarts(client).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_every_line_and_long_ones_in_pieces() {
    let server = Binary::folders(&python_dir(), NOISE).await;
    noise(&server.client, "lines", 200).await;
    noise(&server.client, "print", 100_000).await;
    let of = |printed: &[Value], start: char| -> Vec<String> {
        let messages = printed.iter().filter_map(|line| line["fields"]["message"].as_str());
        messages
            .filter(|message| message.starts_with(start))
            .map(str::to_owned)
            .collect()
    };
    eventually("all is in the log", async || {
        of(&server.printed(), 'x').iter().map(String::len).sum::<usize>() == 100_000
    })
    .await;
    let printed = server.printed();
    let lines: Vec<String> = (0..200).map(|n| format!("line {n}")).collect();
    assert_eq!(of(&printed, 'l'), lines);
    assert!(of(&printed, 'x').iter().all(|piece| piece.len() <= 16 * 1024));
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_closes_its_standard_descriptors_breaks_only_its_own_output() {
    let server = TestServer::folders(&python_dir(), NOISE, &[]).await;
    let client = &server.client;
    let pid = noise(client, "close", 0).await["pid"].clone();
    assert_eq!(noise(client, "none", 0).await["pid"], pid);
    let mute = client
        .post("/trouble_noise", &json!({"noise": "print", "size": 100_000}))
        .await;
    assert_eq!(mute.status, 500, "{}", mute.text());
    assert!(
        mute.json()["error"].as_str().unwrap().starts_with("OSError"),
        "{}",
        mute.text()
    );
    assert_eq!(noise(client, "none", 0).await["pid"], pid, "the process lives");
}

async fn start(client: &Client, what: &str) -> (u64, u64) {
    let told = client.post("/trouble_children", &json!(what)).await.ok();
    (
        told["pid"].as_u64().unwrap(),
        told["child"].as_u64().unwrap_or_default(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_forks_does_not_break_the_wire() {
    let server = TestServer::folders(&python_dir(), r#"[{"model":"trouble_children"}]"#, &[]).await;
    let client = &server.client;
    let (pid, _) = start(client, "nothing").await;
    for what in ["sleep", "fork", "return"] {
        let (answered, child) = start(client, what).await;
        assert_eq!(answered, pid, "{what}");
        assert_ne!(child, 0, "{what}");
        // Were the copy on the wire too, it would answer some of these.
        for _ in 0..20 {
            assert_eq!(start(client, "nothing").await, (pid, 0), "{what}");
        }
        if what == "return" {
            eventually("a copy that goes on as the replica has ended", async || {
                !is_running(child)
            })
            .await;
        }
    }
    assert_eq!(restarts(client).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_a_replica_has_started_end_with_it() {
    let server = TestServer::folders(&python_dir(), r#"[{"model":"trouble_children"}]"#, &[]).await;
    let client = &server.client;
    for what in ["sleep", "fork"] {
        let (pid, child) = start(client, what).await;
        assert!(is_running(child), "{what}");
        assert!(kill_child(std::process::id(), pid));
        eventually("the process is gone that the killed one had started", async || {
            !is_running(child)
        })
        .await;
        assert_ne!(start(client, "nothing").await.0, pid);
    }
    let (pid, child) = start(client, "sleep").await;
    drop(server);
    eventually("both are gone with the server", async || {
        !is_running(pid) && !is_running(child)
    })
    .await;
}
