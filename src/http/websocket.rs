//! A WebSocket on a model's path: each text message is a request, answered in order on the same connection.
//!
//! Answers are `{"event":"chunk","data":…}`, `{"event":"result","data":…}`, `{"event":"error","error":…,"status":…}`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::Response;
use bytes::Bytes;
use serde_json::json;

use super::exchange::STREAM_BUFFER;
use super::fields;
use super::files::{Accept, Outlet, as_it_is};
use super::router::Front;
use crate::error::Error;
use crate::payload::{Chunk, Output};
use crate::pipeline::{Event, Final};
use crate::service::{Call, Pending, Route};

pub fn upgrade(upgrade: WebSocketUpgrade, front: Arc<Front>, route: Route) -> Response<Body> {
    upgrade
        .max_message_size(front.max_body)
        .max_frame_size(front.max_body)
        .on_upgrade(move |socket| converse(socket, front, route))
}

async fn converse(mut socket: WebSocket, front: Arc<Front>, route: Route) {
    while let Some(Ok(message)) = socket.recv().await {
        let body = match message {
            Message::Text(text) => Bytes::from(text),
            Message::Binary(bytes) => bytes,
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) => continue,
        };
        let alive = match submit(&front, &route, body) {
            Ok((pending, outlet)) => relay(&mut socket, pending, &route, &outlet).await,
            Err(error) => socket.send(fault(&error)).await.is_ok(),
        };
        if !alive || front.service.is_draining() {
            return;
        }
    }
}

fn submit(front: &Front, route: &Route, body: Bytes) -> Result<(Pending, Outlet), Error> {
    let (body, upload_webhook) = if route.endpoint().uploads() {
        fields::take_upload(body, route.contract())?
    } else {
        (body, None)
    };
    if let Some(address) = &upload_webhook {
        front.uploader.check(address)?;
    }
    let input = route.contract().decode(&body)?;
    let call = Call {
        stream_buffer: Some(STREAM_BUFFER),
        ..Call::default()
    };
    let pending = front.service.submit(route, input, call)?;
    let outlet = Outlet::new(&front.uploader, route, upload_webhook, Duration::ZERO);
    Ok((pending, outlet))
}

/// Sends what comes until the final answer; false when the client left, which drops and so cancels the request.
async fn relay(socket: &mut WebSocket, mut pending: Pending, route: &Route, outlet: &Outlet) -> bool {
    loop {
        let event = tokio::select! {
            event = pending.next() => event,
            message = socket.recv() => match message {
                None | Some(Err(_) | Ok(Message::Close(_))) => return false,
                Some(Ok(_)) => {
                    let error = Error::invalid("the last request is not answered yet; send one at a time");
                    if socket.send(fault(&error)).await.is_err() {
                        return false;
                    }
                    continue;
                }
            },
        };
        let Some(event) = event else { return true };
        if matches!(event, Event::Chunk(Chunk::Head(_))) {
            continue;
        }
        let event = outlet.settle(event).await;
        let last = matches!(event, Event::Final(_));
        if socket.send(written(event, route)).await.is_err() {
            return false;
        }
        if last {
            return true;
        }
    }
}

fn written(event: Event, route: &Route) -> Message {
    if let Event::Final(Final { result: Ok(output), .. }) = &event
        && let Some(file) = as_it_is(output, Accept::Any)
    {
        return Message::Binary(file.bytes.clone());
    }
    match event {
        Event::Chunk(Chunk::Json(text)) => wrapped("chunk", &text),
        Event::Chunk(Chunk::Progress(text)) => wrapped("progress", &text),
        // Left out by the caller.
        Event::Chunk(Chunk::Head(_)) => wrapped("chunk", b"null"),
        Event::Final(Final {
            result: Ok(Output::Chunks),
            ..
        }) => wrapped("result", b"null"),
        Event::Chunk(Chunk::Bytes(bytes))
        | Event::Final(Final {
            result: Ok(Output::Media { bytes, .. }),
            ..
        }) => Message::Binary(bytes),
        Event::Final(Final {
            result: Ok(Output::Response { body, .. }),
            ..
        }) => Message::Binary(body),
        Event::Final(Final { result, .. }) => match result.and_then(|output| route.contract().encode(output)) {
            Ok(text) => wrapped("result", &text),
            Err(error) => fault(&error),
        },
    }
}

/// The data is JSON already: it is put in as it stands.
fn wrapped(event: &str, data: &[u8]) -> Message {
    let text = [b"{\"event\":\"", event.as_bytes(), b"\",\"data\":", data, b"}"].concat();
    Message::Text(String::from_utf8_lossy(&text).into_owned().into())
}

fn fault(error: &Error) -> Message {
    let mut body = json!({"event": "error", "error": error.message(), "status": error.kind().status().http});
    if !error.detail().is_empty() {
        body["detail"] = json!(error.detail());
    }
    Message::Text(body.to_string().into())
}
