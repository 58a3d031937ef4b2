//! Runs the load generator against a server and reads what it saw.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::figures::Figures;
use crate::models::Body;
use crate::process::{cpu_time, ended_children_cpu_time};
use crate::setup::Setup;

/// Threads of the generator. With one, a fast server would be held back by its generator, and two servers of unequal
/// speed would look alike; with as many as the servers have, neither side starves.
const THREADS: usize = 2;

/// A server's address, its process, and what is sent to it.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub url: &'a str,
    pub pid: u32,
    pub body: &'a Body,
}

/// Connections of requests that come at a rate: more than are ever under way while the server keeps up, and so few that
/// opening them is not in the 99th percentile.
const CONNECTIONS: usize = 16;

/// How requests come.
#[derive(Clone, Copy)]
pub enum Pace {
    /// So many are under way at a time.
    Closed(usize),
    /// So many come in a second, whether or not those before have been answered. Times count from when a request was due.
    Open(f64),
}

/// What a request is to become.
#[derive(Clone, Copy)]
enum Wish {
    Answer,
    Job,
}

/// How much is sent.
enum Amount {
    For(Duration),
    Requests(usize),
}

/// One start of the generator.
struct Order {
    pace: Pace,
    amount: Amount,
    wish: Wish,
}

/// The parts of oha's JSON that are used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    summary: Summary,
    latency_percentiles: BTreeMap<String, f64>,
    status_code_distribution: BTreeMap<String, u32>,
    error_distribution: BTreeMap<String, u32>,
}

#[derive(Deserialize)]
struct Summary {
    total: f64,
}

impl Target<'_> {
    /// Warms up, then measures.
    pub fn measure(&self, setup: &Setup, concurrency: usize) -> Result<Figures> {
        self.figures(setup, Pace::Closed(concurrency), Wish::Answer, setup.length)
    }

    /// The same for so long, and with requests that come in another way.
    pub fn measure_for(&self, setup: &Setup, pace: Pace, length: Duration) -> Result<Figures> {
        self.figures(setup, pace, Wish::Answer, length)
    }

    /// The same of jobs, until they are accepted.
    pub fn measure_jobs(&self, setup: &Setup, concurrency: usize) -> Result<Figures> {
        self.figures(setup, Pace::Closed(concurrency), Wish::Job, setup.length)
    }

    /// Sends a number of requests.
    pub fn visit(&self, setup: &Setup, concurrency: usize, requests: usize) -> Result<()> {
        let order = Order {
            pace: Pace::Closed(concurrency),
            amount: Amount::Requests(requests),
            wish: Wish::Answer,
        };
        self.send(setup, &order).map(drop)
    }

    /// Sends a number of jobs.
    pub fn enqueue(&self, setup: &Setup, concurrency: usize, jobs: usize) -> Result<()> {
        let order = Order {
            pace: Pace::Closed(concurrency),
            amount: Amount::Requests(jobs),
            wish: Wish::Job,
        };
        self.send(setup, &order).map(drop)
    }

    fn figures(&self, setup: &Setup, pace: Pace, wish: Wish, length: Duration) -> Result<Figures> {
        let order = |time| Order {
            pace,
            amount: Amount::For(time),
            wish,
        };
        self.send(setup, &order(setup.warm_up))?;
        let (before, generator_before) = (cpu_time(self.pid)?, ended_children_cpu_time()?);
        let report = self.send(setup, &order(length))?;
        let cpu = cpu_time(self.pid)?.saturating_sub(before);
        let generator = ended_children_cpu_time()?.saturating_sub(generator_before);
        let requests: u32 = report.status_code_distribution.values().sum();
        let microseconds = |name: &str| report.latency_percentiles.get(name).map_or(f64::NAN, |s| s * 1e6);
        let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(requests);
        Ok(Figures {
            rate: f64::from(requests) / report.summary.total,
            p50: microseconds("p50"),
            p99: microseconds("p99"),
            cpu: each(cpu),
            generator_cpu: Some(each(generator)),
        })
    }

    /// Every answer must be a good one: errors are faster than answers.
    fn send(&self, setup: &Setup, order: &Order) -> Result<Report> {
        let mut command = Command::new(&setup.generator);
        match order.amount {
            // Requests under way at the end are waited for, so that CPU time is of whole requests.
            Amount::For(time) => command.args(["-w", "-z", &format!("{}ms", time.as_millis())]),
            Amount::Requests(n) => command.args(["-n", &n.to_string()]),
        };
        match order.pace {
            Pace::Closed(concurrency) => command.args(["-c", &concurrency.to_string()]),
            Pace::Open(rate) => command
                .args(["-c", &CONNECTIONS.to_string(), "--latency-correction"])
                .args(["-q", &rate.to_string()]),
        };
        let good = match order.wish {
            Wish::Answer => "200",
            Wish::Job => {
                command.args(["-H", "prefer: respond-async"]);
                "202"
            }
        };
        command
            .args(["--worker-threads", &THREADS.to_string()])
            .args(["--no-tui", "--output-format", "json", "--disable-compression"])
            .args(["-m", "POST", "-T", self.body.content_type])
            .args(["-A", self.body.accept])
            .arg(if self.body.lines { "-Z" } else { "-D" })
            .arg(&self.body.file)
            .arg(self.url)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit());
        let output = command.output().context("starting the load generator")?;
        ensure!(output.status.success(), "the load generator failed: {}", output.status);
        let report: Report = serde_json::from_slice(&output.stdout).context("reading the load generator's report")?;
        let statuses = &report.status_code_distribution;
        ensure!(
            report.error_distribution.is_empty() && statuses.len() == 1 && statuses.contains_key(good),
            "{} gave statuses {statuses:?} and errors {:?}",
            self.url,
            report.error_distribution
        );
        Ok(report)
    }
}
