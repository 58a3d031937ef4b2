//! Jobs in the one database of a single server.
//!
//! What must outlive the server is in SQLite. What only readers of a job that runs here want to know is in memory: its
//! events, and its progress until it is over. A lease has no end: nobody else can have the job while this server
//! holds the database, and when it dies, the next one to open it queues again what ran.

mod accept;
mod claims;
mod deliveries;
mod endings;
mod events;
mod reading;
mod rows;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::Notify;

use super::job::{Job, JobId, NewJob, Status};
use super::store::{
    Cancelled, Claim, Delivery, Ending, Filter, Inserted, JobEvent, JobStore, Kept, Lease, NewDelivery, Posted, Return,
};
use crate::store::StoreError;
use crate::store::embedded::Database;
use events::Hub;
pub use schema::SCHEMA;

/// The most jobs deleted in one write, so that others need not wait long.
const FORGOTTEN_AT_ONCE: usize = 500;

/// [`JobStore`] in a [`Database`] that has [`SCHEMA`].
pub struct EmbeddedJobs {
    database: Arc<Database>,
    live: Arc<Live>,
}

/// What lives as long as the server.
#[derive(Default)]
struct Live {
    hub: Hub,
    /// Rung when a job of the model may be claimed.
    queued: Mutex<HashMap<String, Arc<Notify>>>,
    /// Rung when a delivery may be due.
    due: Notify,
}

impl EmbeddedJobs {
    /// Touches nothing yet.
    pub fn new(database: Arc<Database>) -> Self {
        Self {
            database,
            live: Arc::default(),
        }
    }

    /// A write about what is there already: where there is no database yet, `absent` is the answer.
    async fn change<T: Send + 'static>(
        &self,
        absent: T,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        done: impl FnOnce(&T, &Live) + Send + 'static,
    ) -> Result<T, StoreError> {
        let live = Arc::clone(&self.live);
        let changed = self.database.write_if_there(work, move |made| done(made, &live));
        Ok(changed.await?.unwrap_or(absent))
    }
}

impl Live {
    fn bell(&self, model: &str) -> Arc<Notify> {
        let mut queued = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = queued.get(model) {
            return Arc::clone(bell);
        }
        let bell = Arc::default();
        queued.insert(model.to_owned(), Arc::clone(&bell));
        bell
    }
}

#[async_trait]
impl JobStore for EmbeddedJobs {
    async fn insert(&self, job: NewJob, most: usize) -> Result<Inserted, StoreError> {
        let model = job.model.clone();
        let row = accept::NewRow::new(job)?;
        let live = Arc::clone(&self.live);
        let work = move |connection: &Connection| row.insert(connection, most);
        let done = move |inserted: &Inserted| {
            if matches!(inserted, Inserted::New) {
                live.bell(&model).notify_one();
            }
        };
        self.database.write(work, done).await
    }

    async fn get(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let read = self
            .database
            .read(move |connection| reading::by_id(connection, id))
            .await?;
        Ok(read.flatten().map(|job| self.live.hub.brought_up(job)))
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Job>, StoreError> {
        let filter = filter.clone();
        let read = self
            .database
            .read(move |connection| reading::list(connection, &filter))
            .await?;
        let jobs = read.unwrap_or_default().into_iter();
        Ok(jobs.map(|job| self.live.hub.brought_up(job)).collect())
    }

    async fn claim(&self, model: &str, most: usize) -> Result<Vec<Claim>, StoreError> {
        let model = model.to_owned();
        let work = move |connection: &Connection| claims::claim(connection, &model, most, Timestamp::now());
        let done = |claims: &Vec<Claim>, live: &Live| claims.iter().for_each(|claim| live.hub.claimed(&claim.lease));
        self.change(Vec::new(), work, done).await
    }

    async fn wait(&self, model: &str, patience: Duration) {
        let bell = self.live.bell(model);
        let _ = tokio::time::timeout(patience, bell.notified()).await;
    }

    async fn keep(&self, leases: &[Lease]) -> Result<Vec<Kept>, StoreError> {
        let lost = vec![Kept::Lost; leases.len()];
        let leases = leases.to_vec();
        let read = self
            .database
            .read(move |connection| claims::keep(connection, &leases))
            .await?;
        Ok(read.unwrap_or(lost))
    }

    fn lease_time(&self) -> Duration {
        // A year: without end, and still short enough to be added to a time.
        Duration::from_secs(365 * 24 * 3600)
    }

    async fn put_back(&self, lease: &Lease, why: Return) -> Result<bool, StoreError> {
        let (lease, returned) = (lease.clone(), lease.clone());
        let work = move |connection: &Connection| claims::put_back(connection, &lease, why, Timestamp::now());
        let done = move |back: &bool, live: &Live| {
            if *back {
                live.hub.status(returned.job, Status::Queued);
                live.bell(&returned.model).notify_one();
            }
        };
        self.change(false, work, done).await
    }

    async fn finish(&self, lease: &Lease, ending: Ending) -> Result<bool, StoreError> {
        let (id, status) = (lease.job, ending.outcome.status());
        let tells = ending.delivery.is_some();
        let progress = self.live.hub.progress(id);
        let lease = lease.clone();
        let work = move |connection: &Connection| endings::finish(connection, &lease, &ending, progress.as_ref());
        let done = move |finished: &bool, live: &Live| {
            if *finished {
                live.hub.status(id, status);
                if tells {
                    live.due.notify_one();
                }
            }
        };
        self.change(false, work, done).await
    }

    async fn cancel(&self, id: JobId, at: Timestamp, delivery: Option<NewDelivery>) -> Result<Cancelled, StoreError> {
        let tells = delivery.is_some();
        let work = move |connection: &Connection| endings::cancel(connection, id, at, delivery.as_ref());
        let done = move |cancelled: &Cancelled, live: &Live| {
            if matches!(cancelled, Cancelled::Now(_)) {
                live.hub.status(id, Status::Cancelled);
                if tells {
                    live.due.notify_one();
                }
            }
        };
        self.change(Cancelled::Unknown, work, done).await
    }

    async fn unfinished(&self, model: &str) -> Result<usize, StoreError> {
        let model = model.to_owned();
        let read = self
            .database
            .read(move |connection| accept::unfinished(connection, &model))
            .await?;
        Ok(read.unwrap_or(0))
    }

    async fn forget(&self, before: Timestamp) -> Result<usize, StoreError> {
        let mut forgotten = 0;
        loop {
            let work = move |connection: &Connection| endings::forget(connection, before, FORGOTTEN_AT_ONCE);
            let some = self.change(0, work, |_, _| ()).await?;
            forgotten += some;
            if some == 0 {
                return Ok(forgotten);
            }
        }
    }

    async fn publish(&self, lease: &Lease, events: Vec<JobEvent>) -> Result<(), StoreError> {
        self.live.hub.publish(lease, events);
        Ok(())
    }

    async fn events(&self, id: JobId, after: u64, patience: Duration) -> Result<Vec<(u64, JobEvent)>, StoreError> {
        if !self.live.hub.knows(id) {
            let status = self
                .database
                .read(move |connection| reading::status(connection, id))
                .await?;
            match status.flatten() {
                None => return Ok(Vec::new()),
                // It ended before this server began, or long ago: of its events the last is left.
                Some(status) if status.is_over() => {
                    let last = (1, JobEvent::Status(status));
                    return Ok(if after == 1 { Vec::new() } else { vec![last] });
                }
                Some(_) => self.live.hub.open(id),
            }
        }
        Ok(self.live.hub.events(id, after, patience).await)
    }

    async fn tell(&self, lease: &Lease, delivery: NewDelivery) -> Result<(), StoreError> {
        let lease = lease.clone();
        let work = move |connection: &Connection| -> Result<bool, StoreError> {
            let held = claims::keep(connection, std::slice::from_ref(&lease))? != [Kept::Lost];
            if held {
                deliveries::insert(connection, lease.job, &delivery, Timestamp::now())?;
            }
            Ok(held)
        };
        let done = |held: &bool, live: &Live| {
            if *held {
                live.due.notify_one();
            }
        };
        self.change(false, work, done).await?;
        Ok(())
    }

    async fn due(&self, most: usize, lease: Duration) -> Result<Vec<Delivery>, StoreError> {
        let work = move |connection: &Connection| deliveries::due(connection, most, lease, Timestamp::now());
        self.change(Vec::new(), work, |_, _| ()).await
    }

    async fn hold(&self, _: &[Delivery], _: Duration) -> Result<(), StoreError> {
        Ok(())
    }

    async fn wait_due(&self, patience: Duration) {
        let next = self.database.read(deliveries::next).await;
        let patience = match next {
            Ok(Some(Some(at))) => {
                let left = Timestamp::now().duration_until(at);
                Duration::try_from(left).unwrap_or_default().min(patience)
            }
            _ => patience,
        };
        let _ = tokio::time::timeout(patience, self.live.due.notified()).await;
    }

    async fn settle(&self, delivery: &Delivery, posted: Posted) -> Result<(), StoreError> {
        let (id, job) = (delivery.id.clone(), delivery.job);
        let work = move |connection: &Connection| deliveries::settle(connection, &id, job, &posted, Timestamp::now());
        // The next of the job may be due now.
        let done = |(): &(), live: &Live| live.due.notify_one();
        self.change((), work, done).await
    }

    async fn deliveries(&self, job: JobId) -> Result<Vec<Delivery>, StoreError> {
        let read = self
            .database
            .read(move |connection| deliveries::of(connection, job))
            .await?;
        Ok(read.unwrap_or_default())
    }

    async fn dead_letters(&self, before: Option<&str>, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let before = before.map(str::to_owned);
        let read = self
            .database
            .read(move |connection| deliveries::dead(connection, before.as_deref(), limit));
        Ok(read.await?.unwrap_or_default())
    }

    async fn resend(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        let work = move |connection: &Connection| deliveries::resend(connection, &id, Timestamp::now());
        let done = |again: &bool, live: &Live| {
            if *again {
                live.due.notify_one();
            }
        };
        self.change(false, work, done).await
    }
}
