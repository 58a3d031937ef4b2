//! Tensors as JSON: one field per tensor, nested lists of the tensor's shape.
//!
//! Decoding goes from bytes straight into packed elements; only after a failure is the body read a second
//! time as a value, to list every fault. Numbers are written with the shortest text that reads back the same;
//! NaN and infinities, which JSON lacks, are written as `null`.

mod decode;
mod elements;
mod encode;
mod explain;
mod nested;
mod number;
mod quick;

pub use decode::decode;
pub use encode::{encode, fields};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use bytes::Bytes;
    use serde_json::Value;

    use super::super::signature::Signature;
    use super::super::signature::tests::spec;
    use super::*;
    use crate::error::Kind;
    use crate::tensor::{DType, Tensor};

    fn signature() -> Signature {
        Signature::new(
            vec![spec("x", DType::F32, &["n", "2"])],
            vec![spec("y", DType::F32, &["n", "2"])],
        )
    }

    fn floats(tensor: &Tensor) -> Vec<f32> {
        bytemuck::pod_collect_to_vec(tensor.bytes().unwrap())
    }

    #[test]
    fn nested_lists_become_packed_rows() {
        let read = decode(&signature(), br#" {"x": [[1, 2.5], [-3e0, 4]]} "#).unwrap();
        assert_eq!(read.tensors[0].shape(), [2, 2]);
        assert_eq!(floats(&read.tensors[0]), [1., 2.5, -3., 4.]);
        assert!(!read.implicit_batch);
    }

    #[test]
    fn a_missing_batch_axis_is_added_and_remembered() {
        let read = decode(&signature(), br#"{"x":[1,2]}"#).unwrap();
        assert_eq!(read.tensors[0].shape(), [1, 2]);
        assert!(read.implicit_batch);
    }

    #[test]
    fn broken_json_is_malformed_and_says_where() {
        let error = decode(&signature(), br#"{"x":[[1,2],"#).unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed);
        assert!(error.message().contains("line 1 column 12"), "{error}");
    }

    #[test]
    fn each_fault_is_told_with_its_path() {
        let told = |body: Value| {
            let error = decode(&signature(), body.to_string().as_bytes()).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
            error
                .detail()
                .iter()
                .map(|f| format!("{}: {}", f.loc.join("."), f.msg))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            told(json!({"x": [[1, "a"]]})),
            [r#"body.x.0.1: is "a", expected a FP32 element"#]
        );
        assert_eq!(
            told(json!({"x": [[1, 2], [3]]})),
            ["body.x.1: has 1 entries, its neighbours have 2"]
        );
        assert_eq!(
            told(json!({"x": [[1, 2], 3]})),
            ["body.x.1: is an element where its neighbours are lists"]
        );
        assert_eq!(
            told(json!({"x": [[1, 2, 3]]})),
            ["body.x: has shape [1, 3], the model takes [n, 2]"]
        );
        assert_eq!(
            told(json!([1])),
            ["body: is not an object; send one field per input: x"]
        );
        assert_eq!(
            told(json!({"z": 1})),
            [
                "body.x: is required: nested lists of FP32 [n, 2]",
                "body.z: is no input of the model; its inputs are x"
            ]
        );
        assert_eq!(told(json!({"x": [3, [1, 2]]})).len(), 1);
    }

    #[test]
    fn integers_keep_to_their_range_and_take_no_fraction() {
        let bytes = Signature::new(vec![spec("x", DType::U8, &["n"])], vec![spec("y", DType::U8, &["n"])]);
        assert!(decode(&bytes, br#"{"x":[0,255]}"#).is_ok());
        assert!(decode(&bytes, br#"{"x":[256]}"#).is_err());
        assert!(decode(&bytes, br#"{"x":[1.5]}"#).is_err());
        assert!(decode(&bytes, br#"{"x":[true]}"#).is_err());
    }

    #[test]
    fn strings_booleans_and_not_numbers_are_written_as_json_has_them() {
        let specs = [
            spec("s", DType::Bytes, &["1"]),
            spec("b", DType::Bool, &["2"]),
            spec("f", DType::F32, &["2"]),
        ];
        let tensors = [
            Tensor::strings(vec![1], vec![Bytes::from_static("a\"é".as_bytes())]).unwrap(),
            Tensor::packed(DType::Bool, vec![2], Bytes::from_static(&[1, 0])).unwrap(),
            Tensor::from_vec(vec![2], vec![f32::NAN, 0.1]).unwrap(),
        ];
        let text = encode(&specs, &tensors);
        assert_eq!(text, r#"{"results":{"s":["a\"é"],"b":[true,false],"f":[null,0.1]}}"#);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_bit_for_bit(rows in 1usize..4, seed in proptest::collection::vec(-1e30f32..1e30, 6)) {
            let signature = signature();
            let tensor = Tensor::from_vec(vec![rows, 2], seed[..rows.min(3) * 2].to_vec());
            prop_assume!(tensor.is_ok());
            let tensor = tensor.unwrap();
            let text = encode(&signature.inputs, std::slice::from_ref(&tensor));
            let value: Value = serde_json::from_slice(&text).unwrap();
            let again = decode(&signature, value["results"].to_string().as_bytes()).unwrap();
            prop_assert_eq!(&again.tensors[0], &tensor);
        }
    }
}
