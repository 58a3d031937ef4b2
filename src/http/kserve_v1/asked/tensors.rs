//! Bodies for a tensor model: rows become columns, and columns are its tensors already.

use serde_json::value::RawValue;

use super::pieces::{decode, fields, list, not_a_list, object, placed, under};
use super::{Asked, INPUTS, INSTANCES, Shape};
use crate::contract::{Contract, Dim, Signature};
use crate::error::{Error, Fault};
use crate::payload::Payload;

/// Rows of a tensor model: the rows of its only input, or objects with a row of each.
pub fn rows(contract: &Contract, signature: &Signature, text: &RawValue) -> Result<Asked, Error> {
    let inside = text.get().strip_prefix('[').ok_or_else(not_a_list)?;
    let named = inside.trim_start().starts_with('{');
    // A graph whose first axis is fixed to one takes each row by itself.
    let single = |shape: &[Dim]| matches!(shape.first(), Some(Dim::Fixed(1)));
    let one_by_one = signature.inputs.iter().all(|spec| single(&spec.shape));
    if let ([only], false, false) = (signature.inputs.as_slice(), named, one_by_one) {
        // The list is the tensor already.
        let input = stacked(contract, &object([(only.name.as_str(), text.get())]), 0, named)?;
        return Ok(Asked::Predictions(Shape::Rows(input.rows()), vec![input]));
    }
    let items = list(text).ok_or_else(not_a_list)?;
    if items.is_empty() {
        return Err(Error::malformed("instances is empty; send at least one row"));
    }
    let size = if one_by_one { 1 } else { items.len() };
    let mut inputs = Vec::with_capacity(items.len() / size);
    for (n, items) in items.chunks(size).enumerate() {
        let tensors = turned(signature, items, n * size)?;
        let inputs_named = signature.inputs.iter().map(|spec| spec.name.as_str());
        let body = object(inputs_named.zip(tensors.iter().map(String::as_str)));
        inputs.push(stacked(contract, &body, n * size, named)?);
    }
    Ok(Asked::Predictions(Shape::Rows(items.len()), inputs))
}

/// Rows turned into columns: for each input the list of what the rows have of it.
fn turned(signature: &Signature, items: &[&RawValue], first: usize) -> Result<Vec<String>, Error> {
    let mut columns: Vec<Vec<&str>> = vec![Vec::new(); signature.inputs.len()];
    for (i, item) in items.iter().enumerate() {
        let fault = |name: Option<&str>, message: String, kind| {
            let number = (first + i).to_string();
            let path: Vec<&str> = [INSTANCES, number.as_str()].into_iter().chain(name).collect();
            Error::faults(vec![Fault::at(&path, message, kind)])
        };
        match (fields(item.get().as_bytes()), columns.as_mut_slice()) {
            (Some(fields), columns) => {
                for (column, spec) in columns.iter_mut().zip(&signature.inputs) {
                    let Some(value) = fields.get(&spec.name) else {
                        return Err(fault(Some(&spec.name), "is required".to_owned(), "missing"));
                    };
                    column.push(value.get());
                }
                let known = |name: &String| signature.inputs.iter().any(|spec| spec.name == *name);
                if let Some(name) = fields.keys().find(|name| !known(name)) {
                    let message = format!("is no input of the model; its inputs are {}", names(signature));
                    return Err(fault(Some(name), message, "unknown"));
                }
            }
            (None, [only]) => only.push(item.get()),
            (None, _) => {
                let message = format!("is not an object; send one field per input: {}", names(signature));
                return Err(fault(None, message, "type"));
            }
        }
    }
    Ok(columns.iter().map(|column| format!("[{}]", column.join(","))).collect())
}

/// Decodes columns that were made of rows; their first axis is the list of instances.
fn stacked(contract: &Contract, body: &str, first: usize, named: bool) -> Result<Payload, Error> {
    // From [body, input, row, …] to [body, instances, row, input, …].
    let back = |loc: &[String]| {
        let mut inner = loc.iter().cloned();
        let input = inner.next().filter(|_| named);
        let row = inner
            .next()
            .map(|row| row.parse::<usize>().map_or(row, |row| (first + row).to_string()));
        let path: Vec<String> = row.into_iter().chain(input).chain(inner).collect();
        under(&[INSTANCES], &path)
    };
    let input = contract.decode(body.as_bytes()).map_err(|e| placed(&e, back))?;
    if matches!(&input, Payload::Tensors(tensors) if tensors.implicit_batch) {
        return Err(Error::invalid(
            "instances is a list of rows: wrap the one row in a list, or send it as inputs",
        ));
    }
    Ok(input)
}

/// Whole tensors: an object of them, or the only one.
pub fn columns(contract: &Contract, signature: &Signature, text: &RawValue) -> Result<Asked, Error> {
    let input = match (text.get().starts_with('{'), signature.inputs.as_slice()) {
        (true, _) => decode(contract, text.get(), &[INPUTS])?,
        (false, [only]) => {
            let body = object([(only.name.as_str(), text.get())]);
            contract
                .decode(body.as_bytes())
                .map_err(|e| placed(&e, |loc| under(&[INPUTS], loc.get(1..).unwrap_or_default())))?
        }
        (false, _) => {
            let message = format!("is not an object; send one field per input: {}", names(signature));
            return Err(Error::faults(vec![Fault::at(&[INPUTS], message, "type")]));
        }
    };
    Ok(Asked::Predictions(Shape::Columns, vec![input]))
}

fn names(signature: &Signature) -> String {
    let names: Vec<&str> = signature.inputs.iter().map(|spec| spec.name.as_str()).collect();
    names.join(", ")
}
