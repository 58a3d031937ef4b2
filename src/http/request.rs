//! What a request's headers say: its id, its deadline, what it accepts.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::contract::{Contract, essence};
use crate::error::{Error, Kind};
use crate::payload::About;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Banana's clients send theirs under this name.
const BANANA_REQUEST_ID: HeaderName = HeaderName::from_static("x-banana-request-id");
const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout");
/// Longer ids are no ids but a way to fill logs.
const LONGEST_ID: usize = 128;

/// Makes request ids: a random start for each server, then a count.
pub struct RequestIds {
    prefix: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub fn new() -> Self {
        Self {
            prefix: fastrand::u64(..),
            next: AtomicU64::new(1),
        }
    }

    /// The client's id where it sent a usable one, else a new one.
    pub fn of(&self, headers: &HeaderMap) -> Arc<str> {
        let sent = headers.get(REQUEST_ID).or_else(|| headers.get(BANANA_REQUEST_ID));
        let usable = |id: &&str| !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(|b| b.is_ascii_graphic());
        match sent.and_then(|v| v.to_str().ok()).filter(usable) {
            Some(id) => Arc::from(id),
            None => {
                let mut id = [0; 32];
                hex(self.prefix, &mut id[..16]);
                hex(self.next.fetch_add(1, Ordering::Relaxed), &mut id[16..]);
                Arc::from(std::str::from_utf8(&id).unwrap_or_default())
            }
        }
    }
}

fn hex(mut n: u64, into: &mut [u8]) {
    for place in into.iter_mut().rev() {
        *place = b"0123456789abcdef"[(n & 15) as usize];
        n >>= 4;
    }
}

/// The time the client grants, in seconds (`x-request-timeout`).
pub fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Error> {
    let Some(value) = headers.get(REQUEST_TIMEOUT) else {
        return Ok(None);
    };
    let seconds = value
        .to_str()
        .ok()
        .and_then(|v| v.trim().trim_end_matches('s').trim_end().parse::<f64>().ok());
    match seconds
        .and_then(|s| Duration::try_from_secs_f64(s).ok())
        .filter(|d| !d.is_zero())
    {
        Some(timeout) => Ok(Some(timeout.min(Duration::from_secs(86_400 * 365)))),
        None => Err(Error::malformed("x-request-timeout is no number of seconds above 0")),
    }
}

/// The form a client wants its answer in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Json,
    Events,
    /// Raw bytes of the only output.
    Raw,
}

/// The media types a client takes, in its order.
pub fn accepted(headers: &HeaderMap) -> impl Iterator<Item = Cow<'_, str>> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    values
        .flat_map(|v| v.split(','))
        .map(essence)
        .filter(|range| !range.is_empty())
}

/// What a request says beside its body, as far as that is read: all of it by a pipeline that wants it, else the query
/// with a body of a media type of the contract's own. Headers may hold credentials and go to nobody else.
pub fn about(parts: &Parts, contract: &Contract, media: Option<String>) -> About {
    if !contract.reads_about() {
        let query = media.as_ref().and(parts.uri.query());
        return About {
            query: query.map(str::to_owned),
            content_type: media,
            ..About::default()
        };
    }
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = parts.headers.iter();
    About {
        content_type: parts.headers.get(header::CONTENT_TYPE).map(text),
        query: parts.uri.query().map(str::to_owned),
        headers: headers
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect(),
        accept: accepted(&parts.headers).map(Cow::into_owned).collect(),
        ..About::default()
    }
}

/// Reads `Accept`. Weights are not compared: the first form that can be had wins.
///
/// # Errors
/// Not acceptable when the client takes none of the forms the model has.
pub fn wanted(headers: &HeaderMap, media: &[String]) -> Result<Wanted, Error> {
    let mut ranges = accepted(headers).peekable();
    if ranges.peek().is_none() {
        return Ok(Wanted::Json);
    }
    let found = ranges.find_map(|range| match &*range {
        "*/*" | "application/*" | "application/json" => Some(Wanted::Json),
        "text/event-stream" => Some(Wanted::Events),
        crate::contract::OCTET_STREAM if media.iter().any(|m| m == crate::contract::OCTET_STREAM) => Some(Wanted::Raw),
        // The artefact itself: the pipeline answers with its media type.
        other if media.iter().any(|m| m == other || m == "*/*") => Some(Wanted::Json),
        _ => None,
    });
    found.ok_or_else(|| {
        let media: Vec<&str> = media.iter().map(String::as_str).chain(["application/json"]).collect();
        Error::new(
            Kind::NotAcceptable,
            format!("Accept names nothing this model gives: {}", media.join(", ")),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_usable_id_is_echoed_and_others_are_replaced() {
        let ids = RequestIds::new();
        assert_eq!(&*ids.of(&headers(&[("x-request-id", "a-1")])), "a-1");
        assert_eq!(&*ids.of(&headers(&[("x-banana-request-id", "b")])), "b");
        let made = ids.of(&headers(&[("x-request-id", "has space")]));
        assert_eq!(made.len(), 32);
        assert_ne!(made, ids.of(&headers(&[])));
        assert_eq!(ids.of(&headers(&[("x-request-id", &"x".repeat(200))])).len(), 32);
    }

    #[test]
    fn timeouts_are_seconds_above_zero() {
        let read = |v| timeout(&headers(&[("x-request-timeout", v)]));
        assert_eq!(read("1.5").unwrap(), Some(Duration::from_millis(1500)));
        assert_eq!(read("2 s").unwrap(), Some(Duration::from_secs(2)));
        for wrong in ["0", "-1", "soon", "NaN", "inf"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(timeout(&headers(&[])).unwrap(), None);
    }

    #[test]
    fn the_first_form_that_can_be_had_wins() {
        let raw = [crate::contract::OCTET_STREAM.to_owned()];
        let read = |v, media: &[String]| wanted(&headers(&[("accept", v)]), media).map_err(|e| e.kind());
        assert_eq!(wanted(&headers(&[]), &[]).unwrap(), Wanted::Json);
        assert_eq!(read("text/event-stream, application/json", &[]), Ok(Wanted::Events));
        assert_eq!(read("application/octet-stream", &raw), Ok(Wanted::Raw));
        assert_eq!(read("application/octet-stream", &[]), Err(Kind::NotAcceptable));
        assert_eq!(read("text/html, */*;q=0.1", &[]), Ok(Wanted::Json));
        assert_eq!(read("image/png", &["image/png".to_owned()]), Ok(Wanted::Json));
    }
}
