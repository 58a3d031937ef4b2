//! Folders of Python that tests serve, and the processes that run them.

use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Client, eventually};

/// The folders as their authors wrote them.
pub fn python_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python")
}

/// A models folder with copies of author folders, each with what its `model.toml` is to say.
pub fn copies(folders: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, manifest) in folders {
        let copy = dir.path().join(name);
        std::fs::create_dir(&copy).unwrap();
        for entry in std::fs::read_dir(python_dir().join(name)).unwrap() {
            let file = entry.unwrap().path();
            if file.is_file() {
                std::fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
            }
        }
        std::fs::write(copy.join("model.toml"), manifest).unwrap();
    }
    dir
}

/// The interpreter with the packages of `tests/python/requirements.txt`.
pub fn interpreter() -> PathBuf {
    let named = std::env::var("HOSTLER_TEST_PYTHON").unwrap_or_default();
    assert!(
        !named.is_empty(),
        "HOSTLER_TEST_PYTHON is not set: `make test` sets it; by hand, let it name a Python with the packages of \
         tests/python/requirements.txt"
    );
    let program = std::path::absolute(named).unwrap();
    assert!(
        program.is_file(),
        "HOSTLER_TEST_PYTHON names {}, which is not there",
        program.display()
    );
    program
}

/// The line of `model.toml` that names an interpreter with numpy, Pillow and pydantic.
pub fn with_packages() -> String {
    format!("python = {:?}\n", interpreter().to_str().unwrap())
}

/// What the server tells of its only, or its first, model.
pub async fn status(client: &Client) -> Value {
    client.get("/").await.ok()["models"][0]["status"].clone()
}

/// How often the replicas of the first model have started anew.
pub async fn restarts(client: &Client) -> u64 {
    let status = status(client).await;
    let replicas = status["replicas"].as_array().unwrap();
    replicas.iter().map(|r| r["restarts"].as_u64().unwrap()).sum()
}

/// Waits until each replica of the only model serves: the model itself is ready with its first.
pub async fn all_ready(client: &Client) {
    eventually("every replica is ready", async || {
        let status = status(client).await;
        let replicas = status["replicas"].as_array().unwrap();
        replicas.iter().all(|replica| replica["state"] == "ready")
    })
    .await;
}

/// State and parent of a process; `None` when there is none of this number.
fn stat(pid: u64) -> Option<(char, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before the last bracket may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

/// Whether a process runs. One that has ended and that nobody has asked about does not.
pub fn is_running(pid: u64) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// The processes that `parent` has started.
pub fn children(parent: u32) -> Vec<u64> {
    let processes = std::fs::read_dir("/proc").unwrap();
    let numbers = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers
        .filter(|pid| is_running(*pid) && stat(*pid).is_some_and(|(_, of)| of == u64::from(parent)))
        .collect()
}

/// Kills a process that `parent` has started; false when it has none of this number any more.
///
/// Numbers are used again: one that an answer told may be somebody else's by now.
pub fn kill_child(parent: u32, pid: u64) -> bool {
    let runs = is_running(pid) && stat(pid).is_some_and(|(_, of)| of == u64::from(parent));
    if !runs {
        return false;
    }
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::KILL).is_ok()
}
