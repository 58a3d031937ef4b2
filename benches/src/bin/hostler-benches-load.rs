//! The load generator, a binary of its own: its CPU time is apart, and so is the allocator that oha brings.

use clap::Parser;
use oha::Opts;

fn main() -> anyhow::Result<()> {
    let options = Opts::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.worker_threads.get())
        .enable_all()
        .build()?;
    runtime.block_on(oha::run(options))
}
