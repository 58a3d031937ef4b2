//! What replicas cost in memory: the same server with more and more of them.

use anyhow::Result;
use serde_json::json;

use crate::load::Target as Load;
use crate::models::{Body, Form, LARGE};
use crate::process::Memory;
use crate::server::{Config, Hostler};
use crate::setup::Setup;
use crate::stats::median;
use crate::targets::{Bound, Target};

const REPLICAS: [usize; 3] = [1, 2, 4];
const MEGABYTE: f64 = 1e6;

/// Memory with a number of replicas, in MB, round by round.
pub struct Measured {
    pub replicas: usize,
    rounds: Vec<Memory>,
}

impl Measured {
    pub fn median(&self, figure: fn(&Memory) -> f64) -> f64 {
        median(&self.megabytes(figure))
    }

    fn megabytes(&self, figure: fn(&Memory) -> f64) -> Vec<f64> {
        self.rounds.iter().map(|m| figure(m) / MEGABYTE).collect()
    }
}

pub fn run(setup: &Setup) -> Result<Vec<Measured>> {
    let body = Body::write(setup, &LARGE, Form::Json)?;
    LARGE.write(&setup.subfolder("models")?)?;
    // Fills the cache: the first start ever also holds what compiling takes.
    measure(setup, &body, 1)?;
    let mut measured: Vec<_> = REPLICAS
        .iter()
        .map(|n| Measured {
            replicas: *n,
            rounds: Vec::new(),
        })
        .collect();
    for round in 1..=setup.rounds {
        for one in &mut measured {
            eprintln!("memory, round {round} of {}: {} replicas", setup.rounds, one.replicas);
            one.rounds.push(measure(setup, &body, one.replicas)?);
        }
    }
    Ok(measured)
}

fn measure(setup: &Setup, body: &Body, replicas: usize) -> Result<Memory> {
    let config = Config {
        models_dir: &setup.subfolder("models")?,
        cache_dir: &setup.subfolder("cache")?,
        models: &json!([{"model": LARGE.name, "replicas": replicas, "threads": 1}]),
    };
    let server = Hostler::start(setup, &config)?;
    let load = Load {
        url: &server.url(LARGE.name),
        pid: server.pid(),
        body,
    };
    // Enough at a time that no replica stays idle.
    load.visit(setup, 2 * replicas, 32 * replicas)?;
    Memory::of(server.pid())
}

/// What the second replica adds, and each one after it.
pub fn targets(measured: &[Measured]) -> Vec<Target> {
    let pairs = measured.iter().zip(measured.iter().skip(1));
    pairs
        .map(|(fewer, more)| {
            let added = (more.replicas - fewer.replicas) as f64;
            let (before, after) = (fewer.megabytes(|m| m.rss), more.megabytes(|m| m.rss));
            Target {
                name: format!(
                    "100 MB model: resident memory a replica adds, from {} to {}",
                    fewer.replicas, more.replicas
                ),
                bound: Bound::AtMost(15.0),
                unit: "MB",
                rounds: before.iter().zip(&after).map(|(a, b)| (b - a) / added).collect(),
            }
        })
        .collect()
}
