//! The queue of one model: admission in front of two bounded channels, interactive before background.
//!
//! Full, closed and taken are three different answers; none of them waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded, never, select_biased};

use crate::error::{Error, Kind};
use crate::pipeline::Request;

/// Which of the two channels a request stands in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    #[default]
    Interactive,
    /// Waits while any interactive request does.
    Background,
}

/// The right to stand in the queue and run. Given back when dropped: at the answer, or when the client leaves.
#[derive(Debug)]
pub struct Permit(Arc<AtomicUsize>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The front's end.
pub struct Queue {
    interactive: Sender<Request>,
    background: Sender<Request>,
    admitted: Arc<AtomicUsize>,
    limit: usize,
}

/// The replicas' end; each has a clone.
#[derive(Clone)]
pub struct Intake {
    interactive: Receiver<Request>,
    background: Receiver<Request>,
    stop: Receiver<()>,
    idle: Arc<AtomicUsize>,
}

/// What a replica got when it waited.
pub enum Taken {
    Request(Request),
    TimedOut,
    Stopped,
}

/// Abandoned requests stand in the channel, emptied, until a replica passes over them; this many times the
/// admitted ones may, so that clients that come and go in a rush cannot grow it without bound.
const TOMBSTONES: usize = 4;

/// A queue that admits `limit` requests, queued and running; it stops when the returned sender is dropped.
pub fn queue(limit: usize) -> (Queue, Intake, Sender<()>) {
    let (interactive, interactive_rx) = bounded(limit.saturating_mul(TOMBSTONES));
    let (background, background_rx) = bounded(limit.saturating_mul(TOMBSTONES));
    let (stop, stop_rx) = bounded(0);
    let queue = Queue {
        interactive,
        background,
        admitted: Arc::default(),
        limit,
    };
    let intake = Intake {
        interactive: interactive_rx,
        background: background_rx,
        stop: stop_rx,
        idle: Arc::default(),
    };
    (queue, intake, stop)
}

impl Queue {
    /// A permit, or "queue full" at once.
    pub fn admit(&self) -> Result<Permit, Error> {
        let taken = self.admitted.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| {
            (n < self.limit).then_some(n + 1)
        });
        match taken {
            Ok(_) => Ok(Permit(Arc::clone(&self.admitted))),
            Err(_) => Err(self.full()),
        }
    }

    /// Puts an admitted request in its channel.
    pub fn send(&self, request: Request, priority: Priority) -> Result<(), Error> {
        let channel = match priority {
            Priority::Interactive => &self.interactive,
            Priority::Background => &self.background,
        };
        channel.try_send(request).map_err(|refused| {
            let (mut request, error) = match refused {
                TrySendError::Full(request) => (request, self.full()),
                TrySendError::Disconnected(request) => (request, Error::new(Kind::NotReady, "the model was unloaded")),
            };
            // Answered here, so that dropping it does not tell of a lost replica.
            request.finish(Err(error.clone()));
            error
        })
    }

    fn full(&self) -> Error {
        let message = format!(
            "the queue is full: {} requests are queued or running; try again later",
            self.limit
        );
        Error::new(Kind::QueueFull, message)
    }

    /// Requests queued and running whose client still waits.
    pub fn admitted(&self) -> usize {
        self.admitted.load(Ordering::Acquire)
    }

    /// Requests that stand in the channels.
    pub fn waiting(&self) -> usize {
        self.interactive.len() + self.background.len()
    }
}

impl Intake {
    /// Requests that wait now.
    pub fn waiting(&self) -> usize {
        self.interactive.len() + self.background.len()
    }

    /// Replicas that wait for work now.
    pub fn idle(&self) -> usize {
        self.idle.load(Ordering::Acquire)
    }

    /// A request that waits already, interactive first.
    pub fn try_take(&self) -> Option<Request> {
        match self.interactive.try_recv() {
            Ok(request) => Some(request),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => self.background.try_recv().ok(),
        }
    }

    /// Waits for a request; counts as idle meanwhile.
    pub fn take(&self) -> Taken {
        if self.is_stopped() {
            return Taken::Stopped;
        }
        if let Some(request) = self.try_take() {
            return Taken::Request(request);
        }
        self.idle.fetch_add(1, Ordering::AcqRel);
        let taken = self.wait(&never());
        self.idle.fetch_sub(1, Ordering::AcqRel);
        taken
    }

    /// Waits for a request until a point in time.
    pub fn take_until(&self, end: Instant) -> Taken {
        match self.try_take() {
            Some(request) => Taken::Request(request),
            None => self.wait(&crossbeam_channel::at(end)),
        }
    }

    fn wait(&self, end: &Receiver<Instant>) -> Taken {
        select_biased! {
            recv(self.interactive) -> request => request.map_or(Taken::Stopped, Taken::Request),
            recv(self.background) -> request => request.map_or(Taken::Stopped, Taken::Request),
            recv(self.stop) -> _ => Taken::Stopped,
            recv(end) -> _ => Taken::TimedOut,
        }
    }

    /// Waits, but not for requests: true when the queue was stopped before the time was over.
    pub fn stopped_within(&self, wait: std::time::Duration) -> bool {
        !matches!(
            self.stop.recv_timeout(wait),
            Err(crossbeam_channel::RecvTimeoutError::Timeout)
        )
    }

    pub fn is_stopped(&self) -> bool {
        matches!(self.stop.try_recv(), Err(TryRecvError::Disconnected))
    }
}
