//! Finds and loads the ONNX Runtime library.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

/// Where `scripts/onnxruntime.sh` puts the library, under the working directory.
pub const LIBRARY_FOLDER: &str = "onnxruntime";
const LIBRARY: &str = "libonnxruntime.so";

/// The library cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoadError {
    #[error(
        "ONNX Runtime was not found. Run scripts/onnxruntime.sh, or set ORT_DYLIB_PATH to {LIBRARY}; looked at: {}",
        looked_at(.0)
    )]
    NotFound(Vec<PathBuf>),
    #[error("ONNX Runtime at {} cannot be loaded: {reason}. Run scripts/onnxruntime.sh for the version this server is built for", .path.display())]
    Unusable { path: PathBuf, reason: String },
}

fn looked_at(paths: &[PathBuf]) -> String {
    paths
        .iter()
        .map(|p| p.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

/// The loaded library. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    pub(super) environment: Environment,
}

/// ONNX Runtime allows one environment a process, so servers in one process (tests, a library user) share it.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

/// Where the library is looked for, in order: the override alone when there is one, else beside the executable
/// and in the script's folder under the working directory.
pub fn search_path(overridden: Option<&Path>, executable: Option<&Path>, working_dir: &Path) -> Vec<PathBuf> {
    if let Some(path) = overridden {
        return vec![path.to_owned()];
    }
    let beside = executable.and_then(Path::parent).map(|dir| dir.join(LIBRARY));
    beside
        .into_iter()
        .chain([working_dir.join(LIBRARY_FOLDER).join(LIBRARY)])
        .collect()
}

impl Runtime {
    /// Loads the first library on the search path that is there; a second call gives the one that is loaded.
    ///
    /// # Errors
    /// When none is there, or the one found cannot be loaded (wrong architecture, too old).
    pub fn load(search: &[PathBuf]) -> Result<Self, LoadError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = loaded.as_ref() {
            return Ok(runtime.clone());
        }
        let path = search
            .iter()
            .find(|p| p.is_file())
            .ok_or_else(|| LoadError::NotFound(search.to_vec()))?;
        let unusable = |reason: String| LoadError::Unusable {
            path: path.clone(),
            reason,
        };
        let environment = ort::init_from(path)
            .map_err(|e| unusable(e.to_string()))?
            .with_name("hostler")
            .with_telemetry(false)
            .with_logger(Arc::new(log))
            .build()
            .map_err(|e| unusable(e.to_string()))?;
        environment.set_log_level(LogLevel::Warning);
        let runtime = Self { environment };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// Version and build of the library, part of the name of every compiled artefact.
    pub(super) fn version() -> &'static str {
        ort::info()
    }
}

/// ONNX Runtime's log lines go where ours go.
fn log(level: LogLevel, category: &str, _id: &str, _location: &str, message: &str) {
    match level {
        LogLevel::Fatal | LogLevel::Error => tracing::error!(target: "onnxruntime", "{category}: {message}"),
        LogLevel::Warning => tracing::warn!(target: "onnxruntime", "{category}: {message}"),
        LogLevel::Info | LogLevel::Verbose => tracing::trace!(target: "onnxruntime", "{category}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_override_stands_alone_and_the_executable_goes_before_the_working_directory() {
        let exe = Path::new("/opt/hostler/hostler");
        let found = search_path(None, Some(exe), Path::new("/srv"));
        assert_eq!(
            found,
            [
                Path::new("/opt/hostler/libonnxruntime.so"),
                Path::new("/srv/onnxruntime/libonnxruntime.so")
            ]
        );
        let found = search_path(Some(Path::new("/x/lib.so")), Some(exe), Path::new("/srv"));
        assert_eq!(found, [Path::new("/x/lib.so")]);
    }

    #[test]
    fn a_missing_library_names_the_remedy_and_where_was_looked() {
        let error = LoadError::NotFound(vec!["/a/libonnxruntime.so".into()]);
        let text = error.to_string();
        assert!(
            text.contains("scripts/onnxruntime.sh") && text.contains("/a/libonnxruntime.so"),
            "{text}"
        );
    }
}
