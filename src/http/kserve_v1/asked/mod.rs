//! What a body of `:predict` asks for: rows or list entries under `instances`, columns under `inputs`, or, for a
//! model whose contract is JSON, the model's own request.
//!
//! The body is cut into pieces of JSON text, and each piece goes through the contract's own decoder: no value is
//! built in between, and faults keep their paths.

mod pieces;
mod tensors;
#[cfg(test)]
mod tests;

use serde_json::value::RawValue;

use crate::contract::{Contract, Schema, parse_json};
use crate::error::Error;
use crate::payload::Payload;
use pieces::{decode, not_a_list};
pub use pieces::{fields, list};
use tensors::{columns, rows};

/// A body, decoded.
pub enum Asked {
    /// The model's own request, answered with its own result.
    Own(Payload),
    /// One or more requests, answered together under `predictions`.
    Predictions(Shape, Vec<Payload>),
}

/// How predictions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The result of each request.
    List,
    /// One entry for each of so many rows, over all requests.
    Rows(usize),
    /// The outputs of the only request, as they are.
    Columns,
}

pub const INSTANCES: &str = "instances";
pub const INPUTS: &str = "inputs";

/// Decodes a body.
///
/// # Errors
/// Malformed when it is no JSON or has neither form; invalid input where a row, a tensor or an entry breaks the
/// contract.
pub fn read(contract: &Contract, body: &[u8]) -> Result<Asked, Error> {
    let fields = fields(body).unwrap_or_default();
    let signature = contract.signature();
    // A field that the contract has itself is the model's, not V1's.
    let own = |name: &str| signature.is_none() && declares(&contract.input, name);
    let instances = fields.get(INSTANCES).copied().filter(|_| !own(INSTANCES));
    let inputs = fields.get(INPUTS).copied().filter(|_| !own(INPUTS));
    match (instances, inputs, signature) {
        (Some(_), Some(_), _) => Err(Error::malformed(
            "the body has both instances and inputs; send one of them",
        )),
        (Some(text), None, Some(signature)) => rows(contract, signature, text),
        (None, Some(text), Some(signature)) => columns(contract, signature, text),
        (Some(text), None, None) => {
            let items = list(text).ok_or_else(not_a_list)?;
            entries(contract, INSTANCES, &items)
        }
        (None, Some(text), None) => match list(text) {
            Some(items) => entries(contract, INPUTS, &items),
            None => {
                let input = decode(contract, text.get(), &[INPUTS])?;
                Ok(Asked::Predictions(Shape::List, vec![input]))
            }
        },
        (None, None, Some(_)) => Err(parse_json(body).err().unwrap_or_else(|| {
            Error::malformed("the body has neither instances nor inputs; send {\"instances\": [ROW, …]}")
        })),
        (None, None, None) => contract.decode(body).map(Asked::Own),
    }
}

/// Whether a schema names a field of its object.
pub fn declares(schema: &Schema, field: &str) -> bool {
    let referred = schema.root["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    let named = schema
        .components
        .iter()
        .find(|(name, _)| Some(name.as_str()) == referred);
    let root = named.map_or(&schema.root, |(_, schema)| schema);
    root["properties"].get(field).is_some()
}

/// Requests of a model whose contract is JSON, one an entry.
fn entries(contract: &Contract, key: &str, items: &[&RawValue]) -> Result<Asked, Error> {
    let entry = |(i, item): (usize, &&RawValue)| decode(contract, item.get(), &[key, &i.to_string()]);
    let inputs = items.iter().enumerate().map(entry).collect::<Result<_, Error>>()?;
    Ok(Asked::Predictions(Shape::List, inputs))
}
