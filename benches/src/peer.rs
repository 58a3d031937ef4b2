//! Another server as a process: started, asked whether it is there, and ended with all that it started.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::blocking::Client;
use serde_json::Value;

use crate::process::Guard;
use crate::server::free_port;
use crate::setup::Setup;

/// A start that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a server that was asked to stop may take.
const GRACE: Duration = Duration::from_secs(5);

/// `python SCRIPT PORT` serves at a path; `python SCRIPT PORT FOLDER` where it serves a model.
pub struct Peer {
    pub name: &'static str,
    /// Where the script is.
    pub folder: &'static str,
    pub script: &'static str,
    /// A folder of the repository.
    pub model: Option<&'static str>,
    pub path: &'static str,
}

/// A peer that answers.
pub struct Running {
    process: Guard,
    pub url: String,
}

impl Running {
    /// Starts it, and waits until it answers the request.
    pub fn start(setup: &Setup, peer: &Peer, python: &Path, request: &[u8]) -> Result<Self> {
        let port = free_port()?;
        let log = setup.subfolder("logs")?.join(format!("{port}.log"));
        let out = File::create(&log)?;
        let mut command = Command::new(python);
        command
            .args([peer.script, &port.to_string()])
            .args(peer.model.map(|model| setup.root.join(model)))
            .current_dir(setup.root.join(peer.folder))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            // Its workers end with it: they are of its group.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        let started = Instant::now();
        let mut running = Self {
            process: Guard(command.spawn().with_context(|| format!("starting {}", peer.name))?),
            url: format!("http://127.0.0.1:{port}{}", peer.path),
        };
        while ask(&running.url, request).is_err() {
            if started.elapsed() > PATIENCE || running.process.0.try_wait()?.is_some() {
                bail!(
                    "{} did not start\n{}",
                    peer.name,
                    fs::read_to_string(&log).unwrap_or_default()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // The first answer may come while another worker still imports.
        std::thread::sleep(Duration::from_secs(if peer.model.is_some() { 5 } else { 1 }));
        Ok(running)
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Running {
    /// Asks before it kills: servers of several processes leave semaphores behind when they are killed.
    fn drop(&mut self) {
        let group = self.process.id().to_string();
        let send = |signal: &str| {
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &format!("kill -s {signal} -- -{group}")])
                .stderr(Stdio::null());
            // Gone already, at worst.
            drop(shell.status());
        };
        send("TERM");
        let asked = Instant::now();
        while asked.elapsed() < GRACE && matches!(self.process.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        send("KILL");
    }
}

/// The answer to one request of JSON.
pub fn ask(url: &str, request: &[u8]) -> Result<Value> {
    let post = Client::new().post(url).header("content-type", "application/json");
    let answer = post.body(request.to_vec()).send()?.error_for_status()?;
    Ok(serde_json::from_slice(&answer.bytes()?)?)
}
