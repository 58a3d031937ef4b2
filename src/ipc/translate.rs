//! Inputs to calls and answers to outputs.

use std::borrow::Cow;
use std::io;

use bytes::{BufMut, Bytes, BytesMut};

use super::files;
use super::frame::{Frame, Head, flags};
use super::message::{AnswerMeta, CallMeta, ChunkMeta, Placed, WireError};
use super::process::Process;
use crate::contract::Signature;
use crate::error::{Error, Fault, Kind};
use crate::payload::{Chunk, Output, Payload, Raw, ResponseHead, Tensors};
use crate::pipeline::Request;
use crate::tensor::{DType, Data, Tensor};

/// Tensors from this size on travel in shared memory.
pub const IN_MEMORY: usize = 64 * 1024;
/// Where tensors begin in memory: what vector instructions and GPUs like.
const ALIGN: u64 = 64;

/// Sends a request as a call. The batch axis that was added for it is remembered by the caller.
pub fn send(
    process: &mut Process,
    head: Head,
    request: &Request,
    input: &Payload,
    signature: Option<&Signature>,
) -> io::Result<()> {
    let mut meta = CallMeta {
        handler: request.handler(),
        stream: request.is_stream(),
        ..CallMeta::default()
    };
    match input {
        Payload::Raw(raw) => {
            told(&mut meta, raw, request.id());
            process.channel.send(head, &written(&meta)?, &raw.body, None)
        }
        Payload::Json(value) => process
            .channel
            .send(head, &written(&meta)?, &serde_json::to_vec(value)?, None),
        Payload::Tensors(tensors) => send_tensors(process, head, meta, tensors, signature),
        Payload::Typed(_) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a typed input cannot leave the process",
        )),
    }
}

fn told<'a>(meta: &mut CallMeta<'a>, raw: &'a Raw, id: &'a str) {
    if !raw.told {
        return;
    }
    meta.id = Some(Cow::Borrowed(id));
    meta.content_type = raw.content_type.as_deref().map(Cow::Borrowed);
    meta.query = raw.query.as_deref().map(Cow::Borrowed);
    meta.accept = raw.accept.iter().map(|a| Cow::Borrowed(a.as_str())).collect();
    let pair = |(name, value): &'a (String, String)| (Cow::Borrowed(name.as_str()), Cow::Borrowed(value.as_str()));
    meta.headers = raw.headers.iter().map(pair).collect();
}

fn written(meta: &CallMeta<'_>) -> io::Result<Vec<u8>> {
    if meta.is_plain() {
        return Ok(Vec::new());
    }
    Ok(serde_json::to_vec(meta)?)
}

fn send_tensors(
    process: &mut Process,
    head: Head,
    mut meta: CallMeta<'_>,
    input: &Tensors,
    signature: Option<&Signature>,
) -> io::Result<()> {
    let parts: Vec<Bytes> = input.tensors.iter().map(bytes_of).collect();
    let (in_memory, offsets, size) = lay_out(&parts);
    let place = |(i, tensor): (usize, &Tensor)| {
        let name = signature.and_then(|s| s.inputs.get(i)).map(|spec| spec.name.clone());
        Placed {
            name: name.unwrap_or_else(|| i.to_string()),
            dtype: tensor.dtype(),
            shape: tensor.shape().to_vec(),
            offset: offsets[i],
            size: parts[i].len(),
        }
    };
    let placed = input.tensors.iter().enumerate().map(place).collect();
    meta.tensors = Some(placed);
    let text = written(&meta)?;
    if !in_memory {
        let body: Vec<u8> = parts.concat();
        return process.channel.send(head, &text, &body, None);
    }
    let (memory, fresh) = process.input_memory(head.slot, size)?;
    for (part, offset) in parts.iter().zip(&offsets) {
        memory.write(part, *offset)?;
    }
    process.send_in_memory(head, &text, fresh)
}

/// The bytes of a tensor on the wire; strings carry their lengths before them.
pub fn bytes_of(tensor: &Tensor) -> Bytes {
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
pub fn tensor_of(placed: &Placed, bytes: Bytes) -> Result<Tensor, String> {
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

/// What an answer says.
pub fn answer(
    process: &Process,
    frame: &Frame,
    signature: Option<&Signature>,
    implicit_batch: bool,
) -> Result<Output, Error> {
    if frame.meta.is_empty() {
        return Ok(Output::Json(frame.body.clone()));
    }
    let meta: AnswerMeta = serde_json::from_slice(&frame.meta).map_err(|e| garbled(&e))?;
    if let Some(error) = meta.error {
        return Err(told_error(error));
    }
    if let Some(placed) = meta.tensors {
        return tensors(process, frame, &placed, signature, implicit_batch).map(Output::Tensors);
    }
    if let Some(status) = meta.status {
        let head = ResponseHead {
            status,
            headers: meta.headers,
            media: meta.media,
        };
        let body = frame.body.clone();
        return Ok(Output::Response { head, body });
    }
    if let Some(told) = meta.files {
        return files::read(&frame.body, told)
            .map(Output::Files)
            .map_err(|e| garbled(&e));
    }
    if let Some(content_type) = meta.media {
        let bytes = frame.body.clone();
        return Ok(Output::Media { content_type, bytes });
    }
    if meta.chunks {
        return Ok(Output::Chunks);
    }
    Ok(Output::Json(frame.body.clone()))
}

fn tensors(
    process: &Process,
    frame: &Frame,
    placed: &[Placed],
    signature: Option<&Signature>,
    squeeze: bool,
) -> Result<Vec<Tensor>, Error> {
    let one = |placed: &Placed| {
        let bytes = process
            .output(frame, placed.offset, placed.size)
            .map_err(|e| Error::pipeline(format!("tensor {:?} cannot be read: {e}", placed.name)))?;
        let tensor = tensor_of(placed, bytes).map_err(Error::pipeline)?;
        Ok(if squeeze && tensor.shape().first() == Some(&1) {
            tensor.squeeze_first()
        } else {
            tensor
        })
    };
    let Some(signature) = signature else {
        return placed.iter().map(one).collect();
    };
    let wanted = |name: &str| {
        let found = placed.iter().find(|p| p.name == name);
        found.ok_or_else(|| Error::pipeline(format!("the pipeline gave no output {name:?}")))
    };
    let order = signature.outputs.iter().map(|spec| {
        let placed = wanted(&spec.name)?;
        if placed.dtype != spec.dtype {
            return Err(Error::pipeline(format!(
                "output {:?} is {}, declared is {}",
                spec.name, placed.dtype, spec.dtype
            )));
        }
        one(placed)
    });
    order.collect()
}

/// A piece of a streamed answer.
pub fn chunk(frame: &Frame) -> Result<Chunk, Error> {
    if frame.meta.is_empty() {
        return Ok(Chunk::Json(frame.body.clone()));
    }
    let meta: ChunkMeta = serde_json::from_slice(&frame.meta).map_err(|e| garbled(&e))?;
    Ok(match meta.head {
        Some(head) => Chunk::Head(Box::new(ResponseHead {
            status: head.status.unwrap_or(200),
            headers: head.headers,
            media: head.media,
        })),
        None if meta.bytes => Chunk::Bytes(frame.body.clone()),
        None if meta.progress => Chunk::Progress(frame.body.clone()),
        None => Chunk::Json(frame.body.clone()),
    })
}

/// An error as the wire tells it.
fn told_error(error: WireError) -> Error {
    let kind = Kind::by_name(&error.kind).unwrap_or(Kind::PipelineFailed);
    let faults: Vec<Fault> = error.detail.into_iter().map(Into::into).collect();
    if kind == Kind::InvalidInput && !faults.is_empty() {
        return Error::faults(faults);
    }
    Error::new(kind, error.message)
}

fn garbled(error: &dyn std::fmt::Display) -> Error {
    Error::new(
        Kind::ReplicaLost,
        format!("the replica's process sent an answer that cannot be read: {error}"),
    )
}

/// Whether tensors of an answer go through memory, and where each begins.
pub fn lay_out(parts: &[Bytes]) -> (bool, Vec<u64>, u64) {
    let total: usize = parts.iter().map(Bytes::len).sum();
    let in_memory = total >= IN_MEMORY;
    let mut offset = 0;
    let starts = parts.iter().map(|part| {
        let start = offset;
        offset += part.len() as u64;
        if in_memory {
            offset = offset.next_multiple_of(ALIGN);
        }
        start
    });
    let starts = starts.collect();
    (in_memory, starts, offset)
}

/// Flags of a call in a batch.
pub const fn more(last: bool) -> u8 {
    if last { 0 } else { flags::MORE }
}
