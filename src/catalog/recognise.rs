//! Which task a folder is served as, and why.

use std::path::{Path, PathBuf};

use super::manifest::Manifest;
use crate::models::{self, HfConfig, TENSOR, Task};

/// Where a folder's graph is looked for, in order: as exported, or in the sub-folder some exporters make.
pub const GRAPH_FILES: [&str; 2] = ["model.onnx", "onnx/model.onnx"];

/// The list of modules that the sentence-transformers library writes.
const SENTENCE_MODULES: &str = "modules.json";

/// What a folder is.
pub struct Recognised {
    /// `None` for a plain tensor model.
    pub task: Option<&'static Task>,
    /// In a sentence.
    pub why: String,
    pub file: PathBuf,
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
    let file = graph_file(folder, manifest)?;
    let (task, why) = match (&manifest.task, config) {
        (Some(name), _) if name == TENSOR => (None, "model.toml says so".to_owned()),
        (Some(name), _) => {
            let known = || {
                models::TASKS
                    .iter()
                    .map(|t| t.name)
                    .chain([TENSOR])
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let task = models::by_name(name)
                .ok_or_else(|| format!("model.toml: task {name:?} is not known; known are {}", known()))?;
            (Some(task), "model.toml says so".to_owned())
        }
        // Such a folder holds the config of the bare model, or of whatever it was trained from.
        (None, _) if folder.join(SENTENCE_MODULES).is_file() => (
            models::by_name("feature-extraction"),
            format!("{SENTENCE_MODULES} shows a model of the sentence-transformers library"),
        ),
        (None, Some(config)) => {
            let shown = config
                .architectures
                .iter()
                .find_map(|a| Some((models::by_architecture(a, folder)?, a)));
            match (shown, config.architectures.first()) {
                (Some((task, architecture)), _) => {
                    let also = models::alternative(task, config).map(|told| format!("; {told}"));
                    let why = format!("config.json names {architecture}{}", also.unwrap_or_default());
                    (Some(task), why)
                }
                (None, Some(other)) => (
                    None,
                    format!("config.json names {other}, which is no known task: served by its tensors"),
                ),
                (None, None) => (
                    None,
                    "config.json has no architectures: served by its tensors".to_owned(),
                ),
            }
        }
        (None, None) => (None, "a bare graph".to_owned()),
    };
    Ok(Recognised { task, why, file })
}

fn graph_file(folder: &Path, manifest: &Manifest) -> Result<PathBuf, String> {
    if let Some(name) = &manifest.file {
        let file = folder.join(name);
        return if file.is_file() {
            Ok(file)
        } else {
            Err(format!("model.toml names {name}, which is not in the folder"))
        };
    }
    GRAPH_FILES
        .iter()
        .map(|name| folder.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| {
            let mut here: Vec<_> = std::fs::read_dir(folder)
                .map(|entries| {
                    entries
                        .flatten()
                        .map(|e| e.file_name().to_string_lossy().into_owned())
                        .collect()
                })
                .unwrap_or_default();
            here.sort_unstable();
            here.truncate(10);
            format!(
                "no {} in the folder, which holds: {}",
                GRAPH_FILES.join(" and no "),
                here.join(", ")
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(dir.path().join(file), b"x").unwrap();
        }
        dir
    }

    fn config(architecture: &str) -> HfConfig {
        HfConfig {
            architectures: vec![architecture.into()],
            ..HfConfig::default()
        }
    }

    #[test]
    fn a_task_is_named_by_manifest_else_architecture_else_none() {
        let dir = folder(&["model.onnx"]);
        let name = |manifest: &Manifest, config: Option<&HfConfig>| {
            recognise(dir.path(), manifest, config)
                .map(|r| (r.name(), r.why))
                .unwrap()
        };
        let silent = Manifest::default();
        assert_eq!(name(&silent, None).0, "tensor");
        let (task, why) = name(&silent, Some(&config("RobertaForQuestionAnswering")));
        assert_eq!(task, "question-answering");
        assert_eq!(why, "config.json names RobertaForQuestionAnswering");
        assert_eq!(name(&silent, Some(&config("BertModel"))).0, "tensor");
        assert_eq!(
            name(&silent, Some(&config("BertForSequenceClassification"))).0,
            "text-classification"
        );
        let judge = HfConfig {
            label2id: [("entailment".to_owned(), 0.into())].into(),
            ..config("BertForSequenceClassification")
        };
        assert!(name(&silent, Some(&judge)).1.contains("zero-shot-classification"));
        std::fs::write(dir.path().join("tokenizer.json"), b"{}").unwrap();
        assert_eq!(name(&silent, Some(&config("BertModel"))).0, "feature-extraction");
        std::fs::write(dir.path().join("modules.json"), b"[]").unwrap();
        assert_eq!(name(&silent, None).0, "feature-extraction");
        let forced = Manifest {
            task: Some("tensor".into()),
            ..Manifest::default()
        };
        assert_eq!(name(&forced, Some(&config("RobertaForQuestionAnswering"))).0, "tensor");
    }

    #[test]
    fn what_is_missing_is_told_with_what_is_there() {
        let dir = folder(&["weights.bin"]);
        let told = recognise(dir.path(), &Manifest::default(), None).err().unwrap();
        assert!(told.contains("no model.onnx") && told.contains("weights.bin"), "{told}");
        let dir = folder(&["model.onnx"]);
        let manifest = Manifest {
            task: Some("poetry".into()),
            ..Manifest::default()
        };
        let told = recognise(dir.path(), &manifest, None).err().unwrap();
        assert!(told.contains("known are question-answering, "), "{told}");
    }
}
