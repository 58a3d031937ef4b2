//! Tensors on the wire: their bytes, and where each lies, in the body of a frame or in the memory of its slot.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::{Frame, flags};
use super::memory::{self, Own};
use super::message::Placed;
use crate::contract::TensorSpec;
use crate::error::Error;
use crate::tensor::{DType, Data, Tensor};

/// Tensors from this size on travel in shared memory.
const IN_MEMORY: usize = 64 * 1024;
/// Where tensors begin in memory: what vector instructions and GPUs like.
const ALIGN: u64 = 64;

/// Tensors that are to be sent together.
pub struct Laid {
    /// Each with where it begins.
    parts: Vec<(u64, Bytes)>,
    /// Where the last one ends.
    pub size: u64,
    /// Whether they go through memory; else they are the body.
    pub in_memory: bool,
}

/// Finds a place for each tensor. They are named as their specs are, those without one by their number.
pub fn lay_out(tensors: &[Tensor], specs: &[TensorSpec]) -> (Vec<Placed>, Laid) {
    let parts: Vec<Bytes> = tensors.iter().map(bytes_of).collect();
    let in_memory = parts.iter().map(Bytes::len).sum::<usize>() >= IN_MEMORY;
    let mut size = 0_u64;
    let place = |part: Bytes| {
        let start = size;
        size += part.len() as u64;
        if in_memory {
            size = size.next_multiple_of(ALIGN);
        }
        (start, part)
    };
    let parts: Vec<(u64, Bytes)> = parts.into_iter().map(place).collect();
    let told = |(i, (tensor, (offset, part))): (usize, (&Tensor, &(u64, Bytes)))| Placed {
        name: specs.get(i).map_or_else(|| i.to_string(), |spec| spec.name.clone()),
        dtype: tensor.dtype(),
        shape: tensor.shape().to_vec(),
        offset: *offset,
        size: part.len(),
    };
    let placed = tensors.iter().zip(&parts).enumerate().map(told).collect();
    let laid = Laid { parts, size, in_memory };
    (placed, laid)
}

impl Laid {
    /// All of them, one after the other.
    pub fn body(&self) -> Vec<u8> {
        let parts: Vec<&[u8]> = self.parts.iter().map(|(_, part)| &part[..]).collect();
        parts.concat()
    }

    /// Writes each to its place; there must be room for all.
    pub fn write_to(&self, memory: &Own) -> io::Result<()> {
        self.parts
            .iter()
            .try_for_each(|(offset, part)| memory.write(part, *offset))
    }
}

/// Reads a tensor that came with a frame; `memory` is that of its slot.
///
/// # Errors
/// When it lies outside of the body or of the memory, or is none of its type and shape.
pub fn read(frame: &Frame, memory: Option<&OwnedFd>, placed: &Placed) -> Result<Tensor, Error> {
    bytes_at(frame, memory, placed)
        .map_err(|e| format!("tensor {:?} cannot be read: {e}", placed.name))
        .and_then(|bytes| tensor_of(placed, bytes))
        .map_err(Error::pipeline)
}

fn bytes_at(frame: &Frame, memory: Option<&OwnedFd>, placed: &Placed) -> io::Result<Bytes> {
    if frame.head.has(flags::SLOT) {
        let memory = memory.ok_or(io::ErrorKind::NotFound)?;
        return memory::read(memory.as_fd(), placed.offset, placed.size);
    }
    let start = usize::try_from(placed.offset).unwrap_or(usize::MAX);
    let end = start.saturating_add(placed.size);
    if end > frame.body.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(frame.body.slice(start..end))
}

/// The bytes of a tensor on the wire; strings carry their lengths before them.
fn bytes_of(tensor: &Tensor) -> Bytes {
    match tensor.data() {
        Data::Packed(bytes) => bytes.clone(),
        Data::Strings(strings) => {
            let mut out = BytesMut::with_capacity(strings.iter().map(|s| s.len() + 4).sum());
            for text in strings {
                out.put_u32_le(u32::try_from(text.len()).unwrap_or(u32::MAX));
                out.extend_from_slice(text);
            }
            out.freeze()
        }
    }
}

/// A tensor from its bytes on the wire.
fn tensor_of(placed: &Placed, bytes: Bytes) -> Result<Tensor, String> {
    let shape = placed.shape.clone();
    if placed.dtype != DType::Bytes {
        return Tensor::packed(placed.dtype, shape, bytes).map_err(|e| format!("tensor {:?}: {e}", placed.name));
    }
    let (mut rest, mut strings) = (bytes, Vec::new());
    while !rest.is_empty() {
        let length = rest.get(..4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
        let end = length.map(|n| 4 + n as usize).filter(|end| *end <= rest.len());
        let end = end.ok_or_else(|| format!("tensor {:?}: a string reaches past the end", placed.name))?;
        strings.push(rest.split_to(end).slice(4..));
    }
    Tensor::strings(shape, strings).map_err(|e| format!("tensor {:?}: {e}", placed.name))
}
