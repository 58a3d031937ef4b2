//! Servers that are measured in turns, round by round, so that a drift of the machine meets each of them.

use anyhow::Result;

use crate::figures::Figures;
use crate::load::Target;
use crate::setup::Setup;

/// A server, and how many requests are under way at a time.
pub struct Contender<'a> {
    pub side: &'static str,
    pub at: usize,
    pub target: Target<'a>,
}

/// What was measured of one contender, round by round.
pub struct Record {
    pub side: &'static str,
    pub at: usize,
    pub rounds: Vec<Figures>,
}

/// What was measured together.
pub struct Table {
    pub title: &'static str,
    /// Of a request's body.
    pub bytes: usize,
    /// Whether answers are as large as requests, so that bytes a second say something.
    pub mirrors: bool,
    pub records: Vec<Record>,
}

pub fn run(setup: &Setup, what: &str, contenders: &[Contender<'_>]) -> Result<Vec<Record>> {
    let mut records: Vec<_> = contenders
        .iter()
        .map(|contender| Record {
            side: contender.side,
            at: contender.at,
            rounds: Vec::new(),
        })
        .collect();
    for round in 1..=setup.rounds {
        for (contender, record) in contenders.iter().zip(&mut records) {
            let Contender { side, at, target } = contender;
            eprintln!("{what}, round {round} of {}: {side}, {at}", setup.rounds);
            record.rounds.push(target.measure(setup, *at)?);
        }
    }
    Ok(records)
}

impl Table {
    /// A figure of one side, round by round.
    pub fn rounds(&self, side: &str, at: usize, figure: impl Fn(&Figures) -> f64) -> Vec<f64> {
        let found = self.records.iter().filter(|r| r.side == side && r.at == at);
        found.flat_map(|r| r.rounds.iter().map(&figure)).collect()
    }

    /// Bytes in and out, in GB a second.
    pub fn gigabytes(&self, rate: f64) -> f64 {
        rate * 2.0 * self.bytes as f64 / 1e9
    }
}
