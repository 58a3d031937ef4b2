//! An error as a response: a JSON body, and what its kind needs in headers.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::{Error, Kind};

/// An error on its way to a client, with the id of its request.
pub struct HttpError {
    pub error: Error,
    pub request_id: String,
    /// The status, as the protocol and the settings have it for this kind.
    pub status: u16,
    /// The verbs a wrong one is told.
    pub allow: Cow<'static, str>,
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let Self {
            error,
            request_id,
            status,
            allow,
        } = self;
        let mut body = json!({"error": error.message(), "request_id": request_id});
        if !error.detail().is_empty() {
            body["detail"] = json!(error.detail());
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(after) = error.retry_after() {
            // Whole seconds, rounded up: zero would mean at once.
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(
                    after
                        .as_millis()
                        .div_ceil(1000)
                        .clamp(1, 86_400)
                        .try_into()
                        .unwrap_or(1_u64),
                ),
            );
        }
        if error.kind() == Kind::MethodNotAllowed {
            headers.extend(HeaderValue::from_str(&allow).ok().map(|verbs| (header::ALLOW, verbs)));
        }
        response
    }
}
