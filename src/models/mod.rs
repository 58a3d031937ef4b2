//! The tasks this server knows: one folder a task, one line here for each.
//!
//! A task turns what is in a model folder into a contract and a way to build pipelines. Knows backends and
//! leaves; nothing of settings, queues or protocols.

mod hf_config;
pub mod question_answering;
pub mod tensor;
mod tokenizer;

use std::path::Path;
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
    /// `config.json`, where the folder has one.
    pub config: Option<&'a HfConfig>,
    pub options: OnnxOptions,
    /// The most rows a run may take; 1 switches batching off.
    pub max_batch_size: usize,
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
    /// The end of the `architectures` entry that shows this task.
    pub architecture_suffix: &'static str,
    /// Reads the folder's files.
    ///
    /// An error says in a sentence which file or key is missing.
    pub load: fn(&Source<'_>) -> Result<Loaded, String>,
}

/// Devices an ONNX model runs on, most wanted first.
pub const ONNX_DEVICES: &[DeviceKind] = &[DeviceKind::Cuda, DeviceKind::Cpu];

/// The name of the task that any ONNX model can be served as.
pub const TENSOR: &str = "tensor";

/// Batch size of a model that can batch, when nobody says otherwise.
pub const DEFAULT_BATCH_SIZE: usize = 32;

/// Every task but `tensor`, which needs no recognition.
pub const TASKS: &[Task] = &[question_answering::TASK];

/// The task that an architecture shows, `DistilBertForQuestionAnswering` for one.
pub fn by_architecture(architecture: &str) -> Option<&'static Task> {
    TASKS
        .iter()
        .find(|task| architecture.ends_with(task.architecture_suffix))
}

/// The task of a name.
pub fn by_name(name: &str) -> Option<&'static Task> {
    TASKS.iter().find(|task| task.name == name)
}
