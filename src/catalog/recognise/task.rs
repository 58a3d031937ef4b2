//! The task that a manifest names, or that the files of a folder show.

use std::path::Path;

use crate::models::{self, HfConfig, TENSOR, Task};

/// The list of modules that the sentence-transformers library writes.
const SENTENCE_MODULES: &str = "modules.json";
/// Files that stand beside `config.json` wherever a model was exported.
const EXPORTED: [&str; 4] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "generation_config.json",
    "preprocessor_config.json",
];
/// Of a folder that says nothing of a task.
pub const BARE: &str = "it is a bare graph";

/// The task that the manifest names; `None` for a plain tensor model.
pub fn named(name: &str) -> Result<Option<&'static Task>, String> {
    if name == TENSOR {
        return Ok(None);
    }
    let task = models::by_name(name).ok_or_else(|| {
        let known: Vec<_> = models::TASKS.iter().map(|t| t.name).chain([TENSOR]).collect();
        format!("model.toml: task {name:?} is not known; known are {}", known.join(", "))
    })?;
    Ok(Some(task))
}

/// The task that the folder's files show, and why, or why they show none.
pub fn shown(folder: &Path, config: Option<&HfConfig>) -> (Option<&'static Task>, String) {
    // Such a folder holds the config of the bare model, or of whatever it was trained from.
    if folder.join(SENTENCE_MODULES).is_file() {
        return (
            models::by_name("feature-extraction"),
            format!("{SENTENCE_MODULES} shows a model of the sentence-transformers library"),
        );
    }
    let Some(config) = config else {
        let beside = EXPORTED.iter().find(|name| folder.join(name).is_file());
        let why = beside.map(|name| format!("config.json, which names the task, is missing beside {name}"));
        return (None, why.unwrap_or_else(|| BARE.to_owned()));
    };
    let shown = config
        .architectures
        .iter()
        .find_map(|a| Some((models::by_architecture(a, folder)?, a)));
    if let Some((task, architecture)) = shown {
        let also = models::alternative(task, config).map(|told| format!("; {told}"));
        let why = format!("config.json names {architecture}{}", also.unwrap_or_default());
        return (Some(task), why);
    }
    let why = match config.architectures.first() {
        None => {
            "config.json has no architectures, which would show the task; task in model.toml can name it".to_owned()
        }
        Some(other) => match models::lacking(other, folder) {
            Some((task, file)) => format!("config.json names {other}, but {file}, which {task} needs, is missing"),
            None => format!("config.json names {other}, which shows no known task; task in model.toml can name one"),
        },
    };
    (None, why)
}
