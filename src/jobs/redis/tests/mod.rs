//! Jobs in Redis: what every store does, and what servers that share one see of each other.

mod keys;
mod servers;

use super::*;
use crate::jobs::conformance::{Ground, MODEL, Stage, eventually};
use crate::store::redis::server::RedisServer;

/// A lease that does not end while a test lasts, unless its server dies.
const LEASE: Duration = Duration::from_secs(3600);

/// One of the servers of a Redis.
fn server_of(redis: &RedisServer, lease: Duration) -> Arc<dyn JobStore> {
    Arc::new(RedisJobs::new(Redis::open(&redis.url()).unwrap(), lease))
}

async fn claim_late(jobs: &Arc<dyn JobStore>) -> Claim {
    eventually("a lease is over", async || jobs.claim_one().await).await
}

/// Makes all leases a year old, as put_back.lua does with that of one job.
const END_LEASES: &str = "for _, model in ipairs(redis.call('SMEMBERS', 'hostler:models')) do \
     local stream = 'hostler:jobs:' .. model \
     local held = redis.pcall('XPENDING', stream, 'hostler', '-', '+', 10000) \
     if not held.err then for _, entry in ipairs(held) do \
     redis.call('XCLAIM', stream, 'hostler', 'nobody', 0, entry[1], 'IDLE', 31536000000, 'JUSTID') \
     end end end return 1";

/// A Redis whose one server is replaced by the next.
struct Shared(RedisServer);

#[async_trait]
impl Ground for Shared {
    /// The leases of the dead are over at once.
    async fn kill(&mut self, store: Arc<dyn JobStore>) -> Arc<dyn JobStore> {
        drop(store);
        assert_eq!(self.0.ask(&format!("EVAL \"{END_LEASES}\" 0")).unwrap(), ":1");
        server_of(&self.0, LEASE)
    }

    /// A server gives nothing back when it ends without a word to its jobs.
    async fn restart(&mut self, store: Arc<dyn JobStore>) -> Arc<dyn JobStore> {
        self.kill(store).await
    }

    async fn damage(&self, id: JobId) {
        assert_eq!(self.0.ask(&format!("HSET hostler:job:{id} about {{")).unwrap(), ":0");
    }
}

async fn stage() -> Stage {
    let redis = RedisServer::start();
    let store = server_of(&redis, LEASE);
    Stage::new(Shared(redis), store)
}

mod conformance {
    crate::jobs::conformance::for_store!(crate::jobs::redis::tests::stage);
}
