//! The front's end of a model's queue: admission, and two bounded channels, interactive before background.
//!
//! Full, closed and taken are three different answers; none of them waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwapOption;
use crossbeam_channel::{Sender, TrySendError, bounded};

use super::idle::Idle;
use super::intake::Intake;
use super::manners::Manners;
use crate::error::{Error, Kind};
use crate::pipeline::Request;

/// Which of the two channels a request stands in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    #[default]
    Interactive,
    /// Waits while any interactive request does.
    Background,
    /// As background, for work that waits elsewhere: it takes no room from requests, whose limit is not its own.
    Job {
        /// Run by itself, without others in its batch.
        alone: bool,
    },
}

/// The right to stand in the queue and run. Given back when dropped: at the answer, or when the client leaves.
#[derive(Debug)]
pub struct Permit(Arc<AtomicUsize>);

/// Jobs may stand in the queue even of a model that admits few requests.
const JOBS: usize = 1024;

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
    idle: Arc<Idle>,
    manners: Arc<Manners>,
    stop: ArcSwapOption<Sender<()>>,
}

/// Abandoned requests stand in the channel, emptied, until a replica passes over them; this many times the
/// admitted ones may, so that clients that come and go in a rush cannot grow it without bound.
const TOMBSTONES: usize = 4;

/// A queue for so many replicas that admits `limit` requests, queued and running.
pub fn queue(limit: usize, replicas: usize) -> (Queue, Intake) {
    let (interactive, interactive_rx) = bounded(limit.saturating_mul(TOMBSTONES));
    let (background, background_rx) = bounded(limit.saturating_mul(TOMBSTONES).max(JOBS));
    let (stop, stop_rx) = bounded(0);
    let stop = ArcSwapOption::from_pointee(stop);
    let idle: Arc<Idle> = Arc::default();
    let admitted: Arc<AtomicUsize> = Arc::default();
    let manners = Arc::new(Manners::new(replicas));
    let intake = Intake::new(
        interactive_rx,
        background_rx,
        Arc::clone(&admitted),
        Arc::clone(&idle),
        Arc::clone(&manners),
        stop_rx,
    );
    (
        Queue {
            interactive,
            background,
            admitted,
            limit,
            idle,
            manners,
            stop,
        },
        intake,
    )
}

impl Queue {
    /// A permit, or "queue full" at once. Jobs need none.
    pub fn admit(&self, priority: Priority) -> Result<Option<Permit>, Error> {
        if matches!(priority, Priority::Job { .. }) {
            return Ok(None);
        }
        let taken = self.admitted.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| {
            (n < self.limit).then_some(n + 1)
        });
        match taken {
            Ok(_) => Ok(Some(Permit(Arc::clone(&self.admitted)))),
            Err(_) => Err(self.full()),
        }
    }

    /// Puts an admitted request in its channel.
    pub fn send(&self, request: Request, priority: Priority) -> Result<(), Error> {
        let channel = match priority {
            Priority::Interactive => &self.interactive,
            Priority::Background | Priority::Job { .. } => &self.background,
        };
        let (mut request, error) = match channel.try_send(request) {
            Ok(()) => {
                self.idle.wake_one();
                return Ok(());
            }
            Err(TrySendError::Full(request)) => (request, self.full()),
            Err(TrySendError::Disconnected(request)) => (request, Error::new(Kind::NotReady, "the model was unloaded")),
        };
        // Answered here, so that dropping it does not tell of a lost replica.
        request.finish(Err(error.clone()));
        Err(error)
    }

    /// Ends the queue: replicas stop after the batch they are in.
    pub fn stop(&self) {
        self.stop.store(None);
        self.idle.wake_all();
    }

    fn full(&self) -> Error {
        let message = format!(
            "the queue is full: {} requests are queued or running; try again later",
            self.limit
        );
        Error::new(Kind::QueueFull, message)
    }

    /// Whether interactive requests have come lately.
    pub fn is_asked(&self) -> bool {
        self.manners.minded()
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

#[cfg(test)]
pub(super) mod tests {
    use std::time::Instant;

    use super::super::intake::Taken;
    use super::*;
    use crate::payload::Payload;
    use crate::pipeline::{RequestState, Wake, unary};

    pub fn request(id: &str) -> Request {
        let (reply, _receiver) = unary(Instant::now());
        Request::new(
            Arc::from(id),
            1,
            RequestState::new(Payload::Json(serde_json::Value::Null)),
            reply,
        )
    }

    pub fn taken(intake: &Intake) -> String {
        match intake.take(&Wake::default()) {
            Taken::Request(first) => first.request.id().to_owned(),
            Taken::TimedOut => "timed out".into(),
            Taken::Stopped => "stopped".into(),
        }
    }

    #[test]
    fn interactive_goes_before_background_and_full_is_told_at_once() {
        let (queue, intake) = queue(2, 1);
        queue.send(request("later"), Priority::Background).unwrap();
        queue.send(request("now"), Priority::Interactive).unwrap();
        assert_eq!([taken(&intake), taken(&intake)], ["now", "later"]);
        let admit = || queue.admit(Priority::Interactive);
        let permits = [admit().unwrap(), admit().unwrap()];
        assert_eq!(admit().unwrap_err().kind(), Kind::QueueFull);
        assert!(queue.admit(Priority::Job { alone: false }).unwrap().is_none());
        drop(permits);
        assert!(admit().is_ok());
    }
}
