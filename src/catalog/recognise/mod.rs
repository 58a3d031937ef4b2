//! Which task a folder is served as, and why.

mod graphs;
mod listing;
mod task;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use graphs::GRAPH_FILES;

use super::manifest::Manifest;
use crate::models::{Graphs, HfConfig, TENSOR, Task};

/// What a folder is.
pub struct Recognised {
    /// `None` for a plain tensor model.
    pub task: Option<&'static Task>,
    /// In a sentence.
    pub why: String,
    /// The graph, or the first of several.
    pub file: PathBuf,
    /// The other graphs of a task that takes several, in the order it names them.
    pub others: Vec<PathBuf>,
}

impl Recognised {
    pub fn name(&self) -> &'static str {
        self.task.map_or(TENSOR, |task| task.name)
    }
}

/// Looks at a folder.
///
/// # Errors
/// A sentence that says which file or key is missing.
pub fn recognise(folder: &Path, manifest: &Manifest, config: Option<&HfConfig>) -> Result<Recognised, String> {
    let (task, why) = match &manifest.task {
        Some(name) => (task::named(name)?, "model.toml says so".to_owned()),
        None => task::shown(folder, config),
    };
    let files = match task.map(|task| &task.graphs) {
        Some(Graphs::Sets(sets)) => graphs::set(folder, manifest, sets),
        Some(Graphs::One) | None => graphs::one(folder, manifest).map(|file| vec![file]),
    };
    // Where a graph is missing that another task would not need, what hid the task is what has to be mended.
    let doubtful = manifest.task.is_none() && why != task::BARE;
    let mut files = files.map_err(|told| match task {
        Some(task) => format!("as {}: {told}", task.name),
        None if doubtful => format!("{told}; no task is recognised because {why}"),
        None => told,
    })?;
    let others = files.split_off(1);
    let file = files.remove(0);
    Ok(Recognised {
        task,
        why,
        file,
        others,
    })
}
