//! The ceiling of a model server: ONNX Runtime in a loop on a ready tensor, each thread with a session of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use ort::environment::Environment;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;
use serde::{Deserialize, Serialize};

use crate::figures::Figures;
use crate::models::{self, Model};
use crate::process::own_cpu_time;
use crate::setup::Setup;
use crate::stats::percentile;

/// The argument that makes this program the loop.
pub const COMMAND: &str = "__bare";

/// What the loop's process is told.
#[derive(Serialize, Deserialize)]
struct Task {
    library: PathBuf,
    model: PathBuf,
    shape: Vec<usize>,
    threads: usize,
    warm_up: Duration,
    length: Duration,
}

/// Runs the loop in a process of its own.
pub fn measure(setup: &Setup, model: &Model, file: &Path, threads: usize) -> Result<Figures> {
    let task = Task {
        library: setup.library.clone(),
        model: file.to_owned(),
        shape: model.shape.to_vec(),
        threads,
        warm_up: setup.warm_up,
        length: setup.length,
    };
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(COMMAND).arg(serde_json::to_string(&task)?);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the bare loop failed: {}", output.status);
    serde_json::from_slice(&output.stdout).context("reading the bare loop's figures")
}

/// The loop's process.
pub fn run(task: &str) -> Result<()> {
    let task: Task = serde_json::from_str(task)?;
    let environment = environment(&task.library)?;
    let mut sessions = Vec::new();
    for _ in 0..task.threads {
        sessions.push(session(&environment, &task.model).map_err(|e| anyhow!("{e}"))?);
    }
    let barrier = Barrier::new(task.threads + 1);
    let (times, elapsed, cpu) = std::thread::scope(|scope| {
        let workers: Vec<_> = sessions
            .into_iter()
            .map(|session| scope.spawn(|| work(session, &task, &barrier)))
            .collect();
        barrier.wait();
        let (started, before) = (Instant::now(), own_cpu_time()?);
        let mut times = Vec::new();
        for worker in workers {
            let part = worker.join().map_err(|_| anyhow!("a thread panicked"))?;
            times.extend(part.map_err(|e| anyhow!("{e}"))?);
        }
        let cpu = own_cpu_time()?.saturating_sub(before);
        anyhow::Ok((times, started.elapsed(), cpu))
    })?;
    let mut times: Vec<f64> = times.iter().map(|t| t.as_secs_f64() * 1e6).collect();
    times.sort_by(f64::total_cmp);
    let runs = times.len() as f64;
    let figures = Figures {
        rate: runs / elapsed.as_secs_f64(),
        p50: percentile(&times, 50),
        p99: percentile(&times, 99),
        cpu: cpu.as_secs_f64() * 1e6 / runs,
        generator_cpu: None,
    };
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

pub fn environment(library: &Path) -> Result<Environment> {
    let environment = ort::init_from(library)?.with_telemetry(false).build();
    environment.map_err(|e| anyhow!("{e}"))
}

/// A session of one thread.
pub fn session(environment: &Environment, model: &Path) -> ort::Result<Session> {
    Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(1)?
        .commit_from_file(model)
}

/// Runs for the warm-up, waits for the other threads, then takes the time of each run.
fn work(mut session: Session, task: &Task, barrier: &Barrier) -> ort::Result<Vec<Duration>> {
    let row = models::random_values(&task.shape);
    let tensor = TensorRef::from_array_view((&task.shape[..], &row[..]))?;
    let inputs = [SessionInputValue::from(tensor)];
    let warm = Instant::now();
    let mut warmed = Ok(());
    while warmed.is_ok() && warm.elapsed() < task.warm_up {
        warmed = session.run(&inputs[..]).map(drop);
    }
    barrier.wait();
    warmed?;
    let mut times = Vec::with_capacity(1 << 20);
    let started = Instant::now();
    let mut last = started;
    while last - started < task.length {
        drop(session.run(&inputs[..])?);
        let now = Instant::now();
        times.push(now - last);
        last = now;
    }
    Ok(times)
}
