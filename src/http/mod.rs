//! HTTP: decodes wire forms into payloads, and answers into wire forms. The only room that knows axum.

mod ancestors;
mod body;
mod dashboard;
mod docs;
mod entry;
mod error;
mod events;
mod exchange;
mod fields;
mod files;
mod health;
mod jobs;
mod kserve_v1;
mod lines;
mod listener;
mod native;
mod openapi;
mod request;
mod respond;
mod router;
mod shaped;
mod stream;
mod websocket;

pub use listener::{Drain, serve};
pub use openapi::document as openapi_document;
pub use router::{FrontSettings, Parts, front};
