//! The floor of an HTTP server of this kind: axum reads the whole body and answers with it.

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use crate::process::Guard;

/// The argument that makes this program the echo server.
pub const COMMAND: &str = "__echo";

/// Serves until it is killed; says its port in the first line. The runtime is built as the server's.
pub fn serve() -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?.port());
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let router = Router::new()
            .route("/", post(async |body: Bytes| body))
            .layer(DefaultBodyLimit::disable());
        Ok(axum::serve(listener, router).await?)
    })
}

pub struct Echo {
    process: Guard,
    pub url: String,
}

impl Echo {
    pub fn start() -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(COMMAND).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Guard(command.spawn().context("starting the echo server")?);
        let stdout = process.0.stdout.take().context("starting the echo server")?;
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
