//! Health and status routes: is the server up, is every model ready, would a restart help.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::dashboard;
use super::router::Front;

/// `GET /health/startup`: answers as soon as the listener is up.
pub async fn startup(State(front): State<Arc<Front>>) -> Response {
    reply(&front, true, "the server has started")
}

/// `GET /health/readiness`: every configured model has a ready replica.
pub async fn readiness(State(front): State<Arc<Front>>) -> Response {
    if front.service.is_draining() {
        return reply(&front, false, "the server is shutting down");
    }
    let ready = front.service.is_ready();
    reply(
        &front,
        ready,
        if ready {
            "every model is ready"
        } else {
            "not every model is ready"
        },
    )
}

/// `GET /health/liveness`: fails only for what a restart would mend.
pub async fn liveness(State(front): State<Arc<Front>>) -> Response {
    let routes = front.service.routes();
    let hung: Vec<_> = routes
        .models
        .iter()
        .filter(|m| m.group.lost_threads() > 0)
        .map(|m| m.card.name.to_string())
        .collect();
    if hung.is_empty() {
        return reply(&front, true, "the server is alive");
    }
    reply(
        &front,
        false,
        &format!(
            "a replica hung and its thread was given up: {}; restart to get it back",
            hung.join(", ")
        ),
    )
}

fn reply(front: &Front, good: bool, message: &str) -> Response {
    let status = if good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(json!({"message": message, "models": states(front)}))).into_response()
}

/// The state of each model by name.
fn states(front: &Front) -> Value {
    let routes = front.service.routes();
    let state = |m: &Arc<crate::service::Model>| {
        let snapshot = m.group.snapshot();
        let mut state = json!({"state": snapshot.state, "ready": m.group.serves()});
        if let Some(reason) = snapshot.reason {
            state["reason"] = reason.into();
        }
        (m.card.name.to_string(), state)
    };
    Value::Object(routes.models.iter().map(state).collect())
}

/// `GET /v2/health/live` and `GET /v2/health/ready` of the Open Inference Protocol.
pub async fn v2_live() -> Response {
    Json(json!({"live": true})).into_response()
}

pub async fn v2_ready(State(front): State<Arc<Front>>) -> Response {
    let ready = front.service.is_ready();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(json!({"ready": ready}))).into_response()
}

/// `GET /`: the dashboard for a browser, what it shows as JSON for a program.
pub fn root(front: &Front, headers: &HeaderMap) -> Response {
    let accept = headers.get("accept").and_then(|v| v.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        return dashboard::page();
    }
    let routes = front.service.routes();
    let models: Vec<_> = routes
        .models
        .iter()
        .map(|m| {
            let paths: Vec<_> = m.card.endpoints.iter().flat_map(|e| &e.paths).collect();
            json!({
                "name": m.card.name, "task": m.card.task, "description": m.card.description, "paths": paths,
                "status": m.group.snapshot(),
            })
        })
        .collect();
    Json(json!({
        "name": "hostler",
        "version": env!("CARGO_PKG_VERSION"),
        "message": if front.service.is_draining() { "shutting down" } else { "serving" },
        "docs": "/docs",
        "models": models,
    }))
    .into_response()
}
