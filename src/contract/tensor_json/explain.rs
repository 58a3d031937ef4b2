//! Why a body did not decode: every fault, with its path.

use serde::de::DeserializeSeed;
use serde_json::Value;

use super::nested::AnyTensor;
use crate::contract::parse_json;
use crate::contract::signature::{Signature, TensorSpec};
use crate::error::{Error, Fault};

/// Reads the body a second time, as a value, and names every fault.
pub fn explain(signature: &Signature, body: &[u8]) -> Error {
    let value: Value = match parse_json(body) {
        Ok(value) => value,
        Err(error) => return error,
    };
    let names = || {
        signature
            .inputs
            .iter()
            .map(|s| s.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let Value::Object(fields) = &value else {
        let message = format!("is not an object; send one field per input: {}", names());
        return Error::faults(vec![Fault::at::<&str>(&[], message, "type")]);
    };
    let mut faults = Vec::new();
    for spec in &signature.inputs {
        match fields.get(&spec.name) {
            None => {
                let message = format!("is required: nested lists of {} {}", spec.dtype, spec.shape_text());
                faults.push(Fault::at(&[&spec.name], message, "missing"));
            }
            Some(field) => faults.extend(tensor_fault(spec, field)),
        }
    }
    for name in fields
        .keys()
        .filter(|name| signature.inputs.iter().all(|s| s.name != **name))
    {
        faults.push(Fault::at(
            &[name],
            format!("is no input of the model; its inputs are {}", names()),
            "unknown",
        ));
    }
    Error::faults(faults)
}

/// The first place where a field is not nested lists of one shape and type.
fn tensor_fault(spec: &TensorSpec, field: &Value) -> Option<Fault> {
    fn walk(spec: &TensorSpec, value: &Value, path: &mut Vec<String>, shape: &mut Vec<usize>) -> Option<Fault> {
        let depth = path.len() - 1;
        let Value::Array(items) = value else {
            let text = value.to_string();
            let fits = AnyTensor { dtype: spec.dtype }.deserialize(value).is_ok();
            if !fits {
                let shown: String = text.chars().take(40).collect();
                return Some(Fault::at(
                    path,
                    format!("is {shown}, expected a {} element", spec.dtype),
                    "type",
                ));
            }
            let full = depth == shape.len();
            return (!full).then(|| Fault::at(path, "is an element where its neighbours are lists", "shape"));
        };
        // The first list met at a depth fixes the length of all others there.
        match shape.get(depth) {
            None => shape.push(items.len()),
            Some(&want) if want != items.len() => {
                let message = format!("has {} entries, its neighbours have {want}", items.len());
                return Some(Fault::at(path, message, "shape"));
            }
            Some(_) => {}
        }
        for (i, item) in items.iter().enumerate() {
            path.push(i.to_string());
            let fault = walk(spec, item, path, shape);
            path.pop();
            if fault.is_some() {
                return fault;
            }
        }
        None
    }
    let mut shape = Vec::new();
    walk(spec, field, &mut vec![spec.name.clone()], &mut shape).or_else(|| {
        let mixed = AnyTensor { dtype: spec.dtype }.deserialize(field).is_err();
        mixed.then(|| Fault::at(&[&spec.name], "mixes lists of unequal depth", "shape"))
    })
}
