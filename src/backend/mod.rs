//! What executes models. Each backend hides its library: nothing outside `onnx/` knows ONNX Runtime, and nothing
//! outside `python/` how a folder of Python is asked and started.

pub mod onnx;
pub mod python;
