//! The benchmark: Hostler beside a bare ONNX Runtime loop and an echo server, every figure a ratio within one run.

mod bare;
mod closure;
mod echo;
mod figures;
mod folders;
mod groups;
mod load;
mod machine;
mod memory;
mod models;
#[path = "../../tests/support/onnx.rs"]
mod onnx;
mod peers;
mod process;
mod python;
mod report;
mod server;
mod setup;
mod startup;
mod stats;
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
    /// Only cases whose name holds this text: tiny, compute, image, memory, startup, python, or "compute batching on"; "peers" alone compares with other servers
    #[arg(default_value = "")]
    filter: String,
}

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some(echo::COMMAND) => return echo::serve(),
        Some(closure::COMMAND) => return closure::serve(),
        Some(bare::COMMAND) => return bare::run(&words.next().context("no task")?),
        _ => {}
    }
    let Arguments { quick, filter } = Arguments::parse();
    measure(&Setup::new(quick, filter)?)
}

fn measure(setup: &Setup) -> Result<()> {
    println!("Machine: {}.", machine::describe());
    println!(
        "{} round(s) of {} s for each side; medians.\n",
        setup.rounds,
        setup.length.as_secs_f64()
    );
    if setup.filter == peers::FILTER {
        let table = peers::run(setup)?;
        println!(
            "{}\n{}",
            report::turns(&table),
            report::targets(&peers::targets(&table))
        );
        return Ok(());
    }
    let mut reached = Vec::new();
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
    if setup.wants("startup") {
        reached.extend(startup::targets(&startup::run(setup)?));
    }
    ensure!(!reached.is_empty(), "no case has {:?} in its name", setup.filter);
    println!("{}", report::targets(&reached));
    Ok(())
}
