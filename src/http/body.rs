//! Reads a request's body up to the limit, before anything is admitted: a slow sender holds only its connection.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use crate::error::{Error, Kind};

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    Raw,
}

/// What the content type says. JSON is also taken where a client names no type, or the one its tool sends by
/// itself (`curl -d`).
///
/// # Errors
/// Unsupported media type for anything else.
pub fn form(headers: &HeaderMap) -> Result<Form, Error> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(Form::Json);
    };
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "" | "application/json" | "application/x-www-form-urlencoded" | "text/plain" | "text/json" => Ok(Form::Json),
        crate::contract::OCTET_STREAM => Ok(Form::Raw),
        other if other.ends_with("+json") => Ok(Form::Json),
        other => Err(Error::new(
            Kind::UnsupportedMediaType,
            format!(
                "Content-Type {other} is not taken here; send application/json, or application/octet-stream to a tensor model with one input"
            ),
        )),
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
