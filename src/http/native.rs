//! The native protocol: `POST /MODEL` with the model's own contract; at `/MODEL/background` it becomes a job.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, Response, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use serde_json::json;

use super::exchange::{Delivery, Exchange, Protocol, Read, Reading, decoding};
use super::files::Accept;
use super::request::{Wanted, about, wanted};
use super::router::Front;
use super::{events, jobs, shaped, websocket};
use crate::error::{Error, Kind};
use crate::payload::Payload;
use crate::service::{Pending, Route};

/// Every path that is no fixed route: a model's endpoint, or nothing.
pub async fn handle(State(front): State<Arc<Front>>, request: Request) -> Response<Body> {
    let mut exchange = Exchange::begin(&front, &request, Protocol::Native);
    let result = call(&front, request, &mut exchange).await;
    exchange.end(result)
}

async fn call(front: &Arc<Front>, request: Request, exchange: &mut Exchange<'_>) -> Result<Response<Body>, Error> {
    let path = request.uri().path();
    let (route, background) = match front.service.find(path) {
        Ok(route) => (route, false),
        Err(unknown) => (front.service.find_background(path).ok_or(unknown)?, true),
    };
    let manner = &route.endpoint().manner;
    let (mut parts, body) = request.into_parts();
    if background || jobs::is_preferred(front, &route, &parts) {
        // On the heap: other requests need not carry the room for it.
        return Box::pin(jobs::submit(front, &route, &parts, body, exchange)).await;
    }
    let taken = manner.verbs.iter().any(|verb| verb == parts.method.as_str());
    if !taken {
        if parts.method == Method::GET && parts.headers.contains_key(header::UPGRADE) {
            let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, front).await;
            return Ok(match upgrade {
                Ok(upgrade) => websocket::upgrade(upgrade, Arc::clone(front), route),
                Err(refused) => refused.into_response(),
            });
        }
        exchange.allow = manner.verbs.join(", ").into();
        let verbs = manner.verbs.join(" or ");
        let message = format!("{} is not for {}; send {verbs}", parts.method, parts.uri.path());
        return Err(Error::new(Kind::MethodNotAllowed, message));
    }
    let contract = route.contract();
    let wanted = wanted(&parts.headers, &contract.media)?;
    let mut read = exchange.read(&parts.headers, body, contract).await?;
    let upload_webhook = exchange.take_upload(&mut read, route.endpoint())?;
    let timeout = read.timeout;
    let input = input(&route, &parts, read)?;
    if manner.background {
        let pending = exchange.submit(&route, input, timeout, Delivery::Later)?;
        tokio::spawn(later(pending));
        return Ok(Json(json!({"success": true, "started": true})).into_response());
    }
    if manner.shaped {
        let pending = exchange.submit(&route, input, timeout, Delivery::Chunks)?;
        return shaped::respond(pending, route, exchange).await;
    }
    if wanted == Wanted::Events {
        let pending = exchange.submit(&route, input, timeout, Delivery::Chunks)?;
        let outlet = exchange.outlet(&route, upload_webhook, Duration::ZERO);
        return events::respond(pending, route, outlet).await;
    }
    let reading = Reading {
        wanted,
        accept: Accept::Said(&parts.headers),
        upload_webhook,
    };
    exchange.run(&route, input, timeout, reading).await
}

/// Decodes a body, with what the pipeline wants to know of the request.
fn input(route: &Route, parts: &Parts, read: Read) -> Result<Payload, Error> {
    let (contract, mut body) = (route.contract(), read.body);
    let (size, is_json) = (body.len(), read.media.is_none());
    // A verb that brings no body.
    if is_json && size == 0 && parts.method != Method::POST {
        body = Bytes::from_static(b"{}");
    }
    let about = about(parts, contract, read.media);
    // What is no JSON is not looked at here.
    let long = if is_json { size } else { 0 };
    decoding(long, || contract.decode_request(body, about))
}

/// Sees a request through whose client has been answered.
async fn later(pending: Pending) {
    let (result, _) = pending.answer().await;
    if let Err(error) = result {
        tracing::warn!("a background request failed: {error}");
    }
}
