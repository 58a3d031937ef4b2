//! KServe V1: `/v1/models`, `/v1/models/M`, `/v1/models/M:predict`, and `:generate` of kserve-helper.
//!
//! A model's first endpoint is the one that is meant. Lists of models answer OpenAI's clients too.

mod asked;
mod nested;
mod predictions;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::exchange::{Delivery, Exchange, Protocol, Read, Reading, decoding};
use super::files::{self, Accept};
use super::lines::Lines;
use super::request::Wanted;
use super::respond::answer;
use super::router::Front;
use super::stream;
use crate::error::{Error, Kind};
use crate::payload::{Output, Payload};
use crate::pipeline::{Event, Final, Timing};
use crate::service::{Model, Pending, Route, Routes};
use asked::{Asked, Shape};

pub use asked::declares;

/// `GET /v1/models`: the names of V1, and the list of OpenAI.
pub async fn models(State(front): State<Arc<Front>>, request: Request) -> Response<Body> {
    let mut exchange = Exchange::begin(&front, &request, Protocol::KserveV1);
    exchange.allow = "GET".into();
    if !reads(request.method()) {
        return exchange.end(Err(wrong_verb(request.method(), "GET")));
    }
    let routes = front.service.routes();
    let data: Vec<Value> = routes.models.iter().map(|m| card(&front, m)).collect();
    let names: Vec<&str> = routes.models.iter().map(|m| &*m.card.name).collect();
    let body = json!({"object": "list", "data": data, "models": names});
    exchange.end(Ok(Json(body).into_response()))
}

/// `/v1/models/M` and `/v1/models/M:VERB`. The colon may come escaped.
pub async fn model(
    State(front): State<Arc<Front>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    let mut exchange = Exchange::begin(&front, &request, Protocol::KserveV1);
    let path = path.map_or_else(|_| String::new(), |Path(path)| path);
    let result = dispatch(&front, &path, request, &mut exchange).await;
    exchange.end(result)
}

async fn dispatch(
    front: &Front,
    path: &str,
    request: Request,
    exchange: &mut Exchange<'_>,
) -> Result<Response<Body>, Error> {
    let (name, verb) = match path.rsplit_once(':') {
        Some((name, verb)) => (name, Some(verb)),
        None => (path, None),
    };
    let routes = front.service.routes();
    let model = routes.models.iter().find(|m| *m.card.name == *name).ok_or_else(|| {
        let message = format!("no model {name:?} is served; GET /v1/models lists what is");
        Error::new(Kind::NotFound, message)
    })?;
    let generate = match verb {
        None if reads(request.method()) => return Ok(status(front, model, exchange)),
        None => {
            exchange.allow = "GET".into();
            return Err(wrong_verb(request.method(), "GET"));
        }
        Some("predict") => false,
        Some("generate") => true,
        Some("explain") => return Err(Error::new(Kind::Unsupported, "explanations are not served here")),
        Some(verb) => {
            let message = format!("models have no {verb:?} here; send :predict or :generate");
            return Err(Error::new(Kind::NotFound, message));
        }
    };
    if request.method() != Method::POST {
        return Err(wrong_verb(request.method(), "POST"));
    }
    let route = endpoint(&routes, model, generate)?;
    let (parts, body) = request.into_parts();
    let mut read = exchange.read(&parts.headers, body, route.contract()).await?;
    if read.media.is_some() {
        let message = "V1 takes JSON; send Content-Type: application/json, or other bodies to the model's own path";
        return Err(Error::new(Kind::UnsupportedMediaType, message));
    }
    let upload_webhook = exchange.take_upload(&mut read, route.endpoint())?;
    if generate {
        return lines(route, &read, upload_webhook, exchange).await;
    }
    if route.endpoint().uploads() {
        decoding(read.body.len(), || nested::refuse_uploads(route.contract(), &read.body))?;
    }
    predict(route, &read, upload_webhook, exchange).await
}

fn reads(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

fn wrong_verb(method: &Method, right: &str) -> Error {
    Error::new(
        Kind::MethodNotAllowed,
        format!("{method} is not taken here; send {right}"),
    )
}

/// The endpoint at the model's own path, or for `:generate` the one of that name where there is one.
fn endpoint(routes: &Routes, model: &Model, generate: bool) -> Result<Route, Error> {
    let endpoints = &model.card.endpoints;
    let named = endpoints
        .iter()
        .filter(|_| generate)
        .find(|e| e.paths.iter().any(|path| path.ends_with("/generate")));
    let path = named.or(endpoints.first()).and_then(|e| e.paths.first());
    let route = path.and_then(|path| routes.find(path)).cloned();
    route.ok_or_else(|| Error::new(Kind::NotFound, "the model has no endpoint"))
}

async fn predict(
    route: Route,
    read: &Read,
    upload_webhook: Option<String>,
    exchange: &mut Exchange<'_>,
) -> Result<Response<Body>, Error> {
    let contract = route.contract();
    let asked = decoding(read.body.len(), || asked::read(contract, &read.body))?;
    match asked {
        Asked::Own(input) if contract.streams => {
            let mut pending = exchange.submit(&route, input, read.timeout, Delivery::Chunks)?;
            let outlet = exchange.outlet(&route, upload_webhook, Duration::ZERO);
            let first = pending.next().await;
            match first {
                // It streams where it may, and answered at once this time.
                Some(Event::Final(Final { result, timing })) if !matches!(result, Ok(Output::Chunks)) => {
                    let result = match result {
                        Ok(output) => outlet.deliver(output, Accept::Any).await,
                        Err(error) => Err(error),
                    };
                    let response = result.and_then(|output| answer(contract, output, Wanted::Json, Accept::Any));
                    Ok(exchange.timed(response, timing))
                }
                first => Ok(stream::respond(Lines::default(), first, pending, route, outlet)),
            }
        }
        Asked::Own(input) => {
            let reading = Reading {
                wanted: Wanted::Json,
                accept: Accept::Any,
                upload_webhook,
            };
            exchange.run(&route, input, read.timeout, reading).await
        }
        Asked::Predictions(shape, inputs) => {
            // All stand in the queue before the first is waited for: they may share a run.
            let mut pending = Vec::with_capacity(inputs.len());
            for input in inputs {
                pending.push(exchange.submit(&route, input, read.timeout, Delivery::Whole)?);
            }
            Ok(gathered(&route, shape, pending, upload_webhook, exchange).await)
        }
    }
}

/// Waits for all, in order. The first fault is the answer, and cancels the rest.
async fn gathered(
    route: &Route,
    shape: Shape,
    pending: Vec<Pending>,
    upload_webhook: Option<String>,
    exchange: &Exchange<'_>,
) -> Response<Body> {
    let mut outputs = Vec::with_capacity(pending.len());
    let mut slowest = Timing::default();
    for one in pending {
        let (result, timing, place) = one.answer_in_place().await;
        if timing.queue + timing.compute > slowest.queue + slowest.compute {
            slowest = timing;
        }
        let result = match result {
            Ok(output) if files::has(&output) => {
                let outlet = exchange.outlet(route, upload_webhook.clone(), timing.queue + timing.compute);
                place.finish(outlet.deliver(output, Accept::Any)).await
            }
            other => {
                drop(place);
                other
            }
        };
        match result {
            Ok(output) => outputs.push(output),
            Err(error) => return exchange.timed(Err(error), slowest),
        }
    }
    let size: usize = outputs.iter().map(files::size).sum();
    let text = decoding(size, || predictions::encode(route.contract(), shape, outputs));
    let response = text.map(|text| {
        let mut response = Response::new(Body::from(text));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    });
    exchange.timed(response, slowest)
}

/// The body is the request itself, and the answer a stream whether or not the pipeline makes one.
async fn lines(
    route: Route,
    read: &Read,
    upload_webhook: Option<String>,
    exchange: &mut Exchange<'_>,
) -> Result<Response<Body>, Error> {
    let contract = route.contract();
    if contract.signature().is_some() {
        let message = "a tensor model has no stream; send :predict";
        return Err(Error::new(Kind::Unsupported, message));
    }
    let input: Payload = decoding(read.body.len(), || contract.decode(&read.body))?;
    let mut pending = exchange.submit(&route, input, read.timeout, Delivery::Chunks)?;
    let first = pending.next().await;
    match first {
        Some(Event::Final(Final {
            result: Err(error),
            timing,
        })) => Ok(exchange.timed(Err(error), timing)),
        first => {
            let outlet = exchange.outlet(&route, upload_webhook, Duration::ZERO);
            Ok(stream::respond(Lines::default(), first, pending, route, outlet))
        }
    }
}

/// A model as OpenAI's lists have it.
fn card(front: &Front, model: &Model) -> Value {
    json!({"id": &*model.card.name, "object": "model", "created": front.started, "owned_by": "hostler"})
}

/// Whether a model is ready. Not ready is 503, as KServe's server has it: probes look at the status alone.
fn status(front: &Front, model: &Model, exchange: &Exchange<'_>) -> Response<Body> {
    let ready = model.group.serves() && !front.service.is_draining();
    let mut body = json!({"name": &*model.card.name, "ready": ready});
    if let (Value::Object(body), Value::Object(card)) = (&mut body, card(front, model)) {
        body.extend(card);
    }
    if ready {
        return Json(body).into_response();
    }
    let state = model.group.snapshot().state;
    body["error"] = format!("model {} is not ready: {state}", model.card.name).into();
    body["request_id"] = exchange.id().into();
    let later = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
    (StatusCode::SERVICE_UNAVAILABLE, later, Json(body)).into_response()
}
