//! The queue of one model: admission in front of two bounded channels, interactive before background.
//!
//! Full, closed and taken are three different answers; none of them waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError, bounded};
use crossbeam_utils::Backoff;

use super::idle::Idle;
use super::manners::{Manners, Turn};
use crate::error::{Error, Kind};
use crate::pipeline::{Request, Wake};

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

/// The replicas' end; each has a clone.
#[derive(Clone)]
pub struct Intake {
    interactive: Receiver<Request>,
    background: Receiver<Request>,
    admitted: Arc<AtomicUsize>,
    idle: Arc<Idle>,
    /// Requests a replica had taken and could not run; they go before all others.
    returned: Arc<Returned>,
    manners: Arc<Manners>,
    /// Whose end it is.
    replica: usize,
    /// Nothing is ever sent: it is disconnected when the queue stops.
    stop: Receiver<()>,
}

#[derive(Default)]
struct Returned {
    count: AtomicUsize,
    requests: Mutex<VecDeque<Request>>,
}

/// The first request of a batch.
pub struct First {
    pub request: Request,
    /// Of background work: how many requests the batch may have.
    pub background: Option<usize>,
}

/// What a replica got when it waited.
pub enum Taken {
    Request(First),
    /// The time was over, or the replica was called to look after its pipeline.
    TimedOut,
    Stopped,
}

/// Abandoned requests stand in the channel, emptied, until a replica passes over them; this many times the
/// admitted ones may, so that clients that come and go in a rush cannot grow it without bound.
const TOMBSTONES: usize = 4;

/// About the time from an answer to the next request of a client that sends one after another on loopback.
const LOOK: Duration = Duration::from_micros(100);

/// A queue for so many replicas that admits `limit` requests, queued and running.
pub fn queue(limit: usize, replicas: usize) -> (Queue, Intake) {
    let (interactive, interactive_rx) = bounded(limit.saturating_mul(TOMBSTONES));
    let (background, background_rx) = bounded(limit.saturating_mul(TOMBSTONES).max(JOBS));
    let (stop, stop_rx) = bounded(0);
    let stop = ArcSwapOption::from_pointee(stop);
    let idle: Arc<Idle> = Arc::default();
    let admitted: Arc<AtomicUsize> = Arc::default();
    let manners = Arc::new(Manners::new(replicas));
    let intake = Intake {
        interactive: interactive_rx,
        background: background_rx,
        admitted: Arc::clone(&admitted),
        idle: Arc::clone(&idle),
        returned: Arc::default(),
        manners: Arc::clone(&manners),
        replica: 0,
        stop: stop_rx,
    };
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

impl Intake {
    /// The end of one replica. What an earlier one of its number left undone is over.
    #[must_use]
    pub fn of(&self, replica: usize) -> Self {
        self.manners.end(replica);
        Self {
            replica,
            ..self.clone()
        }
    }

    /// Requests that wait now, whether or not they may run.
    pub fn waiting(&self) -> usize {
        self.urgent() + self.background.len()
    }

    /// Requests that wait and may run at once.
    pub fn urgent(&self) -> usize {
        self.interactive.len() + self.returned.count.load(Ordering::Acquire)
    }

    /// Puts a request back that could not be run; another replica may take it.
    pub fn give_back(&self, request: Request) {
        let mut requests = self.returned.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push_back(request);
        self.returned.count.store(requests.len(), Ordering::Release);
        drop(requests);
        self.idle.wake_one();
    }

    fn try_returned(&self) -> Option<Request> {
        if self.returned.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut requests = self.returned.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let request = requests.pop_front();
        self.returned.count.store(requests.len(), Ordering::Release);
        request
    }

    /// Replicas that wait for work now.
    pub fn idle(&self) -> usize {
        self.idle.count()
    }

    /// A request that waits already and may run with others: an interactive one, else a background one where the
    /// batch has room for such.
    pub fn try_join(&self, background: bool) -> Option<Request> {
        let queued = || {
            if background {
                self.background.try_recv().ok()
            } else {
                None
            }
        };
        let request = self.try_urgent().or_else(queued)?;
        if request.is_alone() {
            self.give_back(request);
            return None;
        }
        Some(request)
    }

    /// A request that waits already, interactive first.
    pub fn try_take(&self) -> Option<Request> {
        self.try_urgent().or_else(|| self.background.try_recv().ok())
    }

    fn try_urgent(&self) -> Option<Request> {
        self.try_returned().or_else(|| {
            let request = self.interactive.try_recv().ok()?;
            self.manners.interactive();
            Some(request)
        })
    }

    /// The first request of a batch; else how long background work that waits is to wait yet.
    fn try_first(&self) -> Result<First, Option<Duration>> {
        if let Some(request) = self.try_urgent() {
            return Ok(First {
                request,
                background: None,
            });
        }
        if self.background.is_empty() {
            return Err(None);
        }
        match self.manners.begin(self.replica) {
            Turn::In(wait) => Err(Some(wait)),
            Turn::Now { most } => match self.background.try_recv() {
                Ok(request) => Ok(First {
                    request,
                    background: Some(most),
                }),
                Err(_) => {
                    self.manners.end(self.replica);
                    Err(None)
                }
            },
        }
    }

    /// The batch is over. Background work that waited for its turn may begin.
    pub fn end_turn(&self) {
        if self.manners.end(self.replica) && !self.background.is_empty() {
            self.idle.wake_one();
        }
    }

    /// Whether background work may join a run with room for so many rows of `max_size`.
    pub fn joins(&self, room: usize, max_size: usize) -> bool {
        self.manners.joins(self.replica, room, max_size)
    }

    /// Rows of a running batch that background work leaves to interactive requests.
    pub fn reserve(&self, max_size: usize) -> usize {
        if self.manners.minded() { max_size / 4 } else { 0 }
    }

    /// Looks for a request for a moment, awake, where the last run was `short` and nobody but one client uses the
    /// model: to be woken costs more than such a run.
    pub fn look(&self, short: bool) {
        if !short || self.admitted.load(Ordering::Relaxed) > 1 {
            return;
        }
        let end = Instant::now() + LOOK;
        while self.urgent() == 0 && Instant::now() < end {
            std::hint::spin_loop();
        }
    }

    /// Waits for a request, or until the replica is called.
    pub fn take(&self, wake: &Wake) -> Taken {
        self.wait(wake)
    }

    /// Waits for a request that is no background work until a point in time.
    pub fn take_urgent_until(&self, end: Instant) -> Option<Request> {
        loop {
            if let Some(request) = self.try_urgent() {
                return Some(request);
            }
            if self.is_stopped() || Instant::now() >= end {
                return None;
            }
            if !self.comes_soon() {
                self.idle.wait(Some(end), || self.urgent() > 0 || self.is_stopped());
            }
        }
    }

    /// Gives the core to others a few times, and tells whether a request came meanwhile.
    fn comes_soon(&self) -> bool {
        let backoff = Backoff::new();
        while !backoff.is_completed() {
            if self.urgent() > 0 {
                return true;
            }
            backoff.snooze();
        }
        false
    }

    fn wait(&self, wake: &Wake) -> Taken {
        loop {
            if self.is_stopped() {
                return Taken::Stopped;
            }
            let later = match self.try_first() {
                Ok(first) => return Taken::Request(first),
                Err(later) => later.map(|wait| Instant::now() + wait),
            };
            if wake.answer() {
                return Taken::TimedOut;
            }
            // Under load the next request is a moment away. To yield for it costs less than to be woken for it, and
            // more requests come together in a batch.
            if self.comes_soon() {
                continue;
            }
            let called = || wake.is_asked();
            // Background work that came meanwhile has to be looked at; what waits for its turn was looked at just now.
            let more = || self.urgent() > 0 || (later.is_none() && !self.background.is_empty());
            self.idle.wait(later, || more() || self.is_stopped() || called());
        }
    }

    /// Waits, but not for requests: true when the queue was stopped before the time was over.
    pub fn stopped_within(&self, wait: std::time::Duration) -> bool {
        !matches!(self.stop.recv_timeout(wait), Err(RecvTimeoutError::Timeout))
    }

    pub fn is_stopped(&self) -> bool {
        matches!(self.stop.try_recv(), Err(TryRecvError::Disconnected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Payload;
    use crate::pipeline::{RequestState, unary};

    fn request(id: &str) -> Request {
        let (reply, _receiver) = unary(Instant::now());
        Request::new(
            Arc::from(id),
            1,
            RequestState::new(Payload::Json(serde_json::Value::Null)),
            reply,
        )
    }

    fn taken(intake: &Intake) -> String {
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

    #[test]
    fn a_waiting_replica_is_woken_by_background_work_and_by_the_end() {
        let (queue, intake) = queue(4, 1);
        let replica = std::thread::spawn(move || [taken(&intake), taken(&intake)]);
        std::thread::sleep(Duration::from_millis(20));
        queue.send(request("job"), Priority::Background).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        queue.stop();
        assert_eq!(replica.join().unwrap(), ["job", "stopped"]);
    }

    #[test]
    fn what_was_given_back_goes_first_and_a_call_ends_a_wait() {
        let (queue, intake) = queue(4, 1);
        queue.send(request("second"), Priority::Interactive).unwrap();
        intake.give_back(request("first"));
        assert_eq!(intake.waiting(), 2);
        assert_eq!([taken(&intake), taken(&intake)], ["first", "second"]);
        let wake = Wake::for_this_thread();
        let other = wake.clone();
        let caller = std::thread::spawn(move || other.wake());
        assert!(matches!(intake.take(&wake), Taken::TimedOut));
        caller.join().unwrap();
    }

    #[test]
    fn a_wait_with_an_end_is_over_then() {
        let (_queue, intake) = queue(1, 1);
        let end = Instant::now() + Duration::from_millis(5);
        assert!(intake.take_urgent_until(end).is_none());
        assert_eq!(intake.idle(), 0);
    }
}
