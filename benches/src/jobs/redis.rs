//! A Redis of a measurement's own, where redis-server is installed.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::process::Guard;
use crate::server::free_port;

/// A start that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is on disk before a command is answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// All of it.
    Always,
    /// All but the last second.
    EverySecond,
}

pub struct Redis {
    process: Guard,
    port: u16,
}

pub fn is_installed() -> bool {
    let mut command = Command::new("redis-server");
    let asked = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok_and(|status| status.success())
}

impl Redis {
    /// Starts one with its data in `folder`.
    pub fn start(folder: &Path, fsync: Fsync) -> Result<Self> {
        let port = free_port()?;
        let policy = match fsync {
            Fsync::Always => "always",
            Fsync::EverySecond => "everysec",
        };
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", policy, "--dir"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let process = Guard(command.spawn().context("starting redis-server")?);
        let mut redis = Self { process, port };
        redis.wait()?;
        Ok(redis)
    }

    /// What `SERVER_STORE_URL` is to be.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn wait(&mut self) -> Result<()> {
        let started = Instant::now();
        while !self.answers() {
            let ended = self.process.0.try_wait()?;
            ensure!(ended.is_none(), "redis-server ended");
            ensure!(started.elapsed() < PATIENCE, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<[u8; 5]> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(b"PING\r\n")?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| &answer == b"+PONG")
    }
}
