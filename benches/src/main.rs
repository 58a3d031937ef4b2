//! The benchmark: Hostler beside a bare ONNX Runtime loop and an echo server, every figure a ratio within one run.

mod bare;
mod closure;
mod echo;
mod encoders;
mod figures;
mod folders;
mod generation;
mod groups;
mod jobs;
mod joiner;
mod load;
mod local;
mod machine;
mod memory;
mod model_peers;
mod models;
#[path = "../../tests/support/onnx.rs"]
mod onnx;
mod peer;
mod peers;
mod plain;
mod process;
mod python;
mod report;
mod server;
mod setup;
mod startup;
mod stats;
mod stories;
mod targets;
mod throughput;
mod turns;
mod wire;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use setup::Setup;

/// Measures the release build of hostler and prints Markdown tables.
#[derive(Parser)]
struct Arguments {
    /// One short round, to see that everything works
    #[arg(long)]
    quick: bool,
    /// Only cases whose name holds this text: tiny, compute, image, memory, startup, python, generation, encoders, jobs, or "compute batching on"; "peers" compares with other servers, "peers function" and "peers models" with some of them
    #[arg(default_value = "")]
    filter: String,
}

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some(echo::COMMAND) => return echo::serve(),
        Some(closure::COMMAND) => return closure::serve(),
        Some(plain::COMMAND) => return plain::serve(&words.next().context("no task")?),
        Some(bare::COMMAND) => return bare::run(&words.next().context("no task")?),
        _ => {}
    }
    let Arguments { quick, filter } = Arguments::parse();
    // The client that asks servers whether they are ready is built as the server's own, for which TLS has to be there.
    hostler::webhook::prepare_tls();
    measure(&Setup::new(quick, filter)?)
}

fn measure(setup: &Setup) -> Result<()> {
    println!("Machine: {}.", machine::describe());
    println!(
        "{} round(s) of {} s for each side; medians.\n",
        setup.rounds,
        setup.length.as_secs_f64()
    );
    let mut reached = Vec::new();
    if setup.filter.starts_with(peers::FILTER) {
        if setup.wants(peers::CASE) {
            let table = peers::run(setup)?;
            println!("{}", report::turns(&table));
            reached.extend(peers::targets(&table));
        }
        if setup.wants(model_peers::CASE) {
            let answers = model_peers::answers(setup)?;
            println!("{}", report::turns(&answers));
            let texts = model_peers::texts(setup)?;
            println!("{}", report::generation(model_peers::TEXTS, &texts));
            reached.extend(model_peers::targets(&answers, &texts));
        }
        return finish(setup, &reached);
    }
    for group in groups::groups() {
        if let Some(results) = throughput::run(setup, &group)? {
            println!("{}", report::throughput(&results));
            reached.extend(targets::of(&results));
        }
    }
    if setup.wants("memory") {
        let measured = memory::run(setup)?;
        println!("{}", report::memory(&measured));
        reached.extend(memory::targets(&measured));
    }
    let tables = python::run(setup)?;
    for table in &tables {
        println!("{}", report::turns(table));
    }
    reached.extend(python::targets(&tables));
    if setup.wants(generation::CASE) {
        let records = generation::run(setup)?;
        println!(
            "{}",
            report::generation("Text generation, texts of mixed length", &records)
        );
        reached.extend(generation::targets(&records));
    }
    if setup.wants(joiner::CASE) {
        let rounds = joiner::run(setup)?;
        println!("{}", report::joiner(&rounds));
        reached.extend(joiner::targets(&rounds));
    }
    let measured = encoders::run(setup)?;
    for one in &measured {
        println!("{}", report::turns(&one.table));
    }
    reached.extend(encoders::targets(measured));
    let jobs = jobs::run(setup)?;
    if let Some(accepted) = &jobs.accepted {
        println!("{}\n{}\n", report::turns(&accepted.table), accepted.note);
    }
    if !jobs.waiting.is_empty() {
        println!("{}", report::waiting(&jobs.waiting));
    }
    reached.extend(jobs::targets(&jobs));
    if setup.wants("startup") {
        reached.extend(startup::targets(&startup::run(setup)?));
    }
    finish(setup, &reached)
}

fn finish(setup: &Setup, reached: &[targets::Target]) -> Result<()> {
    ensure!(!reached.is_empty(), "no case has {:?} in its name", setup.filter);
    println!("{}", report::targets(reached));
    Ok(())
}
