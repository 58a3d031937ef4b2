//! Which Python runs a folder.

use std::path::{Path, PathBuf};

/// An interpreter, and why it was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    pub program: PathBuf,
    /// In a few words: `model.toml`, `.venv`, `PATH`.
    pub why: &'static str,
}

impl Interpreter {
    /// The manifest's, else the folder's own environment's, else `python3` of the path.
    ///
    /// A name without a slash is looked up on the path; a relative one starts at the folder.
    ///
    /// # Errors
    /// A sentence that names the remedy, when it is not there.
    pub fn find(folder: &Path, named: Option<&str>, path: Option<&str>) -> Result<Self, String> {
        if let Some(named) = named {
            let program = if named.contains('/') {
                Some(folder.join(named)).filter(|p| p.is_file())
            } else {
                on_path(named, path)
            };
            let missing = || format!("model.toml: python = {named:?} is not there; name an interpreter that is");
            let program = program.ok_or_else(missing)?;
            return Ok(Self {
                program: absolute(&program),
                why: "model.toml",
            });
        }
        let own = folder.join(".venv/bin/python");
        if own.is_file() {
            return Ok(Self {
                program: absolute(&own),
                why: ".venv",
            });
        }
        match on_path("python3", path) {
            Some(program) => Ok(Self { program, why: "PATH" }),
            None => Err(
                "no Python was found: install python3, make a .venv in the folder, or name an interpreter with \
                         python = … in model.toml"
                    .to_owned(),
            ),
        }
    }
}

/// Not resolved through links: an environment's interpreter is known by the path it is called by.
fn absolute(program: &Path) -> PathBuf {
    std::path::absolute(program).unwrap_or_else(|_| program.to_owned())
}

fn on_path(name: &str, path: Option<&str>) -> Option<PathBuf> {
    std::env::split_paths(path?)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }

    #[test]
    fn the_manifest_goes_before_the_folder_and_the_folder_before_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, bin) = (dir.path().join("model"), dir.path().join("bin"));
        touch(&bin.join("python3"));
        touch(&bin.join("python3.9"));
        let path = bin.to_str();
        let found = |named| Interpreter::find(&folder, named, path).map(|i| (i.program, i.why));
        assert_eq!(found(None).unwrap(), (bin.join("python3"), "PATH"));
        touch(&folder.join(".venv/bin/python"));
        assert_eq!(found(None).unwrap(), (folder.join(".venv/bin/python"), ".venv"));
        assert_eq!(found(Some("python3.9")).unwrap(), (bin.join("python3.9"), "model.toml"));
        assert_eq!(found(Some(".venv/bin/python")).unwrap().1, "model.toml");
        assert!(found(Some("python4")).unwrap_err().contains("python4"));
        assert!(
            Interpreter::find(&bin, None, None)
                .unwrap_err()
                .contains("install python3")
        );
    }
}
