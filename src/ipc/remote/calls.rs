//! Calls on their way to the child and back.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use super::super::frame::{Frame, Head, Kind as FrameKind, flags};
use super::super::translate;
use super::{Call, Order, Parting, Remote};
use crate::error::{Error, Kind};
use crate::payload::{Chunk, Payload, Tensors};
use crate::pipeline::{Request, SendError};

/// Calls that take no longer than this are sent ahead, so that the child need not wait for a round trip.
const QUICK: Duration = Duration::from_millis(1);
/// Chunks that are kept for a slow reader while other calls go on.
const BACKLOG: usize = 1024;

impl Remote {
    /// How many more calls may be sent now.
    pub(super) fn room(&self) -> usize {
        let window = match self.spec.order {
            Order::Batch => 0,
            Order::Concurrent => self.calls.len(),
            Order::OneByOne if self.pace <= QUICK => self.calls.len(),
            Order::OneByOne => 1,
        };
        // Readers that are behind keep their places, so that what is kept for them has bounds.
        window.saturating_sub(self.under_way + self.parting.len())
    }

    /// Sends requests as calls, each into a slot that is free.
    pub(super) fn send(&mut self, requests: Vec<Request>) -> Result<(), Error> {
        let count = requests.len();
        for (i, request) in requests.into_iter().enumerate() {
            let more = self.spec.order == Order::Batch && i + 1 < count;
            self.send_one(request, if more { flags::MORE } else { 0 })?;
        }
        let flushed = self.process.channel.flush();
        flushed.map_err(|_| self.process.lost("before it took this request"))
    }

    fn send_one(&mut self, mut request: Request, flags: u8) -> Result<(), Error> {
        let Some(slot) = self.calls.iter().position(Option::is_none) else {
            request.finish(Err(Error::pipeline("more calls than the replica's process takes")));
            return Ok(());
        };
        let input = request.take_input();
        self.last_number = self.last_number.wrapping_add(1).max(1);
        let head = Head {
            kind: FrameKind::Call,
            flags,
            slot: u16::try_from(slot).unwrap_or(u16::MAX),
            call: self.last_number,
        };
        match translate::send(&mut self.process, head, &request, &input, self.spec.signature.as_ref()) {
            Ok(()) => {}
            // A batch whose last call does not come would be waited for without end.
            Err(error) if error.kind() == ErrorKind::InvalidInput && self.spec.order != Order::Batch => {
                request.finish(Err(Error::pipeline(error.to_string())));
                return Ok(());
            }
            Err(_) => {
                let lost = self.process.lost("before it took this request");
                request.finish(Err(lost.clone()));
                return Err(lost);
            }
        }
        let implicit_batch = matches!(
            input,
            Payload::Tensors(Tensors {
                implicit_batch: true,
                ..
            })
        );
        self.under_way += 1;
        self.calls[slot] = Some(Call {
            number: head.call,
            request,
            sent: Instant::now(),
            implicit_batch,
            cancelled: false,
            backlog: VecDeque::new(),
        });
        Ok(())
    }

    pub(super) fn take(&mut self, mut frame: Frame) -> Result<(), Error> {
        let place = usize::from(frame.head.slot);
        let known = self.calls.get(place).and_then(Option::as_ref);
        if known.is_none_or(|call| call.number != frame.head.call) {
            // A thread of the author's may report on a call that was answered in the same moment.
            if frame.head.kind == FrameKind::Chunk && matches!(translate::chunk(&frame), Ok(Chunk::Progress(_))) {
                return Ok(());
            }
            let lost = self.process.lost("after it had answered what was not asked");
            return Err(lost);
        }
        match frame.head.kind {
            FrameKind::Answer => {
                self.process.settle(&mut frame);
                self.answer(place, &frame);
                Ok(())
            }
            FrameKind::Chunk => self.chunk(place, &frame),
            _ => Err(self.process.lost("after it had sent a message out of order")),
        }
    }

    fn answer(&mut self, place: usize, frame: &Frame) {
        let Some(mut call) = self.calls[place].take() else {
            return;
        };
        self.under_way -= 1;
        self.answered += 1;
        let now = Instant::now();
        let took = now.saturating_duration_since(call.sent.max(self.last_answer));
        self.last_answer = now;
        self.pace = if self.pace == Duration::MAX {
            took
        } else {
            (self.pace * 7 + took) / 8
        };
        let signature = self.spec.signature.as_ref();
        let output = translate::answer(&self.process, frame, signature, call.implicit_batch);
        if call.cancelled && !call.backlog.is_empty() {
            // It was cut with pieces unsent: whatever the child made of it, it is not whole.
            let told = "the client read too slowly and was cut";
            call.request.finish(Err(Error::new(Kind::Cancelled, told)));
        } else {
            self.part(Parting { call, output });
        }
    }

    /// Gives the final answer, or sees to it later where the reader has no room for the pieces before it: the other
    /// calls go on meanwhile.
    pub(super) fn part(&mut self, mut parting: Parting) {
        let gone = parting.call.drain();
        if gone || parting.call.backlog.is_empty() {
            parting.call.request.finish(parting.output);
        } else {
            self.parting.push(parting);
        }
    }

    fn chunk(&mut self, place: usize, frame: &Frame) -> Result<(), Error> {
        let chunk = translate::chunk(frame)?;
        let alone = self.spec.order != Order::Concurrent;
        let Some(call) = self.calls[place].as_mut().filter(|c| !c.cancelled) else {
            return Ok(());
        };
        let gone = if matches!(chunk, Chunk::Progress(_)) {
            // Nobody waits until it can be told: the next report says more.
            call.request.emit(chunk) == Err(SendError::Gone)
        } else if alone {
            // The child works on this call and on no other: a slow reader holds up nobody else.
            call.request.emit_blocking(chunk).is_err()
        } else {
            call.backlog.push_back(chunk);
            call.drain() || call.backlog.len() > BACKLOG
        };
        if gone {
            return self.cancel(place);
        }
        Ok(())
    }

    /// Tells the child that nobody waits for a call any more.
    pub(super) fn cancel(&mut self, place: usize) -> Result<(), Error> {
        let Some(call) = self.calls[place].as_mut() else {
            return Ok(());
        };
        call.cancelled = true;
        let mut head = Head::process(FrameKind::Cancel);
        head.slot = u16::try_from(place).unwrap_or(u16::MAX);
        head.call = call.number;
        let sent = self.process.channel.send(head, &[], &[], None);
        let sent = sent.and_then(|()| self.process.channel.flush());
        sent.map_err(|_| self.process.lost("while it was serving"))
    }
}

impl Call {
    /// Emits what a slow reader has room for now; true when it is gone.
    pub(super) fn drain(&mut self) -> bool {
        while let Some(chunk) = self.backlog.pop_front() {
            match self.request.emit(chunk) {
                Ok(()) => {}
                Err(SendError::Full(chunk)) => {
                    self.backlog.push_front(chunk);
                    return false;
                }
                Err(SendError::Gone) => return true,
            }
        }
        false
    }
}
