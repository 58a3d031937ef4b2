//! Any ONNX model, served by the names, types and shapes of its graph.

mod dummy;
mod partition;
mod pipeline;

use std::sync::Arc;

use serde_json::Value;

use super::{Builder, Loaded, ONNX_DEVICES, Source};
use crate::backend::onnx::{OnnxModel, Runtime};
use crate::contract::{Contract, Example};
use crate::pipeline::{Build, Pipeline, ReplicaContext};
use pipeline::TensorPipeline;

/// Examples with more elements than this are left out of the docs.
const EXAMPLE_ELEMENTS: usize = 20_000;

/// The tensor model of a graph.
///
/// # Errors
/// None today; the signature of a registry entry.
#[allow(clippy::unnecessary_wraps, reason = "the signature of every task of the registry")]
pub fn load(source: &Source<'_>) -> Result<Loaded, String> {
    let signature = source.graph.signature.clone();
    let inputs = dummy::zeros(&signature);
    let example = (inputs.iter().map(crate::tensor::Tensor::len).sum::<usize>() <= EXAMPLE_ELEMENTS).then(|| {
        let text = crate::contract::tensors_as_json(&signature.inputs, &inputs);
        Example {
            summary: "All zeros".into(),
            request: serde_json::from_slice(&text).unwrap_or(Value::Null),
        }
    });
    let contract = Contract::tensors(signature.clone()).with_examples(example.into_iter().collect());
    let model = Arc::new(OnnxModel::new(source.file.to_owned(), source.options));
    let max_batch_size = source.max_batch_size;
    let builder = Builder::Onnx(Box::new(move |runtime: &Runtime| -> Arc<dyn Build> {
        let (runtime, model, signature) = (runtime.clone(), Arc::clone(&model), signature.clone());
        Arc::new(move |context: &ReplicaContext| {
            let session = model.session(&runtime, context)?;
            let pipeline = TensorPipeline::new(session, signature.clone(), max_batch_size);
            Ok(Box::new(pipeline) as Box<dyn Pipeline>)
        })
    }));
    Ok(Loaded {
        contract,
        runs_on: ONNX_DEVICES,
        builder,
    })
}
