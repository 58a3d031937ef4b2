//! A server of the benchmark's own, in a process that tells its port.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::process::Guard;

/// Ended when dropped.
pub struct Local {
    process: Guard,
    pub url: String,
}

impl Local {
    /// Starts a program whose first line is the port it listens on.
    pub fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Guard(command.spawn().context("starting a server to compare with")?);
        let stdout = process.0.stdout.take().context("a server without an output")?;
        let mut port = String::new();
        BufReader::new(stdout).read_line(&mut port)?;
        Ok(Self {
            process,
            url: format!("http://127.0.0.1:{}/", port.trim()),
        })
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}
