//! One request as a pipeline sees it, and the state it shares with the front while it waits and runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::reply::{Reply, SendError};
use crate::error::Error;
use crate::payload::{Chunk, Output, Payload};

/// What the front and the replica share of a request.
///
/// The input stands here and not in the queue, so that a client that leaves frees it at once: what stays in
/// the queue is a few words, until a replica passes over it.
pub struct RequestState {
    cancelled: AtomicBool,
    input: Mutex<Option<Payload>>,
    /// When a replica took it up.
    begun: OnceLock<Instant>,
}

impl RequestState {
    pub fn new(input: Payload) -> Arc<Self> {
        Arc::new(Self {
            cancelled: AtomicBool::new(false),
            input: Mutex::new(Some(input)),
            begun: OnceLock::new(),
        })
    }

    /// The client left, or its deadline passed: nobody reads the answer.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        drop(self.take());
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// When a replica took the request up; `None` while it waits.
    pub fn begun(&self) -> Option<Instant> {
        self.begun.get().copied()
    }

    fn take(&self) -> Option<Payload> {
        self.input.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A request in a batch.
pub struct Request {
    id: Arc<str>,
    /// Which of an app's handlers the request is for; 0 for models with one.
    handler: usize,
    rows: usize,
    /// Not to share a run with others.
    alone: bool,
    /// How long its run may take, where the wait before it does not count.
    limit: Option<Duration>,
    state: Arc<RequestState>,
    reply: Reply,
}

impl Request {
    pub const fn new(id: Arc<str>, rows: usize, state: Arc<RequestState>, reply: Reply) -> Self {
        Self {
            id,
            handler: 0,
            rows,
            alone: false,
            limit: None,
            state,
            reply,
        }
    }

    #[must_use]
    pub const fn with_handler(mut self, handler: usize) -> Self {
        self.handler = handler;
        self
    }

    #[must_use]
    pub(crate) const fn run_alone(mut self, alone: bool) -> Self {
        self.alone = alone;
        self
    }

    /// Sets a deadline when the run begins.
    #[must_use]
    pub(crate) const fn with_limit(mut self, limit: Option<Duration>) -> Self {
        self.limit = limit;
        self
    }

    pub(crate) const fn is_alone(&self) -> bool {
        self.alone
    }

    #[must_use]
    pub const fn with_deadline(mut self, deadline: Option<Instant>) -> Self {
        self.reply.set_deadline(deadline);
        self
    }

    /// The request id, as the client sent it or as the server made it.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub const fn handler(&self) -> usize {
        self.handler
    }

    /// Rows of a batch this request takes up.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    pub const fn deadline(&self) -> Option<Instant> {
        self.reply.deadline()
    }

    /// Takes the input out; a request that was cancelled meanwhile has none, and gives JSON `null`.
    pub fn take_input(&mut self) -> Payload {
        self.state.take().unwrap_or(Payload::Json(serde_json::Value::Null))
    }

    /// The client left or the deadline passed: nobody waits for the answer any more.
    pub fn is_cancelled(&self) -> bool {
        self.state.is_cancelled() || self.is_expired(Instant::now())
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.state.is_cancelled()
    }

    pub(crate) fn state(&self) -> Arc<RequestState> {
        Arc::clone(&self.state)
    }

    pub(crate) fn start(&mut self, now: Instant) {
        let begun = *self.state.begun.get_or_init(|| now);
        if let Some(limit) = self.limit {
            self.reply.set_deadline(begun.checked_add(limit));
        }
        self.reply.start(now);
    }

    /// Whether the client reads chunks as they come.
    pub const fn is_stream(&self) -> bool {
        self.reply.is_stream()
    }

    /// Whether a chunk would be taken now; an iterative model skips the step of a row whose reader is slow.
    pub fn has_room(&self) -> bool {
        self.reply.has_room()
    }

    /// Emits a chunk without waiting.
    ///
    /// # Errors
    /// See [`Reply::emit`].
    pub fn emit(&mut self, chunk: Chunk) -> Result<(), SendError> {
        if self.state.is_cancelled() {
            return Err(SendError::Gone);
        }
        self.reply.emit(chunk)
    }

    /// Reports how far the work is: any JSON value, a share of 1 or an object for one. Readers of a stream see it as it
    /// comes, a job keeps the last one; who waits for one answer does not see it, and a slow reader misses some.
    pub fn progress<T: Serialize + ?Sized>(&mut self, value: &T) {
        if let Ok(text) = serde_json::to_vec(value) {
            // A reader that is gone or slow is no reason to stop.
            drop(self.emit(Chunk::Progress(text.into())));
        }
    }

    /// Emits a chunk, waiting for a slow reader; only where the batch is this one request.
    ///
    /// # Errors
    /// See [`Reply::emit_blocking`].
    pub fn emit_blocking(&mut self, chunk: Chunk) -> Result<(), SendError> {
        if self.state.is_cancelled() {
            return Err(SendError::Gone);
        }
        self.reply.emit_blocking(chunk)
    }

    /// Gives the final answer; later calls do nothing.
    pub fn finish(&mut self, result: Result<Output, Error>) {
        self.reply.finish(result);
    }

    pub const fn is_finished(&self) -> bool {
        self.reply.is_finished()
    }
}
