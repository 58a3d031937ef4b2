//! Puts a server together; every fault is told at `build`, all of them together.

mod faults;
mod parts;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

pub use faults::BuildError;

use super::handlers::{Handler, Init, once, streaming};
use super::stream::Stream;
use super::{Mount, Server};
use crate::config::{self, Settings};
use crate::contract::Contract;
use crate::device::Device;
use crate::error::Error;
use crate::pipeline::ReplicaContext;
use crate::store::KeyValue;

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
}
