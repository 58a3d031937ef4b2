//! Which task a folder is served as, and why.

use std::path::{Path, PathBuf};

use super::manifest::Manifest;
use crate::models::{self, Graphs, HfConfig, TENSOR, Task};

/// Where a folder's graph is looked for, in order: as exported, or in the sub-folder some exporters make.
pub const GRAPH_FILES: [&str; 2] = ["model.onnx", "onnx/model.onnx"];
/// Where several graphs of a model stand together.
const GRAPH_FOLDERS: [&str; 2] = ["", "onnx"];

/// The list of modules that the sentence-transformers library writes.
const SENTENCE_MODULES: &str = "modules.json";

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
    let (task, why) = match (&manifest.task, config) {
        (Some(name), _) if name == TENSOR => (None, "model.toml says so".to_owned()),
        (Some(name), _) => {
            let known = || {
                let names = models::TASKS.iter().map(|t| t.name).chain([TENSOR]);
                names.collect::<Vec<_>>().join(", ")
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
    let mut files = match task.map(|task| (task.name, &task.graphs)) {
        Some((name, Graphs::Sets(sets))) => graph_set(folder, manifest, name, sets)?,
        Some((_, Graphs::One)) | None => vec![graph_file(folder, manifest)?],
    };
    let others = files.split_off(1);
    let file = files.remove(0);
    Ok(Recognised {
        task,
        why,
        file,
        others,
    })
}

fn graph_file(folder: &Path, manifest: &Manifest) -> Result<PathBuf, String> {
    if let Some(name) = &manifest.file {
        return named_file(folder, name);
    }
    GRAPH_FILES
        .iter()
        .map(|name| folder.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| {
            let here = holds(folder);
            format!("no {} in the folder, which holds: {here}", GRAPH_FILES.join(" and no "))
        })
}

/// The first of a task's sets of graphs that is there as a whole.
fn graph_set(folder: &Path, manifest: &Manifest, task: &str, sets: &[&[&str]]) -> Result<Vec<PathBuf>, String> {
    if let Some(name) = &manifest.file {
        if sets.iter().any(|set| set.len() == 1) {
            return Ok(vec![named_file(folder, name)?]);
        }
        return Err(format!(
            "model.toml: file names one graph, and {task} takes several; leave it out"
        ));
    }
    let places = sets
        .iter()
        .flat_map(|set| GRAPH_FOLDERS.map(|place| (*set, folder.join(place))));
    let mut files = places.map(|(set, place)| set.iter().map(|name| place.join(name)).collect::<Vec<_>>());
    let whole = |files: &Vec<PathBuf>| files.iter().all(|file| file.is_file());
    files.find(whole).ok_or_else(|| {
        let sets: Vec<_> = sets.iter().map(|set| set.join(" with ")).collect();
        format!(
            "as {task} it needs {} (in the folder or in onnx), and holds: {}",
            sets.join(", or "),
            holds(folder)
        )
    })
}

fn named_file(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let file = folder.join(name);
    if file.is_file() {
        Ok(file)
    } else {
        Err(format!("model.toml names {name}, which is not in the folder"))
    }
}

/// The first files of a folder, for a sentence.
fn holds(folder: &Path) -> String {
    let names = |entries: std::fs::ReadDir| entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    let mut here: Vec<_> = std::fs::read_dir(folder)
        .map(|entries| names(entries).collect())
        .unwrap_or_default();
    here.sort_unstable();
    here.truncate(10);
    here.join(", ")
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
        assert!(
            told.contains("question-answering") && told.ends_with("tensor"),
            "{told}"
        );
    }

    #[test]
    fn the_first_set_of_graphs_that_is_whole_is_taken() {
        let found = |files: &[&str], architecture: &str| {
            let dir = folder(files);
            let names = |r: Recognised| {
                let all = std::iter::once(r.file).chain(r.others);
                all.map(|f| f.file_name().unwrap().to_string_lossy().into_owned())
                    .collect::<Vec<_>>()
            };
            recognise(dir.path(), &Manifest::default(), Some(&config(architecture))).map(names)
        };
        let pair = ["decoder_model.onnx", "decoder_with_past_model.onnx"];
        let all = [&pair[..], &["encoder_model.onnx", "decoder_model_merged.onnx"]].concat();
        assert_eq!(found(&["model.onnx"], "GPT2LMHeadModel").unwrap(), ["model.onnx"]);
        assert_eq!(
            found(&pair, "LlamaForCausalLM").unwrap(),
            ["decoder_with_past_model.onnx", "decoder_model.onnx"]
        );
        assert_eq!(
            found(&all, "T5ForConditionalGeneration").unwrap(),
            ["decoder_model_merged.onnx", "encoder_model.onnx"]
        );
        let told = found(&pair, "T5ForConditionalGeneration").unwrap_err();
        assert!(
            told.contains("encoder_model.onnx") && told.contains("text2text-generation"),
            "{told}"
        );
    }

    #[test]
    fn several_graphs_may_stand_in_the_sub_folder() {
        let dir = folder(&[]);
        std::fs::create_dir(dir.path().join("onnx")).unwrap();
        std::fs::write(dir.path().join("onnx/decoder_model_merged.onnx"), b"x").unwrap();
        let found = recognise(dir.path(), &Manifest::default(), Some(&config("OPTForCausalLM"))).unwrap();
        assert!(found.file.ends_with("onnx/decoder_model_merged.onnx") && found.others.is_empty());
        let manifest = Manifest {
            task: Some("summarization".into()),
            file: Some("model.onnx".into()),
            ..Manifest::default()
        };
        let told = recognise(dir.path(), &manifest, None).err().unwrap();
        assert!(told.contains("takes several"), "{told}");
    }
}
