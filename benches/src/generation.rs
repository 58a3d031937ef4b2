//! Text generation: what continuous batching gains over one text after the other.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::server::{Config, Hostler};
use crate::setup::Setup;
use crate::stories::{self, MODEL, Rates};
use crate::targets::{Bound, Target};

/// What the filter is compared with.
pub const CASE: &str = "generation";

pub const OFF: &str = "hostler, max_batch_size 1";
pub const ON: &str = "hostler, max_batch_size 16";
const MANY: usize = 16;
/// One replica, or each would have a part of the texts: sixteen are to share its steps.
const REPLICAS: usize = 1;

/// One side's figures, round by round.
pub struct Record {
    pub side: &'static str,
    /// Texts under way at a time.
    pub at: usize,
    pub rounds: Vec<Rates>,
}

/// The demo model behind a server whose replicas have one thread each.
pub fn serve(setup: &Setup, replicas: usize, max_batch_size: usize) -> Result<Hostler> {
    let models_dir = setup.root.join("models");
    ensure!(
        models_dir.join(MODEL).join("model.onnx").is_file(),
        "models/{MODEL} is not there"
    );
    let entry = json!({"model": MODEL, "replicas": replicas, "threads": 1, "max_batch_size": max_batch_size});
    let config = Config {
        models_dir: &models_dir,
        cache_dir: &setup.subfolder("cache")?,
        models: &json!([entry]),
    };
    Hostler::start(setup, &config)
}

/// A server whose steps sixteen texts may share.
pub fn serve_many(setup: &Setup) -> Result<Hostler> {
    serve(setup, REPLICAS, MANY)
}

pub fn run(setup: &Setup) -> Result<Vec<Record>> {
    let (off, on) = (serve(setup, REPLICAS, 1)?, serve_many(setup)?);
    let sides = [(ON, &on, 1), (OFF, &off, MANY), (ON, &on, MANY)];
    let mut records: Vec<Record> = sides
        .iter()
        .map(|(side, _, at)| Record {
            side,
            at: *at,
            rounds: Vec::new(),
        })
        .collect();
    for round in 1..=setup.rounds {
        for ((side, server, at), record) in sides.iter().zip(&mut records) {
            eprintln!("{CASE}, round {round} of {}: {side}, {at}", setup.rounds);
            let rates = stories::measure(setup, &server.url(MODEL), server.pid(), *at)?;
            record.rounds.push(rates);
        }
    }
    Ok(records)
}

/// Tokens a second of one side, round by round.
pub fn tokens(records: &[Record], side: &str, at: usize) -> Vec<f64> {
    let found = records.iter().filter(|r| r.side == side && r.at == at);
    found.flat_map(|r| r.rounds.iter().map(|f| f.tokens)).collect()
}

pub fn targets(records: &[Record]) -> Vec<Target> {
    let (on, off) = (tokens(records, ON, MANY), tokens(records, OFF, MANY));
    vec![Target {
        name: format!("generation at {MANY}: tokens/s, max_batch_size 16 ÷ max_batch_size 1"),
        bound: Bound::AtLeast(2.0),
        unit: "",
        rounds: on.iter().zip(off).map(|(a, b)| a / b).collect(),
    }]
}
