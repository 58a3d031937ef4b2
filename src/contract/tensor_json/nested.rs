//! Nested lists of any JSON reader as a tensor: their shape, and the elements packed side by side.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};

use super::elements::{Builder, Scalar, Truth, Word};
use crate::tensor::{DType, Data, Element};

/// Nested lists, flattened.
pub struct Nested {
    pub shape: Vec<usize>,
    pub data: Data,
}

/// One tensor of a dtype known from the signature.
pub struct AnyTensor {
    pub dtype: DType,
}

impl<'de> DeserializeSeed<'de> for AnyTensor {
    type Value = Nested;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Nested, D::Error> {
        match self.dtype {
            DType::F32 => packed::<f32, D>(d),
            DType::F64 => packed::<f64, D>(d),
            DType::F16 => packed::<half::f16, D>(d),
            DType::BF16 => packed::<half::bf16, D>(d),
            DType::I8 => packed::<i8, D>(d),
            DType::I16 => packed::<i16, D>(d),
            DType::I32 => packed::<i32, D>(d),
            DType::I64 => packed::<i64, D>(d),
            DType::U8 => packed::<u8, D>(d),
            DType::U16 => packed::<u16, D>(d),
            DType::U32 => packed::<u32, D>(d),
            DType::U64 => packed::<u64, D>(d),
            DType::Bool => {
                let (shape, bits) = nested::<Truth, D>(d)?;
                let bytes: Vec<u8> = bits.into_iter().map(|b| u8::from(b.0)).collect();
                Ok(Nested {
                    shape,
                    data: Data::Packed(bytes.into()),
                })
            }
            DType::Bytes => {
                let (shape, words) = nested::<Word, D>(d)?;
                Ok(Nested {
                    shape,
                    data: Data::Strings(words.into_iter().map(|w| w.0).collect()),
                })
            }
        }
    }
}

fn packed<'de, T: Element + Scalar, D: Deserializer<'de>>(d: D) -> Result<Nested, D::Error> {
    let (shape, elements) = nested::<T, D>(d)?;
    Ok(Nested {
        shape,
        data: Data::Packed(T::into_bytes(elements)),
    })
}

fn nested<'de, T: Scalar, D: Deserializer<'de>>(d: D) -> Result<(Vec<usize>, Vec<T>), D::Error> {
    let mut builder = Builder::with_capacity(0);
    Level {
        builder: &mut builder,
        depth: 0,
    }
    .deserialize(d)?;
    Ok(builder.finish())
}

struct Level<'a, T> {
    builder: &'a mut Builder<T>,
    depth: usize,
}

impl<T> Level<'_, T> {
    fn leaf<E: de::Error>(self, element: Option<T>) -> Result<(), E> {
        let element = element.ok_or_else(|| E::custom("not an element of the tensor's type"))?;
        self.builder.leaf(self.depth, element).map_err(E::custom)
    }
}

impl<'de, T: Scalar> DeserializeSeed<'de> for Level<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de, T: Scalar> Visitor<'de> for Level<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nested lists of elements")
    }

    fn visit_f64<E: de::Error>(self, v: f64) -> Result<(), E> {
        self.leaf(T::from_f64(v))
    }

    fn visit_i64<E: de::Error>(self, v: i64) -> Result<(), E> {
        self.leaf(T::from_i64(v))
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<(), E> {
        self.leaf(T::from_u64(v))
    }

    fn visit_bool<E: de::Error>(self, v: bool) -> Result<(), E> {
        self.leaf(T::from_bool(v))
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<(), E> {
        self.leaf(T::from_str(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { builder, depth } = self;
        builder.open(depth).map_err(de::Error::custom)?;
        let mut length = 0;
        while seq
            .next_element_seed(Level {
                builder: &mut *builder,
                depth: depth + 1,
            })?
            .is_some()
        {
            length += 1;
        }
        builder.close(depth, length).map_err(de::Error::custom)
    }
}
