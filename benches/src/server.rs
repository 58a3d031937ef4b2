//! The server under test: its release binary, as an operator would start it.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::blocking::{Client, Response};
use serde_json::Value;

use crate::process::Guard;
use crate::setup::Setup;

/// A start that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often readiness is asked for; the error of the time to ready.
const POLL: Duration = Duration::from_millis(1);

/// What to serve, and where the compiled models are kept.
pub struct Config<'a> {
    pub models_dir: &'a Path,
    pub cache_dir: &'a Path,
    /// `SERVER_MODELS`.
    pub models: &'a Value,
}

pub struct Hostler {
    process: Guard,
    base: String,
    /// From spawn to the first good answer of `/health/readiness`.
    pub ready_after: Duration,
}

impl Hostler {
    /// Starts the release binary with models.
    pub fn start(setup: &Setup, config: &Config<'_>) -> Result<Self> {
        Self::spawn(setup, Self::command(setup, config))
    }

    /// The release binary with models.
    pub fn command(setup: &Setup, config: &Config<'_>) -> Command {
        let mut command = Command::new(&setup.hostler);
        command
            .env("SERVER_MODELS", config.models.to_string())
            .env("SERVER_MODELS_DIR", config.models_dir)
            .env("SERVER_MODEL_CACHE_DIR", config.cache_dir);
        command
    }

    /// Starts a program that reads the server's settings, and waits until its models are ready.
    pub fn spawn(setup: &Setup, mut command: Command) -> Result<Self> {
        let port = free_port()?;
        let log = setup.subfolder("logs")?.join(format!("{port}.log"));
        let out = File::create(&log)?;
        for (name, _) in std::env::vars_os() {
            let own = command.get_envs().any(|(set, _)| set == name);
            if !own && name.to_string_lossy().starts_with("SERVER_") {
                command.env_remove(name);
            }
        }
        command
            // No .env there.
            .current_dir(setup.folder.path())
            .env("ORT_DYLIB_PATH", &setup.library)
            .env("SERVER_HOST", "127.0.0.1")
            .env("SERVER_PORT", port.to_string())
            .env("SERVER_GRPC_PORT", "0")
            .env("SERVER_DEVICES", "cpu")
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        let client = Client::builder().timeout(Duration::from_secs(5)).build()?;
        let started = Instant::now();
        let process = Guard(command.spawn().context("starting hostler")?);
        let mut server = Self {
            process,
            base: format!("http://127.0.0.1:{port}"),
            ready_after: Duration::ZERO,
        };
        let readiness = format!("{}/health/readiness", server.base);
        server.wait(started, &log, || {
            client.get(&readiness).send().is_ok_and(|r| r.status().is_success())
        })?;
        server.ready_after = started.elapsed();
        // A model is ready with its first replica; the others must not load while something is measured.
        let status = format!("{}/", server.base);
        server.wait(started, &log, || {
            let body = client.get(&status).send().and_then(Response::bytes).unwrap_or_default();
            serde_json::from_slice(&body).is_ok_and(|status| all_replicas_ready(&status))
        })?;
        Ok(server)
    }

    fn wait(&mut self, started: Instant, log: &Path, done: impl Fn() -> bool) -> Result<()> {
        while !done() {
            let ended = self.process.0.try_wait()?.map(|status| status.to_string());
            if let Some(why) = ended.or_else(|| (started.elapsed() > PATIENCE).then(|| "not ready in time".into())) {
                bail!("hostler: {why}\n{}", fs::read_to_string(log).unwrap_or_default());
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn url(&self, model: &str) -> String {
        format!("{}/{model}", self.base)
    }
}

/// A port nobody listens on. Another process may take it first; then the start fails and says so.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Reads the answer of `GET /`.
fn all_replicas_ready(status: &Value) -> bool {
    let models = status["models"].as_array();
    models.is_some_and(|models| {
        models.iter().all(|model| {
            let replicas = model["status"]["replicas"].as_array();
            replicas.is_some_and(|replicas| replicas.iter().all(|replica| replica["state"] == "ready"))
        })
    })
}
