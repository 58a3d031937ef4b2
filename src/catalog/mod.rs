//! A model folder becomes a model: its manifest, else a recognised Hugging Face layout, else a bare graph.
//!
//! Says what a folder is and why, and what would start it; starts nothing.

mod isolated;
mod manifest;
mod native;
mod python;
mod recognise;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use isolated::serve_isolated;
pub use manifest::{Isolation, MANIFEST, Manifest};
pub use recognise::{GRAPH_FILES, Recognised};

use crate::backend::python as python_backend;
use crate::config::ModelEntry;
use crate::contract::{Contract, Example, Manner};
use crate::device::DeviceKind;
use crate::models::Builder;

/// A call of a replica's process may take this long where no limit of a request says less.
const LONGEST_CALL: Duration = Duration::from_secs(3600);

/// What a folder is read with, beside its entry.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// `SERVER_MODEL_CACHE_DIR`.
    pub cache_dir: std::path::PathBuf,
    /// The environment that processes of replicas start from.
    pub environment: BTreeMap<String, String>,
    /// How long a model may take to get ready.
    pub wait_timeout: Duration,
    /// The longest time of a request, where the settings have one.
    pub request_timeout: Option<Duration>,
}

/// A model of the catalog, with all that is known before it is started.
pub struct ModelSpec {
    pub name: Arc<str>,
    pub task: &'static str,
    /// Why it is served as this task, in a sentence.
    pub why: String,
    pub description: Option<String>,
    /// Ways into it, the first being its own path.
    pub routes: Vec<SpecRoute>,
    /// Bytes of weights on disk.
    pub weight_bytes: u64,
    /// The manifest, overridden by the entry of `SERVER_MODELS`.
    pub settings: Manifest,
    /// The most rows a run may take.
    pub max_batch_size: usize,
    pub runs_on: &'static [DeviceKind],
    /// Whether it is mounted at the root when it is the only model, as the servers it comes from were.
    pub wants_root: bool,
    pub builder: Builder,
}

/// One way into a model.
pub struct SpecRoute {
    /// Below the model's own path; `/` is that path itself.
    pub path: String,
    /// Mounted there and not below the model.
    pub absolute: bool,
    pub handler: usize,
    pub contract: Arc<Contract>,
    pub manner: Manner,
    /// A sentence for the docs.
    pub summary: Option<String>,
}

impl SpecRoute {
    /// The only way into a model that has one.
    fn only(contract: Contract) -> Vec<Self> {
        vec![Self {
            path: "/".to_owned(),
            absolute: false,
            handler: 0,
            contract: Arc::new(contract),
            manner: Manner::default(),
            summary: None,
        }]
    }
}

impl ModelSpec {
    /// The contract at the model's own path.
    pub fn contract(&self) -> &Contract {
        &self.routes[0].contract
    }
}

/// Reads a model folder, as the entry asks.
///
/// # Errors
/// Sentences that say which file or key is missing or wrong.
pub fn load(folder: &Path, entry: &ModelEntry, surroundings: &Surroundings) -> Result<ModelSpec, Vec<String>> {
    let settings = overridden(Manifest::read(folder)?, entry);
    // Who put Python beside a graph wants it to run, unless the manifest names another task.
    let python = python_backend::is_python(folder) && settings.task.as_deref().is_none_or(|t| t == python::PYTHON);
    let mut spec = if python {
        python::load(folder, entry, settings, surroundings)
    } else if settings.task.as_deref() == Some(python::PYTHON) {
        let files = python_backend::FILES.join(", ");
        Err(vec![format!(
            "model.toml: task is python, but the folder has none of {files}"
        )])
    } else {
        native::load(folder, entry, settings, surroundings)
    }?;
    if let (Some(route), false) = (spec.routes.first_mut(), spec.settings.examples.is_empty()) {
        let example = |e: &manifest::ManifestExample| Example {
            summary: e.summary.clone(),
            request: e.request.clone(),
        };
        if let Some(contract) = Arc::get_mut(&mut route.contract) {
            contract.examples = spec.settings.examples.iter().map(example).collect();
        }
    }
    Ok(spec)
}

/// What the entry says goes before what the manifest says.
fn overridden(manifest: Manifest, entry: &ModelEntry) -> Manifest {
    Manifest {
        endpoint: entry.endpoint.clone().or(manifest.endpoint),
        replicas: entry.replicas.or(manifest.replicas),
        devices: entry.devices.clone().or(manifest.devices),
        max_batch_size: entry.max_batch_size.or(manifest.max_batch_size),
        max_queue_delay_ms: entry
            .max_queue_delay
            .map(|d| d.as_secs_f64() * 1000.0)
            .or(manifest.max_queue_delay_ms),
        queue_size: entry.queue_size.or(manifest.queue_size),
        threads: entry.threads.or(manifest.threads),
        request_timeout: entry
            .request_timeout
            .map(|d| d.as_secs_f64())
            .or(manifest.request_timeout),
        ..manifest
    }
}
