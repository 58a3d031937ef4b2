//! A folder with Python in it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::manifest::{Isolation, Manifest};
use super::{LONGEST_CALL, ModelSpec, SpecRoute, Surroundings};
use crate::backend::python::{DescribedRoute, Description, Interpreter, ProcessLimits, PythonModel, RouteContract};
use crate::config::ModelEntry;
use crate::contract::Manner;
use crate::device::DeviceKind;
use crate::models::{Builder, DEFAULT_BATCH_SIZE};

/// The task of every folder of Python.
pub const PYTHON: &str = "python";
/// What Python pipelines run on, most wanted first.
const DEVICES: &[DeviceKind] = &[DeviceKind::Cuda, DeviceKind::Ipu, DeviceKind::Cpu];
/// Past the longest time of a request a call has this long to return before its process is killed: to load a model
/// anew may cost more than to let it finish.
const GRACE: Duration = Duration::from_secs(30);

/// # Errors
/// Sentences with the remedy.
pub fn load(
    folder: &Path,
    entry: &ModelEntry,
    settings: Manifest,
    surroundings: &Surroundings,
) -> Result<ModelSpec, Vec<String>> {
    let one = |fault: String| vec![fault];
    let path = surroundings.environment.get("PATH").map(String::as_str);
    let interpreter = Interpreter::find(folder, settings.python.as_deref(), path).map_err(one)?;
    let described = PythonModel::describe(folder, &interpreter, &surroundings.cache_dir, &surroundings.environment);
    let (description, worker) = described.map_err(one)?;
    let asked = settings.max_batch_size;
    if let Some(asked) = asked.filter(|n| *n > 1 && !description.batch && !description.concurrent) {
        return Err(one(format!(
            "max_batch_size is {asked}, but the pipeline takes one input at a time; give it run_batch(list) or leave the key out"
        )));
    }
    if settings.isolation == Isolation::Process {
        tracing::debug!(model = %entry.name, "isolation = \"process\" is what Python pipelines have anyway");
    }
    let max_batch_size = match (asked, description.batch) {
        (Some(asked), _) => asked,
        (None, true) => DEFAULT_BATCH_SIZE,
        (None, false) => 1,
    };
    let mut signature = None;
    let mut routes = Vec::with_capacity(description.routes.len());
    for route in &description.routes {
        let made = RouteContract::of(&description, route);
        signature = made.signature.or(signature);
        routes.push(SpecRoute {
            path: route.path.clone(),
            absolute: route.absolute,
            handler: route.handler,
            contract: Arc::new(made.contract),
            manner: manner(route),
            summary: route.summary.clone(),
        });
    }
    let limit = settings.request_timeout().or(surroundings.request_timeout);
    let limits = ProcessLimits {
        start_timeout: settings.start_timeout().unwrap_or(surroundings.wait_timeout),
        call_timeout: settings
            .call_timeout()
            .unwrap_or_else(|| limit.map_or(LONGEST_CALL, |l| l + GRACE)),
        max_requests: settings.max_requests,
    };
    let why = why(&description, &interpreter);
    Ok(ModelSpec {
        name: entry.name.as_str().into(),
        task: PYTHON,
        why,
        description: settings.description.clone().or_else(|| description.description.clone()),
        routes,
        weight_bytes: 0,
        // What a replica takes in one run; calls sent ahead are the process's affair.
        max_batch_size: if description.concurrent { 1 } else { max_batch_size },
        runs_on: DEVICES,
        wants_root: true,
        builder: Builder::Ready(Arc::new(PythonModel {
            folder: folder.to_owned(),
            interpreter,
            signature,
            max_batch_size,
            limits,
            worker,
            inherited: surroundings.environment.clone(),
            description,
        })),
        settings,
    })
}

fn manner(route: &DescribedRoute) -> Manner {
    Manner {
        background: route.background,
        shaped: route.head && !route.background,
        verbs: route.methods.iter().map(|verb| verb.to_ascii_uppercase()).collect(),
    }
}

fn why(description: &Description, interpreter: &Interpreter) -> String {
    let Description {
        why, dialect, python, ..
    } = description;
    let program = interpreter.program.display();
    format!(
        "{why} ({dialect}); Python {python} from {} ({program})",
        interpreter.why
    )
}
