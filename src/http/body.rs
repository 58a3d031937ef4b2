//! Reads a request's body up to the limit, before anything is admitted: a slow sender holds only its connection.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use crate::contract::{Bodies, essence};
use crate::error::{Error, Kind};

/// The media type of a body that is one of the contract's own; `None` for JSON, which is also what a body is where a
/// client names no type, or the one its tool sends by itself (`curl -d`).
///
/// # Errors
/// Unsupported media type for anything else.
pub fn media(headers: &HeaderMap, bodies: &Bodies) -> Result<Option<String>, Error> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(None);
    };
    let essence = essence(value.to_str().unwrap_or_default());
    if bodies.take(&essence) {
        return Ok(Some(essence.into_owned()));
    }
    match &*essence {
        "" | "application/json" | "application/x-www-form-urlencoded" | "text/plain" | "text/json" => Ok(None),
        other if other.ends_with("+json") => Ok(None),
        other => {
            let taken: Vec<&str> = ["application/json"].iter().chain(bodies.media).copied().collect();
            let message = format!("Content-Type {other} is not taken here; send {}", taken.join(" or "));
            Err(Error::new(Kind::UnsupportedMediaType, message))
        }
    }
}

/// The whole body.
///
/// # Errors
/// Too large, as soon as that is known; malformed when the sender breaks off.
pub async fn read(headers: &HeaderMap, mut body: Body, limit: usize) -> Result<Bytes, Error> {
    let too_large = || {
        Error::new(
            Kind::TooLarge,
            format!("the body is larger than {limit} bytes (SERVER_MAX_BODY)"),
        )
    };
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<usize>().ok());
    if length.is_some_and(|n| n > limit) {
        return Err(too_large());
    }
    let mut first: Option<Bytes> = None;
    let mut rest: Option<BytesMut> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Error::malformed("the body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        let so_far = rest
            .as_ref()
            .map_or_else(|| first.as_ref().map_or(0, Bytes::len), BytesMut::len);
        if so_far + data.len() > limit {
            return Err(too_large());
        }
        match (&mut rest, &first) {
            (Some(all), _) => all.extend_from_slice(&data),
            (None, None) => first = Some(data),
            (None, Some(head)) => {
                // A length that is only claimed must not reserve memory: it grows as bytes come, in few steps.
                let mut all = BytesMut::with_capacity(length.unwrap_or(0).clamp(head.len() + data.len(), 8 << 20));
                all.extend_from_slice(head);
                all.extend_from_slice(&data);
                rest = Some(all);
            }
        }
    }
    Ok(rest.map(BytesMut::freeze).or(first).unwrap_or_default())
}
