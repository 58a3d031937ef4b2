use super::*;
use crate::config::fault::Faults;
use crate::config::table;
use std::collections::HashSet;
use std::fs;
use std::path::Path;

fn owned(vars: &[(&str, &str)]) -> Vec<(String, String)> {
    vars.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn settings(vars: &[(&str, &str)]) -> Settings {
    Settings::from_vars(owned(vars)).unwrap_or_else(|faults| panic!("{faults}"))
}

fn faults(vars: &[(&str, &str)]) -> Vec<String> {
    let Faults(faults) = Settings::from_vars(owned(vars)).unwrap_err();
    faults.iter().map(ToString::to_string).collect()
}

fn fault(name: &str, value: &str) -> String {
    let all = faults(&[(name, value)]);
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

/// A text that holds every value, to compare settings by.
fn everything(settings: &Settings) -> String {
    format!("{settings:?}")
}

#[test]
fn nothing_set_gives_the_documented_defaults() {
    let s = settings(&[]);
    assert_eq!(
        s.models,
        [ModelEntry::new("question_answering"), ModelEntry::new("digits")]
    );
    assert_eq!(s.models_dir, Path::new("models"));
    assert_eq!(s.host.to_string(), "0.0.0.0");
    assert_eq!((s.port, s.grpc_port), (8100, 8101));
    assert_eq!(s.devices, Selection::Auto);
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(s.num_workers, (cores / 2).clamp(1, 1024));
    assert_eq!(s.model_cache_dir, Path::new("model_cache"));
    assert_eq!(s.wait_timeout.as_secs(), 3600);
    assert_eq!(s.queue_size, 1024);
    assert_eq!(s.request_timeout, None);
    assert_eq!(s.drain_timeout, Duration::from_secs(30));
    assert_eq!(s.max_body, 64 * 1024 * 1024);
    assert_eq!(s.cors_origins, CorsOrigins::Any);
    assert_eq!(s.model_control, ModelControl::Explicit);
    assert_eq!(s.overload_status, 503);
    assert_eq!(s.store_url.file_path(), Some(PathBuf::from("data/jobs")));
    assert_eq!(s.upload_url, None);
    assert_eq!(s.job_ttl, Duration::from_secs(24 * 3600));
    assert_eq!(s.job_backlog, 100_000);
    assert_eq!(s.job_lease, Duration::from_secs(30));
    assert!(s.webhook_secret.is_none());
    assert_eq!(s.webhook_allow, AllowList::default());
    assert_eq!(s.log, "info");
    assert_eq!(s.log_format, LogFormat::Text);
    assert_eq!(s.warnings, [""; 0]);
}

#[test]
fn every_default_of_the_table_may_be_written_out() {
    let vars: Vec<_> = table::variables().iter().map(|v| (v.name, v.default)).collect();
    assert_eq!(everything(&settings(&vars)), everything(&settings(&[])));
}

#[test]
fn every_setting_can_be_set() {
    let s = settings(&[
        ("SERVER_MODELS", r#"[{"model":"a","replicas":"2"}]"#),
        ("SERVER_MODELS_DIR", "my models"),
        ("SERVER_HOST", "localhost"),
        ("SERVER_PORT", "0"),
        ("SERVER_GRPC_PORT", "0"),
        ("SERVER_DEVICES", "cuda:0,cuda:1"),
        ("SERVER_NUM_WORKERS", "3"),
        ("SERVER_MODEL_CACHE_DIR", "/cache"),
        ("SERVER_WAIT_TIMEOUT", "2m"),
        ("SERVER_QUEUE_SIZE", "7"),
        ("SERVER_REQUEST_TIMEOUT", "1.5"),
        ("SERVER_DRAIN_TIMEOUT", "0"),
        ("SERVER_MAX_BODY", "10 MB"),
        ("SERVER_CORS_ORIGINS", "https://a.org"),
        ("SERVER_MODEL_CONTROL", "none"),
        ("SERVER_OVERLOAD_STATUS", "429"),
        ("SERVER_STORE_URL", "rediss://u:p@host"),
        ("SERVER_UPLOAD_URL", "s3://bucket"),
        ("SERVER_JOB_TTL", "90m"),
        ("SERVER_JOB_BACKLOG", "10"),
        ("SERVER_JOB_LEASE", "2.5"),
        ("SERVER_WEBHOOK_SECRET", "whsec_AAECAwQFBgcICQoLDA0ODw=="),
        ("SERVER_WEBHOOK_ALLOW", "10.0.0.0/8, *.internal"),
        ("SERVER_LOG", "warn,hostler=trace"),
        ("SERVER_LOG_FORMAT", "json"),
    ]);
    assert_eq!(s.models[0].replicas, Some(2));
    assert_eq!(s.models_dir, Path::new("my models"));
    assert_eq!(s.host.to_string(), "127.0.0.1");
    assert_eq!((s.port, s.grpc_port), (0, 0));
    assert_eq!(s.devices.to_string(), "cuda:0,cuda:1");
    assert_eq!(s.num_workers, 3);
    assert_eq!(s.model_cache_dir, Path::new("/cache"));
    assert_eq!(s.wait_timeout.as_secs(), 120);
    assert_eq!(s.queue_size, 7);
    assert_eq!(s.request_timeout, Some(Duration::from_millis(1500)));
    assert_eq!(s.drain_timeout, Duration::ZERO);
    assert_eq!(s.max_body, 10_000_000);
    assert_eq!(s.cors_origins, CorsOrigins::List(vec!["https://a.org".to_owned()]));
    assert_eq!(s.model_control, ModelControl::None);
    assert_eq!(s.overload_status, 429);
    assert_eq!(s.store_url.expose(), "rediss://u:p@host");
    assert_eq!(s.upload_url.unwrap().scheme(), "s3");
    assert_eq!(s.job_ttl, Duration::from_secs(5400));
    assert_eq!(s.job_backlog, 10);
    assert_eq!(s.job_lease, Duration::from_millis(2500));
    assert!(s.webhook_secret.is_some());
    assert_eq!(s.webhook_allow, AllowList::parse("10.0.0.0/8,*.internal").unwrap());
    assert_eq!(s.log, "warn,hostler=trace");
    assert_eq!(s.log_format, LogFormat::Json);
}

#[test]
fn each_variable_changes_the_settings() {
    // Against a value that is read into another field, or into none.
    let samples = [
        r#"[{"model":"a"}]"#,
        "other",
        "127.0.0.1",
        "9000",
        "9001",
        "cpu",
        "1023",
        "other",
        "1",
        "1",
        "1",
        "1",
        "1",
        "",
        "none",
        "429",
        "file:other",
        "file:other",
        "1",
        "1",
        "1",
        "sixteen bytes do",
        "127.0.0.1",
        "debug",
        "json",
    ];
    let mut seen = HashSet::from([everything(&settings(&[]))]);
    for (variable, sample) in table::variables().iter().zip(samples) {
        let text = everything(&settings(&[(variable.name, sample)]));
        assert!(seen.insert(text), "{}", variable.name);
    }
    assert_eq!(seen.len(), table::variables().len() + 1);
}

#[test]
fn every_fault_is_gathered_in_the_order_of_the_table() {
    let wrong: Vec<_> = table::variables()
        .iter()
        .filter(|v| !matches!(v.name, "SERVER_MODELS_DIR" | "SERVER_MODEL_CACHE_DIR" | "SERVER_LOG"))
        .map(|v| (v.name, "?!"))
        .collect();
    let all = faults(&wrong);
    assert_eq!(all.len(), wrong.len());
    for ((name, _), fault) in wrong.iter().zip(&all) {
        assert!(fault.starts_with(&format!("{name}: ")), "{fault}");
    }
}

#[test]
fn a_fault_reads_as_documented() {
    assert_eq!(
        fault("SERVER_PORT", "80a"),
        r#"SERVER_PORT: read "80a", expected a port number from 0 to 65535"#
    );
    assert_eq!(
        fault("SERVER_QUEUE_SIZE", "0"),
        r#"SERVER_QUEUE_SIZE: read "0", expected a whole number from 1"#
    );
    assert_eq!(
        fault("SERVER_OVERLOAD_STATUS", "500"),
        r#"SERVER_OVERLOAD_STATUS: read "500", expected 503 or 429"#
    );
    assert_eq!(
        fault("SERVER_LOG_FORMAT", "xml"),
        r#"SERVER_LOG_FORMAT: read "xml", expected text or json"#
    );
    assert!(fault("SERVER_DEVICES", "gpu0").starts_with(r#"SERVER_DEVICES: "gpu0" is not a device"#));
    assert!(fault("SERVER_UPLOAD_URL", "ftp://h").ends_with("az://, file:, or none"));
    assert_eq!(
        fault("SERVER_JOB_LEASE", "0.5"),
        r#"SERVER_JOB_LEASE: read "0.5", expected a time from one second"#
    );
    assert_eq!(
        fault("SERVER_WEBHOOK_SECRET", "too short"),
        r#"SERVER_WEBHOOK_SECRET: read "***", expected a key of at least 16 bytes, as whsec_BASE64 or as text, or none"#
    );
    assert!(fault("SERVER_WEBHOOK_ALLOW", "10.0.0.0/8,a:80").contains(r#": "a:80" is neither a network"#));
}

#[test]
fn models_and_settings_fail_together() {
    let all = faults(&[
        ("SERVER_MODELS", r#"[{"model":"a","replicas":0}]"#),
        ("SERVER_PORT", "x"),
    ]);
    assert_eq!(all.len(), 2);
    assert_eq!(
        all[0],
        r#"SERVER_MODELS[0] ("a"): replicas is 0, expected a whole number from 1"#
    );
}

#[test]
fn a_long_value_is_cut() {
    let text = fault("SERVER_PORT", &"9".repeat(1000));
    assert!(text.chars().count() < 160, "{text}");
    assert!(text.contains('…'));
}

#[test]
fn blank_is_unset_where_it_means_nothing() {
    for blank in ["", "  ", "''", "\"\""] {
        let vars: Vec<_> = table::variables()
            .iter()
            .filter(|v| !matches!(v.name, "SERVER_MODELS" | "SERVER_CORS_ORIGINS"))
            .map(|v| (v.name, blank))
            .collect();
        assert_eq!(everything(&settings(&vars)), everything(&settings(&[])));
        assert_eq!(
            settings(&[("SERVER_CORS_ORIGINS", blank)]).cors_origins,
            CorsOrigins::None
        );
    }
    assert!(fault("SERVER_MODELS", "").contains("leave the variable unset"));
}

#[test]
fn quotes_and_blanks_around_a_value_are_taken_away() {
    for value in ["'9000'", "\"9000\"", " 9000 ", "' 9000 '"] {
        assert_eq!(settings(&[("SERVER_PORT", value)]).port, 9000);
    }
    assert_eq!(settings(&[("SERVER_DEVICES", "'cpu'")]).devices.to_string(), "cpu");
    assert_eq!(settings(&[("SERVER_MODELS", r#"'[{"model":"a"}]'"#)]).models.len(), 1);
    assert!(fault("SERVER_PORT", "'9000").starts_with("SERVER_PORT: read \"'9000\""));
}

#[test]
fn two_listeners_need_two_ports() {
    let expected = "SERVER_GRPC_PORT: is 8101, which SERVER_PORT is too, expected another port, or 0 for any free one";
    assert_eq!(fault("SERVER_PORT", "8101"), expected);
    assert_eq!(settings(&[("SERVER_PORT", "0"), ("SERVER_GRPC_PORT", "0")]).port, 0);
}

#[test]
fn secrets_are_never_printed() {
    let good = settings(&[
        ("SERVER_STORE_URL", "redis://user:hunter2@host"),
        ("SERVER_UPLOAD_URL", "az://container?sig=hunter2"),
        ("SERVER_WEBHOOK_SECRET", "hunter2 in a long passphrase"),
    ]);
    assert!(!everything(&good).contains("hunter2"));
    for (name, value) in [
        ("SERVER_STORE_URL", "http://user:hunter2@host"),
        ("SERVER_STORE_URL", "redis://user:hunter2@"),
        ("SERVER_STORE_URL", "redis:user:hunter2@host"),
        ("SERVER_UPLOAD_URL", "az:/container?sig=hunter2"),
        ("SERVER_UPLOAD_URL", "AccountName=a;AccountKey=hunter2"),
        ("SERVER_WEBHOOK_SECRET", "hunter2"),
        ("SERVER_WEBHOOK_SECRET", "whsec_hunter2:hunter2"),
        ("SERVER_WEBHOOK_ALLOW", "http://user:hunter2@host"),
        ("SERVER_HOST", "http://user:hunter2@host"),
        ("SERVER_CORS_ORIGINS", "http://user:hunter2@host"),
        ("SERVER_MODELS", "redis://user:hunter2@host"),
        ("SERVER_DEVICES", "redis://user:hunter2@host"),
        (
            "SERVER_MODELS",
            r#"[{"model":"a","devices":["redis://user:hunter2@host"]}]"#,
        ),
    ] {
        let text = fault(name, value);
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn unknown_variables_are_warnings() {
    let s = settings(&[("SERVER_MODLES", "[]"), ("PATH", "/bin")]);
    assert_eq!(
        s.warnings,
        ["SERVER_MODLES is not a setting and is ignored; did you mean SERVER_MODELS?"]
    );
}

fn load(dotenv: &str) -> Result<Settings, Faults> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(".env");
    let models = dir.path().join("models");
    fs::create_dir_all(models.join("digits")).unwrap();
    fs::write(&file, format!("SERVER_MODELS_DIR='{}'\n{dotenv}", models.display())).unwrap();
    Settings::load_with(&file)
}

#[test]
fn settings_are_loaded_from_a_file_of_several_lines() {
    let s = load("SERVER_MODELS='[\n  {\"model\": \"digits\"}\n]'\nSERVER_MAX_BODY='1 MiB'\n").unwrap();
    assert_eq!(s.models, [ModelEntry::new("digits")]);
    assert_eq!(s.max_body, 1 << 20);
}

#[test]
fn loading_reports_a_missing_folder() {
    let text = load("SERVER_MODELS='[{\"model\": \"digit\"}]'\n")
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with("SERVER_MODELS[0] (\"digit\"): has no folder in SERVER_MODELS_DIR"),
        "{text}"
    );
    assert!(text.ends_with("did you mean \"digits\"?"), "{text}");
}

#[test]
fn loading_reports_the_file_and_the_values_together() {
    let Faults(all) = load("SERVER_MAX_BODY=64 MiB\nSERVER_PORT=x\n").unwrap_err();
    let places: Vec<_> = all.iter().map(Fault::place).collect();
    assert_eq!(places, [".env line 2 (SERVER_MAX_BODY)", "SERVER_PORT"]);
}

#[test]
fn a_file_that_could_not_be_read_raises_no_faults_about_folders() {
    let Faults(all) = load("SERVER_MODELS='[\n").unwrap_err();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].place(), ".env line 2 (SERVER_MODELS)");
}
