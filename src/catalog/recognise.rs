//! Which task a folder is served as, and why.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

use super::manifest::Manifest;
use crate::models::{self, Graphs, HfConfig, TENSOR, Task};

/// Where a folder's graph is looked for, in order: as exported, or in the sub-folder some exporters make.
pub const GRAPH_FILES: [&str; 2] = ["model.onnx", "onnx/model.onnx"];
/// Where several graphs of a model stand together.
const GRAPH_FOLDERS: [&str; 2] = ["", "onnx/"];
/// Ends of files with weights that no graph goes with.
const WEIGHTS: [&str; 5] = ["safetensors", "bin", "pt", "h5", "msgpack"];
/// So many files of a folder are named at most.
const SHOWN: usize = 10;

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
const BARE: &str = "it is a bare graph";

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
        Some(name) => (named_task(name)?, "model.toml says so".to_owned()),
        None => shown_task(folder, config),
    };
    let files = match task.map(|task| &task.graphs) {
        Some(Graphs::Sets(sets)) => graph_set(folder, manifest, sets),
        Some(Graphs::One) | None => graph_file(folder, manifest).map(|file| vec![file]),
    };
    // Where a graph is missing that another task would not need, what hid the task is what has to be mended.
    let doubtful = manifest.task.is_none() && why != BARE;
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

/// The task that the manifest names; `None` for a plain tensor model.
fn named_task(name: &str) -> Result<Option<&'static Task>, String> {
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
fn shown_task(folder: &Path, config: Option<&HfConfig>) -> (Option<&'static Task>, String) {
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

fn graph_file(folder: &Path, manifest: &Manifest) -> Result<PathBuf, String> {
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
fn graph_set(folder: &Path, manifest: &Manifest, sets: &[&[&str]]) -> Result<Vec<PathBuf>, String> {
    let one_is_enough = sets.iter().any(|set| set.len() == 1);
    if let Some(name) = &manifest.file {
        if one_is_enough {
            return Ok(vec![named_file(folder, name)?]);
        }
        return Err("model.toml: file names one graph, and the task takes several; leave it out".to_owned());
    }
    // Of each set in each place: what is there, and what is not.
    let looked = |set: &[&str], place: &str| -> (Vec<String>, Vec<String>) {
        let names = set.iter().map(|name| format!("{place}{name}"));
        names.partition(|name| folder.join(name).is_file())
    };
    let places = sets
        .iter()
        .flat_map(|set| GRAPH_FOLDERS.map(|place| looked(set, place)));
    let found: Vec<_> = places.collect();
    if let Some((whole, _)) = found.iter().find(|(_, missing)| missing.is_empty()) {
        return Ok(whole.iter().map(|name| folder.join(name)).collect());
    }
    let begun = found.iter().filter(|(there, _)| !there.is_empty());
    if let Some((there, missing)) = begun.min_by_key(|(there, missing)| (missing.len(), Reverse(there.len()))) {
        let cache = "; export the model with its cache, as a task that ends in -with-past";
        return Err(format!(
            "{} {} missing beside {}{}",
            missing.join(" and "),
            if missing.len() == 1 { "is" } else { "are" },
            there.join(" and "),
            if missing.iter().any(|name| name.contains("_with_past")) {
                cache
            } else {
                ""
            }
        ));
    }
    let sets: Vec<_> = sets.iter().map(|set| set.join(" with ")).collect();
    Err(format!(
        "it needs {} (in the folder or in onnx), and the folder holds {}{}",
        sets.join(", or "),
        holds(folder),
        if one_is_enough { remedy(folder) } else { String::new() }
    ))
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
    let mut here = names(folder);
    let rest = here.len().saturating_sub(SHOWN);
    here.truncate(SHOWN);
    match (here.len(), rest) {
        (0, _) => "nothing".to_owned(),
        (_, 0) => here.join(", "),
        (_, rest) => format!("{} and {rest} more", here.join(", ")),
    }
}

/// What may help where there is no graph by a name that is looked for.
fn remedy(folder: &Path) -> String {
    let ends = |name: &String, with: &[&str]| {
        let end = Path::new(name).extension().and_then(|end| end.to_str());
        end.is_some_and(|end| with.contains(&end))
    };
    let below = |place: &'static str| {
        names(&folder.join(place))
            .into_iter()
            .map(move |name| format!("{place}{name}"))
    };
    let graphs: Vec<String> = GRAPH_FOLDERS
        .into_iter()
        .flat_map(below)
        .filter(|name| ends(name, &["onnx"]))
        .collect();
    match (
        graphs.as_slice(),
        names(folder).iter().find(|name| ends(name, &WEIGHTS)),
    ) {
        ([only], _) => format!("; if {only} is the graph, name it as file in model.toml"),
        ([], Some(weights)) => format!("; {weights} is no graph, and optimum-cli export onnx makes one of it"),
        _ => String::new(),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let listed = |entries: std::fs::ReadDir| entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .map(|entries| listed(entries).collect())
        .unwrap_or_default();
    names.sort_unstable();
    names
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
        assert_eq!(name(&silent, None), ("tensor", BARE.to_owned()));
        let (task, why) = name(&silent, Some(&config("RobertaForQuestionAnswering")));
        assert_eq!(task, "question-answering");
        assert_eq!(why, "config.json names RobertaForQuestionAnswering");
        let (task, why) = name(&silent, Some(&config("BertModel")));
        assert_eq!(task, "tensor");
        assert_eq!(
            why,
            "config.json names BertModel, but tokenizer.json, which feature-extraction needs, is missing"
        );
        assert_eq!(
            name(&silent, Some(&config("BertForSequenceClassification"))).0,
            "text-classification"
        );
        assert_eq!(
            name(&silent, Some(&config("DeiTForImageClassificationWithTeacher"))).0,
            "image-classification"
        );
        let judge = HfConfig {
            label2id: [("entailment".to_owned(), 0.into())].into(),
            ..config("BertForSequenceClassification")
        };
        assert!(name(&silent, Some(&judge)).1.contains("zero-shot-classification"));
        std::fs::write(dir.path().join("tokenizer.json"), b"{}").unwrap();
        let (task, why) = name(&silent, None);
        assert_eq!(task, "tensor");
        assert!(why.contains("config.json") && why.contains("missing"), "{why}");
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
        assert_eq!(
            told,
            "as text2text-generation: encoder_model.onnx is missing beside decoder_with_past_model.onnx and \
             decoder_model.onnx"
        );
        let told = found(&["encoder_model.onnx", "decoder_model.onnx"], "MarianMTModel").unwrap_err();
        assert!(
            told.contains("decoder_with_past_model.onnx is missing") && told.ends_with("-with-past"),
            "{told}"
        );
        let told = found(&[], "T5ForConditionalGeneration").unwrap_err();
        assert!(
            told.contains("it needs decoder_model_merged.onnx with encoder_model.onnx, or "),
            "{told}"
        );
        assert!(told.ends_with("holds nothing"), "{told}");
    }

    #[test]
    fn weights_and_graphs_of_other_names_are_told_with_what_to_do() {
        let told = |files: &[&str]| {
            let dir = folder(files);
            recognise(dir.path(), &Manifest::default(), Some(&config("GPT2LMHeadModel")))
                .err()
                .unwrap()
        };
        let weights = told(&["model.safetensors"]);
        assert!(
            weights.contains("model.safetensors is no graph, and optimum-cli"),
            "{weights}"
        );
        let quantized = told(&["model_quantized.onnx"]);
        assert!(quantized.ends_with("name it as file in model.toml"), "{quantized}");
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
