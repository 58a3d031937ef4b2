//! Outputs written as `{"predictions":…}`.

use bytes::Bytes;

use super::asked::Shape;
use crate::contract::{Contract, Signature, TensorSpec, tensors_as_json};
use crate::error::{Error, Kind};
use crate::payload::Output;
use crate::tensor::Tensor;

/// # Errors
/// When an output is an artefact, or has no row for each instance.
pub fn encode(contract: &Contract, shape: Shape, outputs: Vec<Output>) -> Result<Bytes, Error> {
    let mut text = b"{\"predictions\":".to_vec();
    match (shape, contract.signature()) {
        (Shape::List, _) | (_, None) => {
            let results = outputs.into_iter().map(|output| contract.encode(output));
            let results = results.collect::<Result<Vec<Bytes>, Error>>()?;
            text.push(b'[');
            text.extend_from_slice(&results.join(&b","[..]));
            text.push(b']');
        }
        (Shape::Rows(rows), Some(signature)) => {
            let mut entries: Vec<Vec<u8>> = Vec::new();
            let mut found = 0;
            for output in outputs {
                let tensors = tensors(output)?;
                let here = rows_of(&tensors)?;
                found += here;
                entries.push(row_entries(signature, &tensors, here));
            }
            if found != rows {
                return Err(no_rows());
            }
            text.push(b'[');
            text.extend_from_slice(&entries.join(&b","[..]));
            text.push(b']');
        }
        (Shape::Columns, Some(signature)) => {
            for output in outputs {
                let tensors = tensors(output)?;
                text.extend_from_slice(&match (signature.outputs.as_slice(), tensors.as_slice()) {
                    ([spec], [only]) => nested(spec, only),
                    (specs, tensors) => tensors_as_json(specs, tensors),
                });
            }
        }
    }
    text.push(b'}');
    Ok(text.into())
}

fn tensors(output: Output) -> Result<Vec<Tensor>, Error> {
    match output {
        Output::Tensors(tensors) => Ok(tensors),
        Output::Json(_) | Output::Media { .. } | Output::Files(_) | Output::Response { .. } | Output::Chunks => {
            Err(Error::pipeline("the pipeline did not give the tensors of its contract"))
        }
    }
}

/// The length of the first axis, which all outputs must share for rows to be told apart.
fn rows_of(tensors: &[Tensor]) -> Result<usize, Error> {
    let mut lengths = tensors.iter().map(|t| t.shape().first().copied());
    match lengths.next() {
        Some(Some(rows)) if lengths.all(|n| n == Some(rows)) => Ok(rows),
        _ => Err(no_rows()),
    }
}

fn no_rows() -> Error {
    Error::new(
        Kind::Unsupported,
        "the outputs of this model have no row for each instance; send inputs in place of instances",
    )
}

/// The rows of one run, separated by commas: of the only output, or objects with a row of each.
fn row_entries(signature: &Signature, tensors: &[Tensor], rows: usize) -> Vec<u8> {
    if let ([spec], [only]) = (signature.outputs.as_slice(), tensors) {
        let mut list = nested(spec, only);
        list.pop();
        list.drain(..1);
        return list;
    }
    let entry = |i: usize| {
        let row = |t: &Tensor| t.slice_rows(i..i + 1).squeeze_first();
        tensors_as_json(&signature.outputs, &tensors.iter().map(row).collect::<Vec<_>>())
    };
    (0..rows).map(entry).collect::<Vec<_>>().join(&b","[..])
}

/// A tensor as nested lists. The contract writes objects; under an empty name the frame of the value is known.
fn nested(spec: &TensorSpec, tensor: &Tensor) -> Vec<u8> {
    const FRAME: usize = b"{\"\":".len();
    let unnamed = TensorSpec {
        name: String::new(),
        ..spec.clone()
    };
    let mut text = tensors_as_json(&[unnamed], std::slice::from_ref(tensor));
    text.pop();
    text.drain(..FRAME);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Dim, Schema};
    use crate::tensor::DType;

    fn contract(outputs: &[&str]) -> Contract {
        let spec = |name: &&str| TensorSpec {
            name: (*name).to_owned(),
            dtype: DType::F32,
            shape: vec![Dim::Symbol("n".to_owned()), Dim::Fixed(2)],
        };
        let outputs: Vec<_> = outputs.iter().map(spec).collect();
        Contract::tensors(Signature::new(outputs.clone(), outputs))
    }

    fn tensor(rows: usize) -> Tensor {
        let values = [1f32, 2., 3., 4.];
        Tensor::from_vec(vec![rows, 2], values[..rows * 2].to_vec()).unwrap()
    }

    fn told(contract: &Contract, shape: Shape, outputs: Vec<Output>) -> String {
        let text = encode(contract, shape, outputs).unwrap();
        String::from_utf8(text.to_vec()).unwrap()
    }

    #[test]
    fn rows_go_out_as_rows_and_columns_as_columns() {
        let (one, two) = (contract(&["y"]), contract(&["y", "z"]));
        let single = || vec![Output::Tensors(vec![tensor(2)])];
        let double = || vec![Output::Tensors(vec![tensor(2), tensor(2)])];
        let parts = vec![Output::Tensors(vec![tensor(1)]), Output::Tensors(vec![tensor(1)])];
        let nested = r#"{"predictions":[[1.0,2.0],[3.0,4.0]]}"#;
        assert_eq!(told(&one, Shape::Rows(2), single()), nested);
        assert_eq!(told(&one, Shape::Columns, single()), nested);
        assert_eq!(
            told(&one, Shape::Rows(2), parts),
            r#"{"predictions":[[1.0,2.0],[1.0,2.0]]}"#
        );
        assert_eq!(
            told(&two, Shape::Rows(2), double()),
            r#"{"predictions":[{"y":[1.0,2.0],"z":[1.0,2.0]},{"y":[3.0,4.0],"z":[3.0,4.0]}]}"#
        );
        assert_eq!(
            told(&two, Shape::Columns, double()),
            r#"{"predictions":{"y":[[1.0,2.0],[3.0,4.0]],"z":[[1.0,2.0],[3.0,4.0]]}}"#
        );
    }

    #[test]
    fn outputs_without_a_row_for_each_instance_are_refused_for_rows_only() {
        let contract = contract(&["y"]);
        let error = encode(&contract, Shape::Rows(2), vec![Output::Tensors(vec![tensor(1)])]).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported);
    }

    #[test]
    fn results_of_a_json_contract_are_whole() {
        let contract = Contract::json(Schema::any(), Schema::any());
        let outputs = vec![Output::json(&1).unwrap(), Output::json("a").unwrap()];
        assert_eq!(told(&contract, Shape::List, outputs), r#"{"predictions":[1,"a"]}"#);
        assert_eq!(told(&contract, Shape::List, Vec::new()), r#"{"predictions":[]}"#);
    }
}
