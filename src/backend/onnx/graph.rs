//! Reads names, types, shapes and weights of an ONNX file, without ONNX Runtime.
//!
//! Field numbers are those of `onnx.proto` (ONNX IR version 10); only what is needed is declared, the rest is
//! skipped by the decoder.

use std::path::Path;

use bytes::Bytes;
use prost::Message;

use crate::contract::{Dim, Signature, TensorSpec};
use crate::tensor::DType;

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

/// What is known of a model from its file alone.
#[derive(Debug)]
pub struct Graph {
    pub signature: Signature,
    /// Bytes of weights, the external ones included.
    pub weight_bytes: u64,
}

/// One weight: its name, type, shape, and where its elements are.
pub(super) struct Weight {
    pub name: String,
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub data: WeightData,
}

pub(super) enum WeightData {
    Inline(Bytes),
    /// In another file beside the model.
    External {
        location: String,
        offset: u64,
        length: Option<u64>,
    },
}

impl Graph {
    /// Reads a model file.
    ///
    /// # Errors
    /// When it cannot be read, is no ONNX model, or has inputs or outputs that are not plain tensors.
    pub fn read(path: &Path) -> Result<Self, GraphError> {
        let graph = decode(path)?;
        let file = file_name(path);
        let initialised: Vec<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
        // Before IR version 4 every initialiser was listed as an input as well.
        let inputs = graph.input.iter().filter(|i| !initialised.contains(&i.name.as_str()));
        let inputs = inputs.map(|i| spec(i, "input", &file)).collect::<Result<Vec<_>, _>>()?;
        let outputs = graph
            .output
            .iter()
            .map(|o| spec(o, "output", &file))
            .collect::<Result<Vec<_>, _>>()?;
        if outputs.is_empty() {
            return Err(GraphError::Decode {
                file,
                reason: "its graph has no outputs".into(),
            });
        }
        let weight_bytes = graph.initializer.iter().map(TensorProto::byte_size).sum();
        Ok(Self {
            signature: Signature::new(inputs, outputs),
            weight_bytes,
        })
    }
}

/// The weights of a model file that are worth sharing between sessions: packed ones from `least` bytes on.
pub(super) fn weights(path: &Path, least: u64) -> Result<Vec<Weight>, GraphError> {
    let graph = decode(path)?;
    let wanted = |t: &TensorProto| t.byte_size() >= least;
    Ok(graph
        .initializer
        .into_iter()
        .filter(wanted)
        .filter_map(TensorProto::into_weight)
        .collect())
}

/// Files beside the model that hold weights.
pub(super) fn external_files(path: &Path) -> Result<Vec<String>, GraphError> {
    let graph = decode(path)?;
    let mut files: Vec<_> = graph
        .initializer
        .iter()
        .filter_map(|t| t.external("location").cloned())
        .collect();
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

fn decode(path: &Path) -> Result<GraphProto, GraphError> {
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

fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}

fn spec(value: &ValueInfo, what: &'static str, file: &str) -> Result<TensorSpec, GraphError> {
    let unsupported = |kind: String| GraphError::Unsupported {
        file: file.into(),
        what,
        name: value.name.clone(),
        kind,
    };
    let tensor = value
        .r#type
        .as_ref()
        .and_then(|t| t.tensor_type.as_ref())
        .ok_or_else(|| unsupported("a sequence, map or optional value".into()))?;
    let dtype =
        dtype(tensor.elem_type).ok_or_else(|| unsupported(format!("of ONNX element type {}", tensor.elem_type)))?;
    let dims = tensor.shape.as_ref().map_or(&[][..], |s| &s.dim);
    let shape = dims.iter().map(|d| match usize::try_from(d.dim_value) {
        Ok(n) if d.dim_param.is_empty() && n > 0 => Dim::Fixed(n),
        _ => Dim::Symbol(d.dim_param.clone()),
    });
    Ok(TensorSpec {
        name: value.name.clone(),
        dtype,
        shape: shape.collect(),
    })
}

/// `TensorProto.DataType`.
const fn dtype(code: i32) -> Option<DType> {
    Some(match code {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        8 => DType::Bytes,
        9 => DType::Bool,
        10 => DType::F16,
        11 => DType::F64,
        12 => DType::U32,
        13 => DType::U64,
        16 => DType::BF16,
        _ => return None,
    })
}

impl TensorProto {
    fn external(&self, key: &str) -> Option<&String> {
        self.external_data.iter().find(|e| e.key == key).map(|e| &e.value)
    }

    fn byte_size(&self) -> u64 {
        let elements: u64 = self.dims.iter().map(|d| u64::try_from(*d).unwrap_or(0)).product();
        let size = dtype(self.data_type).and_then(DType::size).unwrap_or(1);
        elements * size as u64
    }

    fn into_weight(self) -> Option<Weight> {
        let dtype = dtype(self.data_type).filter(|d| d.size().is_some())?;
        let shape = self
            .dims
            .iter()
            .map(|d| usize::try_from(*d).ok())
            .collect::<Option<Vec<_>>>()?;
        let number = |key| self.external(key).and_then(|v| v.parse().ok());
        let data = match self.external("location") {
            Some(location) => WeightData::External {
                location: location.clone(),
                offset: number("offset").unwrap_or(0),
                length: number("length"),
            },
            None if !self.raw_data.is_empty() => WeightData::Inline(self.raw_data),
            // Elements in typed fields are rare, and written by no exporter for large weights.
            None => return None,
        };
        Some(Weight {
            name: self.name,
            dtype,
            shape,
            data,
        })
    }
}

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
}

#[derive(Clone, PartialEq, Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueInfo>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "bytes", tag = "9")]
    raw_data: Bytes,
    #[prost(message, repeated, tag = "13")]
    external_data: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct ValueInfo {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    r#type: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeProto {
    #[prost(message, optional, tag = "1")]
    tensor_type: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorType {
    #[prost(int32, tag = "1")]
    elem_type: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<TensorShape>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorShape {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
struct Dimension {
    #[prost(int64, tag = "1")]
    dim_value: i64,
    #[prost(string, tag = "2")]
    dim_param: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, elem_type: i32, dims: &[(i64, &str)]) -> ValueInfo {
        let dim = dims
            .iter()
            .map(|(n, p)| Dimension {
                dim_value: *n,
                dim_param: (*p).into(),
            })
            .collect();
        let tensor_type = Some(TensorType {
            elem_type,
            shape: Some(TensorShape { dim }),
        });
        ValueInfo {
            name: name.into(),
            r#type: Some(TypeProto { tensor_type }),
        }
    }

    fn written(graph: Option<GraphProto>) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), ModelProto { graph }.encode_to_vec()).unwrap();
        file
    }

    #[test]
    fn inputs_outputs_axes_and_weights_are_read() {
        let weight = TensorProto {
            dims: vec![64, 10],
            data_type: 1,
            name: "w".into(),
            ..Default::default()
        };
        let file = written(Some(GraphProto {
            initializer: vec![weight],
            input: vec![
                value("x", 1, &[(0, "batch"), (64, "")]),
                value("w", 1, &[(64, ""), (10, "")]),
            ],
            output: vec![value("y", 7, &[(0, "batch"), (-1, "")])],
        }));
        let graph = Graph::read(file.path()).unwrap();
        assert_eq!(graph.signature.inputs.len(), 1);
        assert_eq!(
            graph.signature.inputs[0].shape,
            [Dim::Symbol("batch".into()), Dim::Fixed(64)]
        );
        assert_eq!(
            graph.signature.outputs[0].shape,
            [Dim::Symbol("batch".into()), Dim::Symbol(String::new())]
        );
        assert!(graph.signature.batched());
        assert_eq!(graph.weight_bytes, 2560);
    }

    #[test]
    fn what_is_no_model_is_told_apart_from_what_cannot_be_served() {
        let file = written(None);
        assert!(matches!(Graph::read(file.path()), Err(GraphError::Decode { .. })));
        let odd = ValueInfo {
            name: "s".into(),
            r#type: Some(TypeProto { tensor_type: None }),
        };
        let file = written(Some(GraphProto {
            output: vec![odd],
            ..Default::default()
        }));
        let text = Graph::read(file.path()).unwrap_err().to_string();
        assert!(text.contains("output s is a sequence, map or optional value"), "{text}");
        assert!(matches!(
            Graph::read(Path::new("/nowhere/model.onnx")),
            Err(GraphError::Read { .. })
        ));
    }
}
