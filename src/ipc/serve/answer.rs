//! Answers and chunks of the pipeline become frames.

use std::io::ErrorKind;

use bytes::Bytes;

use super::super::files;
use super::super::frame::{Head, Kind, flags};
use super::super::memory;
use super::super::message::{AnswerMeta, ChunkMeta, WireError, WireFault};
use super::super::tensors::lay_out;
use super::{ServeError, Side};
use crate::error::{Error, Fault};
use crate::payload::{Chunk, Output};
use crate::tensor::Tensor;

impl Side {
    /// Answers a call; what is sent goes with the next flush. An answer that the wire cannot take fails its own call
    /// and no other.
    pub(super) fn answer(&mut self, call: Head, result: Result<Output, Error>) -> Result<(), ServeError> {
        match self.try_answer(call, result) {
            // Nothing of it has been sent.
            Err(ServeError::Io(error)) if error.kind() == ErrorKind::InvalidInput => {
                let told = format!("the answer cannot leave the replica's process: {error}");
                self.try_answer(call, Err(Error::pipeline(told)))
            }
            answered => answered,
        }
    }

    fn try_answer(&mut self, call: Head, result: Result<Output, Error>) -> Result<(), ServeError> {
        let head = Head {
            kind: Kind::Answer,
            flags: 0,
            ..call
        };
        let mut meta = AnswerMeta::default();
        let body = match result {
            Ok(Output::Json(body)) => return Ok(self.channel.send(head, &[], &body, None)?),
            Ok(Output::Tensors(tensors)) => return self.answer_tensors(head, &tensors),
            Ok(Output::Media { content_type, bytes }) => {
                meta.media = Some(content_type);
                bytes
            }
            Ok(Output::Files(files)) => {
                let (told, body) = files::written(&files);
                meta.files = Some(told);
                body.into()
            }
            Ok(Output::Response { head: response, body }) => {
                meta.status = Some(response.status);
                meta.headers = response.headers;
                meta.media = response.media;
                body
            }
            Ok(Output::Chunks) => {
                meta.chunks = true;
                Bytes::new()
            }
            Err(error) => {
                meta.error = Some(wire_error(&error));
                Bytes::new()
            }
        };
        Ok(self.channel.send(head, &text(&meta), &body, None)?)
    }

    fn answer_tensors(&mut self, mut head: Head, tensors: &[Tensor]) -> Result<(), ServeError> {
        let specs = self.contract.signature().map(|s| &s.outputs[..]).unwrap_or_default();
        let (placed, laid) = lay_out(tensors, specs);
        let meta = text(&AnswerMeta {
            tensors: Some(placed),
            ..AnswerMeta::default()
        });
        if !laid.in_memory {
            return Ok(self.channel.send(head, &meta, &laid.body(), None)?);
        }
        let slot = self.slots.get_mut(usize::from(head.slot));
        let slot = slot.ok_or(ServeError::Protocol("a slot outside of the window"))?;
        let (memory, fresh) = memory::with_room(&mut slot.output, laid.size)?;
        laid.write_to(memory)?;
        head.flags |= flags::SLOT;
        if fresh {
            head.flags |= flags::FD;
        }
        Ok(self.channel.send(head, &meta, &[], fresh.then(|| memory.fd()))?)
    }

    /// A piece of an answer; what is sent goes with the next flush.
    pub(super) fn chunk(&mut self, call: Head, chunk: &Chunk) -> Result<(), ServeError> {
        let head = Head {
            kind: Kind::Chunk,
            flags: 0,
            ..call
        };
        let mut meta = ChunkMeta::default();
        let body = match chunk {
            Chunk::Json(body) => return Ok(self.channel.send(head, &[], body, None)?),
            Chunk::Bytes(body) => {
                meta.bytes = true;
                body
            }
            Chunk::Progress(body) => {
                meta.progress = true;
                body
            }
            Chunk::Head(_) => return Ok(()),
        };
        Ok(self.channel.send(head, &text(&meta), body, None)?)
    }
}

/// An error as the wire tells it.
fn wire_error(error: &Error) -> WireError {
    let fault = |fault: &Fault| WireFault {
        loc: fault.loc.iter().cloned().map(Into::into).collect(),
        msg: fault.msg.clone(),
        kind: fault.kind.to_string(),
    };
    WireError {
        kind: error.kind().name().to_owned(),
        message: error.message().to_owned(),
        detail: error.detail().iter().map(fault).collect(),
    }
}

fn text<T: serde::Serialize>(meta: &T) -> Vec<u8> {
    // These types are plain structs of text and numbers, which always can be written.
    serde_json::to_vec(meta).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use super::super::super::channel::{Channel, Waited};
    use super::super::super::frame::LONGEST;
    use super::*;
    use crate::contract::{Contract, Schema};

    #[test]
    fn an_answer_that_is_too_long_for_the_wire_fails_its_own_call() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut side = Side {
            channel: Channel::new(ours.into(), None),
            slots: Vec::new(),
            contract: Arc::new(Contract::json(Schema::any(), Schema::any())),
            open: Vec::new(),
            late: VecDeque::new(),
            stopped: false,
            fault: None,
        };
        let call = Head {
            call: 7,
            ..Head::process(Kind::Call)
        };
        // Never touched, these pages take no memory.
        let bytes = Bytes::from(vec![0; LONGEST + 1]);
        let content_type = "image/png".to_owned();
        side.answer(call, Ok(Output::Media { content_type, bytes })).unwrap();
        side.channel.flush().unwrap();
        let mut other = Channel::new(theirs.into(), None);
        assert_eq!(other.wait(None).unwrap(), Waited::Data);
        let frame = other.next().unwrap().unwrap();
        let meta: AnswerMeta = serde_json::from_slice(&frame.meta).unwrap();
        assert_eq!((frame.head.kind, frame.head.call), (Kind::Answer, 7));
        let message = meta.error.unwrap().message;
        assert!(message.contains("longer than the wire allows"), "{message}");
    }
}
