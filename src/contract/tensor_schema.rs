//! The JSON Schema of tensors: an object with one field per tensor, each of nested lists.

use serde_json::{Value, json};

use super::signature::{Dim, TensorSpec};
use crate::tensor::DType;

/// The JSON Schema of an object with one field per tensor.
pub fn object_of(specs: &[TensorSpec], optional_batch_axis: bool) -> Value {
    let properties: serde_json::Map<_, _> = specs
        .iter()
        .map(|spec| {
            let full = nested(spec, &spec.shape);
            let mut schema = if optional_batch_axis && !spec.shape.is_empty() {
                json!({"anyOf": [full, nested(spec, &spec.shape[1..])]})
            } else {
                full
            };
            let mut description = format!("{} tensor of shape {}, as nested lists.", spec.dtype, spec.shape_text());
            if optional_batch_axis {
                description.push_str(" The first axis may be left out.");
            }
            schema["description"] = description.into();
            (spec.name.clone(), schema)
        })
        .collect();
    let required: Vec<_> = specs.iter().map(|s| s.name.clone()).collect();
    json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
}

fn nested(spec: &TensorSpec, shape: &[Dim]) -> Value {
    let Some((first, inner)) = shape.split_first() else {
        return match spec.dtype {
            DType::Bool => json!({"type": "boolean"}),
            DType::Bytes => json!({"type": "string"}),
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 => json!({"type": "number"}),
            _ => json!({"type": "integer"}),
        };
    };
    let mut schema = json!({"type": "array", "items": nested(spec, inner)});
    if let Dim::Fixed(n) = first {
        schema["minItems"] = (*n).into();
        schema["maxItems"] = (*n).into();
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::super::{Contract, Signature};
    use super::*;

    #[test]
    fn the_schema_of_a_tensor_model_allows_both_forms_and_nothing_else() {
        let x = TensorSpec {
            name: "x".into(),
            dtype: DType::F32,
            shape: vec![Dim::Symbol("n".into()), Dim::Fixed(2)],
        };
        let contract = Contract::tensors(Signature::new(vec![x.clone()], vec![x]));
        for good in [json!({"x": [[1, 2], [3, 4]]}), json!({"x": [1, 2]})] {
            assert!(contract.input.faults(&good).is_empty(), "{good}");
            assert!(contract.decode(good.to_string().as_bytes()).is_ok());
        }
        for bad in [
            json!({"x": [[1]]}),
            json!({}),
            json!({"x": [[1, 2]], "z": 1}),
            json!({"x": 3}),
        ] {
            assert!(!contract.input.faults(&bad).is_empty(), "{bad}");
            assert!(contract.decode(bad.to_string().as_bytes()).is_err());
        }
    }
}
