//! What the worker says of a folder, asked before anything is started.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

use super::interpreter::Interpreter;
use crate::tensor::DType;

/// Importing a large framework from a cold disk takes its time; more than this is a hang.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder of Python, described.
#[derive(Clone, Debug, Deserialize)]
pub struct Description {
    pub version: u32,
    /// The interpreter's version.
    #[serde(default)]
    pub python: String,
    #[serde(default)]
    pub dialect: String,
    #[serde(default)]
    pub why: String,
    #[serde(default)]
    pub description: Option<String>,
    /// Calls sent together are one run.
    #[serde(default)]
    pub batch: bool,
    /// Several calls may be under way.
    #[serde(default)]
    pub concurrent: bool,
    #[serde(default)]
    pub routes: Vec<DescribedRoute>,
    #[serde(default)]
    pub inputs: Vec<DescribedTensor>,
    #[serde(default)]
    pub outputs: Vec<DescribedTensor>,
    #[serde(default)]
    error: Option<String>,
}

/// One way into the author's code.
#[derive(Clone, Debug, Deserialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a trait of its own, as the worker tells them"
)]
pub struct DescribedRoute {
    pub path: String,
    #[serde(default)]
    pub absolute: bool,
    #[serde(default)]
    pub methods: Vec<String>,
    pub handler: usize,
    /// Wants headers and request id.
    #[serde(default)]
    pub headers: bool,
    #[serde(default)]
    pub background: bool,
    /// Takes any body.
    #[serde(default)]
    pub raw: bool,
    /// Gives responses of its own shape.
    #[serde(default)]
    pub head: bool,
    #[serde(default)]
    pub streams: bool,
    #[serde(default)]
    pub media: Vec<String>,
    #[serde(default)]
    pub summary: Option<String>,
    pub input: Option<Value>,
    pub output: Option<Value>,
}

/// A declared tensor; an axis without a length is dynamic.
#[derive(Clone, Debug, Deserialize)]
pub struct DescribedTensor {
    pub name: String,
    pub dtype: DType,
    pub shape: Vec<Option<usize>>,
}

impl Description {
    /// Asks the worker.
    ///
    /// # Errors
    /// What is wrong with the folder, in the worker's words, or why it could not be asked.
    pub fn of(folder: &Path, interpreter: &Interpreter, python_path: &str) -> Result<Self, String> {
        let program = interpreter.program.display();
        let mut child = Command::new(&interpreter.program)
            .args(["-m", "hostler_worker", "describe", "."])
            .current_dir(folder)
            .env("PYTHONPATH", python_path)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{program} cannot be run: {e}"))?;
        let stdout = child.stdout.take().map(gather);
        let stderr = child.stderr.take().map(gather);
        let began = Instant::now();
        while matches!(child.try_wait(), Ok(None)) {
            if began.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                let seconds = PATIENCE.as_secs();
                return Err(format!(
                    "its code was still importing after {seconds} s; what runs long belongs into init or load"
                ));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let text = |reader: Option<std::thread::JoinHandle<Vec<u8>>>| {
            let bytes = reader.and_then(|r| r.join().ok()).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let (told, noise) = (text(stdout), text(stderr));
        let read = serde_json::from_str::<Self>(told.trim());
        let description = read.map_err(|_| {
            let last = noise
                .lines()
                .rfind(|line| !line.trim().is_empty())
                .unwrap_or("it said nothing");
            format!("{program} could not describe it: {last}")
        })?;
        match &description.error {
            Some(error) => Err(error.clone()),
            None if description.routes.is_empty() => Err("the Python code serves nothing".to_owned()),
            None => Ok(description),
        }
    }
}

/// Reads to the end beside the caller: a full pipe would hold the process up.
fn gather(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before a fault is the most there is to tell.
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}
