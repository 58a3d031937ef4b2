//! The handle a request is answered through, from a plain thread towards the async front.
//!
//! One final answer always arrives: a handle that is dropped unanswered answers "replica lost" by itself.
//! Chunks go through a bounded buffer, so that a slow reader pauses its own row and grows no memory.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, Kind};
use crate::payload::{Chunk, Output, whole};

/// Where the time of a request went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// From admission to the start of its run.
    pub queue: Duration,
    /// From the start of its run to its final answer.
    pub compute: Duration,
}

/// The final answer.
#[derive(Debug)]
pub struct Final {
    pub result: Result<Output, Error>,
    pub timing: Timing,
}

/// What a streaming reader sees, in order; `Final` is the last.
#[derive(Debug)]
pub enum Event {
    Chunk(Chunk),
    Final(Final),
}

/// Why a chunk was not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum SendError {
    /// The reader is slow and its buffer full; the chunk comes back. Try again after the next step.
    Full(Chunk),
    /// The reader is gone; drop the request.
    Gone,
}

enum Sender {
    /// Chunks of a client that wants one answer are gathered here.
    Unary {
        tx: oneshot::Sender<Final>,
        chunks: Vec<Chunk>,
    },
    Stream {
        tx: mpsc::Sender<Event>,
        last: oneshot::Sender<Final>,
    },
}

/// Answers one request. Dropped unanswered, it answers "replica lost".
pub struct Reply {
    sender: Option<Sender>,
    admitted: Instant,
    deadline: Option<Instant>,
    started: Option<Instant>,
    stalled_since: Option<Instant>,
}

/// The front's end of a reply.
pub enum ReplyReceiver {
    Unary(oneshot::Receiver<Final>),
    Stream {
        chunks: mpsc::Receiver<Event>,
        last: oneshot::Receiver<Final>,
    },
}

/// A reply for a client that wants one answer.
pub fn unary(admitted: Instant) -> (Reply, ReplyReceiver) {
    let (tx, rx) = oneshot::channel();
    (
        Reply::new(Sender::Unary { tx, chunks: Vec::new() }, admitted),
        ReplyReceiver::Unary(rx),
    )
}

/// A reply for a client that reads chunks as they come; at most `buffer` of them wait for it.
pub fn stream(admitted: Instant, buffer: usize) -> (Reply, ReplyReceiver) {
    let (tx, chunks) = mpsc::channel(buffer);
    // The final answer has a place of its own: it must arrive though the buffer is full.
    let (last, last_rx) = oneshot::channel();
    (
        Reply::new(Sender::Stream { tx, last }, admitted),
        ReplyReceiver::Stream { chunks, last: last_rx },
    )
}

/// After this long without room a reader is cut.
const SLOW_READER: Duration = Duration::from_secs(30);

impl Reply {
    const fn new(sender: Sender, admitted: Instant) -> Self {
        Self {
            sender: Some(sender),
            admitted,
            deadline: None,
            started: None,
            stalled_since: None,
        }
    }

    /// Marks the start of the run that answers this request.
    pub fn start(&mut self, now: Instant) {
        self.started.get_or_insert(now);
    }

    /// From then on nobody waits for the answer.
    pub const fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the client reads chunks as they come.
    pub const fn is_stream(&self) -> bool {
        matches!(self.sender, Some(Sender::Stream { .. }))
    }

    /// Whether a chunk would be taken now.
    pub fn has_room(&self) -> bool {
        match &self.sender {
            Some(Sender::Stream { tx, .. }) => tx.capacity() > 0,
            Some(Sender::Unary { .. }) => true,
            None => false,
        }
    }

    /// Emits a chunk without ever waiting.
    ///
    /// # Errors
    /// [`SendError::Full`] gives the chunk back; [`SendError::Gone`] when the reader left or was cut for being
    /// slow for 30 s.
    pub fn emit(&mut self, chunk: Chunk) -> Result<(), SendError> {
        match &mut self.sender {
            Some(Sender::Unary { chunks, .. }) => {
                if !matches!(chunk, Chunk::Progress(_)) {
                    chunks.push(chunk);
                }
                Ok(())
            }
            Some(Sender::Stream { tx, .. }) => match tx.try_send(Event::Chunk(chunk)) {
                Ok(()) => {
                    self.stalled_since = None;
                    Ok(())
                }
                Err(mpsc::error::TrySendError::Full(Event::Chunk(chunk))) => {
                    let since = *self.stalled_since.get_or_insert_with(Instant::now);
                    if since.elapsed() < SLOW_READER {
                        return Err(SendError::Full(chunk));
                    }
                    self.finish(Err(Error::new(
                        Kind::Cancelled,
                        "the client read too slowly and was cut",
                    )));
                    Err(SendError::Gone)
                }
                Err(_) => Err(SendError::Gone),
            },
            None => Err(SendError::Gone),
        }
    }

    /// Emits a chunk, waiting for a slow reader. Only for pipelines whose batch is this one request.
    ///
    /// # Errors
    /// [`SendError::Gone`] as for [`Reply::emit`].
    pub fn emit_blocking(&mut self, mut chunk: Chunk) -> Result<(), SendError> {
        loop {
            match self.emit(chunk) {
                Err(SendError::Full(back)) => chunk = back,
                done => return done,
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Gives the final answer; later calls do nothing.
    pub fn finish(&mut self, result: Result<Output, Error>) {
        let Some(sender) = self.sender.take() else { return };
        let now = Instant::now();
        // Whatever comes after the deadline, the deadline is the answer: a run that was ended, a request passed
        // over, a pipeline that noticed that nobody waits and broke off.
        let late = self.deadline.is_some_and(|deadline| deadline <= now);
        let result = if late { Err(deadline_error()) } else { result };
        let started = self.started.unwrap_or(now);
        let timing = Timing {
            queue: started.saturating_duration_since(self.admitted),
            compute: now.saturating_duration_since(started),
        };
        // A receiver that is gone has been answered by its own deadline, or nobody listens any more.
        match sender {
            Sender::Unary { tx, chunks } => {
                let result = result.map(|output| whole(output, &chunks));
                drop(tx.send(Final { result, timing }));
            }
            Sender::Stream { tx, last } => {
                drop(last.send(Final { result, timing }));
                drop(tx);
            }
        }
    }

    pub const fn is_finished(&self) -> bool {
        self.sender.is_none()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.finish(Err(Error::new(
            Kind::ReplicaLost,
            "the replica was lost while it worked on this request; try again",
        )));
    }
}

impl ReplyReceiver {
    /// Waits for the final answer, passing over chunks.
    pub async fn last(self) -> Final {
        let last = match self {
            Self::Unary(rx) => rx,
            Self::Stream { mut chunks, last } => {
                while chunks.recv().await.is_some() {}
                last
            }
        };
        last.await.unwrap_or_else(|_| lost())
    }

    /// The final answer, where it is there already.
    pub fn try_last(&mut self) -> Option<Final> {
        match self {
            Self::Unary(rx) | Self::Stream { last: rx, .. } => match rx.try_recv() {
                Ok(last) => Some(last),
                Err(oneshot::error::TryRecvError::Empty) => None,
                Err(oneshot::error::TryRecvError::Closed) => Some(lost()),
            },
        }
    }

    /// The next chunk, where one is there already.
    pub fn try_next(&mut self) -> Option<Event> {
        match self {
            Self::Unary(_) => None,
            Self::Stream { chunks, .. } => chunks.try_recv().ok(),
        }
    }

    /// The next event of a stream; `None` after the final one.
    pub async fn next(&mut self) -> Option<Event> {
        match self {
            Self::Unary(rx) => (!rx.is_terminated_once()).then_some(Event::Final(rx.await.unwrap_or_else(|_| lost()))),
            Self::Stream { chunks, last } => match chunks.recv().await {
                Some(event) => Some(event),
                None if last.is_terminated_once() => None,
                None => Some(Event::Final(last.await.unwrap_or_else(|_| lost()))),
            },
        }
    }
}

/// Whether a oneshot was read already; polling it again would panic.
trait TerminatedOnce {
    fn is_terminated_once(&self) -> bool;
}

impl<T> TerminatedOnce for oneshot::Receiver<T> {
    fn is_terminated_once(&self) -> bool {
        self.is_terminated()
    }
}

fn deadline_error() -> Error {
    Error::new(
        Kind::Deadline,
        "the deadline passed before the answer was there; queueing counts",
    )
}

fn lost() -> Final {
    let result = Err(Error::new(
        Kind::ReplicaLost,
        "the replica was lost while it worked on this request; try again",
    ));
    Final {
        result,
        timing: Timing::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(text: &'static str) -> Chunk {
        Chunk::Json(bytes::Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn a_handle_dropped_unanswered_answers_by_itself() {
        let (reply, receiver) = unary(Instant::now());
        drop(reply);
        assert_eq!(receiver.last().await.result.unwrap_err().kind(), Kind::ReplicaLost);
    }

    #[tokio::test]
    async fn what_comes_after_the_deadline_is_answered_by_it() {
        let (mut reply, receiver) = unary(Instant::now());
        reply.set_deadline(Some(Instant::now()));
        drop(reply);
        assert_eq!(receiver.last().await.result.unwrap_err().kind(), Kind::Deadline);
    }

    #[tokio::test]
    async fn a_full_buffer_gives_the_chunk_back_and_the_final_answer_still_arrives() {
        let (mut reply, mut receiver) = stream(Instant::now(), 1);
        assert_eq!(reply.emit(chunk("1")), Ok(()));
        assert_eq!(reply.emit(chunk("2")), Err(SendError::Full(chunk("2"))));
        assert!(!reply.has_room());
        reply.finish(Ok(Output::Chunks));
        assert!(matches!(receiver.next().await, Some(Event::Chunk(_))));
        assert!(matches!(receiver.next().await, Some(Event::Final(_))));
        assert!(receiver.next().await.is_none());
    }

    #[tokio::test]
    async fn a_reader_that_left_is_told_at_the_next_chunk() {
        let (mut reply, receiver) = stream(Instant::now(), 1);
        drop(receiver);
        assert_eq!(reply.emit(chunk("1")), Err(SendError::Gone));
    }

    #[tokio::test]
    async fn chunks_are_gathered_for_a_client_that_wants_one_answer() {
        let (mut reply, receiver) = unary(Instant::now());
        reply.emit(chunk("1")).unwrap();
        reply.emit(chunk("{\"a\":2}")).unwrap();
        reply.finish(Ok(Output::Chunks));
        let Output::Json(text) = receiver.last().await.result.unwrap() else {
            panic!("not JSON")
        };
        assert_eq!(text, r#"[1,{"a":2}]"#);
    }
}
