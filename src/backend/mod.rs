//! What executes models. Each backend hides its library: nothing outside `onnx/` knows ONNX Runtime.

pub mod onnx;
