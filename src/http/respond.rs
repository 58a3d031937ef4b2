//! Answers as responses, with the latency headers.

use std::fmt::Write;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;

use super::files::{Accept, as_it_is};
use super::request::{REQUEST_ID, Wanted};
use crate::contract::{Contract, OCTET_STREAM};
use crate::error::{Error, Kind};
use crate::payload::{Output, ResponseHead};
use crate::pipeline::Timing;

const METRICS_LATENCY: HeaderName = HeaderName::from_static("metrics-latency");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// A finished answer in the wanted form.
///
/// # Errors
/// When the answer cannot be written in that form.
pub fn answer(
    contract: &Contract,
    output: Output,
    wanted: Wanted,
    accept: Accept<'_>,
) -> Result<Response<Body>, Error> {
    if let Some(file) = as_it_is(&output, accept) {
        return artefact(&file.content_type, file.bytes.clone());
    }
    let (content_type, bytes): (HeaderValue, Bytes) = match (output, wanted) {
        (Output::Response { head, body }, _) => return shaped(&head, Body::from(body)),
        (Output::Media { content_type, bytes }, _) => return artefact(&content_type, bytes),
        (Output::Tensors(mut tensors), Wanted::Raw) => {
            match (tensors.pop().filter(|_| tensors.is_empty()), OCTET_STREAM) {
                (Some(only), kind) => match only.bytes() {
                    Some(bytes) => (HeaderValue::from_static(kind), bytes.clone()),
                    None => return Err(no_raw()),
                },
                (None, _) => return Err(no_raw()),
            }
        }
        (output, _) => (HeaderValue::from_static("application/json"), contract.encode(output)?),
    };
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Ok(response)
}

fn artefact(content_type: &str, bytes: Bytes) -> Result<Response<Body>, Error> {
    let value = HeaderValue::from_str(content_type)
        .map_err(|_| Error::pipeline("the pipeline gave a media type that is no header value"))?;
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    Ok(response)
}

/// A response with the head its author gave it.
///
/// # Errors
/// When the status is none, or a header cannot be one.
pub fn shaped(head: &ResponseHead, body: Body) -> Result<Response<Body>, Error> {
    let mut response = Response::new(body);
    let wrong = |what: String| Error::pipeline(format!("the pipeline gave {what} that HTTP does not know"));
    *response.status_mut() =
        StatusCode::from_u16(head.status).map_err(|_| wrong(format!("the status {}", head.status)))?;
    let headers = response.headers_mut();
    if let Some(media) = &head.media {
        let value = HeaderValue::from_str(media).map_err(|_| wrong(format!("the media type {media:?}")))?;
        headers.insert(header::CONTENT_TYPE, value);
    }
    for (name, value) in &head.headers {
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) else {
            return Err(wrong(format!("the header {name:?}")));
        };
        // The server frames the body itself.
        if ![header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION].contains(&name) {
            if name == header::CONTENT_TYPE {
                headers.insert(name, value);
            } else {
                headers.append(name, value);
            }
        }
    }
    Ok(response)
}

fn no_raw() -> Error {
    Error::new(
        Kind::NotAcceptable,
        "raw bytes need a model with one output of fixed-size elements; accept application/json",
    )
}

/// Adds the time a request took, and where it went.
pub fn timing_headers(headers: &mut HeaderMap, timing: Timing) {
    let (queue, compute) = (timing.queue.as_secs_f64(), timing.compute.as_secs_f64());
    let mut text = String::with_capacity(48);
    // Writing to a string does not fail.
    let _ = write!(text, "{:.6}", queue + compute);
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(METRICS_LATENCY, value);
    }
    text.clear();
    let _ = write!(text, "queue;dur={:.3}, compute;dur={:.3}", queue * 1e3, compute * 1e3);
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(SERVER_TIMING, value);
    }
}

/// Adds the request's id.
pub fn id_header(headers: &mut HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static(REQUEST_ID), value);
    }
}
