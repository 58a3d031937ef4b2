//! The dependency rule: rooms depend downwards only, and each library has one room that knows it.

use std::path::{Path, PathBuf};

/// Rooms and the rooms they may name, leaves apart.
const MAY_USE: &[(&str, &[&str])] = &[
    (
        "app",
        &[
            "catalog", "config", "models", "backend", "ipc", "worker", "service", "jobs", "http", "upload", "webhook",
        ],
    ),
    ("server", &["app", "config", "worker", "service", "http"]),
    ("http", &["config", "jobs", "service", "upload", "webhook", "worker"]),
    ("jobs", &["service", "store", "upload", "webhook", "worker"]),
    ("service", &["worker"]),
    ("worker", &[]),
    ("catalog", &["config", "models", "backend", "ipc"]),
    ("models", &["backend"]),
    ("backend", &["ipc"]),
    ("ipc", &[]),
    ("config", &["webhook"]),
    ("webhook", &[]),
    ("store", &[]),
    ("upload", &["config", "webhook"]),
    ("pipeline", &[]),
    ("contract", &[]),
    ("device", &[]),
    ("payload.rs", &[]),
    ("payload", &[]),
    ("tensor.rs", &[]),
    ("error.rs", &[]),
];
const LEAVES: &[&str] = &["error", "tensor", "payload", "contract", "device", "pipeline", "store"];
/// A library, and the only places that may name it.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("axum", &["http"]),
    ("tower_http", &["http"]),
    ("hyper", &["http"]),
    ("utoipa_swagger_ui", &["http"]),
    ("ort", &["backend/onnx"]),
    ("prost", &["backend/onnx"]),
    ("cudarc", &["device", "backend/onnx"]),
    ("rustix", &["ipc"]),
    ("envy", &["config"]),
    ("dotenvy", &["config"]),
    ("crossbeam_channel", &["worker", "backend/onnx"]),
    ("tokenizers", &["models"]),
    ("redis", &["store/redis", "jobs/redis"]),
    ("image", &["models/image_classification"]),
    ("rusqlite", &["store/embedded", "jobs/embedded"]),
    ("clap", &["main.rs"]),
    ("reqwest", &["webhook", "upload"]),
    ("rustls", &["webhook"]),
    ("hmac", &["webhook"]),
    ("object_store", &["upload"]),
];

fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|e| e == "rs") {
                into.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    let code = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        // Comments may name what code may not.
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|l| !l.trim_start().starts_with("//"));
        (name, lines.collect::<Vec<_>>().join("\n"))
    };
    files.into_iter().map(code).collect()
}

fn names(code: &str, path: &str) -> bool {
    code.match_indices(&format!("{path}::")).any(|(i, _)| {
        let before = code[..i].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

#[test]
fn rooms_depend_downwards_only() {
    let rooms: Vec<&str> = MAY_USE.iter().map(|(room, _)| room.trim_end_matches(".rs")).collect();
    for (file, code) in sources() {
        let room = file.split('/').next().unwrap();
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == room) else {
            assert!(
                ["lib.rs", "main.rs"].contains(&room),
                "{file} stands in no room of the rule"
            );
            continue;
        };
        let own = room.trim_end_matches(".rs");
        for other in rooms.iter().filter(|r| **r != own) {
            let may = allowed.contains(other) || LEAVES.contains(other);
            assert!(
                may || !names(&code, &format!("crate::{other}")),
                "{file} names crate::{other}"
            );
        }
    }
}

#[test]
fn tasks_do_not_know_each_other() {
    let all = sources();
    let task_of = |file: &str| Some(file.strip_prefix("models/")?.split_once('/')?.0.to_owned());
    let endpoints = all.iter().filter(|(file, _)| file.ends_with("/endpoint.rs"));
    let tasks: Vec<String> = endpoints.filter_map(|(file, _)| task_of(file)).collect();
    assert!(tasks.len() >= 9, "{tasks:?}");
    for (file, code) in &all {
        let Some(own) = task_of(file).filter(|folder| tasks.contains(folder)) else {
            continue;
        };
        for other in tasks.iter().filter(|task| **task != own) {
            for path in [format!("models::{other}"), format!("super::{other}")] {
                assert!(!code.contains(&format!("{path}::")), "{file} names {path}");
            }
            for import in code.split(';').filter_map(|line| Some(line.rsplit_once("use ")?.1)) {
                let ours = import.starts_with("super::") || import.starts_with("crate::models::");
                let mut words = import.split(|c: char| !c.is_alphanumeric() && c != '_');
                assert!(!(ours && words.any(|word| word == other)), "{file} imports {other}");
            }
        }
    }
}

#[test]
fn each_library_has_its_room() {
    for (file, code) in sources() {
        for (library, places) in ONLY_IN {
            let at_home = places.iter().any(|place| file.starts_with(place));
            assert!(at_home || !names(&code, library), "{file} names {library}");
        }
    }
}
