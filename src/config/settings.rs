//! The settings, typed: text of every variable in, all values or all faults out.
//! The parser is pure; `load` alone reads the environment, `.env` and the folders' names.

use super::entry::ModelEntry;
use super::fault::{Fault, Faults, expected, quoted, told};
use super::folders::{check_folders, missing};
use super::raw::Raw;
use super::url::SecretUrl;
use super::{models, source, table, values};
use crate::device::{Selection, SelectionError};
use crate::webhook::{AllowList, Secret};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

const STORES: &[&str] = &["file:", "redis://", "rediss://"];
const UPLOADS: &[&str] = &["s3://", "gs://", "az://", "file:"];

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

    /// The settings of this process: its environment over `.env` of the working directory.
    ///
    /// # Errors
    /// Every fault of `.env`, of the variables and of the folders they name.
    pub fn load() -> Result<Self, Faults> {
        Self::load_with(Path::new(source::DOTENV))
    }

    fn load_with(dotenv: &Path) -> Result<Self, Faults> {
        let collected = source::gather(dotenv);
        let mut faults = collected.faults;
        let read = |name: &str| {
            collected
                .vars
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
        };
        // Where `SERVER_MODELS` is at fault, the folders of the entries that could be read are looked for all the
        // same: whoever mends the one should hear of the other now.
        let (entries, _) = models::read(or_default("SERVER_MODELS", not_blank(read("SERVER_MODELS"))));
        let dir = or_default("SERVER_MODELS_DIR", not_blank(read("SERVER_MODELS_DIR"))).to_owned();
        match Self::from_vars(collected.vars.clone()) {
            // A variable that could not be read stands at its default here: its folders would be
            // false faults.
            Ok(settings) if faults.is_empty() => {
                faults = check_folders(&settings);
                if faults.is_empty() {
                    return Ok(settings);
                }
            }
            Ok(_) => {}
            Err(Faults(more)) => {
                let unread = !faults.is_empty() || more.iter().any(|fault| fault.place() == "SERVER_MODELS_DIR");
                faults.extend(more);
                if !unread {
                    let names: Vec<_> = entries
                        .iter()
                        .map(|(index, entry)| (*index, entry.name.as_str()))
                        .collect();
                    faults.extend(missing(Path::new(unquoted(&dir)), &names, ""));
                }
            }
        }
        Err(Faults(faults))
    }

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

/// Parses one value after the other and keeps the faults.
#[derive(Default)]
struct Gather {
    faults: Vec<Fault>,
}

impl Gather {
    /// The value of `name` by `parse`. A blank value is an unset one: templates leave blanks where
    /// they have nothing to say.
    fn take<T>(
        &mut self,
        name: &'static str,
        value: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.take_blank_too(name, not_blank(value), parse)
    }

    /// Like [`Gather::take`] for a setting to which blank means something.
    fn take_blank_too<T>(
        &mut self,
        name: &'static str,
        value: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = unquoted(or_default(name, value));
        self.keep(parse(text).map_err(|rest| Fault::read(name, text, &rest)))
    }

    /// Like [`Gather::take`] for an address, of which a fault shows the scheme alone.
    fn address<T>(
        &mut self,
        name: &'static str,
        value: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = unquoted(or_default(name, not_blank(value)));
        self.keep(parse(text).map_err(|rest| Fault::read_address(name, text, &rest)))
    }

    /// Like [`Gather::take`] for a secret, of which a fault shows nothing.
    fn secret<T>(
        &mut self,
        name: &'static str,
        value: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = unquoted(or_default(name, not_blank(value)));
        self.keep(parse(text).map_err(|rest| Fault::read(name, "***", &rest)))
    }

    /// The text goes to the parser as it is, quotes included, so that positions in it are right.
    fn models(&mut self, value: Option<&str>) -> Option<Vec<ModelEntry>> {
        self.keep(models::parse(or_default("SERVER_MODELS", value)).map_err(Faults))
    }

    fn devices(&mut self, value: Option<&str>) -> Option<Selection> {
        const NAME: &str = "SERVER_DEVICES";
        let text = unquoted(or_default(NAME, not_blank(value)));
        self.keep(text.parse().map_err(|error: SelectionError| {
            let listed = "auto, cpu, or a list such as cuda:0,cuda:1 or ipu:0-3";
            let otherwise = || format!("read {}{}", quoted(text), expected(listed));
            Fault::new(NAME, told(&error, otherwise))
        }))
    }

    fn keep<T>(&mut self, read: Result<T, impl Into<Faults>>) -> Option<T> {
        read.map_err(|faults| self.faults.extend(faults.into().0)).ok()
    }

    fn ports_differ(&mut self, http: Option<u16>, grpc: Option<u16>) {
        if let (Some(http), Some(grpc)) = (http, grpc)
            && http == grpc
            && http != 0
        {
            let problem = format!("is {grpc}, which SERVER_PORT is too, expected another port, or 0 for any free one");
            self.faults.push(Fault::new("SERVER_GRPC_PORT", problem));
        }
    }
}

/// What is set, else what the table says.
fn or_default<'a>(name: &str, value: Option<&'a str>) -> &'a str {
    value.unwrap_or_else(|| table::variable(name).map_or("", |variable| variable.default))
}

fn not_blank(value: Option<&str>) -> Option<&str> {
    value.filter(|text| !unquoted(text).is_empty())
}

/// `text` without the blanks around it and the quotes that `docker --env-file` keeps.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    values::between(text, '\'')
        .or_else(|| values::between(text, '"'))
        .unwrap_or(text)
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

#[cfg(test)]
mod tests;
