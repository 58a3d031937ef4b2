//! Streams as server-sent events: a `data:` line a chunk, `event: result` for a final value, `event: error`
//! for a fault after the first chunk. A fault before it is a plain error response.

use axum::body::Body;
use axum::http::Response;
use bytes::{BufMut, Bytes, BytesMut};

use super::files::Outlet;
use super::stream::{self, Framing};
use crate::contract::Contract;
use crate::error::Error;
use crate::payload::{Chunk, Output};
use crate::pipeline::{Event, Final};
use crate::service::{Pending, Route};

/// Waits for the first event, then streams.
///
/// # Errors
/// The fault of a request that failed before its first chunk.
pub async fn respond(mut pending: Pending, route: Route, outlet: Outlet) -> Result<Response<Body>, Error> {
    let first = pending.next().await;
    if let Some(Event::Final(Final { result: Err(error), .. })) = &first {
        return Err(error.clone());
    }
    Ok(stream::respond(Events, first, pending, route, outlet))
}

struct Events;

impl Framing for Events {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn frame(&mut self, event: Event, contract: &Contract) -> Bytes {
        match event {
            Event::Chunk(Chunk::Json(text)) => frame(None, &text),
            Event::Chunk(Chunk::Bytes(bytes)) => frame(None, &quoted(&bytes)),
            Event::Chunk(Chunk::Progress(text)) => frame(Some("progress"), &text),
            // A head belongs to the author's own response and has no place among events.
            Event::Chunk(Chunk::Head(_))
            | Event::Final(Final {
                result: Ok(Output::Chunks),
                ..
            }) => Bytes::new(),
            Event::Final(Final { result, .. }) => match result.and_then(|output| contract.encode(output)) {
                Ok(text) => frame(Some("result"), &text),
                Err(error) => frame(
                    Some("error"),
                    serde_json::json!({"error": error.message()}).to_string().as_bytes(),
                ),
            },
        }
    }
}

fn quoted(bytes: &[u8]) -> Vec<u8> {
    serde_json::to_vec(&String::from_utf8_lossy(bytes)).unwrap_or_default()
}

/// One event. JSON written by serde has no line feed outside of strings, where it is escaped.
fn frame(event: Option<&str>, data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len() + 32);
    if let Some(event) = event {
        out.put_slice(b"event: ");
        out.put_slice(event.as_bytes());
        out.put_u8(b'\n');
    }
    for line in data.split(|b| *b == b'\n') {
        out.put_slice(b"data: ");
        out.put_slice(line);
        out.put_u8(b'\n');
    }
    out.put_u8(b'\n');
    out.freeze()
}
