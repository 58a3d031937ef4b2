//! What a pipeline type is mounted with.

use std::sync::Arc;
use std::time::Duration;

use crate::contract::Contract;
use crate::error::Error;
use crate::pipeline::{Build, Pipeline, ReplicaContext};
use crate::worker::BatchPolicy;

/// A [`Pipeline`] type, mounted at a path with replicas of its own.
pub struct Mount {
    pub(super) path: String,
    pub(super) contract: Contract,
    pub(super) build: Arc<dyn Build>,
    pub(super) batch: BatchPolicy,
    pub(super) replicas: usize,
    pub(super) description: Option<String>,
}

impl Mount {
    /// `build` makes the pipeline, on the thread of each replica.
    pub fn new<P, F>(path: impl Into<String>, contract: Contract, build: F) -> Self
    where
        P: Pipeline + 'static,
        F: Fn(&ReplicaContext) -> Result<P, Error> + Send + Sync + 'static,
    {
        let boxed = move |context: &ReplicaContext| build(context).map(|p| Box::new(p) as Box<dyn Pipeline>);
        Self {
            path: path.into(),
            contract,
            build: Arc::new(boxed),
            batch: BatchPolicy::default(),
            replicas: 1,
            description: None,
        }
    }

    /// What its model is called: its path, in one word.
    pub(super) fn name(&self) -> String {
        match self.path.trim_matches('/') {
            "" => "root".to_owned(),
            path => path.replace('/', "."),
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
