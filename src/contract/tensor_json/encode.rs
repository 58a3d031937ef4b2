//! Tensors written as JSON text.

use bytes::Bytes;

use crate::contract::signature::TensorSpec;
use crate::tensor::{DType, Data, Tensor};

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
    let inner = match shape {
        [] => return elements.iter().take(1).for_each(|element| write(out, element)),
        [_] => return write_list(out, elements, write),
        [_, inner @ ..] => inner,
    };
    let step: usize = inner.iter().product();
    out.push(b'[');
    for i in 0..shape[0] {
        if i > 0 {
            out.push(b',');
        }
        write_nested(out, inner, &elements[i * step..(i + 1) * step], write);
    }
    out.push(b']');
}

/// Lists of elements are most of a text.
fn write_list<T>(out: &mut Vec<u8>, elements: &[T], write: &mut impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (i, element) in elements.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(out, element);
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
