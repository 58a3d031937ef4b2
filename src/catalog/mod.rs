//! A model folder becomes a model: its manifest, else a recognised Hugging Face layout, else a bare graph.
//!
//! Says what a folder is and why; starts nothing.

mod manifest;
mod recognise;

use std::path::Path;
use std::sync::Arc;

pub use manifest::{MANIFEST, Manifest};
pub use recognise::{GRAPH_FILES, Recognised};

use crate::backend::onnx::{Graph, OnnxOptions};
use crate::config::ModelEntry;
use crate::contract::{Contract, Example};
use crate::models::{self, HfConfig, Loaded, Source};

/// A model of the catalog, with all that is known before it is started.
pub struct ModelSpec {
    pub name: Arc<str>,
    pub task: &'static str,
    /// Why it is served as this task, in a sentence.
    pub why: String,
    pub description: Option<String>,
    pub contract: Arc<Contract>,
    /// Bytes of weights on disk.
    pub weight_bytes: u64,
    /// The manifest, overridden by the entry of `SERVER_MODELS`.
    pub settings: Manifest,
    /// The most rows a run may take.
    pub max_batch_size: usize,
    pub loaded: LoadedParts,
}

/// What starts the model.
pub struct LoadedParts {
    pub runs_on: &'static [crate::device::DeviceKind],
    pub builder: models::Builder,
}

/// Reads a model folder, as the entry asks.
///
/// # Errors
/// Sentences that say which file or key is missing or wrong.
pub fn load(folder: &Path, entry: &ModelEntry) -> Result<ModelSpec, Vec<String>> {
    let settings = overridden(Manifest::read(folder)?, entry);
    let one = |fault: String| vec![fault];
    let config = HfConfig::read(folder).map_err(one)?;
    let recognised = recognise::recognise(folder, &settings, config.as_ref()).map_err(one)?;
    let graph = Graph::read(&recognised.file).map_err(|e| one(e.to_string()))?;
    let weight_bytes = graph.weight_bytes;
    let batched = graph.signature.batched();
    let asked = settings.max_batch_size;
    if let Some(asked) = asked.filter(|n| *n > 1 && !batched) {
        return Err(one(format!(
            "max_batch_size is {asked}, but the graph cannot batch: its inputs and outputs do not share one symbolic \
             first axis; set max_batch_size to 1 or export the model with a dynamic batch axis"
        )));
    }
    let max_batch_size = asked.unwrap_or(if batched { models::DEFAULT_BATCH_SIZE } else { 1 });
    let source = Source {
        folder,
        file: &recognised.file,
        graph,
        config: config.as_ref(),
        options: OnnxOptions {
            tensorrt: settings.tensorrt,
        },
        max_batch_size,
    };
    let load = recognised
        .task
        .map_or(models::tensor::load as fn(_) -> _, |task| task.load);
    let Loaded {
        mut contract,
        runs_on,
        builder,
    } = load(&source).map_err(|e| one(format!("as {}: {e}", recognised.name())))?;
    if !settings.examples.is_empty() {
        let example = |e: &manifest::ManifestExample| Example {
            summary: e.summary.clone(),
            request: e.request.clone(),
        };
        contract = contract.with_examples(settings.examples.iter().map(example).collect());
    }
    Ok(ModelSpec {
        name: entry.name.as_str().into(),
        task: recognised.name(),
        why: recognised.why,
        description: settings.description.clone(),
        contract: Arc::new(contract),
        weight_bytes,
        max_batch_size,
        settings,
        loaded: LoadedParts { runs_on, builder },
    })
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
