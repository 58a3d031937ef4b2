//! The compiled form of a model for the CPU: its optimised graph, kept in the cache under a name that changes
//! with everything it depends on.

use std::path::{Path, PathBuf};

use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;

use super::graph;
use super::library::Runtime;
use super::weights::LEAST;

const GRAPH: &str = "model.onnx";
const WEIGHTS: &str = "weights.bin";

/// The optimised graph of `model`, from the cache or made now. Returns its path.
///
/// # Errors
/// When the model cannot be read or optimised, or the cache cannot be written; the model itself serves then.
pub fn optimised(runtime: &Runtime, model: &Path, cache: &Path) -> Result<PathBuf, String> {
    let folder = cache.join(key(model)?);
    let graph = folder.join(GRAPH);
    if graph.is_file() {
        return Ok(graph);
    }
    // Made aside and renamed, so that a process that dies midway, or another one at work, leaves no half artefact.
    let aside = cache.join(format!(".{:016x}", fastrand::u64(..)));
    std::fs::create_dir_all(&aside).map_err(|e| format!("{}: {e}", cache.display()))?;
    let made = optimise(runtime, model, &aside.join(GRAPH)).map_err(|e| e.to_string());
    let placed = made.and_then(|()| match std::fs::rename(&aside, &folder) {
        Err(e) if !graph.is_file() => Err(e.to_string()),
        _ => Ok(graph),
    });
    // Gone already after a rename; left over when something failed or another process was first.
    drop(std::fs::remove_dir_all(&aside));
    placed
}

fn optimise(runtime: &Runtime, model: &Path, to: &Path) -> ort::Result<()> {
    Session::builder(&runtime.environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(1)?
        // It warns that layouts are of this machine; the key of the artefact knows.
        .with_log_level(ort::logging::LogLevel::Error)?
        .with_optimized_model_path(to)?
        .with_config_entry("session.optimized_model_external_initializers_file_name", WEIGHTS)?
        .with_config_entry(
            "session.optimized_model_external_initializers_min_size_in_bytes",
            LEAST.to_string(),
        )?
        .commit_from_file(model)?;
    Ok(())
}

/// Hash of the model, its external files, the library and the instruction sets its layouts depend on.
fn key(model: &Path) -> Result<String, String> {
    let mut hasher = blake3::Hasher::new();
    let mut add = |path: &Path| {
        std::fs::File::open(path)
            .and_then(|file| hasher.update_reader(file).map(|_| ()))
            .map_err(|e| format!("{}: {e}", path.display()))
    };
    add(model)?;
    let folder = model.parent().unwrap_or(Path::new("."));
    for file in graph::external_files(model).map_err(|e| e.to_string())? {
        add(&folder.join(file))?;
    }
    hasher.update(Runtime::version().as_bytes());
    hasher.update(std::env::consts::ARCH.as_bytes());
    #[cfg(target_arch = "x86_64")]
    hasher.update(&[
        u8::from(std::is_x86_feature_detected!("avx2")),
        u8::from(std::is_x86_feature_detected!("avx512f")),
        u8::from(std::is_x86_feature_detected!("avx512vnni")),
    ]);
    Ok(hasher.finalize().to_hex()[..24].to_owned())
}
