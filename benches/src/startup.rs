//! From spawn to ready with the demo models, with an empty and with a filled cache.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::server::{Config, Hostler};
use crate::setup::Setup;
use crate::targets::{Bound, Target};

/// What `SERVER_MODELS` is by default, as far as the folders are there.
const DEMO: [&str; 2] = ["question_answering", "digits"];
/// A start is short: it is measured more often than other cases.
const STARTS_A_ROUND: usize = 3;

/// Seconds, start by start.
pub struct Measured {
    pub models: Vec<&'static str>,
    pub first: Vec<f64>,
    pub second: Vec<f64>,
}

pub fn run(setup: &Setup) -> Result<Measured> {
    let models_dir = setup.root.join("models");
    let there = |name: &&str| models_dir.join(name).join("model.onnx").is_file();
    let models: Vec<_> = DEMO.into_iter().filter(there).collect();
    ensure!(!models.is_empty(), "no demo model is in models/");
    let entries: Vec<Value> = models.iter().map(|name| json!({"model": name})).collect();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for start in 1..=setup.rounds * STARTS_A_ROUND {
        eprintln!("start {start} of {}", setup.rounds * STARTS_A_ROUND);
        let config = Config {
            models_dir: &models_dir,
            cache_dir: &setup.subfolder(&format!("cache-of-start-{start}"))?,
            models: &Value::Array(entries.clone()),
        };
        for times in [&mut first, &mut second] {
            times.push(Hostler::start(setup, &config)?.ready_after.as_secs_f64());
        }
    }
    Ok(Measured { models, first, second })
}

pub fn targets(measured: &Measured) -> Vec<Target> {
    let models = measured.models.join(", ");
    let target = |cache: &str, rounds: &[f64]| Target {
        name: format!("start to ready, {cache} ({models})"),
        bound: Bound::AtMost(1.0),
        unit: "s",
        rounds: rounds.to_vec(),
    };
    vec![
        target("empty cache", &measured.first),
        target("filled cache", &measured.second),
    ]
}
