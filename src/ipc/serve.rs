//! The child's side for pipelines of this program: what `isolation = "process"` runs.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::VERSION;
use super::channel::{Channel, Waited};
use super::frame::{Frame, FrameError, Head, Kind, flags};
use super::memory::{self, Own};
use super::message::{AnswerMeta, CallMeta, ChunkMeta, Failed, Hello, Placed, WireError, WireFault};
use super::translate::{bytes_of, lay_out, tensor_of};
use crate::contract::Contract;
use crate::error::Error;
use crate::payload::{Chunk, Output, Payload, Tensors};
use crate::pipeline::{Batch, Event, Pipeline, ReplyReceiver, Request, RequestState, stream, unary};
use crate::tensor::Tensor;

/// Why serving ended before it should.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the wire failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("the wire broke: {0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Protocol(&'static str),
    #[error("{0}")]
    Load(Error),
}

/// Memory of a slot, seen from this side.
#[derive(Default)]
struct Slot {
    input: Option<OwnedFd>,
    output: Option<Own>,
}

struct Side {
    channel: Channel,
    slots: Vec<Slot>,
}

/// Serves one pipeline over a socket until the other side stops it or goes.
///
/// # Errors
/// When the wire fails, or the pipeline cannot be built; the other side has been told then.
pub fn serve(
    socket: OwnedFd,
    load: impl FnOnce(&Hello) -> Result<(Arc<Contract>, Box<dyn Pipeline>), Error>,
) -> Result<(), ServeError> {
    let mut side = Side {
        channel: Channel::new(socket, None),
        slots: Vec::new(),
    };
    let Some(first) = side.next()? else { return Ok(()) };
    if first.head.kind != Kind::Hello {
        return Err(ServeError::Protocol("the first message was no HELLO"));
    }
    let hello: Hello = serde_json::from_slice(&first.meta)
        .map_err(|_| ServeError::Protocol("HELLO cannot be read; both sides must be of one release"))?;
    side.slots.resize_with(hello.window.max(1), Slot::default);
    let (contract, mut pipeline) = match load(&hello) {
        Ok(loaded) => loaded,
        Err(error) => return side.failed(error),
    };
    let loaded = serde_json::json!({"version": VERSION, "pid": std::process::id()}).to_string();
    side.tell(Kind::Loaded, loaded.as_bytes())?;
    if let Err(error) = pipeline.compile() {
        return side.failed(error);
    }
    side.tell(Kind::Ready, &[])?;
    side.answer_calls(&contract, pipeline.as_mut())
}

impl Side {
    fn next(&mut self) -> Result<Option<Frame>, ServeError> {
        loop {
            if let Some(frame) = self.channel.next()? {
                return Ok(Some(frame));
            }
            if self.channel.wait(None)? == Waited::Closed {
                return Ok(None);
            }
        }
    }

    fn tell(&mut self, kind: Kind, meta: &[u8]) -> Result<(), ServeError> {
        self.channel.send(Head::process(kind), meta, &[], None)?;
        Ok(self.channel.flush()?)
    }

    fn failed(&mut self, error: Error) -> Result<(), ServeError> {
        let message = error.message().to_owned();
        let meta = serde_json::to_vec(&Failed { message }).unwrap_or_default();
        self.tell(Kind::Failed, &meta)?;
        Err(ServeError::Load(error))
    }

    fn answer_calls(&mut self, contract: &Contract, pipeline: &mut dyn Pipeline) -> Result<(), ServeError> {
        let mut calls = Vec::new();
        while let Some(mut frame) = self.next()? {
            match frame.head.kind {
                Kind::Call => {
                    if let Some(fd) = frame.fd.take() {
                        self.slot(frame.head.slot)?.input = Some(fd);
                    }
                    let more = frame.head.has(flags::MORE);
                    calls.push(frame);
                    if !more {
                        self.run(contract, pipeline, std::mem::take(&mut calls))?;
                    }
                }
                Kind::Stop => break,
                // A run under way is not interrupted: the other side ends the process when it will not wait.
                Kind::Cancel => {}
                _ => return Err(ServeError::Protocol("a message that is not for a child")),
            }
        }
        Ok(())
    }

    fn slot(&mut self, slot: u16) -> Result<&mut Slot, ServeError> {
        let place = self.slots.get_mut(usize::from(slot));
        place.ok_or(ServeError::Protocol("a slot outside of the window"))
    }

    fn run(&mut self, contract: &Contract, pipeline: &mut dyn Pipeline, frames: Vec<Frame>) -> Result<(), ServeError> {
        let (mut requests, mut waiting) = (Vec::new(), Vec::new());
        for frame in frames {
            let meta: CallMeta<'_> = if frame.meta.is_empty() {
                CallMeta::default()
            } else {
                serde_json::from_slice(&frame.meta).map_err(|_| ServeError::Protocol("a call that cannot be read"))?
            };
            match self.input(contract, &frame, &meta) {
                Ok(input) => {
                    let now = Instant::now();
                    // Chunks are sent when the run is over; the buffer must hold them all until then.
                    let (reply, receiver) = if meta.stream { stream(now, 1 << 16) } else { unary(now) };
                    let id = meta.id.as_deref().unwrap_or_default().into();
                    let rows = input.rows();
                    let request = Request::new(id, rows, RequestState::new(input), reply);
                    requests.push(request.with_handler(meta.handler));
                    waiting.push((frame.head, receiver));
                }
                Err(error) => self.refuse(frame.head, &error)?,
            }
        }
        let mut batch = Batch::new(requests);
        if let Err(error) = pipeline.run(&mut batch) {
            batch.iter_mut().for_each(|r| r.finish(Err(error.clone())));
        }
        drop(batch);
        for (head, receiver) in waiting {
            self.answer(head, receiver, contract)?;
        }
        Ok(self.channel.flush()?)
    }

    fn input(&self, contract: &Contract, frame: &Frame, meta: &CallMeta<'_>) -> Result<Payload, Error> {
        let Some(placed) = &meta.tensors else {
            return contract.decode(&frame.body);
        };
        let one = |placed: &Placed| {
            let bytes = self
                .bytes(frame, placed)
                .map_err(|e| Error::pipeline(format!("tensor {:?}: {e}", placed.name)))?;
            tensor_of(placed, bytes).map_err(Error::pipeline)
        };
        let tensors = placed.iter().map(one).collect::<Result<Vec<Tensor>, Error>>()?;
        Ok(Payload::Tensors(Tensors {
            tensors,
            // The other side adds and takes away the batch axis.
            implicit_batch: false,
        }))
    }

    fn bytes(&self, frame: &Frame, placed: &Placed) -> std::io::Result<Bytes> {
        if !frame.head.has(flags::SLOT) {
            let start = usize::try_from(placed.offset).unwrap_or(usize::MAX);
            let end = start.saturating_add(placed.size);
            if end > frame.body.len() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            return Ok(frame.body.slice(start..end));
        }
        let slot = self.slots.get(usize::from(frame.head.slot));
        let memory = slot
            .and_then(|s| s.input.as_ref())
            .ok_or(std::io::ErrorKind::NotFound)?;
        memory::read(std::os::fd::AsFd::as_fd(memory), placed.offset, placed.size)
    }

    fn answer(&mut self, call: Head, mut receiver: ReplyReceiver, contract: &Contract) -> Result<(), ServeError> {
        let head = Head {
            kind: Kind::Answer,
            flags: 0,
            ..call
        };
        while let Some(Event::Chunk(chunk)) = receiver.try_next() {
            self.chunk(call, &chunk)?;
        }
        let result = receiver.try_last().map(|last| last.result);
        let result = result.unwrap_or_else(|| {
            Err(Error::pipeline(
                "the pipeline returned without an answer to this request",
            ))
        });
        match result {
            Ok(Output::Json(text)) => self.channel.send(head, &[], &text, None)?,
            Ok(Output::Tensors(tensors)) => self.tensors(head, &tensors, contract)?,
            Ok(Output::Media { content_type, bytes }) => {
                let meta = AnswerMeta {
                    media: Some(content_type),
                    ..AnswerMeta::default()
                };
                self.channel.send(head, &text(&meta), &bytes, None)?;
            }
            Ok(Output::Response { head: response, body }) => {
                let meta = AnswerMeta {
                    status: Some(response.status),
                    headers: response.headers,
                    media: response.media,
                    ..AnswerMeta::default()
                };
                self.channel.send(head, &text(&meta), &body, None)?;
            }
            Ok(Output::Chunks) => {
                let meta = AnswerMeta {
                    chunks: true,
                    ..AnswerMeta::default()
                };
                self.channel.send(head, &text(&meta), &[], None)?;
            }
            Err(error) => self.refuse(head, &error)?,
        }
        Ok(())
    }

    fn chunk(&mut self, call: Head, chunk: &Chunk) -> Result<(), ServeError> {
        let head = Head {
            kind: Kind::Chunk,
            flags: 0,
            ..call
        };
        let (meta, body) = match chunk {
            Chunk::Json(body) => (Vec::new(), body.clone()),
            Chunk::Bytes(body) => {
                let meta = ChunkMeta {
                    bytes: true,
                    head: None,
                };
                (text(&meta), body.clone())
            }
            Chunk::Head(_) => return Ok(()),
        };
        Ok(self.channel.send(head, &meta, &body, None)?)
    }

    fn tensors(&mut self, mut head: Head, tensors: &[Tensor], contract: &Contract) -> Result<(), ServeError> {
        let parts: Vec<Bytes> = tensors.iter().map(bytes_of).collect();
        let (in_memory, offsets, size) = lay_out(&parts);
        let specs = contract.signature().map(|s| &s.outputs[..]).unwrap_or_default();
        let place = |(i, tensor): (usize, &Tensor)| Placed {
            name: specs.get(i).map_or_else(|| i.to_string(), |spec| spec.name.clone()),
            dtype: tensor.dtype(),
            shape: tensor.shape().to_vec(),
            offset: offsets[i],
            size: parts[i].len(),
        };
        let meta = AnswerMeta {
            tensors: Some(tensors.iter().enumerate().map(place).collect()),
            ..AnswerMeta::default()
        };
        if !in_memory {
            return Ok(self.channel.send(head, &text(&meta), &parts.concat(), None)?);
        }
        head.flags |= flags::SLOT;
        let place = self.slots.get_mut(usize::from(head.slot));
        let place = &mut place
            .ok_or(ServeError::Protocol("a slot outside of the window"))?
            .output;
        let fresh = place.is_none();
        if fresh {
            *place = Some(Own::new()?);
            head.flags |= flags::FD;
        }
        let Some(own) = place else {
            return Err(ServeError::Protocol("a slot without memory"));
        };
        own.reserve(size)?;
        for (part, offset) in parts.iter().zip(offsets) {
            own.write(part, offset)?;
        }
        Ok(self.channel.send(head, &text(&meta), &[], fresh.then(|| own.fd()))?)
    }

    fn refuse(&mut self, call: Head, error: &Error) -> Result<(), ServeError> {
        let head = Head {
            kind: Kind::Answer,
            flags: 0,
            ..call
        };
        let fault = |fault: &crate::error::Fault| WireFault {
            loc: fault.loc.iter().cloned().map(Into::into).collect(),
            msg: fault.msg.clone(),
            kind: fault.kind.to_string(),
        };
        let meta = AnswerMeta {
            error: Some(WireError {
                kind: error.kind().name().to_owned(),
                message: error.message().to_owned(),
                detail: error.detail().iter().map(fault).collect(),
            }),
            ..AnswerMeta::default()
        };
        Ok(self.channel.send(head, &text(&meta), &[], None)?)
    }
}

fn text<T: serde::Serialize>(meta: &T) -> Vec<u8> {
    // These types are plain structs of text and numbers, which always can be written.
    serde_json::to_vec(meta).unwrap_or_default()
}
