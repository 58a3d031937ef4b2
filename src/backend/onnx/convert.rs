//! Tensors of ours to values of ONNX Runtime and back.

use bytes::Bytes;
use ort::session::SessionInputValue;
use ort::value::{DynValue, Tensor as OrtTensor, TensorElementType, TensorRef, ValueType};

use crate::tensor::{DType, Data, Element, Tensor};

/// Calls `$body` with `$T` as the Rust type of a packed dtype (booleans and strings apart).
macro_rules! for_packed {
    ($dtype:expr, $T:ident => $body:expr, else $other:expr) => {
        match $dtype {
            DType::F32 => {
                type $T = f32;
                $body
            }
            DType::F64 => {
                type $T = f64;
                $body
            }
            DType::F16 => {
                type $T = half::f16;
                $body
            }
            DType::BF16 => {
                type $T = half::bf16;
                $body
            }
            DType::I8 => {
                type $T = i8;
                $body
            }
            DType::I16 => {
                type $T = i16;
                $body
            }
            DType::I32 => {
                type $T = i32;
                $body
            }
            DType::I64 => {
                type $T = i64;
                $body
            }
            DType::U8 => {
                type $T = u8;
                $body
            }
            DType::U16 => {
                type $T = u16;
                $body
            }
            DType::U32 => {
                type $T = u32;
                $body
            }
            DType::U64 => {
                type $T = u64;
                $body
            }
            DType::Bool | DType::Bytes => $other,
        }
    };
}
pub(super) use for_packed;

/// A view of the tensor where its memory is aligned, a copy where it is not.
pub fn input(tensor: &Tensor) -> ort::Result<SessionInputValue<'_>> {
    let shape = tensor.shape();
    match tensor.data() {
        Data::Strings(strings) => {
            let words: Vec<_> = strings
                .iter()
                .map(|s| String::from_utf8_lossy(s).into_owned())
                .collect();
            Ok(OrtTensor::from_string_array((shape, &words[..]))?.into())
        }
        Data::Packed(bytes) => for_packed!(
            tensor.dtype(),
            T => match bytemuck::try_cast_slice::<u8, T>(bytes) {
                Ok(elements) => Ok(TensorRef::<T>::from_array_view((shape, elements))?.into()),
                Err(_) => Ok(OrtTensor::<T>::from_array((shape, bytemuck::pod_collect_to_vec::<u8, T>(bytes)))?.into()),
            },
            else {
                let bits: Vec<bool> = bytes.iter().map(|b| *b != 0).collect();
                Ok(OrtTensor::<bool>::from_array((shape, bits))?.into())
            }
        ),
    }
}

/// An output of a run. Large ones keep the runtime's own memory, small ones are copied out of it.
pub fn output(value: DynValue) -> ort::Result<Tensor> {
    let ValueType::Tensor { ty, .. } = value.dtype() else {
        return Err(ort::Error::new("the model gave a value that is no tensor"));
    };
    let dtype = dtype(*ty).ok_or_else(|| ort::Error::new(format!("the model gave a tensor of {ty}")))?;
    let tensor = match dtype {
        DType::Bytes => {
            let (shape, strings) = value.try_extract_strings()?;
            Tensor::strings(dims(shape), strings.into_iter().map(Bytes::from).collect())
        }
        DType::Bool => {
            let (shape, bits) = value.try_extract_tensor::<bool>()?;
            Tensor::packed(
                dtype,
                dims(shape),
                bits.iter().map(|b| u8::from(*b)).collect::<Vec<_>>().into(),
            )
        }
        _ => for_packed!(dtype, T => packed::<T>(value)?, else unreachable!("handled above")),
    };
    tensor.map_err(|e| ort::Error::new(e.to_string()))
}

/// Below this size a copy is cheaper than keeping the runtime's buffer alive.
const COPY_BELOW: usize = 16 * 1024;

fn packed<T>(value: DynValue) -> ort::Result<Result<Tensor, crate::tensor::SizeMismatch>>
where
    T: Element + ort::value::PrimitiveTensorElementType,
{
    let (shape, elements) = value.try_extract_tensor::<T>()?;
    let shape = dims(shape);
    let bytes: &[u8] = bytemuck::cast_slice(elements);
    let data = if bytes.len() < COPY_BELOW {
        Bytes::copy_from_slice(bytes)
    } else {
        Bytes::from_owner(Owner::<T>(value, std::marker::PhantomData))
    };
    Ok(Tensor::packed(T::DTYPE, shape, data))
}

/// Keeps an output's memory alive as long as slices of it are.
struct Owner<T>(DynValue, std::marker::PhantomData<T>);

impl<T: Element + ort::value::PrimitiveTensorElementType> AsRef<[u8]> for Owner<T> {
    fn as_ref(&self) -> &[u8] {
        // The same call succeeded before the owner was made.
        self.0
            .try_extract_tensor::<T>()
            .map_or(&[], |(_, elements)| bytemuck::cast_slice(elements))
    }
}

fn dims(shape: &ort::value::Shape) -> Vec<usize> {
    shape.iter().map(|d| usize::try_from(*d).unwrap_or(0)).collect()
}

const fn dtype(ty: TensorElementType) -> Option<DType> {
    Some(match ty {
        TensorElementType::Float32 => DType::F32,
        TensorElementType::Float64 => DType::F64,
        TensorElementType::Float16 => DType::F16,
        TensorElementType::Bfloat16 => DType::BF16,
        TensorElementType::Int8 => DType::I8,
        TensorElementType::Int16 => DType::I16,
        TensorElementType::Int32 => DType::I32,
        TensorElementType::Int64 => DType::I64,
        TensorElementType::Uint8 => DType::U8,
        TensorElementType::Uint16 => DType::U16,
        TensorElementType::Uint32 => DType::U32,
        TensorElementType::Uint64 => DType::U64,
        TensorElementType::Bool => DType::Bool,
        TensorElementType::String => DType::Bytes,
        _ => return None,
    })
}
