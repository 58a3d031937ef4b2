//! Nested lists of elements: their shape, and the elements packed side by side.

use std::fmt;

use bytes::Bytes;
use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};

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

/// A leaf of the nested lists; each method answers `None` when the text does not fit the type.
trait Scalar: Sized {
    fn from_f64(_: f64) -> Option<Self> {
        None
    }
    fn from_i64(_: i64) -> Option<Self> {
        None
    }
    fn from_u64(_: u64) -> Option<Self> {
        None
    }
    fn from_bool(_: bool) -> Option<Self> {
        None
    }
    fn from_str(_: &str) -> Option<Self> {
        None
    }
}

macro_rules! float_scalar {
    ($($t:ty => $from:expr),*) => {$(
        impl Scalar for $t {
            #[allow(clippy::cast_possible_truncation, reason = "rounding to the model's precision is meant")]
            fn from_f64(v: f64) -> Option<Self> { Some($from(v)) }
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "as above")]
            fn from_i64(v: i64) -> Option<Self> { Some($from(v as f64)) }
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "as above")]
            fn from_u64(v: u64) -> Option<Self> { Some($from(v as f64)) }
        }
    )*};
}
float_scalar!(f32 => |v: f64| v as f32, f64 => |v: f64| v, half::f16 => half::f16::from_f64, half::bf16 => half::bf16::from_f64);

macro_rules! int_scalar {
    ($($t:ty),*) => {$(
        impl Scalar for $t {
            fn from_i64(v: i64) -> Option<Self> { v.try_into().ok() }
            fn from_u64(v: u64) -> Option<Self> { v.try_into().ok() }
        }
    )*};
}
int_scalar!(i8, i16, i32, i64, u8, u16, u32, u64);

struct Truth(bool);
impl Scalar for Truth {
    fn from_bool(v: bool) -> Option<Self> {
        Some(Self(v))
    }
}

struct Word(Bytes);
impl Scalar for Word {
    fn from_str(v: &str) -> Option<Self> {
        Some(Self(Bytes::copy_from_slice(v.as_bytes())))
    }
}

/// Grows while the lists are walked. `shape[d]` is fixed by the first list that closes at depth `d`.
struct Builder<T> {
    shape: Vec<Option<usize>>,
    leaf_depth: Option<usize>,
    elements: Vec<T>,
}

fn nested<'de, T: Scalar, D: Deserializer<'de>>(d: D) -> Result<(Vec<usize>, Vec<T>), D::Error> {
    let mut builder = Builder {
        shape: Vec::new(),
        leaf_depth: None,
        elements: Vec::new(),
    };
    Level {
        builder: &mut builder,
        depth: 0,
    }
    .deserialize(d)?;
    let shape = builder.shape.into_iter().map(|n| n.unwrap_or(0)).collect();
    Ok((shape, builder.elements))
}

struct Level<'a, T> {
    builder: &'a mut Builder<T>,
    depth: usize,
}

impl<T> Level<'_, T> {
    fn leaf<E: de::Error>(self, element: Option<T>) -> Result<(), E> {
        let element = element.ok_or_else(|| E::custom("not an element of the tensor's type"))?;
        if *self.builder.leaf_depth.get_or_insert(self.depth) != self.depth || self.builder.shape.len() > self.depth {
            return Err(E::custom("lists of unequal depth"));
        }
        self.builder.elements.push(element);
        Ok(())
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
        if builder.leaf_depth.is_some_and(|leaf| depth >= leaf) {
            return Err(de::Error::custom("lists of unequal depth"));
        }
        if builder.shape.len() == depth {
            builder.shape.push(None);
        }
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
        if *builder.shape[depth].get_or_insert(length) != length {
            return Err(de::Error::custom("lists of unequal length"));
        }
        Ok(())
    }
}
