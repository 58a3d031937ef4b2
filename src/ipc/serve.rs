//! The child's side for pipelines of this program: what `isolation = "process"` runs.
//!
//! One thread does all. A pipeline that lets requests join between its steps looks at the wire there: calls that came
//! join, pieces and answers that are ready go out.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::VERSION;
use super::channel::{Channel, Waited};
use super::files;
use super::frame::{Frame, FrameError, Head, Kind, flags};
use super::memory::{self, Own};
use super::message::{AnswerMeta, CallMeta, ChunkMeta, Failed, Hello, Placed, WireError, WireFault};
use super::translate::{bytes_of, lay_out, tensor_of};
use crate::contract::Contract;
use crate::error::Error;
use crate::payload::{Chunk, Output, Payload, Raw, Tensors};
use crate::pipeline::{Admit, Batch, Event, Pipeline, ReplyReceiver, Request, RequestState, RunControl, stream, unary};
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

/// A call that the pipeline has and has not answered.
struct Open {
    head: Head,
    state: Arc<RequestState>,
    receiver: ReplyReceiver,
}

struct Side {
    channel: Channel,
    slots: Vec<Slot>,
    contract: Arc<Contract>,
    open: Vec<Open>,
    /// Calls for which there was no room in the run under way.
    late: VecDeque<Request>,
    /// The other side wants no more answers after those under way.
    stopped: bool,
    /// What went wrong with the wire while the pipeline ran.
    fault: Option<ServeError>,
}

/// Serves one pipeline over a socket until the other side stops it or goes.
///
/// # Errors
/// When the wire fails, or the pipeline cannot be built; the other side has been told then.
pub fn serve(
    socket: OwnedFd,
    load: impl FnOnce(&Hello) -> Result<(Arc<Contract>, Box<dyn Pipeline>), Error>,
) -> Result<(), ServeError> {
    let mut channel = Channel::new(socket, None);
    let Some(first) = next(&mut channel)? else {
        return Ok(());
    };
    if first.head.kind != Kind::Hello {
        return Err(ServeError::Protocol("the first message was no HELLO"));
    }
    let hello: Hello = serde_json::from_slice(&first.meta)
        .map_err(|_| ServeError::Protocol("HELLO cannot be read; both sides must be of one release"))?;
    let (contract, mut pipeline) = match load(&hello) {
        Ok(loaded) => loaded,
        Err(error) => return failed(&mut channel, error),
    };
    let loaded = serde_json::json!({"version": VERSION, "pid": std::process::id()}).to_string();
    tell(&mut channel, Kind::Loaded, loaded.as_bytes())?;
    if let Err(error) = pipeline.compile() {
        return failed(&mut channel, error);
    }
    tell(&mut channel, Kind::Ready, &[])?;
    let mut slots = Vec::new();
    slots.resize_with(hello.window.max(1), Slot::default);
    let side = Side {
        channel,
        slots,
        contract,
        open: Vec::new(),
        late: VecDeque::new(),
        stopped: false,
        fault: None,
    };
    answer_calls(&Rc::new(RefCell::new(side)), pipeline.as_mut(), hello.max_batch_size)
}

/// The next frame; `None` when the other side is gone.
fn next(channel: &mut Channel) -> Result<Option<Frame>, ServeError> {
    loop {
        if let Some(frame) = channel.next()? {
            return Ok(Some(frame));
        }
        if channel.wait(None)? == Waited::Closed {
            return Ok(None);
        }
    }
}

fn tell(channel: &mut Channel, kind: Kind, meta: &[u8]) -> Result<(), ServeError> {
    channel.send(Head::process(kind), meta, &[], None)?;
    Ok(channel.flush()?)
}

fn failed(channel: &mut Channel, error: Error) -> Result<(), ServeError> {
    let message = error.message().to_owned();
    let meta = serde_json::to_vec(&Failed { message }).unwrap_or_default();
    tell(channel, Kind::Failed, &meta)?;
    Err(ServeError::Load(error))
}

/// Runs the pipeline over calls that were sent together, until the other side stops it or goes.
fn answer_calls(side: &Rc<RefCell<Side>>, pipeline: &mut dyn Pipeline, most: usize) -> Result<(), ServeError> {
    let mut requests = Vec::new();
    loop {
        let late = side.borrow_mut().late.pop_front();
        if let Some(request) = late {
            requests.push(request);
        } else if side.borrow().stopped {
            return Ok(());
        } else {
            let frame = next(&mut side.borrow_mut().channel)?;
            let Some(frame) = frame else { return Ok(()) };
            let more = frame.head.has(flags::MORE);
            let request = side.borrow_mut().take(frame)?;
            requests.extend(request);
            if more || requests.is_empty() {
                continue;
            }
        }
        let source = Joining(Rc::clone(side));
        let control = Arc::new(RunControl::default());
        let mut batch = Batch::with_source(std::mem::take(&mut requests), most, Box::new(source), control);
        if let Err(error) = pipeline.run(&mut batch) {
            batch.iter_mut().for_each(|r| r.finish(Err(error.clone())));
        }
        drop(batch);
        let mut side = side.borrow_mut();
        side.tell_what_is_ready(true)?;
        if let Some(fault) = side.fault.take() {
            return Err(fault);
        }
    }
}

/// Lets calls join that came while the pipeline was at work.
struct Joining(Rc<RefCell<Side>>);

impl Admit for Joining {
    fn admit(&mut self, rows: usize) -> Vec<Request> {
        let mut side = self.0.borrow_mut();
        let joined = side.look(rows);
        joined.unwrap_or_else(|fault| {
            // Nobody will read an answer: what is under way ends as if its clients had left.
            side.open.iter().for_each(|open| open.state.cancel());
            side.fault.get_or_insert(fault);
            Vec::new()
        })
    }
}

impl Side {
    /// Sends what is ready, takes in what has come, and gives calls up to `rows` rows.
    fn look(&mut self, rows: usize) -> Result<Vec<Request>, ServeError> {
        self.tell_what_is_ready(false)?;
        // What was cancelled is worth knowing of also where there is no room for more.
        while !self.stopped {
            match self.channel.next()? {
                Some(frame) => {
                    let request = self.take(frame)?;
                    self.late.extend(request);
                }
                None if self.channel.wait(Some(Instant::now()))? == Waited::Data => {}
                None => break,
            }
        }
        let (mut joined, mut taken) = (Vec::new(), 0);
        while taken < rows
            && let Some(request) = self.late.pop_front()
        {
            taken += request.rows();
            joined.push(request);
        }
        Ok(joined)
    }

    /// Takes a message; gives the request, where it is a call that can be read.
    fn take(&mut self, mut frame: Frame) -> Result<Option<Request>, ServeError> {
        match frame.head.kind {
            Kind::Call => {
                if let Some(fd) = frame.fd.take() {
                    self.slot(frame.head.slot)?.input = Some(fd);
                }
                self.open(&frame)
            }
            Kind::Stop => {
                self.stopped = true;
                Ok(None)
            }
            Kind::Cancel => {
                let called = |open: &&Open| open.head.call == frame.head.call;
                if let Some(open) = self.open.iter().find(called) {
                    open.state.cancel();
                }
                Ok(None)
            }
            _ => Err(ServeError::Protocol("a message that is not for a child")),
        }
    }

    fn slot(&mut self, slot: u16) -> Result<&mut Slot, ServeError> {
        let place = self.slots.get_mut(usize::from(slot));
        place.ok_or(ServeError::Protocol("a slot outside of the window"))
    }

    fn open(&mut self, frame: &Frame) -> Result<Option<Request>, ServeError> {
        let meta: CallMeta<'_> = if frame.meta.is_empty() {
            CallMeta::default()
        } else {
            serde_json::from_slice(&frame.meta).map_err(|_| ServeError::Protocol("a call that cannot be read"))?
        };
        let input = match self.input(frame, &meta) {
            Ok(input) => input,
            Err(error) => {
                self.refuse(frame.head, &error)?;
                self.channel.flush()?;
                return Ok(None);
            }
        };
        let now = Instant::now();
        // A pipeline without steps has its chunks sent when it is done; the buffer must hold them all until then.
        let (reply, receiver) = if meta.stream { stream(now, 1 << 16) } else { unary(now) };
        let (rows, state) = (input.rows(), RequestState::new(input));
        self.open.push(Open {
            head: frame.head,
            state: Arc::clone(&state),
            receiver,
        });
        let id = meta.id.as_deref().unwrap_or_default().into();
        Ok(Some(Request::new(id, rows, state, reply).with_handler(meta.handler)))
    }

    /// Sends chunks and answers that are there. When the run is `over`, all are, or will never be, but for calls that
    /// wait for the next run.
    fn tell_what_is_ready(&mut self, over: bool) -> Result<(), ServeError> {
        let mut still = Vec::with_capacity(self.open.len());
        for mut open in std::mem::take(&mut self.open) {
            while let Some(Event::Chunk(chunk)) = open.receiver.try_next() {
                self.chunk(open.head, &chunk)?;
            }
            let unanswered = || Error::pipeline("the pipeline returned without an answer to this request");
            match open.receiver.try_last() {
                Some(last) => self.answer(open.head, last.result)?,
                None if over && !self.waits(&open) => self.answer(open.head, Err(unanswered()))?,
                None => still.push(open),
            }
        }
        self.open = still;
        Ok(self.channel.flush()?)
    }

    /// Whether the pipeline has not been given the call yet.
    fn waits(&self, open: &Open) -> bool {
        self.late.iter().any(|late| Arc::ptr_eq(&late.state(), &open.state))
    }

    fn input(&self, frame: &Frame, meta: &CallMeta<'_>) -> Result<Payload, Error> {
        let Some(placed) = &meta.tensors else {
            let contract = &self.contract;
            let media = meta.content_type.as_deref().filter(|media| contract.bodies.take(media));
            let Some(media) = media else {
                return contract.decode(&frame.body);
            };
            return contract.decode_media(Raw {
                body: frame.body.clone(),
                content_type: Some(media.to_owned()),
                query: meta.query.as_deref().map(str::to_owned),
                ..Raw::default()
            });
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

    fn answer(&mut self, call: Head, result: Result<Output, Error>) -> Result<(), ServeError> {
        let head = Head {
            kind: Kind::Answer,
            flags: 0,
            ..call
        };
        match result {
            Ok(Output::Json(text)) => self.channel.send(head, &[], &text, None)?,
            Ok(Output::Tensors(tensors)) => self.tensors(head, &tensors)?,
            Ok(Output::Media { content_type, bytes }) => {
                let meta = AnswerMeta {
                    media: Some(content_type),
                    ..AnswerMeta::default()
                };
                self.channel.send(head, &text(&meta), &bytes, None)?;
            }
            Ok(Output::Files(files)) => {
                let (told, body) = files::written(&files);
                let meta = AnswerMeta {
                    files: Some(told),
                    ..AnswerMeta::default()
                };
                self.channel.send(head, &text(&meta), &body, None)?;
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
                    ..ChunkMeta::default()
                };
                (text(&meta), body.clone())
            }
            Chunk::Progress(body) => {
                let meta = ChunkMeta {
                    progress: true,
                    ..ChunkMeta::default()
                };
                (text(&meta), body.clone())
            }
            Chunk::Head(_) => return Ok(()),
        };
        Ok(self.channel.send(head, &meta, &body, None)?)
    }

    fn tensors(&mut self, mut head: Head, tensors: &[Tensor]) -> Result<(), ServeError> {
        let parts: Vec<Bytes> = tensors.iter().map(bytes_of).collect();
        let (in_memory, offsets, size) = lay_out(&parts);
        let contract = Arc::clone(&self.contract);
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
