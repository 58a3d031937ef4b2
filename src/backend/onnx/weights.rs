//! Weights that all replicas of a model share: read once, lent to every session.
//!
//! ONNX Runtime packs weights anew for each session unless both their memory and the container of packed ones
//! are shared; so both are.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use ort::session::builder::PrepackedWeights;
use ort::value::{DynValue, Tensor as OrtTensor};

use super::convert::for_packed;
use super::graph::{self, Weight, WeightData};
use crate::tensor::DType;

/// Smaller weights are not worth the bookkeeping.
pub(super) const LEAST: u64 = 1024;

/// Lent to every session of one model file on the CPU. They outlive the sessions.
pub struct SharedWeights {
    pub tensors: Vec<(String, Arc<DynValue>)>,
    pub packed: PrepackedWeights,
}

impl SharedWeights {
    /// Reads the weights of a model file, external ones included.
    pub fn read(model: &Path) -> Result<Self, String> {
        let folder = model.parent().unwrap_or(Path::new("."));
        let weights = graph::weights(model, LEAST).map_err(|e| e.to_string())?;
        let mut tensors = Vec::with_capacity(weights.len());
        for weight in weights {
            let name = weight.name.clone();
            let value = load(weight, folder).map_err(|e| format!("weight {name}: {e}"))?;
            tensors.push((name, Arc::new(value)));
        }
        Ok(Self {
            tensors,
            packed: PrepackedWeights::new(),
        })
    }
}

fn load(weight: Weight, folder: &Path) -> Result<DynValue, String> {
    let Weight { dtype, shape, data, .. } = weight;
    for_packed!(
        dtype,
        T => {
            let elements: Vec<T> = match data {
                WeightData::Inline(bytes) => bytemuck::pod_collect_to_vec(&bytes),
                WeightData::External { location, offset, length } => {
                    let mut elements = vec![bytemuck::Zeroable::zeroed(); shape.iter().product()];
                    let bytes = bytemuck::cast_slice_mut::<T, u8>(&mut elements);
                    if length.is_some_and(|n| n != bytes.len() as u64) {
                        return Err(format!("{location} holds another length than the shape {shape:?} takes"));
                    }
                    read_at(&folder.join(&location), offset, bytes).map_err(|e| format!("{location}: {e}"))?;
                    elements
                }
            };
            OrtTensor::<T>::from_array((&shape[..], elements)).map(OrtTensor::into_dyn).map_err(|e| e.to_string())
        },
        else Err("is no packed number".into())
    )
}

fn read_at(file: &Path, offset: u64, into: &mut [u8]) -> std::io::Result<()> {
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(into)
}
