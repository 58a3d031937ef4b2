//! `hostler replica`: the process of an isolated replica.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use super::error::AppError;
use super::load_runtime;
use crate::catalog::serve_isolated;
use crate::config;
use crate::error::Error;
use crate::ipc::PARENT;

/// Serves one model to the server that started this process.
///
/// # Errors
/// When it was started by hand, the wire fails, or the model cannot be loaded.
pub fn replica() -> Result<(), AppError> {
    let parent = config::environment().get(PARENT).and_then(|id| id.parse::<u32>().ok());
    if std::io::stdin().is_terminal() || parent != Some(std::os::unix::process::parent_id()) {
        let told =
            "hostler replica is what the server starts for models with isolation = \"process\"; run hostler serve";
        return Err(AppError::Compile(told.to_owned()));
    }
    let socket = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(AppError::System)?;
    let runtime = || load_runtime().map_err(|e| Error::pipeline(e.to_string()));
    serve_isolated(socket, runtime).map_err(|e| AppError::Compile(e.to_string()))
}
