//! The groups of replicas that a builder's handlers and pipelines become.

use std::any::Any;
use std::sync::Arc;

use super::super::handlers::{App, Init};
use super::super::{Mount, Part};
use super::Builder;
use crate::config::Settings;
use crate::contract::Manner;
use crate::error::Error;
use crate::pipeline::Build;
use crate::service::{Endpoint, ModelCard};
use crate::worker::{BatchPolicy, GroupSpec};

impl<C: 'static> Builder<C> {
    /// The part of the handlers.
    pub(super) fn app(&mut self, settings: &Settings) -> Part {
        let init = self.inits.pop().unwrap_or_else(no_init);
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

    /// The part of a pipeline type.
    pub(super) fn mounted(&self, mount: Mount, settings: &Settings) -> Part {
        let name: Arc<str> = mount.name().into();
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

/// The context of handlers without an init is `()`, as [`Builder::faults`] has made sure.
fn no_init<C: 'static>() -> Init<C> {
    Box::new(|_| {
        let unit: Box<dyn Any> = Box::new(());
        unit.downcast::<C>()
            .map(|b| *b)
            .map_err(|_| Error::pipeline("no init was given"))
    })
}
