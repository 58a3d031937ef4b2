//! The elements of nested lists, and the shape that grows while the lists are walked.

use bytes::Bytes;

/// A leaf of the nested lists; each method answers `None` when the text does not fit the type.
pub trait Scalar: Sized {
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

pub struct Truth(pub bool);
impl Scalar for Truth {
    fn from_bool(v: bool) -> Option<Self> {
        Some(Self(v))
    }
}

pub struct Word(pub Bytes);
impl Scalar for Word {
    fn from_str(v: &str) -> Option<Self> {
        Some(Self(Bytes::copy_from_slice(v.as_bytes())))
    }
}

/// Grows while the lists are walked. `shape[d]` is fixed by the first list that closes at depth `d`.
pub struct Builder<T> {
    shape: Vec<Option<usize>>,
    leaf_depth: Option<usize>,
    elements: Vec<T>,
}

/// Why nested lists are no tensor.
pub type Ragged = &'static str;

const DEPTH: Ragged = "lists of unequal depth";

impl<T> Builder<T> {
    pub fn with_capacity(elements: usize) -> Self {
        Self {
            shape: Vec::new(),
            leaf_depth: None,
            elements: Vec::with_capacity(elements),
        }
    }

    /// An element inside of `depth` lists.
    pub fn leaf(&mut self, depth: usize, element: T) -> Result<(), Ragged> {
        if *self.leaf_depth.get_or_insert(depth) != depth || self.shape.len() > depth {
            return Err(DEPTH);
        }
        self.elements.push(element);
        Ok(())
    }

    /// A list inside of `depth` others begins.
    pub fn open(&mut self, depth: usize) -> Result<(), Ragged> {
        if self.leaf_depth.is_some_and(|leaf| depth >= leaf) {
            return Err(DEPTH);
        }
        if self.shape.len() == depth {
            self.shape.push(None);
        }
        Ok(())
    }

    /// It ends with so many entries.
    pub fn close(&mut self, depth: usize, length: usize) -> Result<(), Ragged> {
        if *self.shape[depth].get_or_insert(length) == length {
            Ok(())
        } else {
            Err("lists of unequal length")
        }
    }

    /// The shape, and the elements side by side.
    pub fn finish(self) -> (Vec<usize>, Vec<T>) {
        let shape = self.shape.into_iter().map(|n| n.unwrap_or(0)).collect();
        (shape, self.elements)
    }
}
