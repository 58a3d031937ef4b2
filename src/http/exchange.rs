//! One request on its way through a protocol: its id, its body, its submission, the headers of its answer.
//!
//! The one place of the front that submits and awaits for a client that reads one answer, and that tells errors.
//! Protocols decode a body into payloads before it, and write outputs after it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, Response};
use axum::response::IntoResponse;
use bytes::Bytes;

use super::body;
use super::error::HttpError;
use super::fields;
use super::files::{self, Accept, Outlet};
use super::request::{Wanted, timeout};
use super::respond::{answer, id_header, timing_headers};
use super::router::Front;
use crate::contract::Contract;
use crate::error::{Error, Kind};
use crate::payload::{Output, Payload};
use crate::pipeline::Timing;
pub use crate::service::decoding;
use crate::service::{Call, Endpoint, Pending, Route};
use crate::worker::Priority;

/// Chunks that may wait for a slow reader.
pub const STREAM_BUFFER: usize = 256;

/// Whose clients are answered, where protocols tell one fault by different statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Native,
    KserveV1,
}

impl Protocol {
    fn status(self, kind: Kind) -> u16 {
        match (self, kind) {
            // Clients of V1 know no 422.
            (Self::KserveV1, Kind::InvalidInput) => 400,
            _ => kind.status().http,
        }
    }
}

/// What a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// One answer.
    Whole,
    /// Chunks, as they come.
    Chunks,
    /// Nothing: the client has its answer before the work is done.
    Later,
}

/// A body that was read, and what its headers say of it.
pub struct Read {
    /// The media type, where the body is no JSON but one of those the contract names.
    pub media: Option<String>,
    pub body: Bytes,
    /// What the client grants.
    pub timeout: Option<Duration>,
}

/// How a client reads one answer.
pub struct Reading<'a> {
    pub wanted: Wanted,
    pub accept: Accept<'a>,
    /// Where the request wants files posted.
    pub upload_webhook: Option<String>,
}

/// A request being answered.
pub struct Exchange<'a> {
    front: &'a Front,
    id: Arc<str>,
    protocol: Protocol,
    posted: bool,
    submitted: bool,
    /// The verbs of this path, for a client that sent another one.
    pub allow: Cow<'static, str>,
}

impl<'a> Exchange<'a> {
    pub fn begin(front: &'a Front, request: &Request, protocol: Protocol) -> Self {
        Self {
            front,
            id: front.ids.of(request.headers()),
            protocol,
            posted: request.method() == Method::POST,
            submitted: false,
            allow: "POST".into(),
        }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// Reads what the request brings; nothing is admitted before that is done.
    ///
    /// # Errors
    /// A media type that is not taken, a deadline that is no number, a body that is too large or breaks off.
    pub async fn read(&self, headers: &HeaderMap, body: Body, contract: &Contract) -> Result<Read, Error> {
        let media = if contract.reads_media() {
            None
        } else {
            body::media(headers, &contract.bodies)?
        };
        let timeout = timeout(headers)?;
        let body = body::read(headers, body, self.front.max_body).await?;
        Ok(Read { media, body, timeout })
    }

    /// Takes out of a body where the request wants files posted. Where none would be, the field is the pipeline's.
    ///
    /// # Errors
    /// Invalid input, where that is no address that may be posted to.
    pub fn take_upload(&self, read: &mut Read, endpoint: &Endpoint) -> Result<Option<String>, Error> {
        if read.media.is_some() || !endpoint.uploads() {
            return Ok(None);
        }
        let body = std::mem::take(&mut read.body);
        let (body, upload_webhook) = decoding(body.len(), || fields::take_upload(body, &endpoint.contract))?;
        read.body = body;
        if let Some(address) = &upload_webhook {
            self.front.uploader.check(address)?;
        }
        Ok(upload_webhook)
    }

    /// Where the files of an answer go that took so long.
    pub fn outlet(&self, route: &Route, upload_webhook: Option<String>, took: Duration) -> Outlet {
        Outlet::new(&self.front.uploader, route, upload_webhook, took)
    }

    /// Submits a decoded request. A protocol may submit several before it waits for the first.
    ///
    /// # Errors
    /// As [`crate::service::Service::submit`].
    pub fn submit(
        &mut self,
        route: &Route,
        input: Payload,
        timeout: Option<Duration>,
        delivery: Delivery,
    ) -> Result<Pending, Error> {
        self.submitted = true;
        let call = Call {
            id: Some(Arc::clone(&self.id)),
            timeout,
            stream_buffer: (delivery == Delivery::Chunks).then_some(STREAM_BUFFER),
            priority: match delivery {
                Delivery::Later => Priority::Background,
                Delivery::Whole | Delivery::Chunks => Priority::Interactive,
            },
        };
        self.front.service.submit(route, input, call)
    }

    /// Submits a request that is answered with its own result, and waits for it.
    ///
    /// # Errors
    /// As [`Exchange::submit`]; what happens after it is in the response.
    pub async fn run(
        &mut self,
        route: &Route,
        input: Payload,
        timeout: Option<Duration>,
        reading: Reading<'_>,
    ) -> Result<Response<Body>, Error> {
        let pending = self.submit(route, input, timeout, Delivery::Whole)?;
        let (result, timing, place) = pending.answer_in_place().await;
        let (wanted, accept) = (reading.wanted, reading.accept);
        let result = match result {
            Ok(output) if files::has(&output) => {
                let outlet = self.outlet(route, reading.upload_webhook, timing.queue + timing.compute);
                // Bytes that wait for a slow store are as many as the places of the queue, and not more.
                place.finish(outlet.deliver(output, accept)).await
            }
            other => {
                drop(place);
                other
            }
        };
        let write = |output: Output| {
            let whole = files::as_it_is(&output, accept).is_some();
            let size = if whole { 0 } else { files::size(&output) };
            decoding(size, || answer(route.contract(), output, wanted, accept))
        };
        Ok(self.timed(result.and_then(write), timing))
    }

    /// A response with the latency headers: faults of a request that ran tell where its time went, too.
    pub fn timed(&self, result: Result<Response<Body>, Error>, timing: Timing) -> Response<Body> {
        let mut response = result.unwrap_or_else(|error| self.told(error));
        timing_headers(response.headers_mut(), timing);
        response
    }

    /// The response that goes out.
    pub fn end(&self, result: Result<Response<Body>, Error>) -> Response<Body> {
        let mut response = result.unwrap_or_else(|error| {
            // What was submitted is counted by its model.
            if self.posted && !self.submitted {
                self.front.service.count_refused();
            }
            self.told(error)
        });
        id_header(response.headers_mut(), &self.id);
        response
    }

    fn told(&self, error: Error) -> Response<Body> {
        let status = match error.kind() {
            Kind::QueueFull => self.front.overload_status,
            kind => self.protocol.status(kind),
        };
        HttpError {
            error,
            request_id: self.id.to_string(),
            status,
            allow: self.allow.clone(),
        }
        .into_response()
    }
}
