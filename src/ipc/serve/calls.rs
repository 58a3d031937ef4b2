//! Calls under way: which have come, which are answered, which wait for the next run.

use std::sync::Arc;
use std::time::Instant;

use super::super::channel::Waited;
use super::super::frame::{Frame, Kind};
use super::super::message::CallMeta;
use super::{Open, ServeError, Side, Slot};
use crate::error::Error;
use crate::pipeline::{Event, Request, RequestState, stream, unary};

impl Side {
    /// Sends what is ready, takes in what has come, and gives calls up to `rows` rows.
    pub(super) fn look(&mut self, rows: usize) -> Result<Vec<Request>, ServeError> {
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
    pub(super) fn take(&mut self, mut frame: Frame) -> Result<Option<Request>, ServeError> {
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
                self.answer(frame.head, Err(error))?;
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
    pub(super) fn tell_what_is_ready(&mut self, over: bool) -> Result<(), ServeError> {
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
}
