//! A folder with an ONNX graph.

use std::path::{Path, PathBuf};

use super::isolated;
use super::manifest::{Isolation, Manifest};
use super::recognise::recognise;
use super::{ModelSpec, SpecRoute, Surroundings};
use crate::backend::onnx::{Graph, OnnxOptions};
use crate::config::ModelEntry;
use crate::models::{self, Builder, GraphFile, Graphs, HfConfig, Loaded, Source};

/// # Errors
/// Sentences that say which file or key is missing or wrong.
pub fn load(
    folder: &Path,
    entry: &ModelEntry,
    settings: Manifest,
    surroundings: &Surroundings,
) -> Result<ModelSpec, Vec<String>> {
    let one = |fault: String| vec![fault];
    let config = HfConfig::read(folder).map_err(one)?;
    let recognised = recognise(folder, &settings, config.as_ref()).map_err(one)?;
    let graph = Graph::read(&recognised.file).map_err(|e| one(e.to_string()))?;
    let read = |path: &PathBuf| {
        let graph = Graph::read(path).map_err(|e| one(e.to_string()))?;
        Ok::<_, Vec<String>>(GraphFile {
            path: path.clone(),
            graph,
        })
    };
    let others: Vec<GraphFile> = recognised.others.iter().map(read).collect::<Result<_, _>>()?;
    let others_bytes = others.iter().map(|other| other.graph.weight_bytes);
    let weight_bytes = others_bytes.fold(graph.weight_bytes, u64::saturating_add);
    // A task that takes several graphs looks itself at what rows have in common.
    let several = recognised.task.is_some_and(|t| matches!(t.graphs, Graphs::Sets(_)));
    let batched = several || graph.signature.batched();
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
        others,
        config: config.as_ref(),
        named: settings.task.as_deref(),
        options: OnnxOptions {
            tensorrt: settings.tensorrt,
        },
        max_batch_size,
    };
    let load = recognised
        .task
        .map_or(models::tensor::load as fn(_) -> _, |task| task.load);
    let mut loaded = load(&source).map_err(|e| one(format!("as {}: {e}", recognised.name())))?;
    if settings.isolation == Isolation::Process {
        let Loaded { contract, runs_on, .. } = loaded;
        let isolated = isolated::Isolated::new(folder, &settings, surroundings, max_batch_size, &contract);
        loaded = Loaded {
            contract: contract.forwarded(),
            runs_on,
            builder: Builder::Ready(isolated),
        };
    }
    Ok(ModelSpec {
        name: entry.name.as_str().into(),
        task: recognised.name(),
        why: recognised.why.clone(),
        description: settings.description.clone(),
        routes: SpecRoute::only(loaded.contract),
        weight_bytes,
        max_batch_size,
        settings,
        runs_on: loaded.runs_on,
        wants_root: false,
        builder: loaded.builder,
    })
}
