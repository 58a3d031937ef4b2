//! A store, and what cases do to the servers that use it.

use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;

use crate::jobs::job::JobId;
use crate::jobs::store::JobStore;

/// Where an engine keeps its jobs. What a server gives back when it dies, the next one may have at once.
#[async_trait]
pub trait Ground: Send + Sync {
    /// Kills the server of this store, without a word to its jobs. The store of the next one, which begins with what was
    /// kept at this moment.
    async fn kill(&mut self, store: Arc<dyn JobStore>) -> Arc<dyn JobStore>;

    /// As [`Ground::kill`], of a server that closes what it holds.
    async fn restart(&mut self, store: Arc<dyn JobStore>) -> Arc<dyn JobStore>;

    /// Makes what is kept of a job unreadable.
    async fn damage(&self, id: JobId);
}

/// The store of the server that runs now.
pub struct Stage {
    // Dropped before the ground it stands on.
    pub store: Arc<dyn JobStore>,
    ground: Box<dyn Ground>,
}

impl Stage {
    pub fn new(ground: impl Ground + 'static, store: Arc<dyn JobStore>) -> Self {
        Self {
            store,
            ground: Box::new(ground),
        }
    }

    pub async fn kill(self) -> Self {
        let Self { store, mut ground } = self;
        let store = ground.kill(store).await;
        Self { store, ground }
    }

    pub async fn restart(self) -> Self {
        let Self { store, mut ground } = self;
        let store = ground.restart(store).await;
        Self { store, ground }
    }

    pub async fn damage(&self, id: JobId) {
        self.ground.damage(id).await;
    }
}

impl Deref for Stage {
    type Target = dyn JobStore;

    fn deref(&self) -> &Self::Target {
        self.store.as_ref()
    }
}
