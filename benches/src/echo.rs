//! The floor of an HTTP server of this kind: axum reads the whole body and answers with it.

use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use crate::local::Local;

/// The argument that makes this program the echo server.
pub const COMMAND: &str = "__echo";

/// Serves until it is killed; says its port in the first line. The runtime is what tokio makes of it by itself.
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

/// Starts it.
pub fn start() -> Result<Local> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(COMMAND);
    Local::start(command)
}
