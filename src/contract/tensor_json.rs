//! Tensors as JSON: one field per tensor, nested lists of the tensor's shape.
//!
//! Decoding goes from bytes straight into packed elements; only after a failure is the body read a second
//! time as a value, to list every fault. Numbers are written with the shortest text that reads back the same;
//! NaN and infinities, which JSON lacks, are written as `null`.

use std::fmt;

use bytes::Bytes;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::signature::{Signature, TensorSpec};
use crate::error::{Error, Fault};
use crate::payload::Tensors;
use crate::tensor::{DType, Data, Element, Tensor};

/// Reads a JSON object with one field per input.
///
/// # Errors
/// Malformed when the body is no JSON; otherwise invalid input with the path of each fault.
pub fn decode(signature: &Signature, body: &[u8]) -> Result<Tensors, Error> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = Inputs { signature }
        .deserialize(&mut reader)
        .and_then(|raw| reader.end().map(|()| raw));
    match read {
        Ok(raw) if raw.iter().all(Option::is_some) => assemble(signature, raw.into_iter().flatten().collect()),
        _ => Err(explain(signature, body)),
    }
}

/// Adds a missing batch axis, then checks the signature.
fn assemble(signature: &Signature, raw: Vec<Nested>) -> Result<Tensors, Error> {
    let short = raw
        .iter()
        .zip(&signature.inputs)
        .all(|(n, spec)| n.shape.len() + 1 == spec.shape.len());
    let implicit_batch = short && signature.optional_batch_axis();
    let mut tensors = Vec::with_capacity(raw.len());
    for (mut nested, spec) in raw.into_iter().zip(&signature.inputs) {
        if implicit_batch {
            nested.shape.insert(0, 1);
        }
        let tensor = match nested.data {
            Data::Packed(bytes) => Tensor::packed(spec.dtype, nested.shape, bytes),
            Data::Strings(strings) => Tensor::strings(nested.shape, strings),
        };
        tensors.push(tensor.map_err(|e| Error::faults(vec![Fault::at(&[&spec.name], e.to_string(), "shape")]))?);
    }
    let faults = signature.check(&tensors);
    if faults.is_empty() {
        Ok(Tensors {
            tensors,
            implicit_batch,
        })
    } else {
        Err(Error::faults(faults))
    }
}

struct Nested {
    shape: Vec<usize>,
    data: Data,
}

/// The object of all inputs; an input that is absent stays `None`.
struct Inputs<'a> {
    signature: &'a Signature,
}

impl<'de> DeserializeSeed<'de> for Inputs<'_> {
    type Value = Vec<Option<Nested>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Inputs<'_> {
    type Value = Vec<Option<Nested>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one field per input")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let inputs = &self.signature.inputs;
        let mut read: Vec<Option<Nested>> = inputs.iter().map(|_| None).collect();
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match inputs.iter().position(|spec| spec.name == name) {
                Some(i) => read[i] = Some(map.next_value_seed(AnyTensor { dtype: inputs[i].dtype })?),
                None => return Err(de::Error::custom("unknown input")),
            }
        }
        Ok(read)
    }
}

/// One tensor of a dtype known from the signature.
struct AnyTensor {
    dtype: DType,
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

/// Reads the body a second time, as a value, and names every fault.
fn explain(signature: &Signature, body: &[u8]) -> Error {
    let value: Value = match super::parse_json(body) {
        Ok(value) => value,
        Err(error) => return error,
    };
    let names = || {
        signature
            .inputs
            .iter()
            .map(|s| s.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let Value::Object(fields) = &value else {
        let message = format!("is not an object; send one field per input: {}", names());
        return Error::faults(vec![Fault::at::<&str>(&[], message, "type")]);
    };
    let mut faults = Vec::new();
    for spec in &signature.inputs {
        match fields.get(&spec.name) {
            None => {
                let message = format!("is required: nested lists of {} {}", spec.dtype, spec.shape_text());
                faults.push(Fault::at(&[&spec.name], message, "missing"));
            }
            Some(field) => faults.extend(tensor_fault(spec, field)),
        }
    }
    for name in fields
        .keys()
        .filter(|name| signature.inputs.iter().all(|s| s.name != **name))
    {
        faults.push(Fault::at(
            &[name],
            format!("is no input of the model; its inputs are {}", names()),
            "unknown",
        ));
    }
    Error::faults(faults)
}

/// The first place where a field is not nested lists of one shape and type.
fn tensor_fault(spec: &TensorSpec, field: &Value) -> Option<Fault> {
    fn walk(spec: &TensorSpec, value: &Value, path: &mut Vec<String>, shape: &mut Vec<usize>) -> Option<Fault> {
        let depth = path.len() - 1;
        let Value::Array(items) = value else {
            let text = value.to_string();
            let fits = AnyTensor { dtype: spec.dtype }.deserialize(value).is_ok();
            if !fits {
                let shown: String = text.chars().take(40).collect();
                return Some(Fault::at(
                    path,
                    format!("is {shown}, expected a {} element", spec.dtype),
                    "type",
                ));
            }
            let full = depth == shape.len();
            return (!full).then(|| Fault::at(path, "is an element where its neighbours are lists", "shape"));
        };
        // The first list met at a depth fixes the length of all others there.
        match shape.get(depth) {
            None => shape.push(items.len()),
            Some(&want) if want != items.len() => {
                let message = format!("has {} entries, its neighbours have {want}", items.len());
                return Some(Fault::at(path, message, "shape"));
            }
            Some(_) => {}
        }
        for (i, item) in items.iter().enumerate() {
            path.push(i.to_string());
            let fault = walk(spec, item, path, shape);
            path.pop();
            if fault.is_some() {
                return fault;
            }
        }
        None
    }
    let mut shape = Vec::new();
    walk(spec, field, &mut vec![spec.name.clone()], &mut shape).or_else(|| {
        let mixed = AnyTensor { dtype: spec.dtype }.deserialize(field).is_err();
        mixed.then(|| Fault::at(&[&spec.name], "mixes lists of unequal depth", "shape"))
    })
}

/// Writes `{"results":{NAME:nested,…}}`.
pub fn encode(specs: &[TensorSpec], tensors: &[Tensor]) -> Bytes {
    let elements: usize = tensors.iter().map(Tensor::len).sum();
    let mut out = Vec::with_capacity(32 + elements * 12);
    out.extend_from_slice(b"{\"results\":");
    write_fields(&mut out, specs, tensors);
    out.push(b'}');
    out.into()
}

/// Writes `{NAME:nested,…}`.
pub fn fields(specs: &[TensorSpec], tensors: &[Tensor]) -> Vec<u8> {
    let mut out = Vec::new();
    write_fields(&mut out, specs, tensors);
    out
}

fn write_fields(out: &mut Vec<u8>, specs: &[TensorSpec], tensors: &[Tensor]) {
    out.push(b'{');
    for (i, (spec, tensor)) in specs.iter().zip(tensors).enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_string(out, spec.name.as_bytes());
        out.push(b':');
        write_tensor(out, tensor);
    }
    out.push(b'}');
}

fn write_tensor(out: &mut Vec<u8>, tensor: &Tensor) {
    let shape = tensor.shape();
    match tensor.data() {
        Data::Strings(strings) => write_nested(out, shape, strings, &mut |out, s| write_string(out, s)),
        Data::Packed(bytes) => match tensor.dtype() {
            DType::F32 => write_packed::<f32>(out, shape, bytes, write_f32),
            DType::F64 => write_packed::<f64>(out, shape, bytes, write_f64),
            DType::F16 => write_packed::<half::f16>(out, shape, bytes, |out, v| write_f32(out, v.to_f32())),
            DType::BF16 => write_packed::<half::bf16>(out, shape, bytes, |out, v| write_f32(out, v.to_f32())),
            DType::I8 => write_packed::<i8>(out, shape, bytes, write_int),
            DType::I16 => write_packed::<i16>(out, shape, bytes, write_int),
            DType::I32 => write_packed::<i32>(out, shape, bytes, write_int),
            DType::I64 => write_packed::<i64>(out, shape, bytes, write_int),
            DType::U8 => write_packed::<u8>(out, shape, bytes, write_int),
            DType::U16 => write_packed::<u16>(out, shape, bytes, write_int),
            DType::U32 => write_packed::<u32>(out, shape, bytes, write_int),
            DType::U64 => write_packed::<u64>(out, shape, bytes, write_int),
            DType::Bool => write_packed::<u8>(out, shape, bytes, |out, v| {
                out.extend_from_slice(if v == 0 { b"false" } else { b"true" });
            }),
            DType::Bytes => unreachable!("strings are not packed"),
        },
    }
}

fn write_packed<T: bytemuck::Pod>(out: &mut Vec<u8>, shape: &[usize], bytes: &[u8], write: impl Fn(&mut Vec<u8>, T)) {
    // A slice of a batch keeps its alignment; a buffer from a wire may not have one.
    match bytemuck::try_cast_slice::<u8, T>(bytes) {
        Ok(elements) => write_nested(out, shape, elements, &mut |out, v| write(out, *v)),
        Err(_) => {
            let elements = bytemuck::pod_collect_to_vec::<u8, T>(bytes);
            write_nested(out, shape, &elements, &mut |out, v| write(out, *v));
        }
    }
}

fn write_nested<T>(out: &mut Vec<u8>, shape: &[usize], elements: &[T], write: &mut impl FnMut(&mut Vec<u8>, &T)) {
    let Some((&n, inner)) = shape.split_first() else {
        if let Some(element) = elements.first() {
            write(out, element);
        }
        return;
    };
    let step: usize = inner.iter().product();
    out.push(b'[');
    for i in 0..n {
        if i > 0 {
            out.push(b',');
        }
        write_nested(out, inner, &elements[i * step..(i + 1) * step], write);
    }
    out.push(b']');
}

fn write_f32(out: &mut Vec<u8>, v: f32) {
    if v.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(v).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

fn write_f64(out: &mut Vec<u8>, v: f64) {
    if v.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(v).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

fn write_int<T: itoa::Integer>(out: &mut Vec<u8>, v: T) {
    out.extend_from_slice(itoa::Buffer::new().format(v).as_bytes());
}

/// Strings go out as text; bytes that are no UTF-8 are replaced, since JSON has no other way.
fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    serde_json::to_writer(out, &String::from_utf8_lossy(text)).unwrap_or(());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::signature::tests::spec;
    use super::*;
    use crate::error::Kind;

    fn signature() -> Signature {
        Signature::new(
            vec![spec("x", DType::F32, &["n", "2"])],
            vec![spec("y", DType::F32, &["n", "2"])],
        )
    }

    fn floats(tensor: &Tensor) -> Vec<f32> {
        bytemuck::pod_collect_to_vec(tensor.bytes().unwrap())
    }

    #[test]
    fn nested_lists_become_packed_rows() {
        let read = decode(&signature(), br#" {"x": [[1, 2.5], [-3e0, 4]]} "#).unwrap();
        assert_eq!(read.tensors[0].shape(), [2, 2]);
        assert_eq!(floats(&read.tensors[0]), [1., 2.5, -3., 4.]);
        assert!(!read.implicit_batch);
    }

    #[test]
    fn a_missing_batch_axis_is_added_and_remembered() {
        let read = decode(&signature(), br#"{"x":[1,2]}"#).unwrap();
        assert_eq!(read.tensors[0].shape(), [1, 2]);
        assert!(read.implicit_batch);
    }

    #[test]
    fn broken_json_is_malformed_and_says_where() {
        let error = decode(&signature(), br#"{"x":[[1,2],"#).unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed);
        assert!(error.message().contains("line 1 column 12"), "{error}");
    }

    #[test]
    fn each_fault_is_told_with_its_path() {
        let told = |body: Value| {
            let error = decode(&signature(), body.to_string().as_bytes()).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
            error
                .detail()
                .iter()
                .map(|f| format!("{}: {}", f.loc.join("."), f.msg))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            told(json!({"x": [[1, "a"]]})),
            [r#"body.x.0.1: is "a", expected a FP32 element"#]
        );
        assert_eq!(
            told(json!({"x": [[1, 2], [3]]})),
            ["body.x.1: has 1 entries, its neighbours have 2"]
        );
        assert_eq!(
            told(json!({"x": [[1, 2], 3]})),
            ["body.x.1: is an element where its neighbours are lists"]
        );
        assert_eq!(
            told(json!({"x": [[1, 2, 3]]})),
            ["body.x: has shape [1, 3], the model takes [n, 2]"]
        );
        assert_eq!(
            told(json!([1])),
            ["body: is not an object; send one field per input: x"]
        );
        assert_eq!(
            told(json!({"z": 1})),
            [
                "body.x: is required: nested lists of FP32 [n, 2]",
                "body.z: is no input of the model; its inputs are x"
            ]
        );
        assert_eq!(told(json!({"x": [3, [1, 2]]})).len(), 1);
    }

    #[test]
    fn integers_keep_to_their_range_and_take_no_fraction() {
        let bytes = Signature::new(vec![spec("x", DType::U8, &["n"])], vec![spec("y", DType::U8, &["n"])]);
        assert!(decode(&bytes, br#"{"x":[0,255]}"#).is_ok());
        assert!(decode(&bytes, br#"{"x":[256]}"#).is_err());
        assert!(decode(&bytes, br#"{"x":[1.5]}"#).is_err());
        assert!(decode(&bytes, br#"{"x":[true]}"#).is_err());
    }

    #[test]
    fn strings_booleans_and_not_numbers_are_written_as_json_has_them() {
        let specs = [
            spec("s", DType::Bytes, &["1"]),
            spec("b", DType::Bool, &["2"]),
            spec("f", DType::F32, &["2"]),
        ];
        let tensors = [
            Tensor::strings(vec![1], vec![Bytes::from_static("a\"é".as_bytes())]).unwrap(),
            Tensor::packed(DType::Bool, vec![2], Bytes::from_static(&[1, 0])).unwrap(),
            Tensor::from_vec(vec![2], vec![f32::NAN, 0.1]).unwrap(),
        ];
        let text = encode(&specs, &tensors);
        assert_eq!(text, r#"{"results":{"s":["a\"é"],"b":[true,false],"f":[null,0.1]}}"#);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_bit_for_bit(rows in 1usize..4, seed in proptest::collection::vec(-1e30f32..1e30, 6)) {
            let signature = signature();
            let tensor = Tensor::from_vec(vec![rows, 2], seed[..rows.min(3) * 2].to_vec());
            prop_assume!(tensor.is_ok());
            let tensor = tensor.unwrap();
            let text = encode(&signature.inputs, std::slice::from_ref(&tensor));
            let value: Value = serde_json::from_slice(&text).unwrap();
            let again = decode(&signature, value["results"].to_string().as_bytes()).unwrap();
            prop_assert_eq!(&again.tensors[0], &tensor);
        }
    }
}
