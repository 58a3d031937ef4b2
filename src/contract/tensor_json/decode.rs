//! From bytes to the tensors of a signature, in one pass.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::explain::explain;
use super::nested::{AnyTensor, Nested};
use super::quick;
use crate::contract::signature::Signature;
use crate::error::{Error, Fault};
use crate::payload::Tensors;
use crate::tensor::{Data, Tensor};

/// Reads a JSON object with one field per input.
///
/// # Errors
/// Malformed when the body is no JSON; otherwise invalid input with the path of each fault.
pub fn decode(signature: &Signature, body: &[u8]) -> Result<Tensors, Error> {
    match quick::inputs(signature, body).or_else(|| general(signature, body)) {
        Some(read) => assemble(signature, read),
        None => Err(explain(signature, body)),
    }
}

/// The inputs of a body, or `None` where something is wrong with it.
pub(super) fn general(signature: &Signature, body: &[u8]) -> Option<Vec<Nested>> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = Inputs { signature }.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    read.into_iter().collect()
}

/// Adds a missing batch axis, then checks the signature.
fn assemble(signature: &Signature, raw: Vec<Nested>) -> Result<Tensors, Error> {
    let short = raw
        .iter()
        .zip(&signature.inputs)
        .all(|(n, spec)| n.shape.len() + 1 == spec.shape.len());
    let implicit_batch = short && signature.optional_batch_axis();
    let mut tensors = Vec::with_capacity(raw.len());
    for (mut nested, spec) in raw.into_iter().zip(&signature.inputs) {
        if implicit_batch {
            nested.shape.insert(0, 1);
        }
        let tensor = match nested.data {
            Data::Packed(bytes) => Tensor::packed(spec.dtype, nested.shape, bytes),
            Data::Strings(strings) => Tensor::strings(nested.shape, strings),
        };
        tensors.push(tensor.map_err(|e| Error::faults(vec![Fault::at(&[&spec.name], e.to_string(), "shape")]))?);
    }
    let faults = signature.check(&tensors);
    if faults.is_empty() {
        Ok(Tensors {
            tensors,
            implicit_batch,
        })
    } else {
        Err(Error::faults(faults))
    }
}

/// The object of all inputs; an input that is absent stays `None`.
struct Inputs<'a> {
    signature: &'a Signature,
}

impl<'de> DeserializeSeed<'de> for Inputs<'_> {
    type Value = Vec<Option<Nested>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Inputs<'_> {
    type Value = Vec<Option<Nested>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one field per input")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let inputs = &self.signature.inputs;
        let mut read: Vec<Option<Nested>> = inputs.iter().map(|_| None).collect();
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match inputs.iter().position(|spec| spec.name == name) {
                Some(i) => read[i] = Some(map.next_value_seed(AnyTensor { dtype: inputs[i].dtype })?),
                None => return Err(de::Error::custom("unknown input")),
            }
        }
        Ok(read)
    }
}
