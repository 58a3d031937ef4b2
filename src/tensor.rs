//! A named, typed, shaped block of bytes: what tensor models take and give.
//!
//! Data is little-endian and row-major (C order), held in `Bytes`, so that slices of one batch share one buffer.
//! Knows nothing of ONNX Runtime, JSON or a wire.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Element types, named as in the Open Inference Protocol (`FP32`, `INT64`, …; `BYTES` for strings).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    Bool,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F16,
    BF16,
    F32,
    F64,
    /// Strings or any bytes; elements have lengths of their own.
    Bytes,
}

impl DType {
    /// Every element type.
    pub const ALL: [Self; 14] = [
        Self::Bool,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::F16,
        Self::BF16,
        Self::F32,
        Self::F64,
        Self::Bytes,
    ];

    /// Bytes an element takes; `None` for [`DType::Bytes`].
    pub const fn size(self) -> Option<usize> {
        Some(match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
            Self::Bytes => return None,
        })
    }

    /// The name in the Open Inference Protocol.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::U8 => "UINT8",
            Self::U16 => "UINT16",
            Self::U32 => "UINT32",
            Self::U64 => "UINT64",
            Self::I8 => "INT8",
            Self::I16 => "INT16",
            Self::I32 => "INT32",
            Self::I64 => "INT64",
            Self::F16 => "FP16",
            Self::BF16 => "BF16",
            Self::F32 => "FP32",
            Self::F64 => "FP64",
            Self::Bytes => "BYTES",
        }
    }
}

impl Serialize for DType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for DType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let known = Self::ALL.into_iter().find(|d| d.name() == name);
        known.ok_or_else(|| serde::de::Error::custom(format!("{name} is no element type; FP32 is one")))
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The elements of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Fixed-size elements, little-endian, `shape.product() * dtype.size()` bytes.
    Packed(Bytes),
    /// Elements of [`DType::Bytes`], one entry each.
    Strings(Vec<Bytes>),
}

/// A dense tensor. The number of elements always agrees with the shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    data: Data,
}

/// The data does not fill the shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{dtype} of shape {shape:?} takes {expected} {unit}, got {got}")]
pub struct SizeMismatch {
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub expected: usize,
    pub got: usize,
    unit: &'static str,
}

impl Tensor {
    /// A tensor of fixed-size elements.
    ///
    /// # Errors
    /// When `data` is not exactly `shape.product() * dtype.size()` bytes long, or `dtype` is [`DType::Bytes`].
    pub fn packed(dtype: DType, shape: Vec<usize>, data: Bytes) -> Result<Self, SizeMismatch> {
        // A product that overflows can never agree with a length in memory.
        let expected = dtype
            .size()
            .and_then(|size| shape.iter().try_fold(size, |n, d| n.checked_mul(*d)))
            .unwrap_or(usize::MAX);
        if expected == data.len() {
            Ok(Self {
                dtype,
                shape,
                data: Data::Packed(data),
            })
        } else {
            Err(SizeMismatch {
                dtype,
                expected,
                got: data.len(),
                shape,
                unit: "bytes",
            })
        }
    }

    /// A tensor of strings.
    ///
    /// # Errors
    /// When the number of strings is not the product of the shape.
    pub fn strings(shape: Vec<usize>, data: Vec<Bytes>) -> Result<Self, SizeMismatch> {
        let expected = shape
            .iter()
            .try_fold(1usize, |n, d| n.checked_mul(*d))
            .unwrap_or(usize::MAX);
        if expected == data.len() {
            Ok(Self {
                dtype: DType::Bytes,
                shape,
                data: Data::Strings(data),
            })
        } else {
            Err(SizeMismatch {
                dtype: DType::Bytes,
                expected,
                got: data.len(),
                shape,
                unit: "elements",
            })
        }
    }

    /// A tensor over a vector of plain numbers, without a copy. The element type fixes the dtype.
    ///
    /// # Errors
    /// When the number of elements is not the product of the shape.
    pub fn from_vec<T: Element>(shape: Vec<usize>, data: Vec<T>) -> Result<Self, SizeMismatch> {
        Self::packed(T::DTYPE, shape, T::into_bytes(data))
    }

    pub const fn dtype(&self) -> DType {
        self.dtype
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub const fn data(&self) -> &Data {
        &self.data
    }

    /// The packed bytes; `None` for strings.
    pub const fn bytes(&self) -> Option<&Bytes> {
        match &self.data {
            Data::Packed(bytes) => Some(bytes),
            Data::Strings(_) => None,
        }
    }

    pub fn strings_data(&self) -> Option<&[Bytes]> {
        match &self.data {
            Data::Strings(strings) => Some(strings),
            Data::Packed(_) => None,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows along the first axis; a scalar is one row.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Rows `range` of the first axis, sharing this tensor's memory.
    ///
    /// # Panics
    /// When the tensor is a scalar or the range is out of bounds.
    #[must_use]
    pub fn slice_rows(&self, range: std::ops::Range<usize>) -> Self {
        let mut shape = self.shape.clone();
        shape[0] = range.len();
        let per_row: usize = self.shape[1..].iter().product();
        let data = match &self.data {
            Data::Packed(bytes) => {
                let row = per_row * self.dtype.size().unwrap_or(0);
                Data::Packed(bytes.slice(range.start * row..range.end * row))
            }
            Data::Strings(strings) => Data::Strings(strings[range.start * per_row..range.end * per_row].to_vec()),
        };
        Self {
            dtype: self.dtype,
            shape,
            data,
        }
    }

    /// The same elements without the first axis.
    ///
    /// # Panics
    /// When the first axis is not of length one.
    #[must_use]
    pub fn squeeze_first(mut self) -> Self {
        assert_eq!(
            self.shape.first(),
            Some(&1),
            "only an axis of one row can be taken away"
        );
        self.shape.remove(0);
        self
    }
}

/// Rust types that are tensor elements as they stand in memory on a little-endian machine.
pub trait Element: bytemuck::Pod + Send + Sync {
    const DTYPE: DType;

    /// Gives the vector's memory away as bytes, without a copy.
    fn into_bytes(data: Vec<Self>) -> Bytes {
        struct Owner<T>(Vec<T>);
        impl<T: bytemuck::Pod> AsRef<[u8]> for Owner<T> {
            fn as_ref(&self) -> &[u8] {
                bytemuck::cast_slice(&self.0)
            }
        }
        Bytes::from_owner(Owner(data))
    }
}

macro_rules! elements {
    ($($t:ty => $d:ident),* $(,)?) => { $(impl Element for $t { const DTYPE: DType = DType::$d; })* };
}
elements!(
    u8 => U8, u16 => U16, u32 => U32, u64 => U64, i8 => I8, i16 => I16, i32 => I32, i64 => I64,
    half::f16 => F16, half::bf16 => BF16, f32 => F32, f64 => F64,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_that_the_data_does_not_fill_is_refused_with_both_figures() {
        let error = Tensor::packed(DType::F32, vec![2, 3], Bytes::from_static(&[0; 20])).unwrap_err();
        assert_eq!(error.to_string(), "FP32 of shape [2, 3] takes 24 bytes, got 20");
        assert!(Tensor::packed(DType::F32, vec![usize::MAX, 2], Bytes::new()).is_err());
    }

    #[test]
    fn rows_are_cut_out_without_a_copy() {
        let tensor = Tensor::from_vec(vec![3, 2], vec![1f32, 2., 3., 4., 5., 6.]).unwrap();
        let row = tensor.slice_rows(1..2);
        assert_eq!(row.shape(), [1, 2]);
        let bytes = row.bytes().unwrap();
        assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(bytes), [3., 4.]);
        assert_eq!(bytes.as_ptr(), tensor.bytes().unwrap()[8..].as_ptr());
    }

    #[test]
    fn strings_are_cut_by_rows_too() {
        let words = ["a", "b", "c", "d"].map(|w| Bytes::from_static(w.as_bytes())).to_vec();
        let tensor = Tensor::strings(vec![2, 2], words).unwrap();
        assert_eq!(tensor.slice_rows(1..2).strings_data().unwrap(), [&b"c"[..], &b"d"[..]]);
        assert!(Tensor::strings(vec![3], vec![]).is_err());
    }
}
