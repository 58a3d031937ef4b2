//! Routes that load balancers and clients of two earlier servers ask for: Potassium's `/_k/status` (once
//! `/__status__`) and `/_k/warmup`, and Banana's `/healthcheck`.
//!
//! Potassium's status, as its server counts it: `sequence_number` grows with every request received, refused ones and
//! warm-ups included; `idle_time` runs from the end of the last request and is zero while one is under way;
//! `inference_time` is the age of the oldest one under way. Times are whole milliseconds.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::response::IntoResponse;
use serde_json::json;

use super::exchange::{Exchange, Protocol};
use super::native;
use super::router::Front;
use crate::device::Device;
use crate::error::{Error, Kind};

/// `GET /_k/status`, `GET /__status__`.
pub async fn status(State(front): State<Arc<Front>>) -> Response<Body> {
    let load = front.service.load();
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Json(json!({
        "gpu_available": load.available,
        "sequence_number": load.received,
        "idle_time": millis(load.idle),
        "inference_time": millis(load.oldest),
    }))
    .into_response()
}

/// `GET` or `POST /_k/warmup`: reached only by a server that is up, it makes the idle time begin anew.
pub async fn warm_up(State(front): State<Arc<Front>>, request: Request) -> Response<Body> {
    let exchange = Exchange::begin(&front, &request, Protocol::Native);
    let warm = ready(&front).map(|()| {
        front.service.count_warm_up();
        Json(json!({"warm": true})).into_response()
    });
    exchange.end(warm)
}

/// `GET /healthcheck`. Banana's server listens only once its model is loaded, so that any answer means ready.
pub async fn healthcheck(State(front): State<Arc<Front>>, request: Request) -> Response<Body> {
    let exchange = Exchange::begin(&front, &request, Protocol::Native);
    let healthy = ready(&front).map(|()| Json(json!({"state": "healthy", "gpu": on_gpu(&front)})).into_response());
    exchange.end(healthy)
}

/// Any other verb: the author's own route at this path, where there is one.
pub async fn other_verb(State(front): State<Arc<Front>>, request: Request) -> Response<Body> {
    let routes = front.service.routes();
    if routes.find(request.uri().path()).is_some() {
        return native::handle(State(front), request).await;
    }
    let mut exchange = Exchange::begin(&front, &request, Protocol::Native);
    exchange.allow = "GET".into();
    let message = format!("{} is not for {}; send GET", request.method(), request.uri().path());
    exchange.end(Err(Error::new(Kind::MethodNotAllowed, message)))
}

fn ready(front: &Front) -> Result<(), Error> {
    if front.service.is_ready() {
        return Ok(());
    }
    let message = if front.service.is_draining() {
        "the server is shutting down; send the request to another instance"
    } else {
        "not every model is ready; /health/readiness has their states"
    };
    Err(Error::new(Kind::NotReady, message))
}

/// Whether a replica owns a GPU: the question is put to the models and not to the machine, whose driver is looked
/// up once at the start.
fn on_gpu(front: &Front) -> bool {
    let routes = front.service.routes();
    let owns = |m: &Arc<crate::service::Model>| {
        let replicas = m.group.snapshot().replicas;
        replicas.iter().any(|r| matches!(r.device, Device::Cuda(_)))
    };
    routes.models.iter().any(owns)
}
