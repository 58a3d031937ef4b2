//! Servers that are killed and stopped, and a Redis that is lost, while clients go on submitting jobs: each job ends
//! once, and its webhook is told.
//!
//! `make soak` gives each test so many minutes; without it they take seconds. Each prints what it did, and the seed it
//! did it by: `HOSTLER_SEED` brings the same moments again, as far as a machine does the same twice.

mod inbox;
mod load;
mod outcome;
mod poison;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::support::python::copies;
use crate::support::redis::RedisServer;
use crate::support::{Binary, SECRET, eventually};
use inbox::Inbox;
use load::{Load, PATH};
use outcome::{Report, Standing, ended_once, met_work, standing, tell};

const JOBS: u64 = 500;
/// How long a silent server keeps its jobs.
const LEASE: Duration = Duration::from_secs(2);
/// Cycles after which signatures are checked: they are refused when they are five minutes old.
const OFTEN: usize = 10;

/// What servers of one test share.
struct Stage {
    models: TempDir,
    list: String,
    variables: BTreeMap<String, String>,
    luck: Rng,
    seed: u64,
    began: Instant,
    soak: Duration,
}

impl Stage {
    /// `store` is where the jobs are, `replicas` how many of the sleeping model each server has.
    fn new(store: &str, replicas: usize) -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
        let seed = number("HOSTLER_SEED").unwrap_or_else(|| fastrand::u64(..));
        tell(format_args!("HOSTLER_SEED={seed}"));
        let lease = LEASE.as_secs().to_string();
        let variables = [
            ("SERVER_STORE_URL", store),
            ("SERVER_JOB_LEASE", lease.as_str()),
            ("SERVER_WEBHOOK_SECRET", SECRET),
            ("SERVER_WEBHOOK_ALLOW", "127.0.0.1"),
        ];
        Self {
            models: copies(&[("trouble_sleep", "")]),
            list: json!([{"model": "trouble_sleep", "replicas": replicas}]).to_string(),
            variables: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            luck: Rng::with_seed(seed),
            seed,
            began: Instant::now(),
            soak: Duration::from_secs(60 * number("HOSTLER_SOAK").unwrap_or(0)),
        }
    }

    async fn server(&self) -> Binary {
        Binary::folders_with(self.models.path(), &self.list, &self.variables).await
    }

    /// Whether there is another cycle: at least so many, and as long as a soak lasts.
    fn goes_on(&self, cycle: usize, least: usize) -> bool {
        cycle < least || self.began.elapsed() < self.soak
    }

    /// A moment of chance within so many milliseconds.
    async fn a_moment(&mut self, most: u64) {
        tokio::time::sleep(Duration::from_millis(self.luck.u64(0..=most))).await;
    }

    fn report<'a>(&self, name: &'a str, cycles: &'a [Standing]) -> Report<'a> {
        Report {
            name,
            seed: self.seed,
            took: self.began.elapsed(),
            cycles,
        }
    }
}

fn urls<'a>(servers: impl IntoIterator<Item = &'a Binary>) -> Vec<String> {
    servers.into_iter().map(|server| server.client.url.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_ten_times_ends_each_job_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&format!("file:{}/jobs", folder.path().display()), 4);
    let mut inbox = Inbox::start().await;
    let load = Load::start(&inbox.url(), JOBS, &mut stage.luck);
    let mut server = stage.server().await;
    let mut cycles = Vec::new();
    while stage.goes_on(cycles.len(), 10) {
        load.servers(urls([&server]));
        stage.a_moment(500).await;
        let mut found = Standing::default();
        eventually("jobs stand queued and running", async || {
            found = standing(&server.client).await;
            let enough = found.queued > 0 && found.running > 0;
            if !enough {
                load.hurry();
            }
            enough
        })
        .await;
        // With SIGKILL, and waited for.
        drop(server);
        load.servers(Vec::new());
        load.ease(found.queued);
        cycles.push(found);
        server = stage.server().await;
        if cycles.len().is_multiple_of(OFTEN) {
            inbox.sort();
        }
    }
    load.servers(urls([&server]));
    let told = load.finish().await;
    let outcome = ended_once(&server.client, &told, &mut inbox).await;
    stage.report("one server, SQLite", &cycles).print(&told, &outcome);
    met_work(&cycles);
    assert!(told.jobs.len() as u64 >= JOBS);
    assert!(outcome.attempts.len() > 1, "what ran at a kill ran again");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_servers_one_is_killed_and_one_stopped_and_each_job_ends_once() {
    let redis = RedisServer::durable();
    let mut stage = Stage::new(&redis.url(), 2);
    let mut inbox = Inbox::start().await;
    let load = Load::start(&inbox.url(), JOBS, &mut stage.luck);
    let mut servers = join_all((0..3).map(|_| stage.server())).await;
    let mut cycles = Vec::new();
    let mut refused = 0;
    while stage.goes_on(cycles.len(), 1) {
        load.servers(urls(&servers));
        stage.a_moment(500).await;
        // By chance: the last is killed, the one before is stopped.
        stage.luck.shuffle(&mut servers);
        let mut found = Standing::default();
        eventually("jobs stand queued, and more run than two servers have", async || {
            found = standing(&servers[0].client).await;
            let enough = found.queued >= 60 && found.running > 8;
            if !enough {
                load.hurry();
            }
            enough
        })
        .await;
        load.ease(found.queued);
        cycles.push(found);
        drop(servers.pop());
        load.servers(urls(&servers));
        let stopped = &servers[1];
        // The last is of an end whose first try was under way when it was stopped.
        let refusals = [
            "this result is dropped",
            "what its run gave is dropped",
            "recorded: by a try before, or somebody else",
        ];
        let dropped = || refusals.map(|refusal| stopped.logged(refusal)).iter().sum::<usize>();
        let before = dropped();
        stopped.signal(Signal::STOP);
        // Over is the lease, and the look of the others for what is over.
        tokio::time::sleep(LEASE * 2).await;
        stopped.signal(Signal::CONT);
        eventually("late results are refused", async || dropped() > before).await;
        refused += dropped() - before;
        servers.push(stage.server().await);
        if cycles.len().is_multiple_of(OFTEN) {
            inbox.sort();
        }
    }
    load.servers(urls(&servers));
    let told = load.finish().await;
    let outcome = ended_once(&servers[0].client, &told, &mut inbox).await;
    stage.report("three servers, Redis", &cycles).print(&told, &outcome);
    met_work(&cycles);
    tell(format_args!("  late results refused: {refused}"));
    assert!(told.jobs.len() as u64 >= JOBS);
    assert!(
        outcome.attempts.len() > 1,
        "what the killed and the stopped one ran, ran again"
    );
}

/// Asks, and counts the answers. Each is the model's own.
async fn ask(url: String, over: Arc<AtomicBool>) -> usize {
    let (http, mut answers) = (reqwest::Client::new(), 0);
    while !over.load(Ordering::SeqCst) {
        let answer = http
            .post(&url)
            .body(r#"{"row":1,"seconds":0.01}"#)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        assert_eq!(status, 200, "{}", answer.text().await.unwrap());
        answers += 1;
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_lost_leaves_requests_alone_and_loses_no_job() {
    let mut redis = RedisServer::durable();
    let mut stage = Stage::new(&redis.url(), 3);
    let mut inbox = Inbox::start().await;
    let load = Load::start(&inbox.url(), 100, &mut stage.luck);
    let server = stage.server().await;
    load.servers(urls([&server]));
    let over = Arc::new(AtomicBool::new(false));
    let asked = (0..2).map(|_| tokio::spawn(ask(format!("{}{PATH}", server.client.url), Arc::clone(&over))));
    let asked: Vec<_> = asked.collect();
    let mut cycles = Vec::new();
    while stage.goes_on(cycles.len(), 2) {
        stage.a_moment(500).await;
        let mut found = Standing::default();
        eventually("jobs stand queued and running", async || {
            found = standing(&server.client).await;
            let enough = found.queued > 0 && found.running > 0;
            if !enough {
                load.hurry();
            }
            enough
        })
        .await;
        load.ease(found.queued);
        cycles.push(found);
        redis.kill();
        let refused = load.refused();
        eventually("jobs are refused", async || load.refused() > refused).await;
        if cycles.len().is_multiple_of(2) {
            tokio::time::sleep(LEASE).await;
        }
        stage.a_moment(500).await;
        let list = server.client.get("/jobs").await;
        assert_eq!(list.status, 503, "{}", list.text());
        assert!(list.header("retry-after").parse::<u32>().unwrap() > 0);
        redis.restart();
        eventually("jobs are listed again", async || {
            server.client.get("/jobs").await.status == 200
        })
        .await;
        if cycles.len().is_multiple_of(OFTEN) {
            inbox.sort();
        }
    }
    over.store(true, Ordering::SeqCst);
    let mut answers = 0;
    for task in asked {
        answers += task.await.unwrap();
    }
    let told = load.finish().await;
    let outcome = ended_once(&server.client, &told, &mut inbox).await;
    stage
        .report("one server, a Redis that is killed", &cycles)
        .print(&told, &outcome);
    met_work(&cycles);
    tell(format_args!("  requests beside them, all answered with 200: {answers}"));
    assert!(told.refused >= cycles.len(), "{} refused", told.refused);
}
