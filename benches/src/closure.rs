//! What a pipeline costs without a process of its own: a closure in Hostler as a library, which gives JSON back.

use std::process::Command;

use anyhow::Result;
use hostler::{Error, Server};
use serde_json::Value;

use crate::folders::REPLICAS;
use crate::server::Hostler;
use crate::setup::Setup;

/// The argument that makes this program the server.
pub const COMMAND: &str = "__closure";
/// Where the closure is.
pub const NAME: &str = "echo";

/// Serves until it is killed.
pub fn serve() -> Result<()> {
    Server::builder::<()>()
        .name(NAME)
        .environment()
        .replicas(REPLICAS)
        .handler(format!("/{NAME}"), |(): &mut (), value: Value| Ok::<_, Error>(value))
        .build()?
        .run()?;
    Ok(())
}

pub fn start(setup: &Setup) -> Result<Hostler> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(COMMAND);
    Hostler::spawn(setup, command)
}
