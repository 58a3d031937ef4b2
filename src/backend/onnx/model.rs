//! A model file and what its replicas share; gives each replica a session of its own.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use super::artefact;
use super::library::Runtime;
use super::provider::providers;
use super::session::OnnxSession;
use super::weights::SharedWeights;
use crate::device::Device;
use crate::error::Error;
use crate::pipeline::ReplicaContext;

/// What a manifest may ask of ONNX Runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnnxOptions {
    /// TensorRT before CUDA, on GPUs.
    pub tensorrt: bool,
}

/// One model file, shared by the replicas that serve it.
pub struct OnnxModel {
    file: PathBuf,
    options: OnnxOptions,
    on_cpu: Mutex<Option<Arc<Prepared>>>,
}

/// What CPU replicas load: the optimised graph, or the model itself where that cannot be had.
struct Prepared {
    file: PathBuf,
    optimised: bool,
    weights: SharedWeights,
    /// Whether those are all: else a session more costs the model's whole memory.
    shares: bool,
}

/// Opens sessions of one model on the CPU; they share its weights.
#[derive(Clone)]
pub struct Opener {
    runtime: Runtime,
    prepared: Arc<Prepared>,
    /// Threads of the replica.
    pub threads: usize,
}

impl Opener {
    /// A session that uses so many threads inside of a run.
    ///
    /// # Errors
    /// When the model cannot be loaded.
    pub fn open(&self, threads: usize) -> ort::Result<Session> {
        let Prepared {
            file,
            optimised,
            weights,
            ..
        } = &*self.prepared;
        let level = if *optimised {
            GraphOptimizationLevel::Disable
        } else {
            GraphOptimizationLevel::All
        };
        let mut builder = base(&self.runtime, threads)?.with_optimization_level(level)?;
        builder = builder.with_prepacked_weights(&weights.packed)?;
        for (name, value) in &weights.tensors {
            builder = builder.with_initializer(name, Arc::clone(value))?;
        }
        builder.commit_from_file(file)
    }
}

impl OnnxModel {
    pub const fn new(file: PathBuf, options: OnnxOptions) -> Self {
        Self {
            file,
            options,
            on_cpu: Mutex::new(None),
        }
    }

    /// A session on the replica's device.
    ///
    /// # Errors
    /// When the device cannot be had or the model cannot be loaded on it.
    pub fn session(&self, runtime: &Runtime, context: &ReplicaContext) -> Result<OnnxSession, Error> {
        let loaded = match context.device {
            Device::Cpu => {
                let opener = Opener {
                    runtime: runtime.clone(),
                    prepared: self.prepared(runtime, &context.cache_dir),
                    threads: context.threads,
                };
                let session = opener.open(opener.threads).map_err(|e| e.to_string());
                let text = |e: String| self.without_paths(&e, &opener.prepared.file);
                let session = session.map_err(text);
                session.map(|session| (session, Some(opener).filter(|opener| opener.prepared.shares)))
            }
            Device::Cuda(_) | Device::Ipu(_) => self.device_session(runtime, context).map(|session| (session, None)),
        };
        let (session, opener) = loaded
            .map_err(|e| Error::pipeline(format!("{} cannot be loaded on {}: {e}", self.name(), context.device)))?;
        OnnxSession::new(session, opener).map_err(|e| Error::pipeline(e.to_string()))
    }

    /// ONNX Runtime's messages name files by their whole path, which is nobody's business outside this machine.
    fn without_paths(&self, message: &str, loaded: &Path) -> String {
        let folders = [loaded.parent(), self.file.parent()];
        folders
            .into_iter()
            .flatten()
            .filter(|f| !f.as_os_str().is_empty())
            .fold(message.to_owned(), |text, folder| {
                text.replace(&format!("{}/", folder.display()), "")
            })
    }

    fn name(&self) -> String {
        self.file.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Made by the first replica that asks, while the others wait for it.
    fn prepared(&self, runtime: &Runtime, cache: &Path) -> Arc<Prepared> {
        let mut slot = self.on_cpu.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prepared) = slot.as_ref() {
            return Arc::clone(prepared);
        }
        let (file, optimised) = match artefact::optimised(runtime, &self.file, cache) {
            Ok(file) => (file, true),
            Err(reason) => {
                tracing::warn!(
                    "{}: the optimised graph cannot be kept, the model itself is loaded: {reason}",
                    self.name()
                );
                (self.file.clone(), false)
            }
        };
        let read = SharedWeights::read(&file).inspect_err(|reason| {
            tracing::warn!("{}: replicas do not share weights: {reason}", self.name());
        });
        let prepared = Arc::new(Prepared {
            file,
            optimised,
            shares: read.is_ok(),
            weights: read.unwrap_or_else(|_| SharedWeights {
                tensors: Vec::new(),
                packed: ort::session::builder::PrepackedWeights::new(),
            }),
        });
        *slot = Some(Arc::clone(&prepared));
        prepared
    }

    fn device_session(&self, runtime: &Runtime, context: &ReplicaContext) -> Result<Session, String> {
        let providers = providers(context.device, self.options.tensorrt, &context.cache_dir)?;
        let load = || {
            base(runtime, context.threads)?
                .with_optimization_level(GraphOptimizationLevel::All)?
                .with_execution_providers(&providers)?
                .commit_from_file(&self.file)
        };
        load().map_err(|e: ort::Error| self.without_paths(&e.to_string(), &self.file))
    }
}

fn base(runtime: &Runtime, threads: usize) -> ort::Result<SessionBuilder> {
    Ok(Session::builder(&runtime.environment)?
        .with_intra_threads(threads)?
        // Replicas and the front share the cores: a pool that spins between runs takes them from both.
        .with_intra_op_spinning(false)?)
}
