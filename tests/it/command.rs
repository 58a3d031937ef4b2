//! The `hostler` command: exit codes, messages, `.env`, `check`, thread names, SIGTERM.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Client, eventually, models_dir};

fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostler"));
    let library = std::env::current_dir().unwrap().join("onnxruntime/libonnxruntime.so");
    // The variables of whoever runs the tests must not reach the command.
    command
        .env_clear()
        .env("ORT_DYLIB_PATH", library)
        .env("SERVER_HOST", "127.0.0.1")
        .env("SERVER_PORT", "0");
    command.current_dir(dir);
    command
}

fn folders() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let models = models_dir(&[
        ("small", crate::onnx::mlp(&[2, 2], 1)),
        ("other", crate::onnx::mlp(&[2, 2], 1)),
    ]);
    std::fs::rename(models.path(), dir.path().join("models")).unwrap();
    std::mem::forget(models);
    dir
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(dir: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    command(dir)
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn all_faults_of_the_settings_are_told_together_and_nothing_starts() {
    let dir = folders();
    let models = r#"[{"model":"small","replicas":0},{"model":"nowhere"},{"model":"small"},{"model":"../x"},{"model":"other","replica":2}]"#;
    let output = run(dir.path(), &[], &[("SERVER_MODELS", models), ("SERVER_PORT", "eighty")]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    for part in [
        "replicas is 0",
        "nowhere",
        "\"small\"",
        "../x",
        "did you mean \"replicas\"",
        "SERVER_PORT: read \"eighty\"",
    ] {
        assert!(told.contains(part), "{part} is missing from:\n{told}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn broken_json_is_told_with_its_place() {
    let dir = folders();
    let output = run(dir.path(), &["check"], &[("SERVER_MODELS", r#"[{"model":"small",}]"#)]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(told.contains("character 19") || told.contains("column 19"), "{told}");
}

#[test]
fn a_manifest_a_graph_and_a_collision_at_fault_are_told_together() {
    let dir = folders();
    std::fs::write(dir.path().join("models/small/model.toml"), "replica = 1\n").unwrap();
    std::fs::write(dir.path().join("models/other/model.onnx"), "nonsense").unwrap();
    let output = run(
        dir.path(),
        &["check"],
        &[("SERVER_MODELS", r#"[{"model":"small"},{"model":"other"}]"#)],
    );
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(
        told.contains("unknown field `replica`") && told.contains("not an ONNX model"),
        "{told}"
    );
}

#[test]
fn check_prints_the_plan_as_a_table_and_as_json() {
    let dir = folders();
    let variables = [(
        "SERVER_MODELS",
        r#"'[{"model":"small","replicas":"3"},{"model":"other"}]'"#,
    )];
    let output = run(dir.path(), &["check"], &variables);
    let table = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for part in [
        "MODEL",
        "MEMORY",
        "small",
        "tensor",
        "x: FP32[batch, 2] → y: FP32[batch, 2]",
        "cpu×3",
        "a bare graph",
    ] {
        assert!(table.contains(part), "{part} is missing from:\n{table}");
    }
    let plan: Value = serde_json::from_slice(&run(dir.path(), &["check", "--json"], &variables).stdout).unwrap();
    assert_eq!(plan["models"][0]["devices"], serde_json::json!(["cpu", "cpu", "cpu"]));
    assert_eq!(plan["models"][1]["max_batch_size"], 32);
}

#[test]
fn devices_that_cannot_be_had_are_refused_with_the_reason() {
    let dir = folders();
    let told = |variables: &[(&str, &str)]| {
        let output = run(dir.path(), &["check"], variables);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
        text(&output.stderr)
    };
    let ipu = told(&[
        ("SERVER_MODELS", r#"[{"model":"small","devices":["ipu:0"]}]"#),
        ("SERVER_DEVICES", "ipu:0,cpu"),
    ]);
    assert!(ipu.contains("small") && ipu.contains("Python"), "{ipu}");
    let gpu = told(&[
        ("SERVER_MODELS", r#"[{"model":"small"}]"#),
        ("SERVER_DEVICES", "cuda:7"),
    ]);
    assert!(gpu.contains("cuda:7 was asked for"), "{gpu}");
}

#[test]
fn without_the_library_the_message_names_the_remedy() {
    let dir = folders();
    let variables = [
        ("SERVER_MODELS", r#"[{"model":"small"}]"#),
        ("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so"),
    ];
    let output = run(dir.path(), &[], &variables);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("scripts/onnxruntime.sh"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_taken_port_is_told_with_the_remedy() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = folders();
    let output = run(
        dir.path(),
        &[],
        &[("SERVER_MODELS", r#"[{"model":"small"}]"#), ("SERVER_PORT", &port)],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("SERVER_PORT"), "{}", text(&output.stderr));
}

#[test]
fn usage_is_told_and_wrong_usage_is_code_two() {
    let dir = folders();
    assert_eq!(run(dir.path(), &["serv"], &[]).status.code(), Some(2));
    let version = run(dir.path(), &["--version"], &[]);
    assert_eq!(
        text(&version.stdout).trim(),
        format!("hostler {}", env!("CARGO_PKG_VERSION"))
    );
    assert!(text(&run(dir.path(), &["--help"], &[]).stdout).contains("check"));
}

/// A running command, ended by its id.
struct Running {
    child: Child,
    client: Client,
    lines: Vec<String>,
}

impl Running {
    /// Starts the command in `dir`, and reads its first lines up to the docs'.
    fn start(dir: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = command(dir);
        let mut child = command
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = Vec::new();
        let url = loop {
            let mut line = String::new();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "the server ended: {lines:?}");
            lines.push(line.trim().to_owned());
            if let Some(url) = line.trim().strip_prefix("docs: ") {
                break url.trim_end_matches("/docs").to_owned();
            }
        };
        // Somebody must go on reading, or the server would write into a closed pipe.
        std::thread::spawn(move || drop(std::io::copy(&mut output, &mut std::io::sink())));
        Self {
            child,
            client: Client::new(url),
            lines,
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    fn thread_names(&self) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let name =
            |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.ok()?.path().join("comm")).ok();
        tasks.filter_map(name).map(|n| n.trim().to_owned()).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dotenv_three_replicas_and_sigterm_end_to_end() {
    let dir = folders();
    std::fs::write(
        dir.path().join(".env"),
        "SERVER_MODELS='[\n  {\"model\": \"small\",\n   \"replicas\": 3}\n]'\nSERVER_NUM_WORKERS=2\n",
    )
    .unwrap();
    let mut server = Running::start(dir.path(), &[]);
    assert!(
        server.lines[0].starts_with("small: 3 replicas on cpu, http://127.0.0.1:"),
        "{:?}",
        server.lines
    );
    let client = server.client.clone();
    eventually("ready", async || client.get("/health/readiness").await.status == 200).await;
    let mut replicas: Vec<_> = server
        .thread_names()
        .into_iter()
        .filter(|n| n.starts_with("small/") && n != "small/sup")
        .collect();
    replicas.sort();
    assert_eq!(replicas, ["small/0", "small/1", "small/2"]);
    assert!(
        dir.path()
            .join("model_cache/small")
            .read_dir()
            .unwrap()
            .next()
            .is_some(),
        "the compile step fills the cache"
    );

    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let (url, over) = (format!("{}/small", server.client.url), std::sync::Arc::clone(&over));
            tokio::spawn(async move {
                let (http, mut answered, mut refused) = (reqwest::Client::new(), 0, 0);
                while !over.load(std::sync::atomic::Ordering::SeqCst) {
                    match http
                        .post(&url)
                        .body(r#"{"x":[1,2]}"#)
                        .send()
                        .await
                        .unwrap()
                        .status()
                        .as_u16()
                    {
                        200 => answered += 1,
                        503 => refused += 1,
                        other => panic!("{other}"),
                    }
                }
                (answered, refused)
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.signal("TERM");
    tokio::time::sleep(Duration::from_millis(600)).await;
    over.store(true, std::sync::atomic::Ordering::SeqCst);
    let (mut answered, mut refused) = (0, 0);
    for task in asking {
        let (a, r) = task.await.unwrap();
        answered += a;
        refused += r;
    }
    assert!(answered > 0 && refused > 0, "{answered} answered, {refused} refused");
    let status = server.child.wait().unwrap();
    assert_eq!(status.code(), Some(0), "0 after a drain");
}

#[test]
fn compile_fills_the_cache_and_openapi_prints_the_document() {
    let dir = folders();
    let variables = [("SERVER_MODELS", r#"[{"model":"small"}]"#)];
    let output = run(dir.path(), &["compile"], &variables);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("small: compiled for cpu"));
    assert!(
        dir.path()
            .join("model_cache/small")
            .read_dir()
            .unwrap()
            .next()
            .is_some()
    );
    let document: Value = serde_json::from_slice(&run(dir.path(), &["openapi"], &variables).stdout).unwrap();
    assert!(document["paths"]["/small"]["post"].is_object());
    assert!(document["paths"].get("/other").is_none());
}
