use serde_json::{Value, json};

use super::*;
use crate::contract::{Dim, Signature, TensorSpec};
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
