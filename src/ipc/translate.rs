//! Inputs to calls and answers to outputs.

use std::borrow::Cow;
use std::io;

use super::files;
use super::frame::{Frame, Head};
use super::message::{AnswerMeta, CallMeta, ChunkMeta, Placed, WireError};
use super::process::Process;
use super::tensors::{self, lay_out};
use crate::contract::Signature;
use crate::error::{Error, Fault, Kind};
use crate::payload::{Chunk, Output, Payload, Raw, ResponseHead, Tensors};
use crate::pipeline::Request;
use crate::tensor::Tensor;

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
    let Some(about) = raw.about.as_deref() else {
        return;
    };
    meta.id = Some(Cow::Borrowed(id));
    meta.content_type = about.content_type.as_deref().map(Cow::Borrowed);
    meta.query = about.query.as_deref().map(Cow::Borrowed);
    meta.accept = about.accept.iter().map(|a| Cow::Borrowed(a.as_str())).collect();
    let pair = |(name, value): &'a (String, String)| (Cow::Borrowed(name.as_str()), Cow::Borrowed(value.as_str()));
    meta.headers = about.headers.iter().map(pair).collect();
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
    let specs = signature.map(|s| &s.inputs[..]).unwrap_or_default();
    let (placed, laid) = lay_out(&input.tensors, specs);
    meta.tensors = Some(placed);
    let text = written(&meta)?;
    if !laid.in_memory {
        return process.channel.send(head, &text, &laid.body(), None);
    }
    let (memory, fresh) = process.input_memory(head.slot, laid.size)?;
    laid.write_to(memory)?;
    process.send_in_memory(head, &text, fresh)
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
        return outputs(process, frame, &placed, signature, implicit_batch).map(Output::Tensors);
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

fn outputs(
    process: &Process,
    frame: &Frame,
    placed: &[Placed],
    signature: Option<&Signature>,
    squeeze: bool,
) -> Result<Vec<Tensor>, Error> {
    let memory = process.output_memory(frame.head.slot);
    let one = |placed: &Placed| {
        let tensor = tensors::read(frame, memory, placed)?;
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
