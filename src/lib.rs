//! WIP
pub mod app;
pub mod backend;
pub mod catalog;
pub mod config;
pub mod contract;
pub mod device;
pub mod error;
pub mod http;
pub mod models;
pub mod payload;
pub mod pipeline;
pub mod service;
pub mod tensor;
pub mod worker;
pub use error::Error;
pub use payload::Output;
pub use pipeline::{Batch, Pipeline};
