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
mod isolation;
mod kserve_v1;
mod memory;
mod python_banana;
mod python_chaos;
mod python_check;
mod python_failures;
mod python_graphcore;
mod python_hostler;
mod python_kserve;
mod python_noise;
mod python_potassium;
mod python_processes;
mod python_redis;
mod python_tensors;
mod streaming;
mod support;
mod task_check;
mod task_feature_extraction;
mod task_fill_mask;
mod task_image_classification;
mod task_support;
mod task_text2text;
mod task_text_classification;
mod task_text_generation;
mod task_token_classification;
mod task_zero_shot;
mod tensors;
