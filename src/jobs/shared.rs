//! What everything that works on the jobs of this server shares: store, service, and how far the server is with its end.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::JobSettings;
use super::running::Running;
use super::store::JobStore;
use crate::service::Service;
use crate::upload::Uploader;

/// What runners, the keeper of leases and the front share.
pub struct Shared {
    pub store: Arc<dyn JobStore>,
    pub service: Arc<Service>,
    pub settings: JobSettings,
    /// Brings files of answers where they are wanted.
    pub uploader: Uploader,
    pub running: Running,
    pub stop: watch::Sender<Phase>,
}

/// How far the server is with its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Serving,
    /// Runners take no more jobs; what runs may end.
    Finishing,
    /// What still runs is put back.
    GivingUp,
    /// Nothing is recorded any more.
    Over,
}

impl Shared {
    pub fn phase(&self) -> Phase {
        *self.stop.borrow()
    }

    pub fn is_giving_up(&self) -> bool {
        self.phase() >= Phase::GivingUp
    }

    /// Waits for something, but not past the moment when the server begins to stop.
    pub async fn or_stop<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        let mut phase = self.stop.subscribe();
        tokio::select! {
            done = what => Some(done),
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => None,
        }
    }

    /// Waits for a while, but not past that moment.
    pub async fn pause(&self, time: Duration) {
        self.or_stop(tokio::time::sleep(time)).await;
    }
}

/// Wall-clock time, as stores keep it: to the millisecond.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
