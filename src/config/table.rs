//! Every variable with its default and one sentence for users: what the README shows and what the
//! parser falls back to. A default is written as one would set it, so it goes through the same
//! parser as a value from outside.

use std::fmt::Write as _;

/// What the name of every setting begins with.
pub(super) const PREFIX: &str = "SERVER_";

/// One environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its full name, `SERVER_…`.
    pub name: &'static str,
    /// What an unset variable means, written as a value of it.
    pub default: &'static str,
    /// One plain sentence for users.
    pub description: &'static str,
}

const fn variable_of(name: &'static str, default: &'static str, description: &'static str) -> Variable {
    Variable {
        name,
        default,
        description,
    }
}

static VARIABLES: [Variable; 25] = [
    variable_of(
        "SERVER_MODELS",
        r#"[{"model":"question_answering"},{"model":"digits"}]"#,
        "The models to serve, as a JSON list of objects with `model` (a folder's name) and, if wanted, `replicas`, \
         `devices`, `max_batch_size`, `max_queue_delay_ms`, `endpoint`, `queue_size`, `threads` and \
         `request_timeout`.",
    ),
    variable_of(
        "SERVER_MODELS_DIR",
        "models",
        "The folder that holds the model folders.",
    ),
    variable_of(
        "SERVER_HOST",
        "0.0.0.0",
        "The IP address to listen on, or `localhost`; `0.0.0.0` is every IPv4 interface and `::` every interface.",
    ),
    variable_of("SERVER_PORT", "8100", "The HTTP port; `0` takes any free one."),
    variable_of("SERVER_GRPC_PORT", "8101", "The gRPC port; `0` takes any free one."),
    variable_of(
        "SERVER_DEVICES",
        "auto",
        "The devices that replicas may run on: `auto`, `cpu`, or a list such as `cuda:0,cuda:1` or `ipu:0-3`.",
    ),
    variable_of(
        "SERVER_NUM_WORKERS",
        "half",
        "The number of threads that handle connections; `cores` for one per processor core, `half` for one per two, since \
         replicas want cores, too.",
    ),
    variable_of(
        "SERVER_MODEL_CACHE_DIR",
        "model_cache",
        "The folder that keeps compiled models between starts.",
    ),
    variable_of(
        "SERVER_WAIT_TIMEOUT",
        "3600",
        "The longest time a model may take to get ready, in seconds.",
    ),
    variable_of(
        "SERVER_QUEUE_SIZE",
        "1024",
        "The most requests per model that are admitted at once, queued and running; more are refused at once.",
    ),
    variable_of(
        "SERVER_REQUEST_TIMEOUT",
        "none",
        "The longest time a request may take, queueing included, in seconds; `none` sets no limit.",
    ),
    variable_of(
        "SERVER_DRAIN_TIMEOUT",
        "30",
        "The longest time that admitted requests get to finish once the server is told to stop, in seconds.",
    ),
    variable_of(
        "SERVER_MAX_BODY",
        "64 MiB",
        "The largest request body, in bytes or with a unit such as `MiB` or `MB`.",
    ),
    variable_of(
        "SERVER_CORS_ORIGINS",
        "*",
        "The web origins that browsers may call from, separated by commas; `*` allows all and an empty value none.",
    ),
    variable_of(
        "SERVER_MODEL_CONTROL",
        "explicit",
        "Whether models may be loaded and unloaded while the server runs: `explicit` allows it, `none` refuses.",
    ),
    variable_of(
        "SERVER_OVERLOAD_STATUS",
        "503",
        "The HTTP status of a request that is refused because its model's queue is full: `503` or `429`.",
    ),
    variable_of(
        "SERVER_STORE_URL",
        "file:data/jobs",
        "Where background jobs, and keys and values of pipelines, are kept: a folder (`file:FOLDER`) or Redis \
         (`redis://HOST`, `rediss://HOST`).",
    ),
    variable_of(
        "SERVER_UPLOAD_URL",
        "none",
        "Where files that models answer with are uploaded: `s3://BUCKET`, `gs://BUCKET`, `az://CONTAINER`, \
         `file:FOLDER`, each with a path if wanted, or `none`.",
    ),
    variable_of(
        "SERVER_JOB_TTL",
        "24h",
        "How long a background job and its output are kept once it has ended.",
    ),
    variable_of(
        "SERVER_JOB_BACKLOG",
        "100000",
        "The most unfinished background jobs per model; more are refused at once.",
    ),
    variable_of(
        "SERVER_JOB_LEASE",
        "30",
        "How long a server that has fallen silent keeps its running jobs before others that share its Redis take them, \
         in seconds, from 1.",
    ),
    variable_of(
        "SERVER_WEBHOOK_SECRET",
        "none",
        "The key that webhooks are signed with, as `whsec_BASE64` or as text of at least 16 bytes; `none` leaves them \
         unsigned.",
    ),
    variable_of(
        "SERVER_WEBHOOK_ALLOW",
        "none",
        "Which addresses that are not public may be posted to: networks (`10.1.0.0/16`), addresses and hosts \
         (`hooks.internal`, `*.example.com`) separated by commas, or `none`.",
    ),
    variable_of(
        "SERVER_LOG",
        "info",
        "How much is logged: `error`, `warn`, `info`, `debug`, `trace`, or a filter per module such as \
         `info,hostler=debug`.",
    ),
    variable_of(
        "SERVER_LOG_FORMAT",
        "text",
        "How log lines are written: `text` for people, `json` for machines.",
    ),
];

/// Every setting, in the order in which the README lists them.
#[must_use]
pub fn variables() -> &'static [Variable] {
    &VARIABLES
}

/// The setting of exactly this name.
pub(super) fn variable(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}

/// The settings table of the README: a Markdown table that ends with a line feed.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from("| variable | default | meaning |\n|---|---|---|\n");
    for v in &VARIABLES {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | `{}` | {} |",
            v.name,
            v.default.replace('|', "\\|"),
            v.description.replace('|', "\\|")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_prefixed() {
        let names: HashSet<_> = variables().iter().map(|v| v.name).collect();
        assert_eq!(names.len(), variables().len());
        assert!(names.iter().all(|n| n.starts_with(PREFIX) && n.len() > PREFIX.len()));
    }

    #[test]
    fn a_description_is_one_sentence() {
        for v in variables() {
            assert!(v.description.ends_with('.'), "{}", v.name);
            assert!(!v.description.contains(". "), "{}", v.name);
            assert!(!v.description.contains('\n'), "{}", v.name);
            assert!(!v.description.contains("  "), "{}", v.name);
            assert!(!v.default.is_empty(), "{}", v.name);
        }
    }

    #[test]
    fn a_setting_is_found_by_its_exact_name_only() {
        assert_eq!(variable("SERVER_PORT").unwrap().default, "8100");
        assert_eq!(variable("SERVER_port"), None);
        assert_eq!(variable("PORT"), None);
    }

    #[test]
    fn the_markdown_has_a_row_a_variable_and_three_columns() {
        let text = markdown();
        assert!(text.ends_with('\n'));
        assert_eq!(text.lines().count(), variables().len() + 2);
        for line in text.lines() {
            assert!(line.starts_with('|') && line.ends_with('|'));
            assert_eq!(line.replace("\\|", "").matches('|').count(), 4, "{line}");
        }
        assert!(text.contains("| `SERVER_PORT` | `8100` | The HTTP port; `0` takes any free one. |\n"));
    }
}
