//! A request that becomes a job: validated as any other, kept, and answered before it runs.

use axum::Json;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::json;

use super::keeper;
use super::prefer::{PREFER, RESPOND_ASYNC, prefers_job};
use crate::contract::Contract;
use crate::error::{Error, Fault, Kind};
use crate::http::exchange::{Exchange, Read, decoding};
use crate::http::fields::{self, Fields};
use crate::http::request::about;
use crate::http::router::Front;
use crate::jobs::job::{Input, Webhook, WebhookEvent};
use crate::jobs::{self, Accepted, Submission};
use crate::payload::About;
use crate::service::Route;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The most bytes of an idempotency key.
const LONGEST_KEY: usize = 255;

/// Whether a request asks to become a job by its header, and may. Whoever sends no `Prefer` pays for one look.
pub fn is_preferred(front: &Front, route: &Route, parts: &Parts) -> bool {
    parts.headers.contains_key(PREFER)
        && parts.method == Method::POST
        && front.jobs.is_some()
        && route.endpoint().takes_jobs()
        && prefers_job(&parts.headers)
}

/// Accepts a job, and answers 202.
///
/// # Errors
/// Those of the same request without the wish, and those of [`jobs::Jobs::submit`].
pub async fn submit(
    front: &Front,
    route: &Route,
    parts: &Parts,
    body: Body,
    exchange: &mut Exchange<'_>,
) -> Result<Response<Body>, Error> {
    if parts.method != Method::POST {
        exchange.allow = "POST".into();
        let message = format!("{} is not for {}; send POST", parts.method, parts.uri.path());
        return Err(Error::new(Kind::MethodNotAllowed, message));
    }
    let jobs = keeper(front)?;
    let idempotency_key = idempotency_key(&parts.headers)?;
    let contract = route.contract();
    let read = exchange.read(&parts.headers, body, contract).await?;
    let (input, fields) = decoding(read.body.len(), || {
        let (input, fields) = input(contract, parts, read, exchange.id())?;
        // The value is made anew for the run; here it is only known to be one.
        contract.decode_request(input.body.clone(), input.about.clone())?;
        Ok::<_, Error>((input, fields))
    })?;
    let submission = Submission {
        input,
        upload_webhook: address(front, "upload_webhook", fields.upload_webhook)?,
        webhook: address(front, "webhook", fields.webhook)?.map(|url| Webhook {
            url,
            events: fields.webhook_events.unwrap_or_else(|| vec![WebhookEvent::Completed]),
        }),
        idempotency_key,
    };
    let accepted = jobs.submit(route, submission).await?;
    Ok(answer(&accepted, prefers_job(&parts.headers)))
}

/// What is kept of a request, and the fields that are not the model's.
fn input(contract: &Contract, parts: &Parts, read: Read, request_id: &str) -> Result<(Input, Fields), Error> {
    // A picture has no fields.
    let (body, fields) = match read.media {
        Some(_) => (read.body, Fields::default()),
        None => fields::take(read.body, contract)?,
    };
    let timeout = read.timeout.map(|timeout| timeout.as_millis().max(1));
    let about = About {
        timeout_ms: timeout.map(|ms| ms.try_into().unwrap_or(u64::MAX)),
        request_id: request_id.to_owned(),
        ..about(parts, contract, read.media)
    };
    Ok((Input { body, about }, fields))
}

/// An address that a client gave. It is looked at again on every connection: its name may come to mean another one.
fn address(front: &Front, field: &str, url: Option<String>) -> Result<Option<String>, Error> {
    let Some(url) = url else { return Ok(None) };
    let client = front.webhooks.as_ref().ok_or_else(|| {
        let message = format!("this server posts to no webhooks; leave {field} out");
        Error::new(Kind::Unsupported, message)
    })?;
    match client.check(&url) {
        Ok(_) => Ok(Some(url)),
        Err(refused) => Err(jobs::field_fault(field, refused.to_string())),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let mut sent = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(first) = sent.next() else { return Ok(None) };
    let printable = |key: &&str| key.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    let usable = |key: &&str| !key.trim().is_empty() && key.len() <= LONGEST_KEY && printable(key);
    match (first.to_str().ok().filter(usable), sent.next()) {
        (Some(key), None) => Ok(Some(key.to_owned())),
        _ => Err(Error::faults(vec![Fault {
            loc: vec!["header".to_owned(), "Idempotency-Key".to_owned()],
            msg: format!("expected one key of 1 to {LONGEST_KEY} printable ASCII characters"),
            kind: "value".into(),
        }])),
    }
}

fn answer(accepted: &Accepted, preferred: bool) -> Response<Body> {
    let job = &accepted.job;
    let body = json!({
        "success": true,
        "id": job.id.to_string(),
        "status": job.status.name(),
        "created": job.created.to_string(),
    });
    let mut response = (StatusCode::ACCEPTED, Json(body)).into_response();
    let headers = response.headers_mut();
    if let Ok(place) = HeaderValue::from_str(&format!("/jobs/{}", job.id)) {
        headers.insert(header::LOCATION, place);
    }
    if preferred {
        headers.insert(PREFERENCE_APPLIED, HeaderValue::from_static(RESPOND_ASYNC));
    }
    if !accepted.new {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(values: &[&str]) -> Result<Option<String>, Error> {
        idempotency_key(
            &values
                .iter()
                .map(|value| (IDEMPOTENCY_KEY, HeaderValue::from_bytes(value.as_bytes()).unwrap()))
                .collect(),
        )
    }

    #[test]
    fn a_key_is_printable_ascii_and_sent_once() {
        assert_eq!(key(&[]).unwrap(), None);
        let longest = "k".repeat(LONGEST_KEY);
        for good in ["a", "order 7/2", "\"quoted\"", &longest] {
            assert_eq!(key(&[good]).unwrap().as_deref(), Some(good));
        }
        let long = "k".repeat(LONGEST_KEY + 1);
        for bad in [&[""][..], &["a\tb"], &["grün"], &[long.as_str()], &["a", "b"]] {
            let error = key(bad).unwrap_err();
            assert_eq!(error.detail()[0].loc, ["header", "Idempotency-Key"], "{bad:?}");
        }
    }
}
