//! Folders of Python to serve: copied, so that a manifest beside them can name the interpreter.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::server::{Config, Hostler};
use crate::setup::Setup;

/// Replicas of every Python model that is measured.
pub const REPLICAS: usize = 2;

/// The interpreter that a variable names, else the one of an environment under `.tools/`.
pub fn interpreter(setup: &Setup, variable: &str, environment: &str, remedy: &str) -> Result<PathBuf> {
    let made = || setup.root.join(".tools").join(environment).join("bin/python");
    let program = std::env::var_os(variable).map_or_else(made, PathBuf::from);
    ensure!(
        program.is_file(),
        "there is no Python for {environment}; run {remedy}, or name one in {variable}"
    );
    Ok(program)
}

/// Serves a copy of `source`, a folder of the repository, as the model `name`.
pub fn serve(setup: &Setup, source: &str, name: &str, python: &Path) -> Result<Hostler> {
    let models_dir = setup.subfolder("python")?;
    copy(setup, source, &models_dir.join(name), python)?;
    let config = Config {
        models_dir: &models_dir,
        cache_dir: &setup.subfolder("cache")?,
        models: &json!([{"model": name, "replicas": REPLICAS, "threads": 1}]),
    };
    Hostler::start(setup, &config)
}

/// Copies the Python of `source`, a folder of the repository, to `folder`, with a manifest that names the interpreter.
pub fn copy(setup: &Setup, source: &str, folder: &Path, python: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(setup.root.join(source)).with_context(|| source.to_owned())? {
        let path = entry?.path();
        if let (Some(file), true) = (path.file_name(), path.extension().is_some_and(|e| e == "py")) {
            fs::copy(&path, folder.join(file))?;
        }
    }
    // A text of JSON is one of TOML too.
    let program = Value::from(python.to_string_lossy());
    fs::write(folder.join("model.toml"), format!("python = {program}\n"))?;
    Ok(())
}
