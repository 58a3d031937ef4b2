//! The tensor signature of a model: names, element types and shapes of its inputs and outputs.

use std::fmt;

use crate::error::Fault;
use crate::tensor::{DType, Tensor};

/// One axis of a tensor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dim {
    Fixed(usize),
    /// Any length; axes of one name have one length within a request. Unnamed axes have an empty name.
    Symbol(String),
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(n) => write!(f, "{n}"),
            Self::Symbol(name) if name.is_empty() => f.write_str("?"),
            Self::Symbol(name) => f.write_str(name),
        }
    }
}

/// Name, element type and shape of one input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    pub name: String,
    pub dtype: DType,
    pub shape: Vec<Dim>,
}

impl TensorSpec {
    /// The shape as text, `[batch, 64]`.
    pub fn shape_text(&self) -> String {
        let dims: Vec<_> = self.shape.iter().map(ToString::to_string).collect();
        format!("[{}]", dims.join(", "))
    }
}

/// Inputs and outputs of a tensor model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub inputs: Vec<TensorSpec>,
    pub outputs: Vec<TensorSpec>,
    batched: bool,
}

impl Signature {
    /// Requests may share a run only when every input and output has one and the same symbolic first axis.
    pub fn new(inputs: Vec<TensorSpec>, outputs: Vec<TensorSpec>) -> Self {
        let first = |spec: &TensorSpec| match spec.shape.first() {
            Some(Dim::Symbol(name)) if !name.is_empty() => Some(name.clone()),
            _ => None,
        };
        let axis = inputs.first().and_then(first);
        let batched =
            axis.is_some() && !outputs.is_empty() && inputs.iter().chain(&outputs).all(|spec| first(spec) == axis);
        Self {
            inputs,
            outputs,
            batched,
        }
    }

    /// Whether rows of several requests may share a run.
    pub const fn batched(&self) -> bool {
        self.batched
    }

    /// Whether the input's first axis may be left out by a client: it is symbolic, or fixed to one row.
    pub fn optional_batch_axis(&self) -> bool {
        let one_row = |spec: &TensorSpec| matches!(spec.shape.first(), Some(Dim::Symbol(_) | Dim::Fixed(1)));
        self.inputs.iter().all(one_row)
    }

    /// Checks tensors (in the order of the inputs) against dtypes, ranks, fixed axes and named axes.
    pub fn check(&self, tensors: &[Tensor]) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut named: Vec<(&str, usize, &str)> = Vec::new();
        for (spec, tensor) in self.inputs.iter().zip(tensors) {
            let at = |msg: String| Fault::at(&[&spec.name], msg, "shape");
            if tensor.dtype() != spec.dtype {
                faults.push(at(format!("is {}, the model takes {}", tensor.dtype(), spec.dtype)));
                continue;
            }
            if tensor.shape().len() != spec.shape.len() {
                faults.push(at(format!(
                    "has shape {:?}, the model takes {}",
                    tensor.shape(),
                    spec.shape_text()
                )));
                continue;
            }
            if tensor.shape().first() == Some(&0) {
                faults.push(at("has no row; send at least one".to_owned()));
            }
            for (dim, &got) in spec.shape.iter().zip(tensor.shape()) {
                match dim {
                    Dim::Fixed(want) if *want != got => {
                        let shape = tensor.shape();
                        faults.push(at(format!(
                            "has shape {shape:?}, the model takes {}",
                            spec.shape_text()
                        )));
                        break;
                    }
                    Dim::Symbol(name) if !name.is_empty() => match named.iter().find(|(known, ..)| known == name) {
                        Some((_, length, other)) if *length != got => faults.push(at(format!(
                            "axis {name} is {got} long here and {length} in {other}; they must agree"
                        ))),
                        Some(_) => {}
                        None => named.push((name, got, &spec.name)),
                    },
                    Dim::Fixed(_) | Dim::Symbol(_) => {}
                }
            }
        }
        faults
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn spec(name: &str, dtype: DType, shape: &[&str]) -> TensorSpec {
        let dim = |d: &&str| d.parse().map_or_else(|_| Dim::Symbol((*d).to_owned()), Dim::Fixed);
        TensorSpec {
            name: name.into(),
            dtype,
            shape: shape.iter().map(dim).collect(),
        }
    }

    #[test]
    fn a_model_batches_only_when_all_share_the_first_symbolic_axis() {
        let x = spec("x", DType::F32, &["n", "4"]);
        let y = spec("y", DType::F32, &["n", "2"]);
        assert!(Signature::new(vec![x.clone()], vec![y.clone()]).batched());
        for other in [
            spec("y", DType::F32, &["m"]),
            spec("y", DType::F32, &["3"]),
            spec("y", DType::F32, &[]),
        ] {
            assert!(!Signature::new(vec![x.clone()], vec![other]).batched());
        }
        let unnamed = spec("x", DType::F32, &["", "4"]);
        assert!(!Signature::new(vec![unnamed.clone()], vec![unnamed]).batched());
    }

    #[test]
    fn each_disagreement_is_named_with_the_shape_that_is_wanted() {
        let signature = Signature::new(
            vec![spec("a", DType::F32, &["n", "2"]), spec("b", DType::I64, &["n"])],
            vec![spec("y", DType::F32, &["n"])],
        );
        let a = |rows: usize, cols: usize| Tensor::from_vec(vec![rows, cols], vec![0f32; rows * cols]).unwrap();
        let b = |rows: usize| Tensor::from_vec(vec![rows], vec![0i64; rows]).unwrap();
        assert!(signature.check(&[a(3, 2), b(3)]).is_empty());
        let messages = |t: &[Tensor]| signature.check(t).into_iter().map(|f| f.msg).collect::<Vec<_>>();
        assert_eq!(messages(&[a(3, 5), b(3)]), ["has shape [3, 5], the model takes [n, 2]"]);
        assert_eq!(
            messages(&[a(3, 2), b(4)]),
            ["axis n is 4 long here and 3 in a; they must agree"]
        );
        assert_eq!(messages(&[b(3), b(3)]), ["is INT64, the model takes FP32"]);
        assert_eq!(messages(&[a(0, 2), b(0)]).len(), 2);
    }
}
