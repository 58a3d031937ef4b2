//! What thousands of jobs of a model that wait and run cost those who wait for an answer of it.
//!
//! Each side of each round is a server of its own, with a store that holds the same jobs. They were accepted by a server
//! with a stand-in for the model, so that none of them has run.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::blocking::Client;
use serde_json::{Value, json};

use super::TOGETHER;
use super::store::{Kind, Store};
use crate::figures::Figures;
use crate::folders::{self, REPLICAS, interpreter};
use crate::load::{Pace, Target as Load};
use crate::models::Body;
use crate::server::{Config, Hostler};
use crate::setup::Setup;
use crate::targets::{Bound, Target};

/// Jobs that still wait when a measurement ends, at the least.
pub const BACKLOG: usize = 10_000;
/// Of what the model can answer, in the load that comes at a rate.
const SHARE: f64 = 0.3;
/// Clients that wait, in the other load.
const CLIENTS: usize = 4;
/// As many under way as find out what a model can.
const MANY: usize = 32;
/// A percentile needs more requests than a rate: a measurement is so many times as long as others.
const LONGER: u32 = 2;
/// How many times the 99th percentile without jobs it may be with them.
const MOST: f64 = 1.5;
/// Jobs of a page, as many as the server gives.
const PAGE: usize = 1000;

/// A model, and a request for it.
struct Case {
    name: &'static str,
    /// What is told of it.
    title: &'static str,
    /// The folder of the repository it is served from; else it is one that was copied.
    own: Option<&'static str>,
    request: Value,
    /// No more jobs of it run in a second, on any machine this is thought for.
    runs: usize,
}

/// One load of one model, without jobs and with them, round by round.
pub struct Waiting {
    pub title: String,
    pub without: Vec<Figures>,
    pub with: Vec<Figures>,
    /// Jobs that ended in a second meanwhile.
    pub jobs: Vec<f64>,
}

fn cases(setup: &Setup) -> Result<[Case; 2]> {
    let pixels = vec![vec![vec![7; 8]; 8]];
    let python = interpreter(setup, "HOSTLER_TEST_PYTHON", "python", "make python")?;
    let models = setup.subfolder("jobs")?;
    folders::copy(setup, "benches/python/wait", &models.join("wait"), &python)?;
    for name in ["digits", "wait"] {
        let folder = setup.subfolder("stand-ins")?.join(name);
        folders::copy(setup, "benches/python/stall", &folder, &python)?;
    }
    Ok([
        Case {
            name: "digits",
            title: "digits",
            own: Some("models"),
            request: json!({"image": pixels}),
            runs: 10_000,
        },
        Case {
            name: "wait",
            title: "5 ms a run",
            own: None,
            request: json!({"seconds": 0.005, "text": "something small"}),
            runs: REPLICAS * 200,
        },
    ])
}

pub fn run(setup: &Setup) -> Result<Vec<Waiting>> {
    let mut measured = Vec::new();
    for case in cases(setup)? {
        measured.extend(case.run(setup)?);
    }
    Ok(measured)
}

pub fn target(waiting: &Waiting) -> Target {
    let pairs = waiting.with.iter().zip(&waiting.without);
    Target {
        name: format!("{}: p99 with {BACKLOG} jobs waiting ÷ p99 without", waiting.title),
        bound: Bound::AtMost(MOST),
        unit: "",
        rounds: pairs.map(|(with, without)| with.p99 / without.p99).collect(),
    }
}

impl Case {
    fn run(&self, setup: &Setup) -> Result<[Waiting; 2]> {
        let request = serde_json::to_vec(&self.request)?;
        let body = Body::of(setup, &format!("{}-request", self.name), "application/json", &request)?;
        let length = setup.length * LONGER;
        // Two seconds for counting, before and after.
        let time = setup.warm_up + length + Duration::from_secs(2);
        let jobs = BACKLOG + self.runs * usize::try_from(time.as_secs())?.max(1);
        eprintln!("jobs backlog, {}: {jobs} jobs", self.name);
        let full = Store::new(setup, Kind::Embedded)?;
        self.fill(setup, &full, &body, jobs)?;
        let rate = self.most(setup, &body)? * SHARE;
        let mut measured = [Pace::Open(rate), Pace::Closed(CLIENTS)].map(|pace| (pace, self.waiting(pace)));
        for round in 1..=setup.rounds {
            for (pace, waiting) in &mut measured {
                let shown = format!("jobs backlog, round {round} of {}: {}", setup.rounds, waiting.title);
                let take = |load: Load<'_>| load.measure_for(setup, *pace, length);
                eprintln!("{shown}, no jobs");
                let store = Store::new(setup, Kind::Embedded)?;
                let server = self.serve(setup, &store)?;
                waiting.without.push(self.load(&server, &body, take)?);
                drop(server);
                eprintln!("{shown}, jobs");
                let store = Store::copy_of(setup, &full)?;
                let server = self.serve(setup, &store)?;
                let (before, started) = (ended(&server)?, Instant::now());
                waiting.with.push(self.load(&server, &body, take)?);
                let (ran, time) = (ended(&server)? - before, started.elapsed());
                let left = jobs.saturating_sub(before + ran);
                ensure!(left >= BACKLOG, "{shown}: only {left} of {jobs} were left");
                // Clients that leave no gap have the replicas to themselves.
                ensure!(
                    ran > 0 || matches!(pace, Pace::Closed(_)),
                    "{shown}: none has run meanwhile"
                );
                waiting.jobs.push(ran as f64 / time.as_secs_f64());
            }
        }
        Ok(measured.map(|(_, waiting)| waiting))
    }

    fn waiting(&self, pace: Pace) -> Waiting {
        let load = match pace {
            Pace::Open(rate) => format!("{rate:.0} requests/s"),
            Pace::Closed(clients) => format!("{clients} clients"),
        };
        Waiting {
            title: format!("{}, {load}", self.title),
            without: Vec::new(),
            with: Vec::new(),
            jobs: Vec::new(),
        }
    }

    /// Requests that the model answers in a second.
    fn most(&self, setup: &Setup, body: &Body) -> Result<f64> {
        let store = Store::new(setup, Kind::Embedded)?;
        let server = self.serve(setup, &store)?;
        let figures = self.load(&server, body, |load| load.measure(setup, MANY))?;
        Ok(figures.rate)
    }

    /// Has jobs accepted that do not run.
    fn fill(&self, setup: &Setup, store: &Store, body: &Body, jobs: usize) -> Result<()> {
        let config = Config {
            models_dir: &setup.subfolder("stand-ins")?,
            cache_dir: &setup.subfolder("cache")?,
            models: &json!([{"model": self.name, "replicas": 1}]),
        };
        let server = store.serve(setup, &config)?;
        self.load(&server, body, |load| load.enqueue(setup, TOGETHER, jobs))
    }

    fn serve(&self, setup: &Setup, store: &Store) -> Result<Hostler> {
        let models_dir = match self.own {
            Some(folder) => setup.root.join(folder),
            None => setup.subfolder("jobs")?,
        };
        let config = Config {
            models_dir: &models_dir,
            cache_dir: &setup.subfolder("cache")?,
            models: &json!([{"model": self.name, "replicas": REPLICAS, "threads": 1}]),
        };
        store.serve(setup, &config)
    }

    fn load<T>(&self, server: &Hostler, body: &Body, what: impl FnOnce(Load<'_>) -> Result<T>) -> Result<T> {
        what(Load {
            url: &server.url(self.name),
            pid: server.pid(),
            body,
        })
    }
}

/// Jobs of a server that have ended, all of them well.
fn ended(server: &Hostler) -> Result<usize> {
    let client = Client::builder().timeout(Duration::from_secs(30)).build()?;
    let page = |query: String| -> Result<Value> {
        let answer = client.get(server.url(&format!("jobs?{query}"))).send()?;
        Ok(serde_json::from_slice(&answer.error_for_status()?.bytes()?)?)
    };
    let count = |page: &Value| page["jobs"].as_array().map(Vec::len).context("a list of jobs");
    let failed = count(&page("status=failed&limit=1".to_owned())?)?;
    ensure!(failed == 0, "a job has failed");
    let (mut sum, mut before) = (0, String::new());
    loop {
        let found = page(format!("status=succeeded&limit={PAGE}{before}"))?;
        sum += count(&found)?;
        match found["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => return Ok(sum),
        }
    }
}
