//! A server of one page: axum, serde and ONNX Runtime, and nothing of what a model server is for. What it reaches is
//! what a machine has room for.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, anyhow};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use crossbeam_channel::{Receiver, Sender};
use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::bare;
use crate::local::Local;

/// The argument that makes this program the server.
pub const COMMAND: &str = "__plain";

/// What the server's process is told.
#[derive(Serialize, Deserialize)]
struct Task {
    library: PathBuf,
    model: PathBuf,
    threads: usize,
}

/// Starts it with a thread a session; a model with one input and one output, both of rows.
pub fn start(library: &Path, model: &Path, threads: usize) -> Result<Local> {
    let task = Task {
        library: library.to_owned(),
        model: model.to_owned(),
        threads,
    };
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(COMMAND).arg(serde_json::to_string(&task)?);
    Local::start(command)
}

/// A row, and where its answer goes.
type Job = (Vec<f32>, oneshot::Sender<Vec<f32>>);
type Rows = BTreeMap<String, Vec<Vec<f32>>>;

#[derive(Serialize)]
struct Answer {
    results: Rows,
}

/// Serves until it is killed; says its port in the first line.
pub fn serve(task: &str) -> Result<()> {
    let task: Task = serde_json::from_str(task)?;
    let environment = bare::environment(&task.library)?;
    let (jobs, taken) = crossbeam_channel::unbounded::<Job>();
    for _ in 0..task.threads {
        let session = bare::session(&environment, &task.model).map_err(|e| anyhow!("{e}"))?;
        let taken = taken.clone();
        std::thread::spawn(move || {
            // What waits for an answer then is told that there is none.
            work(session, &taken).unwrap_or_else(|error| eprintln!("a run failed: {error}"));
        });
    }
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?.port());
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let router = Router::new().route("/", post(answer)).with_state(jobs);
        Ok(axum::serve(listener, router).await?)
    })
}

async fn answer(State(jobs): State<Sender<Job>>, Json(mut inputs): Json<Rows>) -> Result<Json<Answer>, StatusCode> {
    let row = inputs.pop_first().and_then(|(_, mut rows)| rows.pop());
    let (to, from) = oneshot::channel();
    jobs.send((row.ok_or(StatusCode::UNPROCESSABLE_ENTITY)?, to))
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let row = from.await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let results = [("y".to_owned(), vec![row])].into();
    Ok(Json(Answer { results }))
}

fn work(mut session: Session, jobs: &Receiver<Job>) -> ort::Result<()> {
    for (row, answer) in jobs {
        let input = TensorRef::from_array_view(([1, row.len()], &row[..]))?;
        let outputs = session.run(&[SessionInputValue::from(input)][..])?;
        let (_, row) = outputs[0].try_extract_tensor::<f32>()?;
        // Nobody may wait for it any more.
        drop(answer.send(row.to_vec()));
    }
    Ok(())
}
