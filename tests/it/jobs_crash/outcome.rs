//! What came of all jobs: counted, held against what clients and the receiver of webhooks were told, and reported.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::inbox::Inbox;
use super::load::Told;
use crate::support::Client;

/// From the last disturbance to the end of the last job, and of the last webhook: far more than is left to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// Jobs that stood somewhere at one moment, of each kind a thousand at most.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    pub queued: usize,
    pub running: usize,
}

/// What came of all jobs.
pub struct Outcome {
    /// How many jobs took so many runs.
    pub attempts: BTreeMap<u64, usize>,
    /// Posts of their webhooks.
    pub posts: usize,
}

/// What a test did.
pub struct Report<'a> {
    pub name: &'a str,
    pub seed: u64,
    pub took: Duration,
    /// What stood at each kill.
    pub cycles: &'a [Standing],
}

/// An answer to GET, without a look at the OpenAPI for each.
async fn get(client: &Client, path: &str) -> Value {
    let response = client.http.get(format!("{}{path}", client.url)).send().await.unwrap();
    let status = response.status();
    let told: Value = response.json().await.unwrap();
    assert_eq!(status, 200, "{path}: {told}");
    told
}

async fn count(client: &Client, status: &str, limit: usize) -> usize {
    let page = get(client, &format!("/jobs?status={status}&limit={limit}")).await;
    page["jobs"].as_array().unwrap().len()
}

/// How many jobs wait and run now.
pub async fn standing(client: &Client) -> Standing {
    Standing {
        queued: count(client, "queued", 1000).await,
        running: count(client, "running", 1000).await,
    }
}

/// Waits until all jobs are over and told of. Each is there once, succeeded once, and was told of with one id.
pub async fn ended_once(client: &Client, told: &Told, inbox: &mut Inbox) -> Outcome {
    let end = Instant::now() + PATIENCE;
    for status in ["queued", "running", "queued", "running"] {
        while count(client, status, 1).await > 0 {
            if Instant::now() >= end {
                let left = standing(client).await;
                panic!("{left:?} are {status} after {PATIENCE:?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let listed = pages(client).await;
    let mut attempts = BTreeMap::new();
    for job in &listed {
        assert_eq!(job["status"], "succeeded", "{job}");
        *attempts.entry(job["attempts"].as_u64().unwrap()).or_default() += 1;
    }
    let ids: BTreeSet<&str> = listed.iter().map(|job| job["id"].as_str().unwrap()).collect();
    let expected: BTreeSet<&str> = told.jobs.values().map(String::as_str).collect();
    assert_eq!(
        ids, expected,
        "no job is lost, and none is there that nobody was told of"
    );
    assert_eq!(
        (listed.len(), told.jobs.len()),
        (ids.len(), ids.len()),
        "no job is doubled"
    );

    let mut jobs = Vec::with_capacity(listed.len());
    for (row, id) in &told.jobs {
        let job = delivered(client, id, end).await;
        assert_eq!(
            (&job["input"]["row"], &job["output"]["row"]),
            (&json!(row), &json!(row))
        );
        jobs.push((id, job));
    }
    inbox.sort();
    assert_eq!(
        inbox.letters.len(),
        jobs.len(),
        "each job was told of, and nothing else"
    );
    for (id, job) in jobs {
        let letter = &inbox.letters[id];
        let data = &letter.told()["data"];
        assert_eq!(job["webhooks"][0]["id"], letter.webhook_id);
        // Of several runs, the one that was recorded is the one that was told.
        assert_eq!(
            (&data["output"], &data["status"]),
            (&job["output"], &json!("succeeded"))
        );
    }
    Outcome {
        attempts,
        posts: inbox.posts,
    }
}

/// All jobs, page by page.
async fn pages(client: &Client) -> Vec<Value> {
    let (mut jobs, mut path) = (Vec::new(), "/jobs?limit=300".to_owned());
    loop {
        let page = get(client, &path).await;
        jobs.extend(page["jobs"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { return jobs };
        path = format!("/jobs?limit=300&before={next}");
    }
}

/// The job, once its webhook has been told.
async fn delivered(client: &Client, id: &str, end: Instant) -> Value {
    loop {
        let job = get(client, &format!("/jobs/{id}")).await;
        let webhooks = job["webhooks"].as_array().unwrap();
        assert_eq!(webhooks.len(), 1, "{job}");
        if webhooks[0]["state"] == "delivered" {
            return job;
        }
        assert!(Instant::now() < end, "a webhook after {PATIENCE:?}: {job}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Report<'_> {
    pub fn print(&self, told: &Told, outcome: &Outcome) {
        let Self {
            name,
            seed,
            took,
            cycles,
        } = self;
        let (jobs, kills) = (told.jobs.len(), cycles.len());
        let Told {
            broken,
            replayed,
            refused,
            ..
        } = told;
        let Outcome { attempts, posts } = outcome;
        let stood: Vec<_> = cycles.iter().take(20).map(|at| (at.queued, at.running)).collect();
        tell(format_args!(
            "{name}: {jobs} jobs succeeded once each, {kills} cycles, {took:?}, HOSTLER_SEED={seed}\n  \
             queued and running at each kill (of the first 20): {stood:?}\n  \
             tries of clients that broke: {broken}, found accepted: {replayed}, answered with 503: {refused}\n  \
             jobs by runs: {attempts:?}\n  \
             webhooks: {posts} posts for {jobs} jobs, one id each"
        ));
    }
}

/// Writes a line of a report past the test harness, which keeps back what a test prints that succeeds.
pub fn tell(line: fmt::Arguments<'_>) {
    writeln!(io::stdout().lock(), "{line}").unwrap();
}

/// Every kill met jobs of both kinds: what is reported of it is of a server that had something to lose.
pub fn met_work(cycles: &[Standing]) {
    assert!(
        cycles.iter().all(|at| at.queued > 0 && at.running > 0),
        "a kill of an idle server: {cycles:?}"
    );
}
