//! Waiting until there may be something to do, told by a channel.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use crate::store::redis::{Ear, Redis};

/// What one loop waits for: it looks, and when there is nothing it waits. What comes between the two ends the wait at
/// once.
pub(super) struct Wake {
    channel: String,
    /// From the first wait on.
    ear: Mutex<Option<Ear>>,
}

impl Wake {
    pub fn new(channel: String) -> Self {
        Self {
            channel,
            ear: Mutex::new(None),
        }
    }

    pub async fn wait(&self, redis: &Redis, patience: Duration) {
        let mut ear = self.ear().get_or_insert_with(|| redis.listen(&self.channel)).clone();
        if timeout(patience, ear.heard()).await.is_ok() {
            *self.ear() = Some(ear);
        }
    }

    fn ear(&self) -> MutexGuard<'_, Option<Ear>> {
        self.ear.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
