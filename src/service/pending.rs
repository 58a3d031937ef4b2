//! A request that was submitted, as whoever sent it waits for it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::activity::Watch;
use crate::error::{Error, Kind};
use crate::payload::Output;
use crate::pipeline::{Event, Final, ReplyReceiver, Timing};
use crate::worker::InFlight;

/// How often a request whose time begins with its run is looked at until then.
const BEGUN: Duration = Duration::from_millis(50);
/// A run that takes no longer than this, queue included, is waited for awake.
const SHORT_MICROS: u32 = 60;
/// For how long.
const LOOK: Duration = Duration::from_micros(80);

/// A submitted request. Dropped, it is cancelled and its place freed.
pub struct Pending {
    // Dropped before the place is freed: who sees an idle model sees when it became so.
    pub(super) watch: Watch,
    pub(super) in_flight: InFlight,
    pub(super) receiver: ReplyReceiver,
    pub(super) deadline: Option<Instant>,
    /// How long the run may take: the deadline is not known before it begins.
    pub(super) limit: Option<Duration>,
    pub(super) started: Instant,
    pub(super) expired: bool,
}

impl Pending {
    /// Waits for the answer, at most until the deadline.
    pub async fn answer(self) -> (Result<Output, Error>, Timing) {
        let (result, timing, _) = self.answer_in_place().await;
        (result, timing)
    }

    /// As [`Pending::answer`], with the request's place, for whoever is not done with the request then.
    pub async fn answer_in_place(mut self) -> (Result<Output, Error>, Timing, Place) {
        let soon = self.soon().await;
        let done = match (soon, self.deadline) {
            (Some(last), _) => Ok(last),
            (None, None) => Ok(self.receiver.last().await),
            (None, Some(deadline)) => tokio::time::timeout_at(deadline.into(), self.receiver.last()).await,
        };
        let (result, timing) = match done {
            Ok(Final { result, timing }) => {
                self.watch.model.took(timing);
                self.watch.end(self.started, timing);
                (result, timing)
            }
            Err(_) => expired(self.started),
        };
        let place = Place {
            _in_flight: self.in_flight,
            deadline: self.deadline,
            started: self.started,
        };
        (result, timing, place)
    }

    /// Looks for the answer of a short run for a moment before this thread may go to sleep: to be woken costs more
    /// than such a run. Only where nobody else wants the cores, and other connections go on between two looks.
    async fn soon(&mut self) -> Option<Final> {
        let short = self.watch.model.last_micros.load(Ordering::Relaxed) <= SHORT_MICROS;
        if !short || self.watch.model.group.admitted() > 1 {
            return None;
        }
        while self.started.elapsed() < LOOK {
            if let Some(last) = self.receiver.try_last() {
                return Some(last);
            }
            tokio::task::yield_now().await;
        }
        None
    }

    /// The next event of a stream; the last one is final.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.event().await;
        if let Some(Event::Final(last)) = &event {
            self.watch.end(self.started, last.timing);
        }
        event
    }

    /// When a replica took the request up; `None` while it waits.
    pub fn begun(&self) -> Option<Instant> {
        self.in_flight.begun()
    }

    /// The next chunk of a stream, where one is there already.
    pub fn try_next(&mut self) -> Option<Event> {
        self.receiver.try_next()
    }

    async fn event(&mut self) -> Option<Event> {
        if self.expired {
            return None;
        }
        loop {
            if let (None, Some(limit)) = (self.deadline, self.limit) {
                self.deadline = self.begun().and_then(|begun| begun.checked_add(limit));
            }
            let until = match (self.deadline, self.limit) {
                (Some(deadline), _) => deadline,
                (None, Some(_)) => Instant::now() + BEGUN,
                (None, None) => return self.receiver.next().await,
            };
            match tokio::time::timeout_at(until.into(), self.receiver.next()).await {
                Ok(event) => return event,
                // It may have begun meanwhile.
                Err(_) if self.deadline.is_none() => {}
                Err(_) => break,
            }
        }
        self.expired = true;
        let (result, timing) = expired(self.started);
        Some(Event::Final(Final { result, timing }))
    }
}

/// The place of a request that was answered, among those admitted; dropped, it is free. What is done with the answer
/// before its client has it takes memory as the run did, and is limited by the same number.
pub struct Place {
    _in_flight: InFlight,
    deadline: Option<Instant>,
    started: Instant,
}

impl Place {
    /// Finishes what belongs to the answer, at most until the request's deadline.
    ///
    /// # Errors
    /// Those of what is done; deadline where that comes first.
    pub async fn finish(self, what: impl Future<Output = Result<Output, Error>>) -> Result<Output, Error> {
        match self.deadline {
            None => what.await,
            Some(deadline) => tokio::time::timeout_at(deadline.into(), what)
                .await
                .unwrap_or_else(|_| expired(self.started).0),
        }
    }
}

fn expired(started: Instant) -> (Result<Output, Error>, Timing) {
    let waited = started.elapsed();
    let message = format!(
        "no answer within the deadline of {:.3} s; queueing counts",
        waited.as_secs_f64()
    );
    (
        Err(Error::new(Kind::Deadline, message)),
        Timing {
            queue: waited,
            compute: Duration::ZERO,
        },
    )
}
