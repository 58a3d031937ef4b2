//! Hostler, a model server, as a library.
//!
//! [`Server::builder`] takes closures and [`Pipeline`] types and serves them with the queue, replicas, docs,
//! supervision and drain that model folders get from the `hostler` command.

#[doc(hidden)]
pub mod app;
#[doc(hidden)]
pub mod backend;
#[doc(hidden)]
pub mod catalog;
#[doc(hidden)]
pub mod config;
pub mod contract;
pub mod device;
pub mod error;
#[doc(hidden)]
pub mod http;
#[doc(hidden)]
pub mod ipc;
#[doc(hidden)]
pub mod jobs;
#[doc(hidden)]
pub mod models;
pub mod payload;
pub mod pipeline;
mod server;
#[doc(hidden)]
pub mod service;
pub mod store;
pub mod tensor;
#[doc(hidden)]
pub mod upload;
#[doc(hidden)]
pub mod webhook;
#[doc(hidden)]
pub mod worker;

pub use contract::{Contract, Example, Schema};
pub use device::Device;
pub use error::{Error, Kind};
pub use payload::{Chunk, FileOutput, Files, Output, Payload};
pub use pipeline::{Batch, Pipeline, ReplicaContext, Request};
pub use server::{BuildError, Builder, Mount, Server, Stream};
pub use store::Store;
pub use tensor::{DType, Tensor};
/// Derives the schema of a handler's types; see the `utoipa` crate.
pub use utoipa::ToSchema;
