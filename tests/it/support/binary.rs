//! The command as a process of its own, its log gathered.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::client::Client;
use super::eventually;

/// The command in an empty folder, with what an interpreter needs of the environment and nothing else.
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostler"));
    let library = std::env::current_dir().unwrap().join("onnxruntime/libonnxruntime.so");
    command.env_clear();
    for name in ["PATH", "HOME"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command
        .env("ORT_DYLIB_PATH", library)
        .env("SERVER_HOST", "127.0.0.1")
        .env("SERVER_PORT", "0")
        .env("SERVER_MODEL_CACHE_DIR", dir)
        .current_dir(dir);
    command
}

/// A server in a process of its own; killed when dropped.
pub struct Binary {
    pub client: Client,
    pub child: Child,
    log: Arc<Mutex<Vec<Value>>>,
    _dir: tempfile::TempDir,
}

impl Binary {
    /// Serves model folders of `models_dir`, and waits until they are ready.
    pub async fn folders(models_dir: &Path, models: &str) -> Self {
        Self::folders_with(models_dir, models, &BTreeMap::new()).await
    }

    /// As [`Binary::folders`], with further variables.
    pub async fn folders_with(models_dir: &Path, models: &str, more: &BTreeMap<String, String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = command(dir.path())
            .env("SERVER_MODELS", models)
            .env("SERVER_MODELS_DIR", models_dir)
            .env("SERVER_LOG_FORMAT", "json")
            .envs(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let errors = BufReader::new(child.stderr.take().unwrap());
        let gathered = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                gathered.lock().unwrap().push(line);
            }
        });
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = output.find_map(|line| Some(line.ok()?.strip_prefix("docs: ")?.trim_end_matches("/docs").to_owned()));
        // Somebody must go on reading, or the server would write into a closed pipe.
        std::thread::spawn(move || output.for_each(drop));
        let url = url.unwrap_or_else(|| panic!("the server ended: {:?}", log.lock().unwrap()));
        let server = Self {
            client: Client::new(url),
            child,
            log,
            _dir: dir,
        };
        eventually("every model is ready", async || {
            server.client.get("/health/readiness").await.status == 200
        })
        .await;
        server
    }

    /// Lines of its log that say this.
    pub fn logged(&self, words: &str) -> usize {
        let says = |line: &&Value| {
            line["fields"]["message"]
                .as_str()
                .is_some_and(|told| told.contains(words))
        };
        self.log.lock().unwrap().iter().filter(says).count()
    }

    /// Stops it where it is, or lets it go on.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// What replicas have printed so far: lines of the log, with `fields` and `span`.
    pub fn printed(&self) -> Vec<Value> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|line| line["target"] == "replica").cloned().collect()
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
