//! Puts a server together; every fault is told at `build`, all of them together.

use std::any::{Any, TypeId};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::handlers::{App, Handler, Init, once, streaming};
use super::stream::Stream;
use super::{Part, Server};
use crate::config::{self, Settings, check_endpoint};
use crate::contract::{Contract, Manner};
use crate::device::Device;
use crate::error::Error;
use crate::pipeline::{Build, Pipeline, ReplicaContext};
use crate::service::{Endpoint, ModelCard};
use crate::store::KeyValue;
use crate::worker::{BatchPolicy, GroupSpec};

/// Why a server cannot be built; all faults, one a line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct BuildError(pub Vec<String>);

/// A [`Pipeline`] type, mounted at a path with replicas of its own.
pub struct Mount {
    path: String,
    contract: Contract,
    build: Arc<dyn Build>,
    batch: BatchPolicy,
    replicas: usize,
    description: Option<String>,
}

impl Mount {
    /// `build` makes the pipeline, on the thread of each replica.
    pub fn new<P, F>(path: impl Into<String>, contract: Contract, build: F) -> Self
    where
        P: Pipeline + 'static,
        F: Fn(&ReplicaContext) -> Result<P, Error> + Send + Sync + 'static,
    {
        let boxed = move |context: &ReplicaContext| build(context).map(|p| Box::new(p) as Box<dyn Pipeline>);
        let (batch, build) = (BatchPolicy::default(), Arc::new(boxed));
        Self {
            path: path.into(),
            contract,
            build,
            batch,
            replicas: 1,
            description: None,
        }
    }

    /// Up to `max_size` requests a run; the first of them waits at most `max_delay` for others.
    #[must_use]
    pub const fn batch(mut self, max_size: usize, max_delay: Duration) -> Self {
        self.batch = BatchPolicy { max_size, max_delay };
        self
    }

    #[must_use]
    pub const fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// A sentence for the docs.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }
}

/// Builds a [`Server`].
pub struct Builder<C> {
    name: String,
    settings: Result<Settings, String>,
    inits: Vec<Init<C>>,
    handlers: Vec<(String, Contract, Handler<C>)>,
    mounts: Vec<Mount>,
    replicas: usize,
    devices: Vec<Device>,
    hang_grace: Duration,
    store: Option<Arc<dyn KeyValue>>,
}

impl<C: 'static> Builder<C> {
    pub(super) fn new() -> Self {
        Self {
            name: "app".into(),
            // The defaults of the settings table, and no variable of the environment.
            settings: Settings::from_vars([]).map_err(|faults| faults.to_string()),
            inits: Vec::new(),
            handlers: Vec::new(),
            mounts: Vec::new(),
            replicas: 1,
            devices: vec![Device::Cpu],
            hang_grace: crate::app::HANG_GRACE,
            store: None,
        }
    }

    /// The name of the handlers' app in docs, logs and thread names; `app` unless said.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Settings to use in place of the defaults; its models are not looked at.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Ok(settings);
        self
    }

    /// Settings from the `SERVER_…` variables and `.env`, as the `hostler` command reads them; models apart.
    #[must_use]
    pub fn environment(mut self) -> Self {
        self.settings = Settings::from_vars(config::environment()).map_err(|faults| faults.to_string());
        self
    }

    /// Where [`Server::run`] listens; port 0 takes any free one.
    #[must_use]
    pub fn address(mut self, host: IpAddr, port: u16) -> Self {
        if let Ok(settings) = &mut self.settings {
            (settings.host, settings.port) = (host, port);
        }
        self
    }

    /// Where jobs, and the keys and values of pipelines, are kept: `file:FOLDER`, `redis://HOST` or `rediss://HOST`.
    /// Nothing is made there before it is used. Replicas find their [`Store`](crate::Store) in [`ReplicaContext::store`]:
    ///
    /// ```no_run
    /// use hostler::{ReplicaContext, Server, Store};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = Server::builder()
    ///     .store_url("file:data")
    ///     .init(ReplicaContext::store)
    ///     .handler("/count", |store: &mut Store, name: String| Ok(store.increment(&name, 1)?))
    ///     .build()?;
    /// server.run()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn store_url(mut self, url: &str) -> Self {
        self.settings = self.settings.and_then(|mut settings| {
            settings.set_store_url(url).map_err(|fault| fault.to_string())?;
            Ok(settings)
        });
        self
    }

    /// Keys and values of pipelines are kept by this engine, not at the store's URL: in tests by
    /// [`Memory`](crate::store::Memory).
    #[must_use]
    pub fn store(mut self, engine: Arc<dyn KeyValue>) -> Self {
        self.store = Some(engine);
        self
    }

    /// Makes the context of a replica, once on its own thread and again after a failure. Handlers share it.
    #[must_use]
    pub fn init(mut self, init: impl Fn(&ReplicaContext) -> Result<C, Error> + Send + Sync + 'static) -> Self {
        self.inits.push(Box::new(init));
        self
    }

    /// A handler at `POST path`: one JSON value in, one out.
    #[must_use]
    pub fn handler<I, O, F>(mut self, path: impl Into<String>, handler: F) -> Self
    where
        I: DeserializeOwned + ToSchema + Send + 'static,
        O: Serialize + ToSchema,
        F: Fn(&mut C, I) -> Result<O, Error> + Send + Sync + 'static,
    {
        self.handlers
            .push((path.into(), Contract::typed::<I, O>(), once(handler)));
        self
    }

    /// A handler that emits its answer in pieces. A client that does not stream gets them as one list.
    #[must_use]
    pub fn stream<I, O, F>(mut self, path: impl Into<String>, handler: F) -> Self
    where
        I: DeserializeOwned + ToSchema + Send + 'static,
        O: Serialize + ToSchema,
        F: Fn(&mut C, I, &mut Stream<'_>) -> Result<(), Error> + Send + Sync + 'static,
    {
        self.handlers
            .push((path.into(), Contract::typed_stream::<I, O>(), streaming(handler)));
        self
    }

    /// Mounts a pipeline type.
    #[must_use]
    pub fn pipeline(mut self, mount: Mount) -> Self {
        self.mounts.push(mount);
        self
    }

    /// Replicas of the handlers' app; each has a context of its own.
    #[must_use]
    pub const fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Devices that replicas take in turn; the CPU unless said.
    #[must_use]
    pub fn devices(mut self, devices: Vec<Device>) -> Self {
        self.devices = devices;
        self
    }

    /// How long a run past its deadline may take to return before its thread is given up; 30 s unless said.
    #[must_use]
    pub const fn hang_grace(mut self, grace: Duration) -> Self {
        self.hang_grace = grace;
        self
    }

    /// # Errors
    /// Every fault: a path mounted twice or reserved, a second init, a missing one, nothing to serve.
    pub fn build(mut self) -> Result<Server, BuildError> {
        let faults = self.faults();
        let settings = match self.settings.clone() {
            Ok(settings) if faults.is_empty() => settings,
            Ok(_) => return Err(BuildError(faults)),
            Err(fault) => return Err(BuildError([faults, vec![fault]].concat())),
        };
        let mut parts = Vec::new();
        if !self.handlers.is_empty() {
            parts.push(self.app(&settings));
        }
        for mount in std::mem::take(&mut self.mounts) {
            parts.push(self.mounted(mount, &settings));
        }
        Ok(Server { settings, parts })
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let paths = || {
            self.handlers
                .iter()
                .map(|(p, ..)| p)
                .chain(self.mounts.iter().map(|m| &m.path))
        };
        let mut seen: Vec<&String> = Vec::new();
        for path in paths() {
            if seen.contains(&path) {
                faults.push(format!("{path} is mounted twice; give each handler a path of its own"));
            } else {
                seen.push(path);
            }
            if let Some(wrong) = (path != "/").then(|| check_endpoint(path).err()).flatten() {
                faults.push(format!("{path:?} cannot be mounted{wrong}"));
            }
        }
        if seen.is_empty() {
            faults.push("nothing is mounted; add a handler or a pipeline".into());
        }
        if self.inits.len() > 1 {
            faults.push(format!(
                "init was given {} times; an app has one context",
                self.inits.len()
            ));
        }
        let needs_init = !self.handlers.is_empty() && self.inits.is_empty() && TypeId::of::<C>() != TypeId::of::<()>();
        if needs_init {
            faults.push("handlers take a context, but no init makes one; call init".into());
        }
        if self.replicas == 0 || self.mounts.iter().any(|m| m.replicas == 0) {
            faults.push("replicas is 0, expected at least 1".into());
        }
        if self.devices.is_empty() {
            faults.push("devices is empty; leave it out for the CPU".into());
        }
        faults
    }

    fn app(&mut self, settings: &Settings) -> Part {
        // Without an init the context is `()`, as `faults` has made sure.
        let unit: Init<C> = Box::new(|_| {
            let unit: Box<dyn Any> = Box::new(());
            unit.downcast::<C>()
                .map(|b| *b)
                .map_err(|_| Error::pipeline("no init was given"))
        });
        let init = self.inits.pop().unwrap_or(unit);
        let mut endpoints = Vec::new();
        let mut handlers = Vec::new();
        for (path, contract, handler) in std::mem::take(&mut self.handlers) {
            endpoints.push(Endpoint {
                paths: vec![path],
                handler: handlers.len(),
                contract: Arc::new(contract),
                manner: Manner::default(),
                summary: None,
            });
            handlers.push(handler);
        }
        let name: Arc<str> = Arc::from(self.name.as_str());
        let card = ModelCard {
            name: Arc::clone(&name),
            task: "handlers".into(),
            description: None,
            endpoints,
        };
        let build = Arc::new(App {
            init,
            handlers: Arc::new(handlers),
        });
        let spec = self.spec(name, build, self.replicas, BatchPolicy::default(), settings);
        Part { card, spec }
    }

    fn mounted(&self, mount: Mount, settings: &Settings) -> Part {
        let trimmed = mount.path.trim_matches('/');
        let name: Arc<str> = if trimmed.is_empty() {
            Arc::from("root")
        } else {
            Arc::from(trimmed.replace('/', "."))
        };
        let endpoint = Endpoint {
            paths: vec![mount.path],
            handler: 0,
            contract: Arc::new(mount.contract),
            manner: Manner::default(),
            summary: None,
        };
        let card = ModelCard {
            name: Arc::clone(&name),
            task: "pipeline".into(),
            description: mount.description,
            endpoints: vec![endpoint],
        };
        let spec = self.spec(name, mount.build, mount.replicas, mount.batch, settings);
        Part { card, spec }
    }

    fn spec(
        &self,
        model: Arc<str>,
        build: Arc<dyn Build>,
        replicas: usize,
        batch: BatchPolicy,
        settings: &Settings,
    ) -> GroupSpec {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        GroupSpec {
            cache_dir: settings.model_cache_dir.join(&*model),
            model,
            build,
            devices: self.devices.iter().copied().cycle().take(replicas).collect(),
            threads: (cores / replicas).max(1),
            batch,
            queue_size: settings.queue_size,
            wait_timeout: settings.wait_timeout,
            hang_grace: self.hang_grace,
            store: self.store.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::unnecessary_wraps, reason = "the signature of a handler")]
    fn echo((): &mut (), text: String) -> Result<String, Error> {
        Ok(text)
    }

    #[test]
    fn the_same_path_twice_and_a_second_init_are_told_together() {
        let built = Server::builder()
            .init(|_| Ok(()))
            .init(|_| Ok(()))
            .handler("/echo", echo)
            .handler("/echo", echo)
            .build();
        let faults = built.err().unwrap().0;
        assert_eq!(
            faults,
            [
                "/echo is mounted twice; give each handler a path of its own",
                "init was given 2 times; an app has one context"
            ]
        );
    }

    #[test]
    fn a_context_needs_an_init_and_a_server_something_to_serve() {
        let told = |built: Result<Server, BuildError>| built.err().unwrap().to_string();
        assert!(told(Server::builder::<()>().build()).contains("nothing is mounted"));
        let counts = Server::builder().handler("/n", |n: &mut u64, (): ()| Ok(*n)).build();
        assert!(told(counts).contains("no init makes one"));
        let reserved = Server::builder().handler("/v1/x", echo).build();
        assert!(told(reserved).contains("/v1/x"));
        assert!(Server::builder().handler("/", echo).build().is_ok());
        let store = |url| Server::builder().store_url(url).handler("/", echo).build();
        assert!(store("redis://localhost").is_ok());
        let fault = told(store("http://user:secret@host"));
        assert!(fault.contains("store_url") && !fault.contains("secret"), "{fault}");
    }
}
