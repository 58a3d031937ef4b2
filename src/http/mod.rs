//! HTTP: decodes wire forms into payloads, and answers into wire forms. The only room that knows axum.

mod body;
mod dashboard;
mod docs;
mod error;
mod events;
mod health;
mod listener;
mod native;
mod openapi;
mod request;
mod respond;
mod router;
mod websocket;

pub use listener::{Drain, serve};
pub use openapi::document as openapi_document;
pub use router::{FrontSettings, router};
