//! `hostler compile`: fills the cache, so that a container starts from compiled artefacts.

use std::sync::Arc;

use super::error::AppError;
use super::plan::Plan;
use crate::backend::onnx::Runtime;
use crate::config::Settings;
use crate::pipeline::{ReplicaContext, Wake};

/// Builds and runs one replica of each model on each kind of device it was placed on. Gives a line a model.
///
/// # Errors
/// The first model that cannot be compiled.
pub fn compile(plan: Plan, settings: &Settings, runtime: Option<&Runtime>) -> Result<Vec<String>, AppError> {
    let mut lines = Vec::new();
    for planned in plan.models {
        let name = Arc::clone(&planned.spec.name);
        let Some(build) = planned.spec.builder.make(runtime) else {
            let told = format!("model {name:?} cannot be compiled: ONNX Runtime was not loaded");
            return Err(AppError::Compile(told));
        };
        let mut devices = planned.devices.clone();
        devices.sort_unstable();
        devices.dedup_by_key(|d| d.kind());
        for device in devices {
            let cache_dir = settings.model_cache_dir.join(&*name);
            let context = ReplicaContext {
                model: Arc::clone(&name),
                replica: 0,
                device,
                threads: planned.threads,
                cache_dir,
                wake: Wake::for_this_thread(),
                store: None,
            };
            let failed =
                |e: crate::Error| AppError::Compile(format!("model {name:?} cannot be compiled for {device}: {e}"));
            build
                .build(&context)
                .and_then(|mut pipeline| pipeline.compile())
                .map_err(failed)?;
            lines.push(format!(
                "{name}: compiled for {device} in {}",
                context.cache_dir.display()
            ));
        }
    }
    Ok(lines)
}
