//! Answers as responses, with the latency headers.

use std::fmt::Write;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use bytes::Bytes;

use super::request::{REQUEST_ID, Wanted};
use crate::contract::{Contract, OCTET_STREAM};
use crate::error::{Error, Kind};
use crate::payload::Output;
use crate::pipeline::Timing;

const METRICS_LATENCY: HeaderName = HeaderName::from_static("metrics-latency");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// A finished answer in the wanted form.
///
/// # Errors
/// When the answer cannot be written in that form.
pub fn answer(contract: &Contract, output: Output, wanted: Wanted) -> Result<Response<Body>, Error> {
    let (content_type, bytes): (HeaderValue, Bytes) = match (output, wanted) {
        (Output::Media { content_type, bytes }, _) => {
            let value = HeaderValue::from_str(&content_type)
                .map_err(|_| Error::pipeline("the pipeline gave a media type that is no header value"))?;
            (value, bytes)
        }
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
