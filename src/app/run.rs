//! From a started service to the end of its drain.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use super::error::AppError;
use super::stores::{Stores, start_jobs};
use crate::config::Settings;
use crate::http::{self, Drain, FrontSettings, Parts};
use crate::service::{Model, Service};
use crate::upload::{self, Uploader, Uploads};
use crate::webhook::Client;

/// For at least this long a stopping server answers 503 before it closes, so that load balancers notice.
pub const DRAIN_LEAST: Duration = Duration::from_secs(1);

/// A bound listener and where it can be reached.
pub struct Listening {
    listener: TcpListener,
    pub address: SocketAddr,
}

/// Binds the listener, before any model is loaded.
///
/// # Errors
/// With the remedy, when the address cannot be had.
pub async fn bind(host: IpAddr, port: u16) -> Result<Listening, AppError> {
    let address = SocketAddr::new(host, port);
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Listening { listener, address })
    };
    bound.await.map_err(|reason| AppError::Bind { address, reason })
}

impl Listening {
    /// The base URL for a person on this machine.
    pub fn url(&self) -> String {
        let shown = match self.address.ip() {
            ip if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.address.port()),
            _ => self.address,
        };
        format!("http://{shown}")
    }
}

/// Serves until `shutdown` resolves, then drains and stops every replica.
///
/// # Errors
/// As [`uploader`]; when webhooks cannot be sent at all.
pub async fn serve(
    listening: Listening,
    service: Arc<Service>,
    stores: Stores,
    settings: &Settings,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AppError> {
    let uploader = uploader(settings)?;
    let (jobs, client) = start_jobs(stores, &service, uploader.clone(), settings)?;
    let front_settings = FrontSettings {
        max_body: settings.max_body,
        overload_status: settings.overload_status,
        cors: settings.cors_origins.clone(),
    };
    let parts = Parts {
        service: Arc::clone(&service),
        jobs: Some(Arc::clone(&jobs)),
        webhooks: Some(client),
        uploader,
    };
    let entry = http::front(parts, &front_settings);
    let drain = Drain {
        timeout: settings.drain_timeout,
        least: DRAIN_LEAST,
    };
    announce(&listening, &service);
    // Jobs that run get the time of the drain, too; none is begun in it.
    let (patience, stopping) = (settings.drain_timeout, Arc::clone(&jobs));
    let mut stopped = None;
    let shutdown = async {
        shutdown.await;
        stopped = Some(tokio::spawn(async move { stopping.stop(patience).await }));
    };
    let finished = http::serve(listening.listener, entry, Arc::clone(&service), drain, shutdown).await;
    if let Some(stopped) = stopped {
        // A panic there has been told already.
        drop(stopped.await);
    }
    if !finished {
        tracing::warn!("SERVER_DRAIN_TIMEOUT passed before all admitted work had finished");
    }
    let stopped = tokio::task::spawn_blocking(move || {
        let end = Instant::now() + Duration::from_secs(2);
        let served = service.routes();
        let stop = |m: &Arc<Model>| m.group.stop(end.saturating_duration_since(Instant::now()));
        // Every group is told to stop, whether or not those before it did.
        served.models.iter().filter(|m| !stop(m)).count() == 0
    });
    if !stopped.await.unwrap_or(false) {
        tracing::warn!("a replica did not stop; it ends with the process");
    }
    Ok(())
}

/// What brings the files of answers away.
///
/// # Errors
/// When the place of uploads cannot be used, or the machine gives no HTTP client.
pub fn uploader(settings: &Settings) -> Result<Uploader, AppError> {
    let fault = |text: String| AppError::Settings(vec![text]);
    let uploads = settings.upload_url.as_ref().map(Uploads::open).transpose();
    let uploads = uploads.map_err(|e| fault(format!("SERVER_UPLOAD_URL: {e}")))?;
    let client = Client::with_times(settings.webhook_allow.clone(), upload::TIMES);
    Ok(Uploader::new(uploads, client.map_err(fault)?))
}

/// Prints a line; nobody reading it any more is no reason to stop serving.
macro_rules! say {
    ($($text:tt)*) => { drop(writeln!(std::io::stdout(), $($text)*)) };
}

/// Says where the models are, and when they are ready.
fn announce(listening: &Listening, service: &Arc<Service>) {
    let url = listening.url();
    for model in &service.routes().models {
        let snapshot = model.group.snapshot();
        let mut devices: Vec<_> = snapshot.replicas.iter().map(|r| r.device.to_string()).collect();
        let n = devices.len();
        devices.sort_unstable();
        devices.dedup();
        let plural = if n == 1 { "" } else { "s" };
        let path = model
            .card
            .endpoints
            .first()
            .and_then(|e| e.paths.first())
            .map_or("/", String::as_str);
        say!(
            "{}: {n} replica{plural} on {}, {url}{path}",
            model.card.name,
            devices.join(", ")
        );
    }
    say!("docs: {url}/docs");
    let service = Arc::clone(service);
    let started = Instant::now();
    tokio::spawn(async move {
        while !service.is_ready() && !service.is_draining() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if service.is_ready() {
            say!("ready in {:.2} s", started.elapsed().as_secs_f64());
        }
    });
}

/// Resolves at SIGTERM or SIGINT.
pub async fn shutdown_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        // Without handlers the default action of the signals ends the process.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tracing::info!("stopping: admitted work is finished first");
}
