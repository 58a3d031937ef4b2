//! An answer in pieces as a response body: each event is written in the protocol's framing as it comes.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use bytes::Bytes;
use futures_util::stream;

use super::files::Outlet;
use super::respond::timing_headers;
use crate::contract::Contract;
use crate::pipeline::Event;
use crate::service::{Pending, Route};

/// How a protocol writes the events of a stream.
pub trait Framing: Send + 'static {
    const CONTENT_TYPE: &'static str;

    fn frame(&mut self, event: Event, contract: &Contract) -> Bytes;
}

/// Streams `first`, which was waited for, and what comes after it.
pub fn respond<F: Framing>(
    framing: F,
    first: Option<Event>,
    pending: Pending,
    route: Route,
    outlet: Outlet,
) -> Response<Body> {
    let timing = match &first {
        Some(Event::Final(last)) => Some(last.timing),
        Some(Event::Chunk(_)) | None => None,
    };
    let state = (pending, route, outlet, framing, first);
    let body = stream::unfold(state, |(mut pending, route, outlet, mut framing, ready)| async move {
        let event = match ready {
            Some(event) => event,
            None => pending.next().await?,
        };
        let event = outlet.settle(event).await;
        let frame = framing.frame(event, route.contract());
        Some((Ok::<_, Infallible>(frame), (pending, route, outlet, framing, None)))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(F::CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Some(timing) = timing {
        timing_headers(headers, timing);
    }
    response
}
