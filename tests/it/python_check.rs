//! `hostler check` on folders of Python: which interpreter runs them, why, and what is missing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::command;
use crate::support::python::{copies, python_dir};

fn check(models_dir: &Path, models: &[&str], arguments: &[&str]) -> Output {
    let here = tempfile::tempdir().unwrap();
    let entries: Vec<Value> = models.iter().map(|model| json!({"model": model})).collect();
    let mut command = command(here.path());
    command
        .env("SERVER_MODELS", Value::from(entries).to_string())
        .env("SERVER_MODELS_DIR", models_dir);
    command.arg("check").args(arguments).output().unwrap()
}

/// The table of a plan that can be served.
fn table(models_dir: &Path, models: &[&str]) -> String {
    let output = check(models_dir, models, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What is told of a plan that cannot be served.
fn faults(models_dir: &Path, models: &[&str]) -> String {
    let output = check(models_dir, models, &[]);
    assert_eq!(
        output.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_form_of_each_folder_and_its_interpreter_are_told() {
    let models = [
        "banana_hello",
        "potassium_routes",
        "kserve_constraints",
        "graphcore_pipeline",
        "hostler_typed",
    ];
    let told = table(&python_dir(), &models);
    for (model, form) in [
        ("banana_hello", "(banana)"),
        ("potassium_routes", "(potassium)"),
        ("kserve_constraints", "(kservehelper)"),
        ("graphcore_pipeline", "(graphcore)"),
        ("hostler_typed", "(hostler)"),
    ] {
        let line = told
            .lines()
            .find(|line| line.starts_with(&format!("{model}: served as python")))
            .unwrap();
        assert!(
            line.contains(form) && line.contains("; Python 3.") && line.contains(" from PATH ("),
            "{line}"
        );
        assert!(line.contains("python3"), "{line}");
    }
    let output = check(&python_dir(), &["banana_hello"], &["--json"]);
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["models"][0]["paths"], json!(["/banana_hello", "/"]));
    assert!(
        plan["models"][0]["why"].as_str().unwrap().contains("from PATH"),
        "{plan}"
    );
}

#[test]
fn a_folders_own_environment_goes_before_the_path_and_its_manifest_before_both() {
    let dir = copies(&[("banana_hello", "")]);
    let folder = dir.path().join("banana_hello");
    let own = folder.join(".venv/bin/python");
    std::fs::create_dir_all(own.parent().unwrap()).unwrap();
    std::fs::write(&own, "#!/bin/sh\nexec python3 \"$@\"\n").unwrap();
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o755)).unwrap();
    let told = table(dir.path(), &["banana_hello"]);
    assert!(
        told.contains("from .venv (") && told.contains("banana_hello/.venv/bin/python"),
        "{told}"
    );

    std::fs::copy(&own, folder.join("mine")).unwrap();
    for named in ["./mine", "python3"] {
        std::fs::write(folder.join("model.toml"), format!("python = \"{named}\"\n")).unwrap();
        let told = table(dir.path(), &["banana_hello"]);
        assert!(told.contains("from model.toml ("), "{told}");
    }
    std::fs::write(folder.join("model.toml"), "python = \"python4\"\n").unwrap();
    let told = faults(dir.path(), &["banana_hello"]);
    assert!(
        told.contains("banana_hello") && told.contains("\"python4\" is not there"),
        "{told}"
    );
}

#[test]
fn a_module_that_is_missing_is_told_with_the_remedy_beside_other_faults() {
    let dir = copies(&[
        ("trouble_missing", ""),
        ("banana_hello", ""),
        ("hostler_echo", "max_batch_size = 4\n"),
    ]);
    let told = faults(dir.path(), &["trouble_missing", "banana_hello", "hostler_echo"]);
    for part in [
        "model \"trouble_missing\": pipeline.py, line 3",
        "the module a_module_that_nobody_has",
        "pip install it into trouble_missing/.venv",
        "python = … in model.toml",
        "model \"hostler_echo\": max_batch_size is 4",
    ] {
        assert!(told.contains(part), "{part} is missing from:\n{told}");
    }
    assert!(
        !told.contains(dir.path().to_str().unwrap()),
        "no path of the machine: {told}"
    );
}

#[test]
fn keys_that_the_code_cannot_honour_and_folders_without_a_form_are_refused() {
    let dir = copies(&[("hostler_echo", "max_batch_size = 4\n"), ("banana_hello", "")]);
    let told = faults(dir.path(), &["hostler_echo"]);
    assert!(
        told.contains("max_batch_size is 4") && told.contains("run_batch"),
        "{told}"
    );
    std::fs::write(dir.path().join("banana_hello/app.py"), "def start():\n    pass\n").unwrap();
    let told = faults(dir.path(), &["banana_hello"]);
    assert!(
        told.contains("init() and inference()"),
        "it says what is expected: {told}"
    );
    std::fs::write(dir.path().join("banana_hello/app.py"), "def init(:\n").unwrap();
    let told = faults(dir.path(), &["banana_hello"]);
    assert!(told.contains("app.py") && told.contains("line 1"), "{told}");
}

#[test]
fn without_any_python_the_remedies_are_named() {
    let here = tempfile::tempdir().unwrap();
    let mut command = command(here.path());
    command
        .env("PATH", here.path())
        .env("SERVER_MODELS", r#"[{"model":"banana_hello"}]"#);
    let output = command
        .env("SERVER_MODELS_DIR", python_dir())
        .arg("check")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("install python3") && told.contains(".venv"), "{told}");
}
