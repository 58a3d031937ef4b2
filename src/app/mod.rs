//! The composition root: settings → devices → catalog → groups → service → listener, and the way back down.

mod compile;
mod error;
mod plan;
mod replica;
mod run;
mod start;
mod stores;

use std::path::PathBuf;

pub use compile::compile;
pub use error::AppError;
pub use plan::Plan;
pub use replica::replica;
pub use run::{DRAIN_LEAST, Listening, bind, serve, shutdown_signal};
pub use start::{HANG_GRACE, start};
pub use stores::Stores;

use crate::backend::onnx::{Runtime, search_path};
use crate::config::{self, Settings};

/// Loads ONNX Runtime from where the environment, the executable or the working directory has it.
///
/// # Errors
/// When it is nowhere, or cannot be used.
pub fn load_runtime() -> Result<Runtime, AppError> {
    let overridden = config::environment().get("ORT_DYLIB_PATH").map(PathBuf::from);
    let executable = std::env::current_exe().ok();
    let working_dir = std::env::current_dir().unwrap_or_default();
    let search = search_path(overridden.as_deref(), executable.as_deref(), &working_dir);
    Runtime::load(&search).map_err(AppError::Library)
}

/// ONNX Runtime, where a model of the plan needs it: a server of Python pipelines alone does without.
///
/// # Errors
/// As [`load_runtime`].
pub fn needed_runtime(plan: &Plan) -> Result<Option<Runtime>, AppError> {
    let needed = plan.models.iter().any(|m| m.spec.builder.needs_runtime());
    needed.then(load_runtime).transpose()
}

/// Runs the server of the settings until a signal ends it.
///
/// # Errors
/// What kept it from starting.
pub fn run(settings: &Settings) -> Result<(), AppError> {
    let plan = Plan::make(settings)?;
    let runtime = needed_runtime(&plan)?;
    let front = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.num_workers)
        .thread_name("front")
        .enable_all()
        .build()
        .map_err(AppError::System)?;
    front.block_on(async {
        let listener = bind(settings.host, settings.port).await?;
        let stores = Stores::of(settings)?;
        let service = start(plan, settings, runtime.as_ref(), &stores.values)?;
        serve(listener, service, stores, settings, shutdown_signal()).await
    })
}
