//! The Python worker inside of this binary, laid out as files for the interpreter.

use std::io;
use std::path::{Path, PathBuf};

/// Name and text of each file.
const FILES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/worker_files.rs"));

/// Lays the worker out under `cache_dir`, and gives the folder to put on Python's path.
///
/// The folder is named after its content: servers of other releases may share the cache.
///
/// # Errors
/// When the files cannot be written.
pub fn lay_out(cache_dir: &Path) -> io::Result<PathBuf> {
    let cache_dir = std::path::absolute(cache_dir)?;
    let folder = cache_dir.join(format!("python-worker-{}", name()));
    if folder.is_dir() {
        return Ok(folder);
    }
    // Written beside and moved: nobody sees half of it, and of two that do so at once one is as good as the other.
    let draft = cache_dir.join(format!(".python-worker-{}-{}", std::process::id(), fastrand::u32(..)));
    for (file, text) in FILES {
        let path = draft.join(file);
        std::fs::create_dir_all(path.parent().unwrap_or(&draft))?;
        std::fs::write(path, text)?;
    }
    let moved = std::fs::rename(&draft, &folder);
    if moved.is_err() {
        // What is left of the draft harms nobody, should it not go.
        let _ = std::fs::remove_dir_all(&draft);
    }
    if folder.is_dir() {
        Ok(folder)
    } else {
        moved.map(|()| folder)
    }
}

fn name() -> String {
    let mut hash = blake3::Hasher::new();
    for (file, text) in FILES {
        hash.update(file.as_bytes())
            .update(&[0])
            .update(text.as_bytes())
            .update(&[0]);
    }
    hash.finalize().to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_is_laid_out_once_and_whole() {
        let cache = tempfile::tempdir().unwrap();
        let folder = lay_out(cache.path()).unwrap();
        assert!(folder.join("hostler_worker/__main__.py").is_file());
        assert_eq!(lay_out(cache.path()).unwrap(), folder);
        assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 1);
    }
}
