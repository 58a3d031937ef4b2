//! Jobs that end the process they run in: given up after three times, and no harm to the others.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::outcome::tell;
use crate::support::python::{copies, restarts};
use crate::support::{TestServer, jobs};

const ROWS: i64 = 60;
/// The rows that are deadly.
const DEADLY: [i64; 3] = [5, 6, 40];
/// Each model's replicas start anew nine times, with a pause that grows.
const PATIENCE: Duration = Duration::from_secs(60);

/// Submits all rows to a model; gives the ids, and which are deadly.
async fn submit(server: &TestServer, path: &str, body: impl Fn(i64) -> Value) -> Vec<(String, bool)> {
    let mut ids = Vec::new();
    for row in 1..=ROWS {
        let deadly = DEADLY.contains(&row);
        let body = body(if deadly { -row } else { row });
        ids.push((jobs::submit(&server.client, path, &body).await, deadly));
    }
    ids
}

/// The job, once it is over.
async fn over(server: &TestServer, id: &str, end: Instant) -> Value {
    loop {
        let job = server.client.get(&format!("/jobs/{id}")).await.ok();
        if job["finished"].is_string() {
            return job;
        }
        assert!(Instant::now() < end, "not over after {PATIENCE:?}: {job}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Looks at all jobs; gives the most runs that an innocent one took.
async fn look(server: &TestServer, ids: &[(String, bool)]) -> u64 {
    let (mut most, end) = (0, Instant::now() + PATIENCE);
    for (id, deadly) in ids {
        let job = over(server, id, end).await;
        let attempts = job["attempts"].as_u64().unwrap();
        if *deadly {
            assert_eq!((&job["status"], attempts), (&json!("failed"), 3), "{job}");
            assert_eq!(job["error"]["type"], "replica_lost", "{job}");
            let told = job["error"]["message"].as_str().unwrap();
            assert!(told.contains("ended its replica 3 times"), "{told}");
        } else {
            assert_eq!(job["status"], "succeeded", "{job}");
            most = most.max(attempts);
        }
    }
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_ends_its_replica_three_times_has_failed_and_no_other() {
    let dir = copies(&[("trouble_poison", "")]);
    let server = TestServer::folders(dir.path(), r#"[{"model":"trouble_poison","replicas":2}]"#, &[]).await;
    let ids = submit(&server, "/trouble_poison", |row| json!({"row": row})).await;
    let most = look(&server, &ids).await;
    tell(format_args!(
        "{ROWS} jobs, {} deadly: the innocent took {most} runs at most",
        DEADLY.len()
    ));
    // Nine processes ended. Of the last ones the next may not have been started yet.
    assert!(restarts(&server.client).await >= 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_shares_a_batch_with_such_a_job_runs_again_and_succeeds() {
    let manifest = "max_batch_size = 8\nmax_queue_delay_ms = 20\n";
    let dir = copies(&[("trouble_poison_batch", manifest)]);
    let server = TestServer::folders(dir.path(), r#"[{"model":"trouble_poison_batch","replicas":2}]"#, &[]).await;
    let ids = submit(&server, "/trouble_poison_batch", |row| json!(row)).await;
    let most = look(&server, &ids).await;
    tell(format_args!(
        "{ROWS} jobs, {} deadly: the innocent took {most} runs at most",
        DEADLY.len()
    ));
}
