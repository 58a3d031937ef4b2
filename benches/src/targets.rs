//! The figures to reach, each a ratio or a difference within one run.

use crate::figures::Figures;
use crate::groups::{BATCHING_OFF, BATCHING_ON};
use crate::models::{COMPUTE, Form, IMAGE, TINY};
use crate::stats::median;
use crate::throughput::{Results, Side};

#[derive(Clone, Copy)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// Shown beside the others.
    Open,
}

/// A figure to reach, and what was reached in each round.
pub struct Target {
    pub name: String,
    pub bound: Bound,
    pub unit: &'static str,
    pub rounds: Vec<f64>,
}

impl Target {
    pub fn reached(&self) -> f64 {
        median(&self.rounds)
    }

    pub fn met(&self) -> bool {
        match self.bound {
            Bound::AtLeast(least) => self.reached() >= least,
            Bound::AtMost(most) => self.reached() <= most,
            Bound::Open => true,
        }
    }
}

const BARE: Side = Side::Bare { threads: 2 };
const BARE_ALONE: Side = Side::Bare { threads: 1 };

const fn hostler(variant: &'static str, concurrency: usize) -> Side {
    Side::Hostler { variant, concurrency }
}

/// The targets of a group's results; sides that were not measured give none.
pub fn of(results: &Results) -> Vec<Target> {
    let compare =
        |name: &str, bound, unit, figure: fn(&Figures) -> f64, sides: [Side; 2], with: fn(f64, f64) -> f64| {
            let [ours, theirs] = sides.map(|side| results.rounds(side, figure));
            Target {
                name: name.to_owned(),
                bound,
                unit,
                rounds: ours.iter().zip(&theirs).map(|(a, b)| with(*a, *b)).collect(),
            }
        };
    let rate = |name, least, ours, theirs| {
        let sides = [ours, theirs];
        compare(name, Bound::AtLeast(least), "", |f| f.rate, sides, |a, b| a / b)
    };
    let echo = |form| Side::Echo { form, concurrency: 32 };
    let (off, on) = (hostler(BATCHING_OFF, 32), hostler(BATCHING_ON, 32));
    let mut targets = Vec::new();
    for (variant, ours) in [(BATCHING_OFF, off), (BATCHING_ON, on)] {
        let name = format!("{} at 32, {variant} ÷ axum + ONNX Runtime", results.model);
        let sides = [ours, Side::Plain { concurrency: 32 }];
        targets.push(compare(&name, Bound::Open, "", |f| f.rate, sides, |a, b| a / b));
    }
    if results.model == COMPUTE.name {
        targets.push(rate("compute-bound at 32, batching off ÷ bare", 0.85, off, BARE));
        targets.push(compare(
            "compute-bound at 32, batching off: server CPU per request − bare CPU per run",
            Bound::AtMost(0.12),
            "ms",
            |f| f.cpu / 1000.0,
            [off, BARE],
            |a, b| a - b,
        ));
        targets.push(rate("compute-bound at 32, batching on ÷ bare", 2.5, on, BARE));
    } else if results.model == TINY.name {
        targets.push(rate("tiny at 32, batching off ÷ echo", 0.5, off, echo(Form::Json)));
        targets.push(rate("tiny at 32, batching on ÷ echo", 0.5, on, echo(Form::Json)));
        for variant in [BATCHING_OFF, BATCHING_ON] {
            targets.push(compare(
                &format!("tiny at 1, {variant}: p50 − p50 of one bare run"),
                Bound::AtMost(60.0),
                "µs",
                |f| f.p50,
                [hostler(variant, 1), BARE_ALONE],
                |a, b| a - b,
            ));
        }
    } else if results.model == IMAGE.name {
        let raw = hostler(Form::Raw.name(), 32);
        targets.push(rate("image at 32, raw bytes ÷ echo", 0.7, raw, echo(Form::Raw)));
    }
    targets.retain(|target| !target.rounds.is_empty());
    targets
}
