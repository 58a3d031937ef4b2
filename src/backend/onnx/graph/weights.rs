//! The weights of a model file, and where their elements are.

use std::path::Path;

use bytes::Bytes;

use super::file::{GraphError, decode};
use super::proto::{TensorProto, dtype};
use crate::tensor::DType;

/// One weight: its name, type, shape, and where its elements are.
pub struct Weight {
    pub name: String,
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub data: WeightData,
}

pub enum WeightData {
    Inline(Bytes),
    /// In another file beside the model.
    External {
        location: String,
        offset: u64,
        length: Option<u64>,
    },
}

/// The weights of a model file that are worth sharing between sessions: packed ones from `least` bytes on.
pub fn weights(path: &Path, least: u64) -> Result<Vec<Weight>, GraphError> {
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
pub fn external_files(path: &Path) -> Result<Vec<String>, GraphError> {
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

impl TensorProto {
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
