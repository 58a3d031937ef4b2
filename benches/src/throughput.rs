//! Measures a group: all sides in turn, round by round, so that a drift of the machine meets every side.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::json;

use crate::bare;
use crate::echo;
use crate::figures::Figures;
use crate::groups::{Group, Variant};
use crate::load::Target;
use crate::local::Local;
use crate::models::{Body, Form};
use crate::plain;
use crate::server::{Config, Hostler};
use crate::setup::Setup;

/// Replicas of one thread, and threads of the bare loop.
const REPLICAS: usize = 2;
const CONCURRENCY: [usize; 2] = [1, 32];

/// Who was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Hostler { variant: &'static str, concurrency: usize },
    Echo { form: Form, concurrency: usize },
    Plain { concurrency: usize },
    Bare { threads: usize },
}

impl Side {
    pub fn name(self) -> String {
        match self {
            Self::Hostler { variant, .. } => format!("hostler, {variant}"),
            Self::Echo { form, .. } => format!("echo, {}", form.name()),
            Self::Plain { .. } => "axum + ONNX Runtime".to_owned(),
            Self::Bare { .. } => "bare ONNX Runtime".to_owned(),
        }
    }

    /// Requests under way at a time, or threads of the bare loop.
    pub const fn at(self) -> usize {
        match self {
            Self::Hostler { concurrency, .. } | Self::Echo { concurrency, .. } | Self::Plain { concurrency } => {
                concurrency
            }
            Self::Bare { threads } => threads,
        }
    }
}

/// One side's figures, round by round.
pub struct Measured {
    pub side: Side,
    pub rounds: Vec<Figures>,
}

/// All sides of a group.
pub struct Results {
    pub model: &'static str,
    pub title: &'static str,
    pub sides: Vec<Measured>,
    pub bodies: Vec<(Form, usize)>,
}

impl Results {
    /// A figure of one side, round by round; nothing when the side was not measured.
    pub fn rounds(&self, side: Side, figure: impl Fn(&Figures) -> f64) -> Vec<f64> {
        let found = self.sides.iter().filter(|m| m.side == side);
        found.flat_map(|m| m.rounds.iter().map(&figure)).collect()
    }
}

/// The processes and files of a group.
struct Stage {
    graph: PathBuf,
    servers: Vec<(Variant, Hostler)>,
    echo: Local,
    /// For models whose rows are lists.
    plain: Option<Local>,
    bodies: Vec<(Form, Body)>,
}

/// Measures the servers of the group that the filter lets through, and nothing when there are none.
pub fn run(setup: &Setup, group: &Group) -> Result<Option<Results>> {
    let wanted: Vec<_> = group
        .servers
        .iter()
        .filter(|s| setup.wants(&group.case(s)))
        .copied()
        .collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    let stage = Stage::set(setup, group, &wanted)?;
    let mut sides: Vec<_> = stage
        .sides()
        .into_iter()
        .map(|side| Measured {
            side,
            rounds: Vec::new(),
        })
        .collect();
    for round in 1..=setup.rounds {
        for measured in &mut sides {
            let (name, at) = (measured.side.name(), measured.side.at());
            eprintln!("{}, round {round} of {}: {name}, {at}", group.model.name, setup.rounds);
            measured.rounds.push(stage.measure(setup, group, measured.side)?);
        }
    }
    Ok(Some(Results {
        model: group.model.name,
        title: group.title,
        sides,
        bodies: stage.bodies.iter().map(|(form, body)| (*form, body.bytes)).collect(),
    }))
}

impl Stage {
    fn set(setup: &Setup, group: &Group, wanted: &[Variant]) -> Result<Self> {
        let models_dir = setup.subfolder("models")?;
        let graph = group.model.write(&models_dir)?;
        let (mut servers, mut bodies) = (Vec::new(), Vec::new());
        for variant in wanted {
            let mut entry = json!({"model": group.model.name, "replicas": REPLICAS, "threads": 1});
            if let Some(size) = variant.max_batch_size {
                entry["max_batch_size"] = size.into();
            }
            let config = Config {
                models_dir: &models_dir,
                cache_dir: &setup.subfolder("cache")?,
                models: &json!([entry]),
            };
            servers.push((*variant, Hostler::start(setup, &config)?));
            if bodies.iter().all(|(form, _)| *form != variant.form) {
                bodies.push((variant.form, Body::write(setup, &group.model, variant.form)?));
            }
        }
        let rows = group.model.shape.len() == 2;
        let plain = rows
            .then(|| plain::start(&setup.library, &graph, REPLICAS))
            .transpose()?;
        Ok(Self {
            graph,
            servers,
            echo: echo::start()?,
            plain,
            bodies,
        })
    }

    /// In the order they are measured: the two sides of a ratio are neighbours.
    fn sides(&self) -> Vec<Side> {
        let mut sides = vec![Side::Bare { threads: 1 }];
        for concurrency in CONCURRENCY {
            sides.extend(self.servers.iter().map(|(variant, _)| Side::Hostler {
                variant: variant.name,
                concurrency,
            }));
            sides.extend(self.plain.iter().map(|_| Side::Plain { concurrency }));
            sides.extend(self.bodies.iter().map(|(form, _)| Side::Echo {
                form: *form,
                concurrency,
            }));
        }
        sides.push(Side::Bare { threads: REPLICAS });
        sides
    }

    fn measure(&self, setup: &Setup, group: &Group, side: Side) -> Result<Figures> {
        match side {
            Side::Bare { threads } => bare::measure(setup, &group.model, &self.graph, threads),
            Side::Echo { form, concurrency } => {
                let target = Target {
                    url: &self.echo.url,
                    pid: self.echo.pid(),
                    body: self.body(form)?,
                };
                target.measure(setup, concurrency)
            }
            Side::Plain { concurrency } => {
                let plain = self.plain.as_ref().context("a side without its server")?;
                let target = Target {
                    url: &plain.url,
                    pid: plain.pid(),
                    body: self.body(Form::Json)?,
                };
                target.measure(setup, concurrency)
            }
            Side::Hostler { variant, concurrency } => {
                let found = self.servers.iter().find(|(v, _)| v.name == variant);
                let (variant, server) = found.context("a side without its server")?;
                let target = Target {
                    url: &server.url(group.model.name),
                    pid: server.pid(),
                    body: self.body(variant.form)?,
                };
                target.measure(setup, concurrency)
            }
        }
    }

    fn body(&self, form: Form) -> Result<&Body> {
        let found = self.bodies.iter().find(|(f, _)| *f == form);
        found.map(|(_, body)| body).context("a side without its body")
    }
}
