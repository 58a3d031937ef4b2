//! A whole body as the raw bytes of a model's only input: no JSON, no copy.
//!
//! The shape follows the Open Inference Protocol's binary extension: the batch axis is one, and one further
//! dynamic axis is found from the length.

use bytes::Bytes;

use super::signature::{Dim, Signature};
use crate::error::{Error, Kind};
use crate::payload::Tensors;
use crate::tensor::Tensor;

/// Takes `body` as the little-endian elements of the only input.
///
/// # Errors
/// Unsupported media type when the model has several inputs or takes strings; malformed when the length fits no shape.
pub fn decode(signature: &Signature, body: Bytes) -> Result<Tensors, Error> {
    let [spec] = signature.inputs.as_slice() else {
        return Err(Error::new(
            Kind::UnsupportedMediaType,
            "raw bytes need a model with one input; send JSON",
        ));
    };
    let Some(size) = spec.dtype.size() else {
        return Err(Error::new(
            Kind::UnsupportedMediaType,
            "raw bytes need elements of fixed size; send JSON",
        ));
    };
    let mut shape = Vec::with_capacity(spec.shape.len());
    let mut unknown = None;
    for (axis, dim) in spec.shape.iter().enumerate() {
        shape.push(match dim {
            Dim::Fixed(n) => *n,
            Dim::Symbol(_) if axis == 0 => 1,
            Dim::Symbol(_) if unknown.is_none() => {
                unknown = Some(axis);
                1
            }
            Dim::Symbol(_) => {
                let message = format!(
                    "{} has several dynamic axes {}; send JSON",
                    spec.name,
                    spec.shape_text()
                );
                return Err(Error::malformed(message));
            }
        });
    }
    let known = shape.iter().product::<usize>() * size;
    if let (Some(axis), true) = (unknown, known > 0 && body.len().is_multiple_of(known)) {
        shape[axis] = body.len() / known;
    }
    let tensor = Tensor::packed(spec.dtype, shape, body)
        .map_err(|e| Error::malformed(format!("{} takes {} {}: {e}", spec.name, spec.dtype, spec.shape_text())))?;
    Ok(Tensors {
        tensors: vec![tensor],
        implicit_batch: false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::signature::tests::spec;
    use super::*;
    use crate::tensor::DType;

    fn shape(dims: &[&str], bytes: usize) -> Result<Vec<usize>, Kind> {
        let signature = Signature::new(vec![spec("x", DType::F32, dims)], vec![spec("y", DType::F32, &["n"])]);
        decode(&signature, Bytes::from(vec![0; bytes]))
            .map(|t| t.tensors[0].shape().to_vec())
            .map_err(|e| e.kind())
    }

    #[test]
    fn the_batch_axis_is_one_and_one_more_axis_follows_from_the_length() {
        assert_eq!(shape(&["n", "3"], 12), Ok(vec![1, 3]));
        assert_eq!(shape(&["n", "t"], 20), Ok(vec![1, 5]));
        assert_eq!(shape(&["n", "t", "2"], 16), Ok(vec![1, 2, 2]));
    }

    #[test]
    fn a_length_that_fits_no_shape_is_malformed() {
        assert_eq!(shape(&["n", "3"], 24), Err(Kind::Malformed));
        assert_eq!(shape(&["n", "t", "2"], 12), Err(Kind::Malformed));
        assert_eq!(shape(&["n", "t", "u"], 12), Err(Kind::Malformed));
    }
}
