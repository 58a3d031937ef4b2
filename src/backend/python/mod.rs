//! Python pipelines: the folder is described by its own interpreter, each replica is a child process of it.
//!
//! Knows which interpreter a folder has, what the worker says of the folder, and how a replica's process is started.
//! What a dialect means is known in `python/hostler_worker` alone.

mod contract;
mod describe;
mod interpreter;
mod replica;
mod worker;

pub use contract::RouteContract;
pub use describe::{DescribedRoute, Description};
pub use interpreter::Interpreter;
pub use replica::{ProcessLimits, PythonModel};

use std::path::Path;

/// Files whose presence makes a folder a Python pipeline; what they are is for the worker to say.
pub const FILES: [&str; 3] = ["pipeline.py", "app.py", "model.py"];

/// Whether a folder holds Python to serve.
pub fn is_python(folder: &Path) -> bool {
    FILES.iter().any(|file| folder.join(file).is_file())
}
