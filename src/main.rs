//! The command line.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hostler::app::{self, AppError, Plan};
use hostler::config::{LogFormat, Settings};

/// Requests are allocated on the front's threads and freed on the replicas', which is where glibc's allocator is slow.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A model server. Settings come from SERVER_… variables and from .env in the working directory.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "Exit codes: 0 after a drain, 2 for a fault of settings or usage, 1 for the rest."
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the models of SERVER_MODELS (the default)
    Serve,
    /// Print what would be served, and every fault of the settings
    Check {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Fill SERVER_MODEL_CACHE_DIR with compiled artefacts, for an image that starts fast
    Compile,
    /// Print the OpenAPI document of the configured models
    Openapi,
    /// What the process of an isolated replica runs: serves one model over its standard input
    #[command(hide = true)]
    Replica,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments.command.unwrap_or(Command::Serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(command: &Command) -> Result<(), AppError> {
    if matches!(command, Command::Replica) {
        return app::replica();
    }
    let settings = Settings::load()?;
    logs(&settings)?;
    settings.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    match command {
        Command::Serve => app::run(&settings),
        Command::Check { json } => {
            let plan = Plan::make(&settings)?;
            let text = if *json {
                format!("{:#}", plan.json())
            } else {
                plan.table()
            };
            print(text.trim_end());
            Ok(())
        }
        Command::Compile => {
            let plan = Plan::make(&settings)?;
            let runtime = app::needed_runtime(&plan)?;
            let lines = app::compile(plan, &settings, runtime.as_ref())?;
            print(&lines.join("\n"));
            Ok(())
        }
        Command::Openapi => {
            let plan = Plan::make(&settings)?;
            let cards: Vec<_> = plan.models.iter().map(|m| m.spec.card()).collect();
            let document = hostler::http::openapi_document(&cards);
            print(&document.to_pretty_json().unwrap_or_default());
            Ok(())
        }
        Command::Replica => Ok(()),
    }
}

/// A reader that has seen enough (`| head`) is no fault.
fn print(text: &str) {
    drop(writeln!(std::io::stdout(), "{text}"));
}

fn logs(settings: &Settings) -> Result<(), AppError> {
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.log).map_err(|e| {
        let text = format!(
            "SERVER_LOG: read {:?}, expected a filter such as info or hostler=debug: {e}",
            settings.log
        );
        AppError::Settings(vec![text])
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match settings.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}
