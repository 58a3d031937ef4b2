//! Background jobs: how fast they are accepted, and what a backlog of them costs those who wait for an answer.

mod accept;
mod backlog;
mod redis;
mod store;

use anyhow::Result;

use crate::setup::Setup;
use crate::targets::Target;
use accept::Accepted;
pub use backlog::{BACKLOG, Waiting};

/// More unfinished jobs than any measurement makes, for `SERVER_JOB_BACKLOG`.
const NO_LIMIT: &str = "100000000";
/// Jobs that are sent at a time where nothing is measured.
const TOGETHER: usize = 64;

/// What the filter let through.
pub struct Measured {
    pub accepted: Option<Accepted>,
    pub waiting: Vec<Waiting>,
}

pub fn run(setup: &Setup) -> Result<Measured> {
    let accepted = setup.wants("jobs accept").then(|| accept::run(setup)).transpose()?;
    let waiting = if setup.wants("jobs backlog") {
        backlog::run(setup)?
    } else {
        Vec::new()
    };
    Ok(Measured { accepted, waiting })
}

pub fn targets(measured: &Measured) -> Vec<Target> {
    let accepted = measured.accepted.iter().flat_map(accept::targets);
    accepted.chain(measured.waiting.iter().map(backlog::target)).collect()
}
