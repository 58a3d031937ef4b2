//! What every measurement needs to know: where the programs are, how long and how often to measure.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

pub struct Setup {
    /// Model folders, caches and logs of this run.
    pub folder: TempDir,
    /// The repository.
    pub root: PathBuf,
    /// The server under test.
    pub hostler: PathBuf,
    pub generator: PathBuf,
    /// ONNX Runtime, one for the server and the bare loop.
    pub library: PathBuf,
    pub length: Duration,
    pub warm_up: Duration,
    pub rounds: usize,
    /// Only cases whose name holds this text.
    pub filter: String,
}

impl Setup {
    pub fn new(quick: bool, filter: String) -> Result<Self> {
        build()?;
        let own = std::env::current_exe()?;
        let beside = own.parent().unwrap_or(Path::new("."));
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
        let library = match std::env::var_os("ORT_DYLIB_PATH") {
            Some(path) => PathBuf::from(path),
            None => root.join("onnxruntime/libonnxruntime.so"),
        };
        let setup = Self {
            folder: TempDir::new()?,
            root: root.to_owned(),
            hostler: beside.join("hostler"),
            generator: beside.join("hostler-benches-load"),
            library: std::path::absolute(library)?,
            length: Duration::from_secs(if quick { 2 } else { 5 }),
            warm_up: Duration::from_millis(if quick { 500 } else { 1000 }),
            rounds: if quick { 1 } else { 3 },
            filter,
        };
        for (what, path, remedy) in [
            ("the server", &setup.hostler, "cargo build --release"),
            (
                "the load generator",
                &setup.generator,
                "cargo build --release -p hostler-benches",
            ),
            ("ONNX Runtime", &setup.library, "scripts/onnxruntime.sh"),
        ] {
            let shown = path.file_name().unwrap_or_default().to_string_lossy();
            ensure!(path.is_file(), "{what} ({shown}) is not there; run {remedy}");
        }
        Ok(setup)
    }

    pub fn wants(&self, case: &str) -> bool {
        case.contains(&self.filter)
    }

    /// A folder of this run, made when it is not there.
    pub fn subfolder(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).context("making a folder")?;
        Ok(path)
    }
}

/// Brings the server and the generator up to date when cargo started this program; else what is there is measured.
fn build() -> Result<()> {
    let Some(cargo) = std::env::var_os("CARGO") else {
        return Ok(());
    };
    ensure!(
        !cfg!(debug_assertions),
        "only release builds are worth measuring: cargo run --release"
    );
    // Apart, so that the server has the features it ships with and not those of the benchmark's packages.
    for package in [&["-p", "hostler"][..], &["-p", "hostler-benches", "--bins"]] {
        let mut command = Command::new(&cargo);
        command.args(["build", "--release"]).args(package);
        // What cargo tells this program of itself; build scripts that read it would run anew.
        for (name, _) in std::env::vars_os() {
            let shown = name.to_string_lossy();
            if shown.starts_with("CARGO_PKG_") || shown.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        let status = command.current_dir(env!("CARGO_MANIFEST_DIR")).status()?;
        ensure!(status.success(), "cargo build: {status}");
    }
    Ok(())
}
