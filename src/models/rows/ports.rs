//! The inputs and outputs of a graph that a task knows: rows become tensors, and each row's part of the outputs is read.

use std::borrow::Cow;

use super::{RowTask, Slice};
use crate::backend::onnx::OnnxSession;
use crate::error::Error;
use crate::tensor::{DType, Tensor};

/// Names of the inputs, and where the outputs that are read stand among all.
#[derive(Default)]
pub struct Ports {
    inputs: Vec<String>,
    outputs: Vec<usize>,
}

impl Ports {
    /// # Errors
    /// When the session has no output of one of these names.
    pub fn new(session: &OnnxSession, outputs: &[&str]) -> Result<Self, Error> {
        let place = |name: &&str| {
            let place = session.output_names().position(|known| known == *name);
            place.ok_or_else(|| differs(name))
        };
        Ok(Self {
            inputs: session.input_names().map(str::to_owned).collect(),
            outputs: outputs.iter().map(place).collect::<Result<_, _>>()?,
        })
    }

    /// What a run of these rows is fed.
    ///
    /// # Errors
    /// When the task has nothing for an input.
    pub fn tensors<T: RowTask>(&self, task: &T, rows: &[&T::Row]) -> Result<Vec<Tensor>, Error> {
        let tensor = |name: &String| task.tensor(name, rows).ok_or_else(|| differs(name));
        self.inputs.iter().map(tensor).collect()
    }

    /// Reads what a run of so many rows gave. `read` is given the number of each row and its part of the outputs.
    ///
    /// # Errors
    /// When the outputs have not the form that was expected of them.
    pub fn read<A>(
        &self,
        tensors: &[Tensor],
        rows: usize,
        mut read: impl FnMut(usize, &[Slice<'_>]) -> A,
    ) -> Result<Vec<A>, Error> {
        let outputs = self
            .outputs
            .iter()
            .map(|place| floats(&tensors[*place]).map(|values| (&tensors[*place], values)))
            .collect::<Result<Vec<_>, _>>()?;
        if outputs.iter().any(|(tensor, _)| tensor.shape().first() != Some(&rows)) {
            return Err(Error::pipeline(
                "the model gave another number of rows than it took; set max_batch_size = 1 for it",
            ));
        }
        let answers = (0..rows).map(|row| {
            let slices: Vec<Slice<'_>> = outputs
                .iter()
                .map(|(tensor, values)| slice(tensor, values, row))
                .collect();
            read(row, &slices)
        });
        Ok(answers.collect())
    }
}

fn differs(name: &str) -> Error {
    Error::pipeline(format!("the loaded graph and its file differ in {name}"))
}

fn slice<'a>(tensor: &'a Tensor, values: &'a [f32], row: usize) -> Slice<'a> {
    let shape = &tensor.shape()[1..];
    let size: usize = shape.iter().product();
    Slice {
        shape,
        values: &values[row * size..(row + 1) * size],
    }
}

/// The numbers of an output, as they stand where they are of 32 bits.
fn floats(tensor: &Tensor) -> Result<Cow<'_, [f32]>, Error> {
    let other = || Error::pipeline(format!("the model gave {} where it should give scores", tensor.dtype()));
    let bytes = tensor.bytes().ok_or_else(other)?;
    Ok(match tensor.dtype() {
        DType::F32 => match bytemuck::try_cast_slice(&bytes[..]) {
            Ok(values) => Cow::Borrowed(values),
            Err(_) => Cow::Owned(bytemuck::pod_collect_to_vec(&bytes[..])),
        },
        DType::F16 => {
            let values: Vec<half::f16> = bytemuck::pod_collect_to_vec(&bytes[..]);
            Cow::Owned(values.into_iter().map(half::f16::to_f32).collect())
        }
        DType::BF16 => {
            let values: Vec<half::bf16> = bytemuck::pod_collect_to_vec(&bytes[..]);
            Cow::Owned(values.into_iter().map(half::bf16::to_f32).collect())
        }
        _ => return Err(other()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_of_half_precision_are_read() {
        let halves = vec![half::f16::from_f32(0.5), half::f16::from_f32(-2.0)];
        let tensor = Tensor::from_vec(vec![2, 1], halves).unwrap();
        assert_eq!(floats(&tensor).unwrap().into_owned(), [0.5, -2.0]);
        assert!(floats(&Tensor::from_vec(vec![1], vec![1i64]).unwrap()).is_err());
    }
}
