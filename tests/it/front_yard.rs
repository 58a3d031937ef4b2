//! Docs do not drift: the README's table is the settings' own, and what files promise is there.

use std::path::Path;

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// What stands in the README between two markers.
fn table(name: &str) -> String {
    let readme = read("README.md");
    let (_, rest) = readme
        .split_once(&format!("<!-- {name} -->"))
        .expect("the marker before the table");
    let (table, _) = rest
        .split_once(&format!("<!-- /{name} -->"))
        .expect("the marker after the table");
    table.trim().to_owned()
}

#[test]
fn the_settings_table_of_the_readme_is_the_one_of_the_code() {
    assert_eq!(table("settings"), hostler::config::markdown().trim());
}

#[test]
fn the_table_of_tasks_in_the_readme_has_those_of_the_code_each_with_a_request() {
    let table = table("tasks");
    let mut told = Vec::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let first = row.split('|').nth(1).unwrap();
        told.extend(first.split('`').skip(1).step_by(2));
        assert!(row.contains("`curl localhost:8100/"), "no request in {row}");
    }
    let mut known: Vec<_> = hostler::models::TASKS.iter().map(|task| task.name).collect();
    told.sort_unstable();
    known.sort_unstable();
    assert_eq!(told, known);
}

#[test]
fn the_readme_states_the_minimum_rust_version_of_the_manifest() {
    let manifest = read("Cargo.toml");
    let line = manifest.lines().find(|l| l.starts_with("rust-version")).unwrap();
    let version = line.split('"').nth(1).unwrap();
    assert!(read("README.md").contains(&format!("Rust {version}")), "Rust {version}");
}

#[test]
fn the_demo_models_of_dotenv_are_there() {
    let settings = hostler::config::Settings::from_vars(dotenv()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(hostler::config::check_folders(&settings), []);
    let names: Vec<_> = settings.models.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["question_answering", "digits"]);
}

fn dotenv() -> std::collections::BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".env");
    dotenvy::from_path_iter(path).unwrap().map(Result::unwrap).collect()
}

#[test]
fn the_deployment_files_name_the_health_routes_the_server_has() {
    let deploy = read("ps-deploy-config.yaml");
    for route in ["/health/startup", "/health/readiness", "/health/liveness"] {
        assert!(deploy.contains(route), "{route}");
    }
    assert!(read("Dockerfile").contains("HEALTHCHECK"));
    let notebook: serde_json::Value = serde_json::from_str(&read("notebooks/running_local_endpoint.ipynb")).unwrap();
    assert_eq!(notebook["nbformat"], 4);
}
