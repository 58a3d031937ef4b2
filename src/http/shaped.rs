//! Responses whose head the pipeline's author gives: whole ones, and streams of bytes that begin with a head.

use std::io;

use axum::body::Body;
use axum::http::Response;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;

use super::exchange::Exchange;
use super::files::Accept;
use super::request::Wanted;
use super::respond::{self, answer};
use crate::error::Error;
use crate::payload::{Chunk, Output, ResponseHead};
use crate::pipeline::{Event, Final};
use crate::service::{Pending, Route};

/// Waits for the first event: a final one is the answer, a chunk begins a stream.
///
/// # Errors
/// A head that HTTP does not know.
pub async fn respond(mut pending: Pending, route: Route, exchange: &Exchange<'_>) -> Result<Response<Body>, Error> {
    let mut first = pending.next().await;
    // Progress is no part of a body, and comes before its head.
    while let Some(Event::Chunk(Chunk::Progress(_))) = first {
        first = pending.next().await;
    }
    let first = match first {
        Some(Event::Final(Final { result, timing })) => {
            let response = result.and_then(|output| answer(route.contract(), output, Wanted::Json, Accept::Any));
            return Ok(exchange.timed(response, timing));
        }
        Some(Event::Chunk(first)) => first,
        None => return Err(Error::pipeline("the pipeline gave no answer")),
    };
    let (head, first) = match first {
        Chunk::Head(head) => (*head, Bytes::new()),
        other => (plain(), bytes(other)),
    };
    let body = stream::unfold(
        (pending, route, Some(first)),
        |(mut pending, route, ready)| async move {
            if let Some(ready) = ready.filter(|bytes| !bytes.is_empty()) {
                return Some((Ok(ready), (pending, route, None)));
            }
            let next = match pending.next().await? {
                Event::Chunk(chunk) => Ok(bytes(chunk)),
                Event::Final(Final {
                    result: Ok(Output::Chunks),
                    ..
                }) => return None,
                Event::Final(Final { result, .. }) => match result.and_then(|output| route.contract().encode(output)) {
                    Ok(text) => Ok(text),
                    // The head is out: only a body that breaks off can tell of a fault now.
                    Err(error) => Err(io::Error::other(error.to_string())),
                },
            };
            Some((next, (pending, route, None)))
        },
    );
    respond::shaped(&head, Body::from_stream(body))
}

fn plain() -> ResponseHead {
    ResponseHead {
        status: 200,
        headers: Vec::new(),
        media: None,
    }
}

/// What a chunk is in a body of its author's own: bytes as they are, JSON values a line each.
fn bytes(chunk: Chunk) -> Bytes {
    match chunk {
        Chunk::Bytes(bytes) => bytes,
        Chunk::Json(text) => {
            let mut line = BytesMut::with_capacity(text.len() + 1);
            line.put_slice(&text);
            line.put_u8(b'\n');
            line.freeze()
        }
        Chunk::Head(_) | Chunk::Progress(_) => Bytes::new(),
    }
}
