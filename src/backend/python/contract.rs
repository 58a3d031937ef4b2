//! Contracts of what the worker describes.

use serde_json::Value;

use super::describe::{DescribedRoute, DescribedTensor, Description};
use crate::contract::{Contract, Dim, RawForm, Schema, Signature, TensorSpec};

/// A route's contract, and the tensors of a pipeline that declares them.
pub struct RouteContract {
    pub contract: Contract,
    pub signature: Option<Signature>,
}

impl RouteContract {
    pub fn of(description: &Description, route: &DescribedRoute) -> Self {
        if !description.inputs.is_empty() {
            let signature = Signature::new(specs(&description.inputs), specs(&description.outputs));
            let mut contract = Contract::tensors(signature.clone());
            contract.streams = route.streams;
            return Self {
                contract,
                signature: Some(signature),
            };
        }
        let form = RawForm {
            checked: route.input.is_some() && !route.raw,
            any: route.raw,
            told: route.headers || !route.media.is_empty(),
        };
        let mut contract = Contract::raw(schema(route.input.as_ref()), schema(route.output.as_ref()), form);
        contract.streams = route.streams;
        contract.media.clone_from(&route.media);
        if route.head {
            // Whatever the author gives is what the client gets.
            contract.media = vec!["*/*".to_owned()];
        }
        Self {
            contract,
            signature: None,
        }
    }
}

fn schema(value: Option<&Value>) -> Schema {
    value.map_or_else(Schema::any, Schema::from_definitions)
}

fn specs(tensors: &[DescribedTensor]) -> Vec<TensorSpec> {
    let axis = |(i, length): (usize, &Option<usize>)| match length {
        Some(n) => Dim::Fixed(*n),
        // The first axis is the batch's and the same for all.
        None if i == 0 => Dim::Symbol("batch".to_owned()),
        None => Dim::Symbol(format!("dim{i}")),
    };
    let spec = |tensor: &DescribedTensor| TensorSpec {
        name: tensor.name.clone(),
        dtype: tensor.dtype,
        shape: tensor.shape.iter().enumerate().map(axis).collect(),
    };
    tensors.iter().map(spec).collect()
}
