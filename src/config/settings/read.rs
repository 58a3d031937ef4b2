//! The value of each variable, by the parser that is its own.

use super::gather::Gather;
use super::{LogFormat, ModelControl, STORES, Settings};
use crate::config::fault::{Faults, expected, told};
use crate::config::raw::Raw;
use crate::config::url::SecretUrl;
use crate::config::values;
use crate::webhook::{AllowList, Secret};
use std::path::PathBuf;
use std::time::Duration;

const UPLOADS: &[&str] = &["s3://", "gs://", "az://", "file:"];

impl Settings {
    /// The settings that `vars` say; names without the prefix `SERVER_` are passed over. Pure but
    /// for the number of cores.
    ///
    /// # Errors
    /// Every fault of every variable, in the order of the settings table.
    pub fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Result<Self, Faults> {
        let (raw, warnings) = Raw::read(vars)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut all = Gather::default();

        let models = all.models(raw.models.as_deref());
        let models_dir = all.take("SERVER_MODELS_DIR", raw.models_dir.as_deref(), path);
        let host = all.take("SERVER_HOST", raw.host.as_deref(), values::host);
        let port = all.take("SERVER_PORT", raw.port.as_deref(), values::port);
        let grpc_port = all.take("SERVER_GRPC_PORT", raw.grpc_port.as_deref(), values::port);
        all.ports_differ(port, grpc_port);
        let devices = all.devices(raw.devices.as_deref());
        let num_workers = all.take("SERVER_NUM_WORKERS", raw.num_workers.as_deref(), |t| {
            values::threads(t, cores)
        });
        let model_cache_dir = all.take("SERVER_MODEL_CACHE_DIR", raw.model_cache_dir.as_deref(), path);
        let wait_timeout = all.take(
            "SERVER_WAIT_TIMEOUT",
            raw.wait_timeout.as_deref(),
            values::positive_duration,
        );
        let queue_size = all.take("SERVER_QUEUE_SIZE", raw.queue_size.as_deref(), values::count);
        let request_timeout = all.take(
            "SERVER_REQUEST_TIMEOUT",
            raw.request_timeout.as_deref(),
            values::optional_duration,
        );
        let drain_timeout = all.take("SERVER_DRAIN_TIMEOUT", raw.drain_timeout.as_deref(), values::duration);
        let max_body = all.take("SERVER_MAX_BODY", raw.max_body.as_deref(), values::size);
        let cors_origins = all.take_blank_too("SERVER_CORS_ORIGINS", raw.cors_origins.as_deref(), values::cors_origins);
        let model_control = all.take("SERVER_MODEL_CONTROL", raw.model_control.as_deref(), model_control);
        let overload_status = all.take(
            "SERVER_OVERLOAD_STATUS",
            raw.overload_status.as_deref(),
            overload_status,
        );
        let store_url = all.address("SERVER_STORE_URL", raw.store_url.as_deref(), |t| {
            SecretUrl::parse(t, STORES)
        });
        let upload_url = all.address("SERVER_UPLOAD_URL", raw.upload_url.as_deref(), upload_url);
        let job_ttl = all.take("SERVER_JOB_TTL", raw.job_ttl.as_deref(), values::positive_duration);
        let job_backlog = all.take("SERVER_JOB_BACKLOG", raw.job_backlog.as_deref(), values::count);
        let job_lease = all.take("SERVER_JOB_LEASE", raw.job_lease.as_deref(), job_lease);
        let webhook_secret = all.secret("SERVER_WEBHOOK_SECRET", raw.webhook_secret.as_deref(), webhook_secret);
        let webhook_allow = all.take("SERVER_WEBHOOK_ALLOW", raw.webhook_allow.as_deref(), webhook_allow);
        let log = all.take("SERVER_LOG", raw.log.as_deref(), |text| Ok(text.to_owned()));
        let log_format = all.take("SERVER_LOG_FORMAT", raw.log_format.as_deref(), log_format);

        // Assembled only after every value was looked at: `?` any earlier would hide the faults
        // behind the first.
        let assemble = || {
            Some(Self {
                models: models?,
                models_dir: models_dir?,
                host: host?,
                port: port?,
                grpc_port: grpc_port?,
                devices: devices?,
                num_workers: num_workers?,
                model_cache_dir: model_cache_dir?,
                wait_timeout: wait_timeout?,
                queue_size: queue_size?,
                request_timeout: request_timeout?,
                drain_timeout: drain_timeout?,
                max_body: max_body?,
                cors_origins: cors_origins?,
                model_control: model_control?,
                overload_status: overload_status?,
                store_url: store_url?,
                upload_url: upload_url?,
                job_ttl: job_ttl?,
                job_backlog: job_backlog?,
                job_lease: job_lease?,
                webhook_secret: webhook_secret?,
                webhook_allow: webhook_allow?,
                log: log?,
                log_format: log_format?,
                warnings,
            })
        };
        match assemble() {
            Some(settings) if all.faults.is_empty() => Ok(settings),
            _ => Err(Faults(all.faults)),
        }
    }
}

fn path(text: &str) -> Result<PathBuf, String> {
    if text.contains('\0') {
        return Err(expected("a path without NUL characters"));
    }
    Ok(PathBuf::from(text))
}

fn model_control(text: &str) -> Result<ModelControl, String> {
    values::choice(
        text,
        &[("explicit", ModelControl::Explicit), ("none", ModelControl::None)],
    )
}

fn overload_status(text: &str) -> Result<u16, String> {
    values::choice(text, &[("503", 503), ("429", 429)])
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    values::choice(text, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
}

fn job_lease(text: &str) -> Result<Duration, String> {
    match values::duration(text)? {
        lease if lease < Duration::from_secs(1) => Err(expected("a time from one second")),
        lease => Ok(lease),
    }
}

fn webhook_secret(text: &str) -> Result<Option<Secret>, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    Secret::parse(text)
        .map(Some)
        .map_err(|what| format!("{}, or none", expected(what)))
}

fn webhook_allow(text: &str) -> Result<AllowList, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(AllowList::default());
    }
    let otherwise = || expected("networks, addresses and hosts separated by commas, or none");
    AllowList::parse(text).map_err(|error| told(&format!(": {error}"), otherwise))
}

fn upload_url(text: &str) -> Result<Option<SecretUrl>, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    SecretUrl::parse(text, UPLOADS)
        .map(Some)
        .map_err(|rest| format!("{rest}, or none"))
}
