//! Starts the replicas of a plan and puts a service in front of them.

use std::sync::Arc;
use std::time::Duration;

use super::error::AppError;
use super::plan::{Plan, Planned};
use crate::backend::onnx::Runtime;
use crate::catalog::{ModelSpec, SpecRoute};
use crate::config::Settings;
use crate::service::{Endpoint, Model, ModelCard, Routes, Service};
use crate::store::KeyValue;
use crate::worker::{BatchPolicy, Group, GroupSpec};

/// How long a run that was asked to end may take before its thread is given up. Long enough for a slow node of
/// a large graph, since ONNX Runtime looks for the request between nodes.
pub const HANG_GRACE: Duration = Duration::from_secs(30);

/// Starts every model; returns while they load. Pipelines keep values in `values`.
///
/// # Errors
/// When the system gives no thread, or two models claim one path.
pub fn start(
    plan: Plan,
    settings: &Settings,
    runtime: Option<&Runtime>,
    values: &Arc<dyn KeyValue>,
) -> Result<Arc<Service>, AppError> {
    let models = plan
        .models
        .into_iter()
        .map(|planned| start_model(planned, settings, runtime, values).map(Arc::new));
    let models = models.collect::<std::io::Result<Vec<_>>>().map_err(AppError::System)?;
    let routes = Routes::new(models).map_err(|fault| AppError::Settings(vec![fault]))?;
    Ok(Arc::new(Service::new(routes)))
}

fn start_model(
    planned: Planned,
    settings: &Settings,
    runtime: Option<&Runtime>,
    values: &Arc<dyn KeyValue>,
) -> std::io::Result<Model> {
    let Planned {
        spec,
        devices,
        threads,
        queue_size,
        request_timeout,
    } = planned;
    let card = spec.card();
    let build = spec.builder.make(runtime);
    let build = build.ok_or_else(|| std::io::Error::other("ONNX Runtime was not loaded"))?;
    let group = Group::start(GroupSpec {
        model: Arc::clone(&spec.name),
        build,
        devices,
        threads,
        batch: BatchPolicy {
            max_size: spec.max_batch_size,
            max_delay: spec.settings.max_queue_delay().unwrap_or_default(),
        },
        queue_size,
        cache_dir: settings.model_cache_dir.join(&*spec.name),
        wait_timeout: settings.wait_timeout,
        hang_grace: HANG_GRACE,
        store: Some(Arc::clone(values)),
    })?;
    Ok(Model::new(card, group, request_timeout))
}

impl ModelSpec {
    /// Paths of each route, the model's own first.
    pub fn mounts(&self) -> Vec<Vec<String>> {
        let own = format!("/{}", self.name);
        let alias = self.settings.endpoint.clone().filter(|e| *e != own);
        let root = self.settings.mount.as_deref() == Some("/");
        let bases: Vec<String> = std::iter::once(own)
            .chain(alias)
            .chain(root.then(String::new))
            .collect();
        let paths = |route: &SpecRoute| {
            if route.absolute {
                return vec![route.path.clone()];
            }
            let below = if route.path == "/" { "" } else { route.path.as_str() };
            let mounted = bases.iter().map(|base| format!("{base}{below}"));
            mounted
                .map(|path| if path.is_empty() { "/".to_owned() } else { path })
                .collect()
        };
        self.routes.iter().map(paths).collect()
    }

    /// All paths, the model's own first.
    pub fn paths(&self) -> Vec<String> {
        self.mounts().concat()
    }

    /// What docs and dashboards read.
    pub fn card(&self) -> ModelCard {
        let endpoint = |(route, paths): (&SpecRoute, Vec<String>)| Endpoint {
            paths,
            handler: route.handler,
            contract: Arc::clone(&route.contract),
            manner: route.manner.clone(),
            summary: route.summary.clone(),
        };
        ModelCard {
            name: Arc::clone(&self.name),
            task: self.task.to_owned(),
            description: self.description.clone(),
            endpoints: self.routes.iter().zip(self.mounts()).map(endpoint).collect(),
        }
    }
}
