//! Pieces of a body as JSON text, and paths of faults from a piece back to the body.

use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::contract::Contract;
use crate::error::{Error, Fault};
use crate::payload::Payload;

pub type Fields<'a> = HashMap<String, &'a RawValue>;

/// The fields of an object as JSON text; `None` for anything else.
pub fn fields(text: &[u8]) -> Option<Fields<'_>> {
    serde_json::from_slice(text).ok()
}

/// The entries of a list as JSON text; `None` for anything else.
pub fn list(text: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(text.get()).ok()
}

pub fn not_a_list() -> Error {
    Error::malformed("instances is not a list; send {\"instances\": [ROW, …]}")
}

/// An object of fields that are JSON text.
pub fn object<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        text.push(if text.is_empty() { '{' } else { ',' });
        text.push_str(&Value::from(name).to_string());
        text.push(':');
        text.push_str(value);
    }
    text.push('}');
    text
}

/// Decodes a piece that stands at `path` in the body.
pub fn decode(contract: &Contract, text: &str, path: &[&str]) -> Result<Payload, Error> {
    contract
        .decode(text.as_bytes())
        .map_err(|e| placed(&e, |loc| under(path, loc)))
}

/// A path inside of a piece, as it is in the body.
pub fn under(piece: &[&str], inner: &[String]) -> Vec<String> {
    let outer = std::iter::once("body").chain(piece.iter().copied()).map(str::to_owned);
    outer.chain(inner.iter().cloned()).collect()
}

/// The error of a piece with its paths put right; `place` gets each without the leading `body`.
pub fn placed(error: &Error, place: impl Fn(&[String]) -> Vec<String>) -> Error {
    if error.detail().is_empty() {
        return error.clone();
    }
    let moved = |fault: &Fault| Fault {
        loc: place(fault.loc.get(1..).unwrap_or_default()),
        ..fault.clone()
    };
    Error::faults(error.detail().iter().map(moved).collect())
}
