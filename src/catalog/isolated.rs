//! An ONNX model whose replicas are processes of this same program.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::manifest::Manifest;
use super::{LONGEST_CALL, Surroundings, native};
use crate::backend::onnx::Runtime;
use crate::config::ModelEntry;
use crate::contract::{Contract, Signature};
use crate::device::{Device, replica_environment};
use crate::error::Error;
use crate::ipc::{Hello, Launch, Order, Remote, RemoteSpec, ServeError, VERSION, serve};
use crate::pipeline::{Build, Pipeline, ReplicaContext, Wake};

/// The hidden command a replica's process runs.
pub const COMMAND: &str = "replica";
/// A process whose run outlived everybody who waited for it may take so long to return: to start it anew is cheap.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the process needs to read the folder as this one has read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Options {
    tensorrt: bool,
    task: Option<String>,
    file: Option<String>,
}

/// Builds pipelines in processes of this program.
pub struct Isolated {
    folder: PathBuf,
    options: Options,
    max_batch_size: usize,
    /// In steps between which calls join and pieces go out, as a task that streams; else in one run of all calls.
    stepwise: bool,
    signature: Option<Signature>,
    start_timeout: Duration,
    call_timeout: Duration,
    max_requests: Option<u64>,
    inherited: BTreeMap<String, String>,
}

impl Isolated {
    pub fn new(
        folder: &Path,
        settings: &Manifest,
        surroundings: &Surroundings,
        max_batch_size: usize,
        contract: &Contract,
    ) -> Arc<Self> {
        let limit = settings.request_timeout().or(surroundings.request_timeout);
        Arc::new(Self {
            folder: folder.to_owned(),
            options: Options {
                tensorrt: settings.tensorrt,
                task: settings.task.clone(),
                file: settings.file.clone(),
            },
            max_batch_size,
            stepwise: contract.streams,
            signature: contract.signature().cloned(),
            start_timeout: settings.start_timeout().unwrap_or(surroundings.wait_timeout),
            call_timeout: settings
                .call_timeout()
                .unwrap_or_else(|| limit.unwrap_or(LONGEST_CALL) + PATIENCE),
            max_requests: settings.max_requests,
            inherited: surroundings.environment.clone(),
        })
    }

    fn spec(&self, context: &ReplicaContext) -> Result<RemoteSpec, Error> {
        let io = |e: std::io::Error| Error::pipeline(format!("the replica's process cannot be prepared: {e}"));
        let program = std::env::current_exe().map_err(io)?;
        let working_dir = std::env::current_dir().map_err(io)?;
        let inherited = |name: &str| self.inherited.get(name).cloned();
        let cache_dir = std::path::absolute(&context.cache_dir).map_err(io)?;
        let mut environment = replica_environment(context.device, context.threads, &cache_dir, &inherited);
        // The process is asked for the device by the number that this one knows it by.
        environment.retain(|(name, _)| !name.starts_with("CUDA_"));
        let hello = Hello {
            version: VERSION,
            model: context.model.to_string(),
            replica: context.replica,
            folder: std::path::absolute(&self.folder).map_err(io)?,
            dialect: "onnx".to_owned(),
            device: context.device.to_string(),
            threads: context.threads,
            cache_dir,
            max_batch_size: self.max_batch_size,
            window: self.max_batch_size,
            options: serde_json::to_value(&self.options).unwrap_or_default(),
        };
        Ok(RemoteSpec {
            hello,
            launch: Launch {
                program,
                arguments: vec![OsString::from(COMMAND)],
                environment,
                // Paths of the environment may be relative to it.
                folder: working_dir,
            },
            store: None,
            order: if self.stepwise { Order::Concurrent } else { Order::Batch },
            signature: self.signature.clone(),
            start_timeout: self.start_timeout,
            call_timeout: self.call_timeout,
            patience: Some(PATIENCE),
            max_requests: self.max_requests,
        })
    }
}

impl Build for Isolated {
    fn build(&self, context: &ReplicaContext) -> Result<Box<dyn Pipeline>, Error> {
        Ok(Box::new(Remote::start(self.spec(context)?, context)?))
    }
}

/// What a replica's process does: reads the folder it is told, and serves the pipeline over the wire.
///
/// # Errors
/// When the wire fails, or the model cannot be loaded.
pub fn serve_isolated(socket: OwnedFd, runtime: impl FnOnce() -> Result<Runtime, Error>) -> Result<(), ServeError> {
    serve(socket, |hello| {
        let joined = |faults: Vec<String>| Error::pipeline(faults.join("; "));
        let options: Options = serde_json::from_value(hello.options.clone())
            .map_err(|e| Error::pipeline(format!("the first message cannot be read: {e}")))?;
        let device: Device = hello
            .device
            .parse()
            .map_err(|_| Error::pipeline("the device cannot be read"))?;
        let settings = Manifest {
            tensorrt: options.tensorrt,
            task: options.task,
            file: options.file,
            max_batch_size: Some(hello.max_batch_size),
            ..Manifest::default()
        };
        let entry = ModelEntry::new(&hello.model);
        let surroundings = Surroundings {
            cache_dir: hello.cache_dir.clone(),
            environment: BTreeMap::new(),
            wait_timeout: LONGEST_CALL,
            request_timeout: None,
        };
        let spec = native::load(&hello.folder, &entry, settings, &surroundings).map_err(joined)?;
        let context = ReplicaContext {
            model: Arc::clone(&spec.name),
            replica: hello.replica,
            device,
            threads: hello.threads,
            cache_dir: hello.cache_dir.clone(),
            wake: Wake::for_this_thread(),
            store: None,
        };
        let runtime = runtime()?;
        let build = spec.builder.make(Some(&runtime));
        let build = build.ok_or_else(|| Error::pipeline("the model has no pipeline"))?;
        Ok((Arc::clone(&spec.routes[0].contract), build.build(&context)?))
    })
}
