//! The native protocol: `POST /MODEL` with the model's own contract.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{Method, Response, header};
use axum::response::IntoResponse;
use bytes::Bytes;

use super::body::{self, Form};
use super::error::HttpError;
use super::request::{Wanted, timeout, wanted};
use super::respond::{answer, id_header, timing_headers};
use super::router::Front;
use super::{events, websocket};
use crate::error::{Error, Kind};
use crate::payload::Payload;
use crate::pipeline::Timing;
use crate::service::{Call, Route};

/// Chunks that may wait for a slow reader.
pub(super) const STREAM_BUFFER: usize = 256;

/// Every path that is no fixed route: a model's endpoint, or nothing.
pub async fn handle(State(front): State<Arc<Front>>, request: Request) -> Response<Body> {
    let id = front.ids.of(request.headers());
    let mut response = match call(&front, request, &id).await {
        Ok(response) => response,
        Err(error) => HttpError {
            error,
            request_id: id.to_string(),
            overload_status: front.overload_status,
        }
        .into_response(),
    };
    id_header(response.headers_mut(), &id);
    response
}

async fn call(front: &Arc<Front>, request: Request, id: &Arc<str>) -> Result<Response<Body>, Error> {
    let route = front.service.find(request.uri().path())?;
    let (mut parts, body) = request.into_parts();
    if parts.method != Method::POST {
        if parts.method == Method::GET && parts.headers.contains_key(header::UPGRADE) {
            let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, front).await;
            return Ok(match upgrade {
                Ok(upgrade) => websocket::upgrade(upgrade, Arc::clone(front), route),
                Err(refused) => refused.into_response(),
            });
        }
        let message = format!("{} is not for {}; send POST", parts.method, parts.uri.path());
        return Err(Error::new(Kind::MethodNotAllowed, message));
    }
    let headers = &parts.headers;
    let wanted = wanted(headers, &route.contract().media)?;
    let form = body::form(headers)?;
    let timeout = timeout(headers)?;
    let bytes = body::read(headers, body, front.max_body).await?;
    let input = decode(&route, form, bytes)?;
    let stream_buffer = (wanted == Wanted::Events).then_some(STREAM_BUFFER);
    let pending = front.service.submit(
        &route,
        input,
        Call {
            id: Some(Arc::clone(id)),
            timeout,
            stream_buffer,
            ..Call::default()
        },
    )?;
    if wanted == Wanted::Events {
        return events::respond(pending, route).await;
    }
    let (result, timing) = pending.answer().await;
    let response = result.and_then(|output| answer(route.contract(), output, wanted));
    Ok(timed(front, response, timing, id))
}

/// Faults of a request that ran tell where its time went, too.
fn timed(front: &Front, result: Result<Response<Body>, Error>, timing: Timing, id: &str) -> Response<Body> {
    let mut response = result.unwrap_or_else(|error| {
        HttpError {
            error,
            request_id: id.to_owned(),
            overload_status: front.overload_status,
        }
        .into_response()
    });
    timing_headers(response.headers_mut(), timing);
    response
}

/// Bodies from this size on take long enough to decode that other connections should not wait for it.
const HEAVY: usize = 512 * 1024;

fn decode(route: &Route, form: Form, body: Bytes) -> Result<Payload, Error> {
    let contract = route.contract();
    match form {
        Form::Raw => contract.decode_raw(body),
        Form::Json if body.len() >= HEAVY && may_block() => tokio::task::block_in_place(|| contract.decode(&body)),
        Form::Json => contract.decode(&body),
    }
}

/// A library user may run the server on a runtime of one thread, which cannot step aside.
fn may_block() -> bool {
    tokio::runtime::Handle::current().runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread
}
