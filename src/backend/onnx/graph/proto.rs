//! The messages of an ONNX file.
//!
//! Field numbers are those of `onnx.proto` (ONNX IR version 10); only what is needed is declared, the rest is
//! skipped by the decoder.

use bytes::Bytes;
use prost::Message;

use crate::tensor::DType;

#[derive(Clone, PartialEq, Message)]
pub struct ModelProto {
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
}

#[derive(Clone, PartialEq, Message)]
pub struct GraphProto {
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "bytes", tag = "9")]
    pub raw_data: Bytes,
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Entry {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ValueInfo {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TypeProto {
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShape>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TensorShape {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
    #[prost(int64, tag = "1")]
    pub dim_value: i64,
    #[prost(string, tag = "2")]
    pub dim_param: String,
}

/// `TensorProto.DataType`.
pub const fn dtype(code: i32) -> Option<DType> {
    Some(match code {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        8 => DType::Bytes,
        9 => DType::Bool,
        10 => DType::F16,
        11 => DType::F64,
        12 => DType::U32,
        13 => DType::U64,
        16 => DType::BF16,
        _ => return None,
    })
}

impl TensorProto {
    /// What is said of the place of its bytes in another file.
    pub fn external(&self, key: &str) -> Option<&String> {
        self.external_data.iter().find(|e| e.key == key).map(|e| &e.value)
    }

    /// Bytes of its elements, as its shape says; a broken file may say more than fits into a number.
    pub fn byte_size(&self) -> u64 {
        let size = dtype(self.data_type).and_then(DType::size).unwrap_or(1);
        let dims = self.dims.iter().map(|dim| u64::try_from(*dim).unwrap_or(0));
        dims.fold(size as u64, u64::saturating_mul)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_tensor_never_overflows() {
        let size = |dims: &[i64], data_type| {
            let dims = dims.to_vec();
            let tensor = TensorProto {
                dims,
                data_type,
                ..TensorProto::default()
            };
            tensor.byte_size()
        };
        assert_eq!(size(&[64, 10], 1), 2560);
        assert_eq!(size(&[], 7), 8);
        assert_eq!(size(&[i64::MAX, i64::MAX, 2], 1), u64::MAX);
        assert_eq!(size(&[i64::MAX, i64::MAX, 0], 1), 0);
        assert_eq!(size(&[-1, 5], 1), 0);
    }
}
