//! What is counted of requests, for autoscalers that ask how busy a server is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Model;
use crate::pipeline::Timing;

/// How busy the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Every model serves, and a request sent now would find a free replica.
    pub available: bool,
    /// Requests received so far, those that were refused included.
    pub received: usize,
    /// Since the last request ended; zero while one is under way or none could run.
    pub idle: Duration,
    /// The age of the oldest request under way, queueing included; zero where there is none.
    pub oldest: Duration,
}

/// Requests whose beginning is kept. Where more are under way, those that came first stand for all.
const WATCHED: usize = 64;

/// What is counted of requests: relaxed atomics, since each figure stands for itself and nothing waits on it.
pub(super) struct Activity {
    /// What the times below count from, in microseconds.
    since: Instant,
    pub received: AtomicUsize,
    last_end: AtomicU64,
    /// When a request under way began, plus one; zero is a free place.
    begun: [AtomicU64; WATCHED],
}

impl Activity {
    pub fn new() -> Self {
        Self {
            since: Instant::now(),
            received: AtomicUsize::new(0),
            last_end: AtomicU64::new(0),
            begun: [const { AtomicU64::new(0) }; WATCHED],
        }
    }

    /// The number of the request, from 0.
    pub fn receive(&self) -> usize {
        self.received.fetch_add(1, Ordering::Relaxed)
    }

    fn micros(&self, at: Instant) -> u64 {
        let micros = at.saturating_duration_since(self.since).as_micros();
        micros.try_into().unwrap_or(u64::MAX)
    }

    /// Keeps when a request began, where its place is free.
    fn begin(&self, number: usize, at: Instant) -> Option<usize> {
        let place = number % WATCHED;
        let stamp = self.micros(at).saturating_add(1);
        let taken = self.begun[place].compare_exchange(0, stamp, Ordering::Relaxed, Ordering::Relaxed);
        taken.is_ok().then_some(place)
    }

    pub fn end(&self, at: Instant) {
        self.last_end.store(self.micros(at), Ordering::Relaxed);
    }

    pub fn idle(&self, now: Instant) -> Duration {
        Duration::from_micros(self.micros(now).saturating_sub(self.last_end.load(Ordering::Relaxed)))
    }

    pub fn oldest(&self, now: Instant) -> Option<Duration> {
        let begun = self.begun.iter().map(|place| place.load(Ordering::Relaxed));
        let first = begun.filter(|stamp| *stamp != 0).min()?;
        Some(Duration::from_micros((self.micros(now) + 1).saturating_sub(first)))
    }
}

/// Sees the end of a request, whatever way it ends.
pub(super) struct Watch {
    pub model: Arc<Model>,
    place: Option<usize>,
    ended: bool,
}

impl Watch {
    pub fn new(model: Arc<Model>, number: usize, now: Instant) -> Self {
        let place = model.activity.begin(number, now);
        Self {
            model,
            place,
            ended: false,
        }
    }

    /// The answer came. Its times say when, so that no clock is read.
    pub fn end(&mut self, started: Instant, timing: Timing) {
        self.model.activity.end(started + timing.queue + timing.compute);
        self.ended = true;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended {
            self.model.activity.end(Instant::now());
        }
        if let Some(place) = self.place {
            self.model.activity.begun[place].store(0, Ordering::Relaxed);
        }
    }
}
