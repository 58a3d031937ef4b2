//! The tasks this server knows: one folder a task, one line here for each.
//!
//! A task turns what is in a model folder into a contract and a way to build pipelines. Knows backends and
//! leaves; nothing of settings, queues or protocols.

mod feature_extraction;
mod fill_mask;
mod generation;
mod hf_config;
mod image_classification;
mod one_or_many;
mod question_answering;
mod rows;
mod scores;
pub mod tensor;
mod text;
mod text2text;
mod text_classification;
mod text_generation;
mod token_classification;
mod tokenizer;
mod zero_shot;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use hf_config::HfConfig;

use crate::backend::onnx::{Graph, OnnxOptions, Runtime};
use crate::contract::Contract;
use crate::device::DeviceKind;
use crate::pipeline::Build;

/// What a task is made from.
pub struct Source<'a> {
    pub folder: &'a Path,
    /// The model's graph file in the folder.
    pub file: &'a Path,
    pub graph: Graph,
    /// The other graphs of a task that takes several, in the order it names them.
    pub others: Vec<GraphFile>,
    /// `config.json`, where the folder has one.
    pub config: Option<&'a HfConfig>,
    /// The task as the manifest names it.
    pub named: Option<&'a str>,
    pub options: OnnxOptions,
    /// The most rows a run may take; 1 switches batching off.
    pub max_batch_size: usize,
}

/// A graph of a model that has several.
pub struct GraphFile {
    pub path: PathBuf,
    pub graph: Graph,
}

/// The graph files a task is made from.
#[derive(Clone, Copy, Debug)]
pub enum Graphs {
    /// The one graph of a folder.
    One,
    /// The first of these sets that is there as a whole; in a set the graph of most runs comes first. Such a task
    /// looks itself at how rows of a batch run together.
    Sets(&'static [&'static [&'static str]]),
}

/// Makes what builds pipelines, once ONNX Runtime is there.
type WithRuntime = Box<dyn Fn(&Runtime) -> Arc<dyn Build> + Send + Sync>;

/// Gives what builds the pipelines of a model.
pub enum Builder {
    /// Needs ONNX Runtime in this process.
    Onnx(WithRuntime),
    /// Needs nothing.
    Ready(Arc<dyn Build>),
}

impl Builder {
    pub const fn needs_runtime(&self) -> bool {
        matches!(self, Self::Onnx(_))
    }

    /// What builds the pipelines; `None` when the runtime is needed and not there.
    pub fn make(&self, runtime: Option<&Runtime>) -> Option<Arc<dyn Build>> {
        match self {
            Self::Onnx(make) => runtime.map(make),
            Self::Ready(build) => Some(Arc::clone(build)),
        }
    }
}

/// A model ready to be started.
pub struct Loaded {
    pub contract: Contract,
    pub runs_on: &'static [DeviceKind],
    /// Gives the builder of its pipelines, once the runtime is there.
    pub builder: Builder,
}

/// A task of the registry.
pub struct Task {
    /// The name a manifest may give, as Hugging Face names tasks.
    pub name: &'static str,
    /// Ends of the `architectures` entries that show this task. A task with none is served where a manifest
    /// names it.
    pub architecture_suffixes: &'static [&'static str],
    /// A file without which such an entry shows another task: a bare `…Model` reads texts, pictures or sound.
    pub shown_with: Option<&'static str>,
    pub graphs: Graphs,
    /// Reads the folder's files.
    ///
    /// An error says in a sentence which file or key is missing.
    pub load: fn(&Source<'_>) -> Result<Loaded, String>,
}

impl Task {
    /// Whether an architecture ends as those of this task do.
    fn shown_by(&self, architecture: &str) -> bool {
        let mut suffixes = self.architecture_suffixes.iter();
        suffixes.any(|suffix| architecture.ends_with(*suffix))
    }
}

/// Devices an ONNX model runs on, most wanted first.
pub const ONNX_DEVICES: &[DeviceKind] = &[DeviceKind::Cuda, DeviceKind::Cpu];

/// The name of the task that any ONNX model can be served as.
pub const TENSOR: &str = "tensor";

/// Batch size of a model that can batch, when nobody says otherwise.
pub const DEFAULT_BATCH_SIZE: usize = 32;

/// Every task but `tensor`, which needs no recognition. The first that an architecture shows is taken: what ends
/// as another does (`GPT2LMHeadModel`, `BertModel`) stands before it.
pub const TASKS: &[Task] = &[
    question_answering::TASK,
    text_classification::TASK,
    token_classification::TASK,
    fill_mask::TASK,
    zero_shot::TASK,
    text_generation::TASK,
    text2text::SUMMARIZATION,
    text2text::TRANSLATION,
    text2text::TASK,
    feature_extraction::TASK,
    image_classification::TASK,
];

/// The task that an architecture shows, `DistilBertForQuestionAnswering` for one, in a folder.
pub fn by_architecture(architecture: &str, folder: &Path) -> Option<&'static Task> {
    let complete = |task: &Task| task.shown_with.is_none_or(|file| folder.join(file).is_file());
    let mut shown = TASKS.iter().filter(|task| task.shown_by(architecture));
    shown.find(|task| complete(task))
}

/// The task that an architecture would show if the folder had a file, which it has not.
pub fn lacking(architecture: &str, folder: &Path) -> Option<(&'static str, &'static str)> {
    let missing = |task: &'static Task| {
        let file = task.shown_with.filter(|file| !folder.join(file).is_file())?;
        Some((task.name, file))
    };
    TASKS
        .iter()
        .filter(|task| task.shown_by(architecture))
        .find_map(missing)
}

/// What else a folder could be served as, for who asks why it is served as this task.
pub fn alternative(task: &Task, config: &HfConfig) -> Option<String> {
    let judges = task.name == text_classification::TASK.name && zero_shot::fits(config);
    judges.then(|| {
        let name = zero_shot::TASK.name;
        format!("its labels tell entailment: task = {name:?} in model.toml serves it for labels of the caller's own")
    })
}

/// The task of a name; translation may name its languages.
pub fn by_name(name: &str) -> Option<&'static Task> {
    let task = if text2text::is_pair(name) {
        text2text::TRANSLATION.name
    } else {
        name
    };
    TASKS.iter().find(|known| known.name == task)
}
