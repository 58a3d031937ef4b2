//! Answers as responses, with the latency headers.

use std::time::Duration;

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
    let micros = |time: Duration| (time.as_nanos() + 500) / 1000;
    let (queue, compute) = (micros(timing.queue), micros(timing.compute));
    let all = micros(timing.queue + timing.compute);
    // Integers are written several times as fast as fractions.
    let latency = format!("{}.{:06}", all / 1_000_000, all % 1_000_000);
    let timing = format!(
        "queue;dur={}.{:03}, compute;dur={}.{:03}",
        queue / 1000,
        queue % 1000,
        compute / 1000,
        compute % 1000
    );
    for (name, text) in [(METRICS_LATENCY, latency), (SERVER_TIMING, timing)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
}

/// Adds the request's id.
pub fn id_header(headers: &mut HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_to_microseconds() {
        let mut headers = HeaderMap::new();
        let timing = Timing {
            queue: Duration::from_nanos(12_345_600),
            compute: Duration::from_nanos(1_000_000_499),
        };
        timing_headers(&mut headers, timing);
        assert_eq!(headers["metrics-latency"], "1.012346");
        assert_eq!(headers["server-timing"], "queue;dur=12.346, compute;dur=1000.000");
        timing_headers(&mut headers, Timing::default());
        assert_eq!(headers["metrics-latency"], "0.000000");
        assert_eq!(headers["server-timing"], "queue;dur=0.000, compute;dur=0.000");
    }
}
