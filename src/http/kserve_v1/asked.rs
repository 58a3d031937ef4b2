//! What a body of `:predict` asks for: rows or list entries under `instances`, columns under `inputs`, or, for a
//! model whose contract is JSON, the model's own request.
//!
//! The body is cut into pieces of JSON text, and each piece goes through the contract's own decoder: no value is
//! built in between, and faults keep their paths.

use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::contract::{Contract, Dim, Schema, Signature, parse_json};
use crate::error::{Error, Fault};
use crate::payload::Payload;

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

const INSTANCES: &str = "instances";
const INPUTS: &str = "inputs";

type Fields<'a> = HashMap<String, &'a RawValue>;

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
                let input = contract
                    .decode(text.get().as_bytes())
                    .map_err(|e| placed(&e, |loc| under(&[INPUTS], loc)))?;
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

/// The fields of an object as JSON text; `None` for anything else.
fn fields(text: &[u8]) -> Option<Fields<'_>> {
    serde_json::from_slice(text).ok()
}

/// The entries of a list as JSON text; `None` for anything else.
fn list(text: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(text.get()).ok()
}

fn not_a_list() -> Error {
    Error::malformed("instances is not a list; send {\"instances\": [ROW, …]}")
}

/// Requests of a model whose contract is JSON, one an entry.
fn entries(contract: &Contract, key: &str, items: &[&RawValue]) -> Result<Asked, Error> {
    let decode = |(i, item): (usize, &&RawValue)| {
        let told = |e: Error| placed(&e, |loc| under(&[key, &i.to_string()], loc));
        contract.decode(item.get().as_bytes()).map_err(told)
    };
    let inputs = items.iter().enumerate().map(decode).collect::<Result<_, Error>>()?;
    Ok(Asked::Predictions(Shape::List, inputs))
}

/// Rows of a tensor model: the rows of its only input, or objects with a row of each.
fn rows(contract: &Contract, signature: &Signature, text: &RawValue) -> Result<Asked, Error> {
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
fn columns(contract: &Contract, signature: &Signature, text: &RawValue) -> Result<Asked, Error> {
    let input = match (text.get().starts_with('{'), signature.inputs.as_slice()) {
        (true, _) => contract
            .decode(text.get().as_bytes())
            .map_err(|e| placed(&e, |loc| under(&[INPUTS], loc)))?,
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

/// An object of fields that are JSON text.
fn object<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
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

/// A path inside of a piece, as it is in the body.
fn under(piece: &[&str], inner: &[String]) -> Vec<String> {
    let outer = std::iter::once("body").chain(piece.iter().copied()).map(str::to_owned);
    outer.chain(inner.iter().cloned()).collect()
}

/// The error of a piece with its paths put right; `place` gets each without the leading `body`.
fn placed(error: &Error, place: impl Fn(&[String]) -> Vec<String>) -> Error {
    if error.detail().is_empty() {
        return error.clone();
    }
    let moved = |fault: &Fault| Fault {
        loc: place(fault.loc.get(1..).unwrap_or_default()),
        ..fault.clone()
    };
    Error::faults(error.detail().iter().map(moved).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contract::TensorSpec;
    use crate::error::Kind;
    use crate::tensor::{DType, Tensor};

    fn spec(name: &str, shape: &[Dim]) -> TensorSpec {
        TensorSpec {
            name: name.to_owned(),
            dtype: DType::F32,
            shape: shape.to_vec(),
        }
    }

    fn rows_axis() -> Dim {
        Dim::Symbol("n".to_owned())
    }

    fn one_input() -> Contract {
        let x = spec("x", &[rows_axis(), Dim::Fixed(2)]);
        Contract::tensors(Signature::new(vec![x.clone()], vec![x]))
    }

    fn two_inputs() -> Contract {
        let (a, b) = (spec("a", &[rows_axis(), Dim::Fixed(2)]), spec("b", &[rows_axis()]));
        Contract::tensors(Signature::new(vec![a, b.clone()], vec![b]))
    }

    fn tensors(contract: &Contract, body: &Value) -> (Shape, Vec<Vec<Tensor>>) {
        let asked = read(contract, body.to_string().as_bytes()).unwrap_or_else(|e| panic!("{body}: {e}"));
        let Asked::Predictions(shape, inputs) = asked else {
            panic!("{body} was taken as the model's own")
        };
        let inputs = inputs.into_iter().map(|input| input.into_tensors().unwrap().tensors);
        (shape, inputs.collect())
    }

    fn refused(contract: &Contract, body: &Value) -> Error {
        read(contract, body.to_string().as_bytes())
            .err()
            .unwrap_or_else(|| panic!("{body} was taken"))
    }

    #[test]
    fn rows_are_stacked_whichever_way_they_are_written() {
        let native = one_input().decode(br#"{"x":[[1,2],[3,4]]}"#).unwrap();
        let native = native.into_tensors().unwrap().tensors;
        for body in [
            json!({"instances": [[1, 2], [3, 4]]}),
            json!({"instances": [{"x": [1, 2]}, {"x": [3, 4]}], "signature_name": "serving_default"}),
        ] {
            assert_eq!(tensors(&one_input(), &body), (Shape::Rows(2), vec![native.clone()]));
        }
        for body in [
            json!({"inputs": [[1, 2], [3, 4]]}),
            json!({"inputs": {"x": [[1, 2], [3, 4]]}}),
        ] {
            assert_eq!(tensors(&one_input(), &body), (Shape::Columns, vec![native.clone()]));
        }
        let body = json!({"instances": [{"a": [1, 2], "b": 5}, {"b": 6, "a": [3, 4]}]});
        let (shape, inputs) = tensors(&two_inputs(), &body);
        assert_eq!(shape, Shape::Rows(2));
        assert_eq!((inputs[0][0].shape(), inputs[0][1].shape()), (&[2, 2][..], &[2][..]));
    }

    #[test]
    fn a_graph_of_one_row_gets_each_row_by_itself() {
        let x = spec("x", &[Dim::Fixed(1), Dim::Fixed(2)]);
        let contract = Contract::tensors(Signature::new(vec![x.clone()], vec![x]));
        let (shape, inputs) = tensors(&contract, &json!({"instances": [[1, 2], [3, 4], [5, 6]]}));
        assert_eq!((shape, inputs.len()), (Shape::Rows(3), 3));
        let error = refused(&contract, &json!({"instances": [[1, 2], [3]]}));
        assert_eq!(error.detail()[0].loc, ["body", "instances"], "{error}");
    }

    #[test]
    fn faults_lead_back_into_the_body_that_was_sent() {
        let loc = |contract: &Contract, body: Value| {
            let error = refused(contract, &body);
            assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
            error.detail()[0].loc.join(".")
        };
        let one = one_input();
        assert_eq!(
            loc(&one, json!({"instances": [[1, 2], [1, "a"]]})),
            "body.instances.1.1"
        );
        let body = json!({"instances": [{"x": [1, 2]}, {"x": [1, "a"]}]});
        assert_eq!(loc(&one, body), "body.instances.1.x.1");
        assert_eq!(loc(&one, json!({"instances": [{"z": [1, 2]}]})), "body.instances.0.x");
        assert_eq!(loc(&one, json!({"inputs": [[1, "a"]]})), "body.inputs.0.1");
        assert_eq!(loc(&one, json!({"inputs": {"x": [[1, "a"]]}})), "body.inputs.x.0.1");
        assert_eq!(loc(&two_inputs(), json!({"instances": [[1, 2]]})), "body.instances.0");
        assert_eq!(loc(&two_inputs(), json!({"inputs": [[1, 2]]})), "body.inputs");
    }

    #[test]
    fn what_is_neither_form_is_told_as_such() {
        for body in [
            json!({"instances": 5}),
            json!({"instances": {"x": [1, 2]}}),
            json!({"instances": null}),
            json!({"instances": [[1, 2]], "inputs": [[1, 2]]}),
            json!({"x": [[1, 2]]}),
            json!([1]),
        ] {
            assert_eq!(refused(&one_input(), &body).kind(), Kind::Malformed, "{body}");
        }
        let flat = refused(&one_input(), &json!({"instances": [1, 2]}));
        assert!(flat.message().contains("list of rows"), "{flat}");
    }

    #[test]
    fn a_json_contract_takes_its_own_request_or_a_list_of_them() {
        let input = Schema::new(json!({"type": "object", "required": ["text"]}), Vec::new());
        let contract = Contract::json(input, Schema::any());
        let count = |body: &Value| match read(&contract, body.to_string().as_bytes()) {
            Ok(Asked::Own(_)) => 0,
            Ok(Asked::Predictions(shape, inputs)) => {
                assert_eq!(shape, Shape::List);
                inputs.len()
            }
            Err(error) => panic!("{body}: {error}"),
        };
        assert_eq!(count(&json!({"text": "a"})), 0);
        assert_eq!(count(&json!({"instances": [{"text": "a"}, {"text": "b"}]})), 2);
        assert_eq!(count(&json!({"instances": []})), 0);
        assert_eq!(count(&json!({"inputs": {"text": "a"}})), 1);
        let error = refused(&contract, &json!({"instances": [{"text": "a"}, {}]}));
        assert_eq!(error.detail()[0].loc, ["body", "instances", "1", "text"]);
    }

    #[test]
    fn a_field_of_the_contracts_own_is_the_models() {
        let root = json!({"type": "object", "properties": {"inputs": {"type": "string"}}});
        let contract = Contract::json(Schema::new(root, Vec::new()), Schema::any());
        assert!(matches!(read(&contract, br#"{"inputs":"a"}"#), Ok(Asked::Own(_))));
        assert!(matches!(
            read(&contract, br#"{"instances":[{"inputs":"a"}]}"#),
            Ok(Asked::Predictions(Shape::List, _))
        ));
    }
}
