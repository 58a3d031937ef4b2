//! Sequences as the tensors a graph takes, padded to the longest of the run.

use crate::contract::{Dim, Signature, TensorSpec};
use crate::tensor::{DType, Tensor};

/// A sequence of tokens: one row of a run.
pub trait Row {
    fn ids(&self) -> &[u32];
    /// Which part of a pair each token is of.
    fn type_ids(&self) -> &[u32];
}

/// What a graph takes of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Ids,
    Mask,
    TypeIds,
    Positions,
}

impl Input {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "input_ids" => Self::Ids,
            "attention_mask" => Self::Mask,
            "token_type_ids" => Self::TypeIds,
            "position_ids" => Self::Positions,
            _ => return None,
        })
    }

    /// What stands at a place of a sequence, or after its end.
    fn at<R: Row>(self, row: &R, place: usize, pad: u32) -> u32 {
        let inside = row.ids().get(place);
        match self {
            Self::Ids => inside.copied().unwrap_or(pad),
            Self::Mask => u32::from(inside.is_some()),
            Self::TypeIds => inside.and_then(|_| row.type_ids().get(place)).copied().unwrap_or(0),
            // One after the end, as the transformers library makes positions of a mask.
            Self::Positions => inside.map_or(1, |_| u32::try_from(place).unwrap_or(u32::MAX)),
        }
    }
}

/// How a graph is fed, as far as its file tells.
#[derive(Clone, Debug)]
pub struct Plan {
    inputs: Vec<(String, Input, DType)>,
    length: Option<usize>,
}

/// The length of every sequence, where the graph fixes it.
pub fn fixed_length(signature: &Signature) -> Option<usize> {
    let fixed = |spec: &TensorSpec| match spec.shape.get(1) {
        Some(Dim::Fixed(n)) => Some(*n),
        _ => None,
    };
    signature.inputs.iter().find_map(fixed)
}

impl Plan {
    /// For a graph that gives these outputs.
    ///
    /// # Errors
    /// A sentence that names the input or output that does not fit.
    pub fn new(signature: &Signature, outputs: &[&str]) -> Result<Self, String> {
        let input = |spec: &TensorSpec| {
            let name = &spec.name;
            match (Input::named(name), spec.dtype) {
                (Some(input), DType::I64 | DType::I32) => Ok((name.clone(), input, spec.dtype)),
                (Some(_), other) => Err(format!("the graph's input {name} is {other}, expected INT64 or INT32")),
                (None, _) => Err(format!(
                    "the graph takes {name}, which no task on texts knows; task = \"tensor\" in model.toml serves it by \
                     its tensors"
                )),
            }
        };
        let inputs = signature.inputs.iter().map(input).collect::<Result<Vec<_>, _>>()?;
        if !inputs.iter().any(|(_, input, _)| *input == Input::Ids) {
            return Err("the graph has no input input_ids".into());
        }
        let known: Vec<&str> = signature.outputs.iter().map(|spec| spec.name.as_str()).collect();
        if let Some(missing) = outputs.iter().find(|name| !known.contains(name)) {
            return Err(format!(
                "the graph has no output {missing}; its outputs are {}",
                known.join(", ")
            ));
        }
        Ok(Self {
            inputs,
            length: fixed_length(signature),
        })
    }

    /// One input for sequences that run together; `None` when it is not of the plan.
    pub fn tensor<R: Row>(&self, name: &str, rows: &[&R], pad: u32) -> Option<Tensor> {
        let (_, input, dtype) = self.inputs.iter().find(|(known, ..)| known == name)?;
        let longest = rows.iter().map(|row| row.ids().len()).max().unwrap_or(0);
        Some(padded(*input, *dtype, rows, self.length(longest), pad))
    }

    /// What a run's sequences are padded to, the longest of which has `longest` tokens.
    pub fn length(&self, longest: usize) -> usize {
        // A text of no tokens still is a row.
        self.length.unwrap_or(longest).max(1)
    }
}

fn padded<R: Row>(input: Input, dtype: DType, rows: &[&R], length: usize, pad: u32) -> Tensor {
    let values = rows
        .iter()
        .flat_map(|row| (0..length).map(move |place| input.at(*row, place, pad)));
    let shape = vec![rows.len(), length];
    let tensor = if dtype == DType::I32 {
        Tensor::from_vec(shape, values.map(u32::cast_signed).collect::<Vec<i32>>())
    } else {
        Tensor::from_vec(shape, values.map(i64::from).collect::<Vec<i64>>())
    };
    tensor.unwrap_or_else(|_| unreachable!("filled row by row"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tokens(Vec<u32>);

    impl Row for Tokens {
        fn ids(&self) -> &[u32] {
            &self.0
        }

        fn type_ids(&self) -> &[u32] {
            &[0, 1]
        }
    }

    fn spec(name: &str, dtype: DType) -> TensorSpec {
        TensorSpec {
            name: name.into(),
            dtype,
            shape: vec![Dim::Symbol("batch".into()), Dim::Symbol("sequence".into())],
        }
    }

    fn numbers(input: Input, dtype: DType) -> Vec<i64> {
        let rows = [Tokens(vec![7, 8]), Tokens(vec![9])];
        let tensor = padded(input, dtype, &rows.iter().collect::<Vec<_>>(), 3, 5);
        assert_eq!(tensor.shape(), [2, 3]);
        let bytes = tensor.bytes().unwrap();
        if dtype == DType::I32 {
            let small: Vec<i32> = bytemuck::pod_collect_to_vec(&bytes[..]);
            small.into_iter().map(i64::from).collect()
        } else {
            bytemuck::pod_collect_to_vec(&bytes[..])
        }
    }

    #[test]
    fn rows_are_filled_up_to_the_longest() {
        for dtype in [DType::I64, DType::I32] {
            assert_eq!(numbers(Input::Ids, dtype), [7, 8, 5, 9, 5, 5]);
            assert_eq!(numbers(Input::Mask, dtype), [1, 1, 0, 1, 0, 0]);
            assert_eq!(numbers(Input::TypeIds, dtype), [0, 1, 0, 0, 0, 0]);
            assert_eq!(numbers(Input::Positions, dtype), [0, 1, 1, 0, 1, 1]);
        }
    }

    #[test]
    fn a_plan_says_what_does_not_fit() {
        let ids = spec("input_ids", DType::I64);
        let logits = spec("logits", DType::F32);
        let plan = |inputs: Vec<TensorSpec>, output: &str| {
            Plan::new(&Signature::new(inputs, vec![logits.clone()]), &[output]).map(drop)
        };
        assert_eq!(plan(vec![ids.clone()], "logits"), Ok(()));
        let told = plan(vec![ids.clone(), spec("pixel_values", DType::F32)], "logits").unwrap_err();
        assert!(told.contains("takes pixel_values"), "{told}");
        let told = plan(vec![ids], "start_logits").unwrap_err();
        assert!(
            told.contains("no output start_logits; its outputs are logits"),
            "{told}"
        );
        let told = plan(vec![spec("attention_mask", DType::I64)], "logits").unwrap_err();
        assert!(told.contains("input_ids"), "{told}");
    }
}
