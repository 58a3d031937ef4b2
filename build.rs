//! Lists the files of the Python worker, so that the server carries them inside of itself.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const WORKER: &str = "python/hostler_worker";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed={WORKER}");
    let mut files = Vec::new();
    walk(Path::new(WORKER), &mut files)?;
    files.sort();
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut text = String::from("[\n");
    for file in files {
        let name = file
            .strip_prefix("python")
            .unwrap_or(&file)
            .to_string_lossy()
            .into_owned();
        let path = root.join(&file).to_string_lossy().into_owned();
        writeln!(text, "({name:?}, include_str!({path:?})),").map_err(io::Error::other)?;
    }
    text.push(']');
    fs::write(
        PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("worker_files.rs"),
        text,
    )
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, into)?;
        } else if path.extension().is_some_and(|e| e == "py") {
            into.push(path);
        }
    }
    Ok(())
}
