//! What would be started: every model with its contract, replicas and devices, before anything runs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::error::AppError;
use crate::catalog::{self, ModelSpec, Surroundings};
use crate::config::{self, ModelEntry, Settings};
use crate::contract::Contract;
use crate::device::{Demand, Device, Inventory, discover, place};

/// The plan of a server.
pub struct Plan {
    pub inventory: Inventory,
    pub models: Vec<Planned>,
}

/// One model of the plan.
pub struct Planned {
    pub spec: ModelSpec,
    /// One device a replica.
    pub devices: Vec<Device>,
    /// Threads inside one run of a replica.
    pub threads: usize,
    pub queue_size: usize,
    pub request_timeout: Option<Duration>,
}

impl Plan {
    /// Reads every model folder and places every replica.
    ///
    /// # Errors
    /// All faults of all models together.
    pub fn make(settings: &Settings) -> Result<Self, AppError> {
        let mut faults = Vec::new();
        let mut specs = Vec::new();
        let variables = config::environment();
        let surroundings = Surroundings {
            cache_dir: settings.model_cache_dir.clone(),
            environment: variables.clone(),
            wait_timeout: settings.wait_timeout,
            request_timeout: settings.request_timeout,
        };
        for entry in &settings.models {
            match catalog::load(&settings.models_dir.join(&entry.name), entry, &surroundings) {
                Ok(spec) => specs.push(spec),
                Err(told) => faults.extend(told.into_iter().map(|fault| format!("model {:?}: {fault}", entry.name))),
            }
        }
        if let ([only], 1) = (&mut specs[..], settings.models.len())
            && only.wants_root
        {
            only.settings.mount = Some("/".to_owned());
        }
        faults.extend(collisions(&specs));
        let inventory = discover(&settings.devices, &|name| variables.get(name).cloned())
            .map_err(|told| faults.extend(told.iter().map(|f| format!("SERVER_DEVICES: {f}"))))
            .unwrap_or_default();
        let demands: Vec<_> = specs.iter().map(demand).collect();
        // Without an inventory every demand would fail, for a reason that is told already.
        let placed = if inventory.devices.is_empty() {
            Ok(Vec::new())
        } else {
            place(&demands, &inventory)
        };
        let placed = placed
            .map_err(|told| faults.extend(told.iter().map(ToString::to_string)))
            .unwrap_or_default();
        if !faults.is_empty() {
            return Err(AppError::Settings(faults));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let models = specs.into_iter().zip(placed).map(|(spec, devices)| Planned {
            threads: spec.settings.threads.unwrap_or((cores / devices.len()).max(1)),
            queue_size: spec.settings.queue_size.unwrap_or(settings.queue_size),
            request_timeout: spec.settings.request_timeout().or(settings.request_timeout),
            spec,
            devices,
        });
        let models = models.collect();
        Ok(Self { inventory, models })
    }

    /// The plan as a table for people.
    pub fn table(&self) -> String {
        let head = ["MODEL", "TASK", "CONTRACT", "REPLICAS", "DEVICES", "BATCH", "MEMORY"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(head)
            .chain(self.models.iter().map(Planned::row))
            .collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<_> = (0..7).map(width).collect();
        let mut text = String::new();
        for row in &rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
        for planned in &self.models {
            let _ = writeln!(
                text,
                "\n{}: served as {} because {}.",
                planned.spec.name, planned.spec.task, planned.spec.why
            );
        }
        for note in &self.inventory.notes {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }

    /// The plan for programs.
    pub fn json(&self) -> Value {
        json!({
            "models": self.models.iter().map(Planned::json).collect::<Vec<_>>(),
            "devices": self.inventory.devices,
            "notes": self.inventory.notes,
        })
    }
}

/// Two models at one path; a fault of settings, since manifests may add paths as entries do.
fn collisions(specs: &[ModelSpec]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    for spec in specs {
        for path in spec.paths() {
            if let Some(other) = taken.insert(path.clone(), &spec.name) {
                faults.push(format!(
                    "models {other:?} and {:?} are both mounted at {path}; change one endpoint",
                    spec.name
                ));
            }
        }
    }
    faults
}

fn demand(spec: &ModelSpec) -> Demand<'_> {
    Demand {
        model: &spec.name,
        replicas: spec.settings.replicas.unwrap_or(1),
        devices: spec.settings.devices.as_deref(),
        devices_per_replica: spec.settings.devices_per_replica.unwrap_or(1),
        runs_on: spec.runs_on,
    }
}

impl Planned {
    /// Weights: once for the replicas on the CPU, which share them, and once for each replica elsewhere.
    fn memory(&self) -> u64 {
        let on_cpu = self.devices.contains(&Device::Cpu);
        let elsewhere = self.devices.iter().filter(|d| **d != Device::Cpu).count() as u64;
        self.spec.weight_bytes.saturating_mul(elsewhere + u64::from(on_cpu))
    }

    fn devices_text(&self) -> String {
        let mut counts: BTreeMap<Device, usize> = BTreeMap::new();
        self.devices.iter().for_each(|d| *counts.entry(*d).or_default() += 1);
        counts
            .iter()
            .map(|(d, n)| if *n > 1 { format!("{d}×{n}") } else { d.to_string() })
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// One line for people: how the model is served.
    pub fn line(&self) -> String {
        let n = self.devices.len();
        format!(
            "{n} replica{} on {}",
            if n == 1 { "" } else { "s" },
            self.devices_text()
        )
    }

    fn row(&self) -> [String; 7] {
        let delay = self.spec.settings.max_queue_delay_ms.filter(|ms| *ms > 0.0);
        [
            self.spec.name.to_string(),
            self.spec.task.to_owned(),
            contract_text(self.spec.contract()),
            self.devices.len().to_string(),
            self.devices_text(),
            format!(
                "{}{}",
                self.spec.max_batch_size,
                delay.map(|ms| format!(", {ms} ms")).unwrap_or_default()
            ),
            match self.memory() {
                // Python tells nothing of its memory before it runs.
                0 => "unknown".to_owned(),
                bytes => format!("{:.1} MiB", mebibytes(bytes)),
            },
        ]
    }

    fn json(&self) -> Value {
        json!({
            "model": self.spec.name,
            "task": self.spec.task,
            "why": self.spec.why,
            "paths": self.spec.paths(),
            "contract": {"input": self.spec.contract().input.root, "output": self.spec.contract().output.root},
            "replicas": self.devices.len(),
            "devices": self.devices,
            "threads": self.threads,
            "max_batch_size": self.spec.max_batch_size,
            "max_queue_delay_ms": self.spec.settings.max_queue_delay_ms.unwrap_or(0.0),
            "queue_size": self.queue_size,
            "request_timeout": self.request_timeout.map(|t| t.as_secs_f64()),
            "memory_bytes": self.memory(),
        })
    }
}

#[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// `image: FP32[batch, 8, 8] → label: INT64[batch]`, or the fields of a typed contract.
fn contract_text(contract: &Contract) -> String {
    if let Some(signature) = contract.signature() {
        let side = |specs: &[crate::contract::TensorSpec]| {
            specs
                .iter()
                .map(|s| format!("{}: {}{}", s.name, s.dtype, s.shape_text()))
                .collect::<Vec<_>>()
                .join(", ")
        };
        return format!("{} → {}", side(&signature.inputs), side(&signature.outputs));
    }
    let fields = |schema: &Value| {
        let properties = schema["properties"].as_object();
        properties.map_or_else(
            || "any JSON".into(),
            |p| p.keys().cloned().collect::<Vec<_>>().join(", "),
        )
    };
    format!("{} → {}", fields(&contract.input.root), fields(&contract.output.root))
}

/// A plan for one folder, for tools and tests.
impl Plan {
    /// # Errors
    /// As [`Plan::make`].
    pub fn of_entry(settings: &Settings, entry: ModelEntry) -> Result<Self, AppError> {
        Self::make(&Settings {
            models: vec![entry],
            ..settings.clone()
        })
    }
}
