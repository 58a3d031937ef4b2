//! The graphs of a folder, or which are missing.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

use super::listing::{GRAPH_FOLDERS, holds, remedy};
use crate::catalog::manifest::Manifest;

/// Where a folder's graph is looked for, in order: as exported, or in the sub-folder some exporters make.
pub const GRAPH_FILES: [&str; 2] = ["model.onnx", "onnx/model.onnx"];

/// The only graph of a task.
pub fn one(folder: &Path, manifest: &Manifest) -> Result<PathBuf, String> {
    if let Some(name) = &manifest.file {
        return named_file(folder, name);
    }
    GRAPH_FILES
        .iter()
        .map(|name| folder.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| {
            format!(
                "no {} in the folder, which holds {}{}",
                GRAPH_FILES.join(" and no "),
                holds(folder),
                remedy(folder)
            )
        })
}

/// The first of a task's sets of graphs that is there as a whole.
pub fn set(folder: &Path, manifest: &Manifest, sets: &[&[&str]]) -> Result<Vec<PathBuf>, String> {
    let one_is_enough = sets.iter().any(|set| set.len() == 1);
    if let Some(name) = &manifest.file {
        if one_is_enough {
            return Ok(vec![named_file(folder, name)?]);
        }
        return Err("model.toml: file names one graph, and the task takes several; leave it out".to_owned());
    }
    let looked = sets
        .iter()
        .flat_map(|set| GRAPH_FOLDERS.map(|place| Looked::at(folder, place, set)));
    let looked: Vec<Looked> = looked.collect();
    if let Some(whole) = looked.iter().find(|set| set.missing.is_empty()) {
        return Ok(whole.there.iter().map(|name| folder.join(name)).collect());
    }
    let begun = looked.iter().filter(|set| !set.there.is_empty());
    if let Some(begun) = begun.min_by_key(|set| (set.missing.len(), Reverse(set.there.len()))) {
        return Err(begun.told());
    }
    let sets: Vec<_> = sets.iter().map(|set| set.join(" with ")).collect();
    Err(format!(
        "it needs {} (in the folder or in onnx), and the folder holds {}{}",
        sets.join(", or "),
        holds(folder),
        if one_is_enough { remedy(folder) } else { String::new() }
    ))
}

/// What is there of a set of graphs in one place, and what is not.
struct Looked {
    there: Vec<String>,
    missing: Vec<String>,
}

impl Looked {
    fn at(folder: &Path, place: &str, set: &[&str]) -> Self {
        let names = set.iter().map(|name| format!("{place}{name}"));
        let (there, missing) = names.partition(|name| folder.join(name).is_file());
        Self { there, missing }
    }

    /// What is missing, in a sentence.
    fn told(&self) -> String {
        let verb = if self.missing.len() == 1 { "is" } else { "are" };
        let remedy = if self.missing.iter().any(|name| name.contains("_with_past")) {
            "; export the model with its cache, as a task that ends in -with-past"
        } else {
            ""
        };
        let (missing, there) = (self.missing.join(" and "), self.there.join(" and "));
        format!("{missing} {verb} missing beside {there}{remedy}")
    }
}

fn named_file(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let file = folder.join(name);
    if file.is_file() {
        Ok(file)
    } else {
        Err(format!("model.toml names {name}, which is not in the folder"))
    }
}
