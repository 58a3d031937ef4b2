//! Jobs in Redis, shared by all servers of one address and prefix.
//!
//! A job stands in the stream of its model, which servers read as one consumer group: a claimed entry is pending, and
//! the time since it was claimed or renewed is the age of its lease. Everything else about a job is in a hash. Whoever
//! wants to change a job says of which run it knows; a run that is over changes nothing. Each change is one script (see
//! `scripts/prelude.lua` for the keys), so a server may die between any two calls: what it had claimed is claimed by
//! another when the lease is over, and what it had not is where it was.
//!
//! Times of leases and of deliveries are the Redis's, so that servers' clocks need not agree.
//!
//! After an outage of the Redis that outlasts the leases, running jobs may be claimed by others before their servers
//! have renewed: they run twice, and the result of the latest run is the one recorded.

mod deliveries;
mod queue;
mod read;
mod row;
mod scripts;
mod wake;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::job::{Job, JobId, NewJob};
use super::store::{
    Cancelled, Claim, Delivery, Ending, Filter, Inserted, JobEvent, JobStore, Kept, Lease, NewDelivery, Posted, Return,
};
use crate::store::StoreError;
use crate::store::redis::Redis;
use scripts::Scripts;
use wake::Wake;

/// The jobs of a Redis, as one server sees them.
pub struct RedisJobs {
    redis: Arc<Redis>,
    scripts: Scripts,
    /// This server's name in the consumer groups; another one after each start.
    server: String,
    lease: Duration,
    /// One for each model that was waited for.
    queued: Mutex<HashMap<String, Arc<Wake>>>,
    due: Wake,
}

impl RedisJobs {
    /// `lease` is how long the jobs of a silent server stay its own; at least a millisecond.
    pub fn new(redis: Arc<Redis>, lease: Duration) -> Self {
        Self {
            redis,
            scripts: Scripts::new(),
            server: Uuid::now_v7().to_string(),
            lease: lease.max(Duration::from_millis(1)),
            queued: Mutex::default(),
            due: Wake::new("wake:due".to_owned()),
        }
    }

    fn queued(&self, model: &str) -> Arc<Wake> {
        let mut models = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        let wake = models
            .entry(model.to_owned())
            .or_insert_with(|| Arc::new(Wake::new(format!("wake:jobs:{model}"))));
        Arc::clone(wake)
    }
}

#[async_trait]
impl JobStore for RedisJobs {
    async fn insert(&self, job: NewJob, most: usize) -> Result<Inserted, StoreError> {
        self.insert_job(job, most).await
    }

    async fn get(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.get_job(id).await
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Job>, StoreError> {
        self.list_jobs(filter).await
    }

    async fn claim(&self, model: &str, most: usize) -> Result<Vec<Claim>, StoreError> {
        self.claim_jobs(model, most).await
    }

    async fn wait(&self, model: &str, patience: Duration) {
        // Nothing tells of a lease that is over: it has to be looked for.
        let patience = patience.min(self.lease / 2);
        self.queued(model).wait(&self.redis, patience).await;
    }

    async fn keep(&self, leases: &[Lease]) -> Result<Vec<Kept>, StoreError> {
        self.keep_leases(leases).await
    }

    fn lease_time(&self) -> Duration {
        self.lease
    }

    async fn put_back(&self, lease: &Lease, why: Return) -> Result<bool, StoreError> {
        self.put_job_back(lease, why).await
    }

    async fn finish(&self, lease: &Lease, ending: Ending) -> Result<bool, StoreError> {
        self.finish_job(lease, &ending).await
    }

    async fn cancel(&self, id: JobId, at: Timestamp, delivery: Option<NewDelivery>) -> Result<Cancelled, StoreError> {
        self.cancel_job(id, at, delivery.as_ref()).await
    }

    async fn unfinished(&self, model: &str) -> Result<usize, StoreError> {
        self.count_unfinished(model).await
    }

    async fn forget(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.forget_jobs(before).await
    }

    async fn publish(&self, lease: &Lease, events: Vec<JobEvent>) -> Result<(), StoreError> {
        self.publish_events(lease, &events).await
    }

    async fn events(&self, id: JobId, after: u64, patience: Duration) -> Result<Vec<(u64, JobEvent)>, StoreError> {
        self.events_after(id, after, patience).await
    }

    async fn tell(&self, lease: &Lease, delivery: NewDelivery) -> Result<(), StoreError> {
        self.add_delivery(lease, &delivery).await
    }

    async fn due(&self, most: usize, lease: Duration) -> Result<Vec<Delivery>, StoreError> {
        self.take_due(most, lease).await
    }

    async fn hold(&self, deliveries: &[Delivery], lease: Duration) -> Result<(), StoreError> {
        self.hold_deliveries(deliveries, lease).await
    }

    async fn wait_due(&self, patience: Duration) {
        self.wait_until_due(patience).await;
    }

    async fn settle(&self, delivery: &Delivery, posted: Posted) -> Result<(), StoreError> {
        self.settle_delivery(delivery, posted).await
    }

    async fn deliveries(&self, job: JobId) -> Result<Vec<Delivery>, StoreError> {
        self.deliveries_of(job).await
    }

    async fn dead_letters(&self, before: Option<&str>, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        self.list_dead_letters(before, limit).await
    }

    async fn resend(&self, id: &str) -> Result<bool, StoreError> {
        self.resend_dead_letter(id).await
    }
}

#[cfg(test)]
mod tests;
