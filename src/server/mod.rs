//! Hostler as a library: a server around Rust pipelines and closures, with the same queue, replicas, docs and
//! drain as model folders get.

mod builder;
mod handlers;
mod mount;
mod stream;

use std::sync::Arc;

pub use builder::{BuildError, Builder};
pub use mount::Mount;
pub use stream::Stream;

use crate::app::{self, AppError, Stores};
use crate::config::Settings;
use crate::service::{Model, ModelCard, Routes, Service};
use crate::worker::{Group, GroupSpec};

/// A server that is ready to run.
///
/// ```no_run
/// use hostler::{Error, Server};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let server = Server::builder()
///         .init(|_replica| Ok(0_u64))
///         .handler("/count", |count: &mut u64, step: u64| {
///             *count += step;
///             Ok::<_, Error>(*count)
///         })
///         .build()?;
///     server.run()?;
///     Ok(())
/// }
/// ```
pub struct Server {
    settings: Settings,
    parts: Vec<Part>,
}

/// One group of replicas and what is told of it.
struct Part {
    card: ModelCard,
    spec: GroupSpec,
}

impl Server {
    /// Begins a server. `C` is the context that `init` makes once a replica and every handler shares.
    pub fn builder<C: 'static>() -> Builder<C> {
        Builder::new()
    }

    /// Runs until SIGTERM or SIGINT, then drains. Blocks the calling thread.
    ///
    /// # Errors
    /// What kept it from starting.
    pub fn run(self) -> Result<(), AppError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.settings.num_workers)
            .thread_name("front")
            .enable_all()
            .build()
            .map_err(AppError::System)?;
        runtime.block_on(async {
            let listening = app::bind(self.settings.host, self.settings.port).await?;
            self.serve(listening, app::shutdown_signal()).await
        })
    }

    /// Serves on a bound listener (see [`crate::app::bind`]) until `shutdown` resolves, then drains.
    ///
    /// # Errors
    /// What kept it from starting.
    pub async fn serve(self, listening: app::Listening, shutdown: impl Future<Output = ()>) -> Result<(), AppError> {
        let (service, stores, settings) = self.start()?;
        app::serve(listening, service, stores, &settings, shutdown).await
    }

    /// The OpenAPI document of the mounted paths, as JSON.
    pub fn openapi(&self) -> String {
        let document = crate::http::openapi_document(self.parts.iter().map(|p| &p.card));
        document.to_pretty_json().unwrap_or_default()
    }

    /// Starts the replicas, without a listener.
    ///
    /// # Errors
    /// When the system gives no thread, or the store's address cannot be read.
    #[doc(hidden)]
    pub fn start(self) -> Result<(Arc<Service>, Stores, Settings), AppError> {
        let request_timeout = self.settings.request_timeout;
        let stores = Stores::of(&self.settings)?;
        let start = |mut part: Part| {
            part.spec.store.get_or_insert_with(|| Arc::clone(&stores.values));
            let group = Group::start(part.spec).map_err(AppError::System)?;
            Ok(Arc::new(Model::new(part.card, group, request_timeout)))
        };
        let models = self
            .parts
            .into_iter()
            .map(start)
            .collect::<Result<Vec<_>, AppError>>()?;
        let routes = Routes::new(models).map_err(|fault| AppError::Settings(vec![fault]))?;
        Ok((Arc::new(Service::new(routes)), stores, self.settings))
    }
}
