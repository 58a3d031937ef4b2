//! Jobs a second that are accepted: each is in the store, as safe as its policy says, before its client is told.

use anyhow::Result;
use serde_json::json;

use super::redis::{self, Fsync};
use super::store::{self, Kind, Store};
use crate::folders::{self, REPLICAS, interpreter};
use crate::load::Target as Load;
use crate::models::Body;
use crate::server::Config;
use crate::setup::Setup;
use crate::targets::{Bound, Target};
use crate::turns::{Record, Table};

const TITLE: &str = "Jobs accepted";
const EMBEDDED: &str = "embedded";
const ALWAYS: &str = "Redis, appendfsync always";
const EVERY_SECOND: &str = "Redis, appendfsync everysec";
const BUSY: &str = "embedded, jobs run meanwhile";
const AT: [usize; 2] = [32, 64];
/// Jobs a second, with the most clients.
const LEAST: f64 = 5000.0;
/// A run that lasts a second and takes hardly any of a core: what is measured is accepting.
const SLOW: &[u8] = br#"{"seconds":1.0,"text":"something small"}"#;
/// A run that is over at once: claims and ends go through the same store as what is accepted.
const QUICK: &[u8] = br#"{"seconds":0.0,"text":"something small"}"#;

pub struct Accepted {
    pub table: Table,
    /// What one should know of the machine.
    pub note: String,
}

struct Side {
    name: &'static str,
    kind: Kind,
    body: Body,
}

pub fn run(setup: &Setup) -> Result<Accepted> {
    let python = interpreter(setup, "HOSTLER_TEST_PYTHON", "python", "make python")?;
    let models_dir = setup.subfolder("jobs")?;
    folders::copy(setup, "benches/python/wait", &models_dir.join("wait"), &python)?;
    let note = format!(
        "An fsync of 4 KiB takes {:.2} ms where the stores are.",
        store::fsync_time(setup)?
    );
    let mut records = Vec::new();
    let sides = sides(setup)?;
    for at in AT {
        records.extend(sides.iter().map(|side| Record {
            side: side.name,
            at,
            rounds: Vec::new(),
        }));
    }
    for round in 1..=setup.rounds {
        for (record, side) in records.iter_mut().zip(sides.iter().cycle()) {
            eprintln!(
                "jobs accept, round {round} of {}: {}, {}",
                setup.rounds, side.name, record.at
            );
            // Each begins with an empty store.
            let store = Store::new(setup, side.kind)?;
            let config = Config {
                models_dir: &models_dir,
                cache_dir: &setup.subfolder("cache")?,
                models: &json!([{"model": "wait", "replicas": REPLICAS, "threads": 1}]),
            };
            let server = store.serve(setup, &config)?;
            let load = Load {
                url: &server.url("wait"),
                pid: server.pid(),
                body: &side.body,
            };
            record.rounds.push(load.measure_jobs(setup, record.at)?);
        }
    }
    let table = Table {
        title: TITLE,
        bytes: SLOW.len(),
        mirrors: false,
        records,
    };
    Ok(Accepted { table, note })
}

fn sides(setup: &Setup) -> Result<Vec<Side>> {
    let mut kinds = vec![(EMBEDDED, Kind::Embedded, SLOW)];
    if redis::is_installed() {
        kinds.push((ALWAYS, Kind::Redis(Fsync::Always), SLOW));
        kinds.push((EVERY_SECOND, Kind::Redis(Fsync::EverySecond), SLOW));
    } else {
        println!("redis-server is not installed: jobs in Redis were not measured.\n");
    }
    kinds.push((BUSY, Kind::Embedded, QUICK));
    let side = |(name, kind, request): (&'static str, Kind, &[u8])| -> Result<Side> {
        let file = if request == SLOW { "slow-job" } else { "quick-job" };
        let body = Body::of(setup, file, "application/json", request)?;
        Ok(Side { name, kind, body })
    };
    kinds.into_iter().map(side).collect()
}

/// Of the sides that were measured; jobs that run meanwhile are there to compare.
pub fn targets(accepted: &Accepted) -> Vec<Target> {
    let target = |side: &str| Target {
        name: format!("jobs accepted at {}, {side}", AT[1]),
        bound: Bound::AtLeast(LEAST),
        unit: "jobs/s",
        rounds: accepted.table.rounds(side, AT[1], |f| f.rate),
    };
    let mut targets: Vec<_> = [EMBEDDED, ALWAYS, EVERY_SECOND].map(target).into();
    targets.retain(|target| !target.rounds.is_empty());
    targets
}
