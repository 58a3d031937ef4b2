//! A model file as a graph, or why it is none.

use std::path::Path;

use bytes::Bytes;
use prost::Message;

use super::proto::{GraphProto, ModelProto};

/// How the text begins that stands in a repository for a file of Git LFS.
const LFS_POINTER: &[u8] = b"version https://git-lfs";

/// The file is no ONNX model this server can serve.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    #[error("{file} cannot be read: {reason}")]
    Read { file: String, reason: String },
    #[error("{file} is not an ONNX model: {reason}")]
    Decode { file: String, reason: String },
    #[error("{file}: {what} {name} is {kind}, and only tensors of plain element types can be served")]
    Unsupported {
        file: String,
        what: &'static str,
        name: String,
        kind: String,
    },
}

/// Reads the graph of a model file.
pub fn decode(path: &Path) -> Result<GraphProto, GraphError> {
    let file = || file_name(path);
    let bytes = std::fs::read(path).map_err(|e| GraphError::Read {
        file: file(),
        reason: e.to_string(),
    })?;
    // What a clone without Git LFS has in the place of large files.
    if bytes.starts_with(LFS_POINTER) {
        return Err(GraphError::Decode {
            file: file(),
            reason: "it is a pointer of Git LFS; git lfs pull fetches the file".into(),
        });
    }
    let model = ModelProto::decode(Bytes::from(bytes)).map_err(|e| GraphError::Decode {
        file: file(),
        reason: e.to_string(),
    })?;
    model.graph.ok_or_else(|| GraphError::Decode {
        file: file(),
        reason: "it holds no graph".into(),
    })
}

pub fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}
