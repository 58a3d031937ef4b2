//! Integration tests: one binary, so that the crate is linked once.

#[path = "../support/onnx.rs"]
mod onnx;

mod ancestors;
mod architecture;
mod batching;
mod clients;
mod command;
mod demo_models;
mod drain;
mod examples;
mod failures;
mod front_yard;
mod http;
mod kserve_v1;
mod memory;
mod streaming;
mod support;
mod tensors;
