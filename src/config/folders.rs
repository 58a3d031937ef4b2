//! Whether the folders that the settings name are there: the one check that looks at the disk.
//! A folder's name is all it looks at; the catalog opens them.

use super::fault::{Fault, expected, nearest, quoted};
use super::names::check_name;
use super::settings::Settings;
use super::{entry, models, table};
use std::path::Path;

/// The most folder names that a message lists.
const LISTED: usize = 10;

/// A fault for each model that has no folder in `models_dir`, with what is there; a single one
/// where `models_dir` itself is missing. Paths are shown as they were set.
#[must_use]
pub fn check_folders(settings: &Settings) -> Vec<Fault> {
    let names: Vec<_> = settings
        .models
        .iter()
        .map(|model| model.name.as_str())
        .enumerate()
        .collect();
    // Whoever has set no models has never seen the names in these faults.
    let hint = if models::parse(default_models()).is_ok_and(|demo| demo == settings.models) {
        "; these are the default models, SERVER_MODELS names others"
    } else {
        ""
    };
    missing(&settings.models_dir, &names, hint)
}

/// A fault for each of `names`, with their indices in `SERVER_MODELS`, that has no folder in `dir`.
pub(super) fn missing(dir: &Path, names: &[(usize, &str)], hint: &str) -> Vec<Fault> {
    let there = match folders(dir) {
        Ok(there) => there,
        Err(error) => {
            let dir = quoted(&dir.to_string_lossy());
            let problem = format!(
                "{dir} cannot be listed ({}){}",
                error.kind(),
                expected("the folder of the models")
            );
            return vec![Fault::new("SERVER_MODELS_DIR", problem)];
        }
    };
    names
        .iter()
        .filter(|(_, name)| !there.iter().any(|folder| folder == *name))
        .map(|(index, name)| {
            let problem = problem(name, dir, &there);
            Fault::new(entry::place(*index, name), problem + hint)
        })
        .collect()
}

fn default_models() -> &'static str {
    table::variable("SERVER_MODELS").map_or("", |variable| variable.default)
}

fn problem(name: &str, dir: &Path, there: &[String]) -> String {
    let dir = quoted(&dir.to_string_lossy());
    let near = match nearest(name, there.iter().map(String::as_str)) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None => String::new(),
    };
    let listed = match there.len() {
        0 => "it holds no folders".to_owned(),
        n if n > LISTED => {
            format!("it holds {} and {} more", there[..LISTED].join(", "), n - LISTED)
        }
        _ => format!("it holds {}", there.join(", ")),
    };
    format!("has no folder in SERVER_MODELS_DIR {dir}, {listed}{near}")
}

/// The folders in `dir` that a model could be called after, by name; links to folders count.
fn folders(dir: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for item in std::fs::read_dir(dir)? {
        let item = item?;
        // A name that is no text or not plain cannot be asked for.
        if let Ok(name) = item.file_name().into_string()
            && check_name(&name).is_ok()
            && item.path().is_dir()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn settings(dir: &Path, models: &str) -> Settings {
        let vars = [("SERVER_MODELS_DIR", dir.to_str().unwrap()), ("SERVER_MODELS", models)];
        Settings::from_vars(vars.map(|(n, v)| (n.to_owned(), v.to_owned()))).unwrap()
    }

    fn problems(dir: &Path, models: &str) -> Vec<String> {
        let dir_shown = quoted(&dir.to_string_lossy());
        let faults = check_folders(&settings(dir, models));
        faults
            .iter()
            .map(|fault| fault.to_string().replace(&dir_shown, "DIR"))
            .collect()
    }

    #[test]
    fn folders_that_are_there_are_fine() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("digits")).unwrap();
        assert_eq!(problems(dir.path(), r#"[{"model":"digits"}]"#), [""; 0]);
    }

    #[test]
    fn every_missing_folder_is_told_with_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["digits", "question_answering", ".git", "with space", "docs"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("file"), "").unwrap();
        assert_eq!(
            problems(dir.path(), r#"[{"model":"digit"},{"model":"digits"},{"model":"file"}]"#),
            [
                "SERVER_MODELS[0] (\"digit\"): has no folder in SERVER_MODELS_DIR DIR, it holds digits, \
                 question_answering; did you mean \"digits\"?",
                "SERVER_MODELS[2] (\"file\"): has no folder in SERVER_MODELS_DIR DIR, it holds digits, \
                 question_answering",
            ]
        );
    }

    #[test]
    fn an_empty_place_and_a_full_one_are_told_shortly() {
        let dir = tempfile::tempdir().unwrap();
        assert!(problems(dir.path(), r#"[{"model":"zzz"}]"#)[0].ends_with("it holds no folders"));
        for n in 10..25 {
            fs::create_dir(dir.path().join(format!("m{n}"))).unwrap();
        }
        let shown = &problems(dir.path(), r#"[{"model":"zzz"}]"#)[0];
        assert!(
            shown.ends_with("it holds m10, m11, m12, m13, m14, m15, m16, m17, m18, m19 and 5 more"),
            "{shown}"
        );
    }

    #[test]
    fn the_default_models_are_told_to_be_that() {
        let dir = tempfile::tempdir().unwrap();
        let shown = &problems(dir.path(), default_models())[1];
        assert!(
            shown.ends_with("; these are the default models, SERVER_MODELS names others"),
            "{shown}"
        );
    }

    #[test]
    fn a_missing_models_dir_is_one_fault() {
        let dir = tempfile::tempdir().unwrap();
        let absent = dir.path().join("absent");
        assert_eq!(
            problems(&absent, r#"[{"model":"a"},{"model":"b"}]"#),
            ["SERVER_MODELS_DIR: DIR cannot be listed (entity not found), expected the folder of the models"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_counts() {
        let dir = tempfile::tempdir().unwrap();
        let real = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(real.path(), dir.path().join("digits")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("gone")).unwrap();
        let shown = problems(dir.path(), r#"[{"model":"digits"},{"model":"gone"}]"#);
        assert_eq!(shown.len(), 1);
        assert!(shown[0].contains("\"gone\""));
    }
}
