//! ONNX Runtime behind a small face: load the library, read a graph, compile it, run tensors through it.
//!
//! The only user of `ort`. Knows no request and no protocol.

mod artefact;
mod convert;
mod graph;
mod lanes;
mod library;
mod model;
mod provider;
mod session;
mod weights;

pub use graph::{Graph, GraphError};
pub use library::{LIBRARY_FOLDER, LoadError, Runtime, search_path};
pub use model::{OnnxModel, OnnxOptions};
pub use session::{OnnxSession, RunEach, Runs};
