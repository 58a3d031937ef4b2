//! Reads names, types, shapes and weights of an ONNX file, without ONNX Runtime.

mod file;
mod proto;
mod weights;

use std::path::Path;

pub use file::GraphError;
pub(super) use weights::{Weight, WeightData, external_files, weights};

use crate::contract::{Dim, Signature, TensorSpec};
use file::{decode, file_name};
use proto::{TensorProto, ValueInfo, dtype};

/// What is known of a model from its file alone.
#[derive(Debug)]
pub struct Graph {
    pub signature: Signature,
    /// Bytes of weights, the external ones included.
    pub weight_bytes: u64,
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
        let sizes = graph.initializer.iter().map(TensorProto::byte_size);
        let weight_bytes = sizes.fold(0, u64::saturating_add);
        Ok(Self {
            signature: Signature::new(inputs, outputs),
            weight_bytes,
        })
    }
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

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::proto::{Dimension, GraphProto, ModelProto, TensorShape, TensorType, TypeProto};
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
