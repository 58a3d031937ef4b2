//! The settings, typed: text of every variable in, all values or all faults out.
//! The parser is pure; `load` alone reads the environment, `.env` and the folders' names.

mod gather;
mod load;
mod read;
#[cfg(test)]
mod tests;

use super::entry::ModelEntry;
use super::fault::Fault;
use super::url::SecretUrl;
use crate::device::Selection;
use crate::webhook::{AllowList, Secret};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

const STORES: &[&str] = &["file:", "redis://", "rediss://"];

/// Every setting, with its default where it is not set. Safe to print: addresses hide their
/// secrets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The models to serve, at least one, in the order given.
    pub models: Vec<ModelEntry>,
    /// The folder of the model folders, as given.
    pub models_dir: PathBuf,
    /// Where both listeners bind.
    pub host: IpAddr,
    /// The HTTP port; 0 is any free one.
    pub port: u16,
    /// The gRPC port; 0 is any free one, and only then may it equal `port`.
    pub grpc_port: u16,
    /// The devices that replicas may run on.
    pub devices: Selection,
    /// Async threads of the front, 1 to 1024.
    pub num_workers: usize,
    /// The folder of compiled artefacts.
    pub model_cache_dir: PathBuf,
    /// How long a model may take to get ready; above zero.
    pub wait_timeout: Duration,
    /// Requests admitted per model, queued and running; from 1.
    pub queue_size: usize,
    /// The longest time of a request, queueing included; above zero, none for no limit.
    pub request_timeout: Option<Duration>,
    /// How long admitted requests get after the signal to stop; may be zero.
    pub drain_timeout: Duration,
    /// The largest request body in bytes; from 1.
    pub max_body: usize,
    /// Which web pages may call.
    pub cors_origins: CorsOrigins,
    /// Whether models may be loaded and unloaded at run time.
    pub model_control: ModelControl,
    /// The HTTP status of a full queue: 503 or 429.
    pub overload_status: u16,
    /// Where background jobs, and keys and values of pipelines, are kept: `file:`, `redis://` or `rediss://`.
    pub store_url: SecretUrl,
    /// Where files of answers go: `s3://`, `gs://`, `az://` or `file:`.
    pub upload_url: Option<SecretUrl>,
    /// How long ended jobs are kept; above zero.
    pub job_ttl: Duration,
    /// Unfinished jobs per model; from 1.
    pub job_backlog: usize,
    /// How long a silent server keeps its jobs; from one second.
    pub job_lease: Duration,
    /// What webhooks are signed with.
    pub webhook_secret: Option<Secret>,
    /// Addresses that webhooks may be posted to though they are not public.
    pub webhook_allow: AllowList,
    /// The filter of log lines, in the syntax of `tracing_subscriber::EnvFilter`; not checked here.
    pub log: String,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// What should be told once logging works: variables with the prefix that are no settings.
    pub warnings: Vec<String>,
}

/// Which origins a browser may call from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    /// All of them.
    Any,
    /// These, written as browsers send them; never empty.
    List(Vec<String>),
    /// None: no CORS headers are sent.
    None,
}

/// Whether models may be loaded and unloaded at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelControl {
    /// On request.
    Explicit,
    /// Never.
    None,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Settings {
    /// Puts another address in the place of `SERVER_STORE_URL`.
    ///
    /// # Errors
    /// When it is none of a store.
    pub fn set_store_url(&mut self, url: &str) -> Result<(), Fault> {
        let read = SecretUrl::parse(url, STORES);
        self.store_url = read.map_err(|rest| Fault::read_address("store_url", url, &rest))?;
        Ok(())
    }
}
