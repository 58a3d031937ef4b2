//! Calls a replica's thread away from waiting for work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};

/// Wakes one replica's thread, from any other.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    asked: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Wake {
    /// For the calling thread.
    pub fn for_this_thread() -> Self {
        let wake = Self::default();
        let _first = wake.0.thread.set(thread::current());
        wake
    }

    /// Has the thread look after its pipeline soon; never waits.
    pub fn wake(&self) {
        self.0.asked.store(true, Ordering::SeqCst);
        if let Some(thread) = self.0.thread.get() {
            thread.unpark();
        }
    }

    /// Whether it was called since the last time it was answered.
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// As [`Wake::is_asked`], and takes the call as answered.
    pub fn answer(&self) -> bool {
        self.is_asked() && self.0.asked.swap(false, Ordering::SeqCst)
    }
}
