//! Inputs made up from a signature: for the dummy run at load, and for the example in the docs.

use bytes::Bytes;

use crate::contract::{Dim, Signature, TensorSpec};
use crate::tensor::{DType, Tensor};

/// Lengths tried for axes whose length nobody knows, most likely first: sequences, then pictures.
pub const LENGTHS: [usize; 6] = [8, 1, 32, 128, 224, 512];

/// One row of zeros per input; unknown axes are of the first length.
pub fn zeros(signature: &Signature) -> Vec<Tensor> {
    inputs(signature, 1, LENGTHS[0], &mut |_| 0)
}

/// `rows` random rows per input, with unknown axes of `length`. The same seed gives the same rows.
pub fn random(signature: &Signature, rows: usize, length: usize, seed: u64) -> Vec<Tensor> {
    let mut random = fastrand::Rng::with_seed(seed);
    inputs(signature, rows, length, &mut |_| random.u8(..))
}

fn inputs(signature: &Signature, rows: usize, length: usize, next: &mut dyn FnMut(usize) -> u8) -> Vec<Tensor> {
    signature
        .inputs
        .iter()
        .map(|spec| input(spec, rows, length, next))
        .collect()
}

fn input(spec: &TensorSpec, rows: usize, length: usize, next: &mut dyn FnMut(usize) -> u8) -> Tensor {
    let axis = |(i, dim): (usize, &Dim)| match dim {
        Dim::Fixed(n) => *n,
        Dim::Symbol(_) if i == 0 => rows,
        Dim::Symbol(_) => length,
    };
    let shape: Vec<usize> = spec.shape.iter().enumerate().map(axis).collect();
    let n: usize = shape.iter().product();
    let mut fraction = |i| f32::from(next(i)) / 255.0;
    let tensor = match spec.dtype {
        DType::F32 => Tensor::from_vec(shape, (0..n).map(fraction).collect::<Vec<_>>()),
        DType::F64 => Tensor::from_vec(shape, (0..n).map(|i| f64::from(fraction(i))).collect::<Vec<_>>()),
        DType::F16 => Tensor::from_vec(
            shape,
            (0..n).map(|i| half::f16::from_f32(fraction(i))).collect::<Vec<_>>(),
        ),
        DType::BF16 => Tensor::from_vec(
            shape,
            (0..n).map(|i| half::bf16::from_f32(fraction(i))).collect::<Vec<_>>(),
        ),
        DType::Bytes => Tensor::strings(shape, vec![Bytes::from_static(b"a"); n]),
        // Small integers are fit for indices, token ids and masks alike; 0 and 1 are in every range.
        integer => {
            let size = integer.size().unwrap_or(1);
            let mut bytes = vec![0u8; n * size];
            bytes
                .iter_mut()
                .step_by(size)
                .enumerate()
                .for_each(|(i, b)| *b = next(i) & 1);
            Tensor::packed(integer, shape, bytes.into())
        }
    };
    tensor.unwrap_or_else(|_| unreachable!("filled to its shape"))
}
