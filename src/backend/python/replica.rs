//! How the replicas of a Python model are started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::describe::Description;
use super::interpreter::Interpreter;
use super::worker;
use crate::contract::Signature;
use crate::device::replica_environment;
use crate::error::Error;
use crate::ipc::{Hello, Launch, Order, Remote, RemoteSpec, VERSION};
use crate::pipeline::{Build, Pipeline, ReplicaContext};

/// Calls sent ahead of their answers to a process that is quick, and calls under way in one that is asynchronous.
const WINDOW: usize = 16;

/// Time and other limits of a replica's process.
#[derive(Clone, Copy, Debug)]
pub struct ProcessLimits {
    /// Loading and compiling together.
    pub start_timeout: Duration,
    pub call_timeout: Duration,
    /// Answers after which the process is replaced.
    pub max_requests: Option<u64>,
}

/// A folder of Python that can be served.
pub struct PythonModel {
    pub folder: PathBuf,
    pub interpreter: Interpreter,
    pub description: Description,
    pub signature: Option<Signature>,
    pub max_batch_size: usize,
    pub limits: ProcessLimits,
    /// Where the worker's files are laid out.
    pub worker: PathBuf,
    /// The environment replicas start from.
    pub inherited: BTreeMap<String, String>,
}

impl PythonModel {
    /// Lays the worker out and asks it what the folder is.
    ///
    /// # Errors
    /// A sentence with the remedy.
    pub fn describe(
        folder: &Path,
        interpreter: &Interpreter,
        cache_dir: &Path,
        inherited: &BTreeMap<String, String>,
    ) -> Result<(Description, PathBuf), String> {
        let cannot = |e| format!("SERVER_MODEL_CACHE_DIR cannot be written: {e}");
        let worker = worker::lay_out(cache_dir).map_err(cannot)?;
        let path = python_path(&worker, inherited.get("PYTHONPATH").map(String::as_str));
        Ok((Description::of(folder, interpreter, &path)?, worker))
    }

    /// How many calls a replica may have under way.
    fn window(&self) -> usize {
        if self.description.batch {
            self.max_batch_size
        } else {
            self.max_batch_size.max(WINDOW)
        }
    }

    fn order(&self) -> Order {
        match (self.description.batch, self.description.concurrent) {
            (true, _) => Order::Batch,
            (false, true) => Order::Concurrent,
            (false, false) => Order::OneByOne,
        }
    }

    fn spec(&self, context: &ReplicaContext) -> Result<RemoteSpec, Error> {
        let absolute = |path: &Path| std::path::absolute(path).map_err(|e| Error::pipeline(e.to_string()));
        let (folder, cache_dir) = (absolute(&self.folder)?, absolute(&context.cache_dir)?);
        std::fs::create_dir_all(&cache_dir)
            .map_err(|e| Error::pipeline(format!("SERVER_MODEL_CACHE_DIR cannot be written: {e}")))?;
        let inherited = |name: &str| self.inherited.get(name).cloned();
        let mut environment = replica_environment(context.device, context.threads, &cache_dir, &inherited);
        let path = python_path(&self.worker, inherited("PYTHONPATH").as_deref());
        let own = [
            ("PYTHONUNBUFFERED", "1".to_owned()),
            ("PYTHONPATH", path),
            ("HOSTLER_CACHE_DIR", cache_dir.to_string_lossy().into_owned()),
        ];
        environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
        let hello = Hello {
            version: VERSION,
            model: context.model.to_string(),
            replica: context.replica,
            folder: folder.clone(),
            dialect: self.description.dialect.clone(),
            device: context.device.to_string(),
            threads: context.threads,
            cache_dir,
            max_batch_size: self.max_batch_size,
            window: self.window(),
            options: serde_json::Value::Null,
        };
        Ok(RemoteSpec {
            hello,
            launch: Launch {
                program: self.interpreter.program.clone(),
                arguments: ["-u", "-m", "hostler_worker", "serve"].map(Into::into).to_vec(),
                environment,
                folder,
            },
            store: context.store.clone(),
            order: self.order(),
            signature: self.signature.clone(),
            start_timeout: self.limits.start_timeout,
            call_timeout: self.limits.call_timeout,
            patience: None,
            max_requests: self.limits.max_requests,
        })
    }
}

impl Build for PythonModel {
    fn build(&self, context: &ReplicaContext) -> Result<Box<dyn Pipeline>, Error> {
        Ok(Box::new(Remote::start(self.spec(context)?, context)?))
    }
}

/// Python's path with the worker before whatever is inherited.
pub fn python_path(worker: &Path, inherited: Option<&str>) -> String {
    let worker = worker.to_string_lossy();
    match inherited.filter(|path| !path.is_empty()) {
        Some(path) => format!("{worker}:{path}"),
        None => worker.into_owned(),
    }
}
