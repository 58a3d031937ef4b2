//! The replicas' end of a model's queue: what each takes next, and how it waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};
use crossbeam_utils::Backoff;

use super::idle::Idle;
use super::manners::{Manners, Turn};
use crate::pipeline::{Request, Wake};

/// About the time from an answer to the next request of a client that sends one after another on loopback.
const LOOK: Duration = Duration::from_micros(100);

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

impl Intake {
    pub(super) fn new(
        interactive: Receiver<Request>,
        background: Receiver<Request>,
        admitted: Arc<AtomicUsize>,
        idle: Arc<Idle>,
        manners: Arc<Manners>,
        stop: Receiver<()>,
    ) -> Self {
        Self {
            interactive,
            background,
            admitted,
            idle,
            returned: Arc::default(),
            manners,
            replica: 0,
            stop,
        }
    }

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
        let queued = || background.then(|| self.background.try_recv().ok()).flatten();
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

    /// Waits for a request, or until the replica is called.
    pub fn take(&self, wake: &Wake) -> Taken {
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
    pub fn stopped_within(&self, wait: Duration) -> bool {
        !matches!(self.stop.recv_timeout(wait), Err(RecvTimeoutError::Timeout))
    }

    pub fn is_stopped(&self) -> bool {
        matches!(self.stop.try_recv(), Err(TryRecvError::Disconnected))
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::tests::{request, taken};
    use super::super::queue::{Priority, queue};
    use super::*;

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
