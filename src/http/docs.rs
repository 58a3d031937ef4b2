//! `/docs` (Swagger UI from the crate's vendored files, nothing is fetched) and `/openapi.json`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use utoipa_swagger_ui::Config;

use super::openapi;
use super::router::Front;

pub async fn json(State(front): State<Arc<Front>>) -> Response {
    let routes = front.service.routes();
    Json(openapi::document(routes.models.iter().map(|m| &m.card))).into_response()
}

/// Relative links of the page need the trailing slash.
pub async fn without_slash() -> Redirect {
    Redirect::permanent("/docs/")
}

pub async fn index(State(front): State<Arc<Front>>) -> Response {
    file(&front, "")
}

pub async fn asset(State(front): State<Arc<Front>>, Path(path): Path<String>) -> Response {
    file(&front, &path)
}

fn file(front: &Front, path: &str) -> Response {
    match utoipa_swagger_ui::serve(path, Arc::clone(&front.swagger)) {
        Ok(Some(file)) => {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_str(&file.content_type) {
                headers.insert(header::CONTENT_TYPE, value);
            }
            (headers, file.bytes.into_owned()).into_response()
        }
        Ok(None) | Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// How the page is set up: every operation open to "Try it out".
pub fn config() -> Arc<Config<'static>> {
    Arc::new(
        Config::new(["/openapi.json"])
            .try_it_out_enabled(true)
            .display_request_duration(true),
    )
}
