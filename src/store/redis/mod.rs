//! Redis as the store: connections, scripts, messages, and keys and values. Knows nothing of jobs.
//!
//! For operators:
//! - Redis 7 or newer, one primary with or without replicas. A Redis Cluster is refused: scripts make their keys from
//!   what they read, so that keys cannot be told beforehand, as a cluster wants them.
//! - `SERVER_STORE_URL=redis://USER:PASSWORD@HOST:PORT/DATABASE`, or `rediss://` with TLS. Every key and channel begins
//!   with `hostler:`; with `?prefix=team1` at the end of the address with `team1:hostler:`, and servers with another
//!   prefix see nothing of it.
//! - What is accepted is as safe as the Redis keeps it: with `appendonly yes` and `appendfsync everysec` a machine that
//!   falls loses up to one second, with `appendfsync always` nothing; with snapshots alone, what came since the last
//!   one. A replica that is promoted may lack what the primary had just confirmed.
//! - `maxmemory-policy noeviction`: any other may drop a job. A Redis that is full answers 503 to new jobs.
//! - A lost Redis is told within two seconds, and found again by the next call.

mod address;
mod fault;
mod kv;
mod link;
mod listen;
mod pool;
mod script;

use std::sync::Arc;

use redis::{Cmd, Value};

use super::StoreError;
use address::Address;
use link::Link;
use listen::Listener;
use pool::Pool;

pub use listen::Ear;
pub use script::{Call, Script};

/// The most bytes of one argument: what a Redis takes as `proto-max-bulk-len` where nobody changed it.
pub const LARGEST: usize = 512 * 1024 * 1024;

/// The connections to one Redis. Nothing is connected before the first call.
pub struct Redis {
    prefix: String,
    link: Link,
    pool: Pool,
    listener: Listener,
}

impl Redis {
    /// The Redis at an address, which is not tried yet.
    ///
    /// # Errors
    /// An address that cannot be read; the sentence shows nothing of it.
    pub fn open(url: &str) -> Result<Arc<Self>, StoreError> {
        let Address { client, prefix } = Address::parse(url)?;
        Ok(Arc::new(Self {
            prefix,
            link: Link::new(client.clone()),
            pool: Pool::new(client.clone()),
            listener: Listener::new(client),
        }))
    }

    /// The name of a key.
    pub fn key(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// A call of a script, whose first key is the prefix.
    pub fn call<'a>(&'a self, script: &'a Script) -> Call<'a> {
        Call::new(self, script)
    }

    /// What a plain command that only reads answers. `size` is how many bytes the answer has, about.
    ///
    /// # Errors
    /// A Redis that is away or refuses.
    pub async fn read(&self, command: &Cmd, size: usize) -> Result<Value, StoreError> {
        let answer = self.link.query(command, link::patience(size), true).await;
        answer.map_err(|error| fault::told(&error))
    }

    /// Hears the messages of a channel, from within a runtime.
    pub fn listen(&self, channel: &str) -> Ear {
        self.listener.listen(self.key(channel))
    }
}

#[cfg(test)]
#[path = "../../../tests/support/redis_pause.rs"]
mod pause;
#[cfg(test)]
#[path = "../../../tests/support/redis.rs"]
pub(crate) mod server;

#[cfg(test)]
mod tests;
