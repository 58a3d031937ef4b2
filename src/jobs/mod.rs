//! Background jobs: accepted at once, run when interactive requests leave room, never lost.
//!
//! A job is on disk before its client is told of it. Each model has a runner, which takes jobs in the order they came
//! and submits them as any request, behind those of clients that wait. What a store promises is said in [`store`];
//! everything else here may die at any moment and be begun again.

#[cfg(test)]
mod conformance;
pub mod deliver;
pub mod embedded;
pub mod job;
pub mod redis;
mod run;
mod runner;
mod running;
mod shared;
pub mod store;
mod submission;
mod telling;
mod tend;
mod view;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

pub use submission::{Accepted, Submission, field_fault};
pub use view::{Detail, JobView, Media};

use crate::error::{Error, Kind};
use crate::service::{Route, Service};
use crate::upload::Uploader;
use crate::webhook::{Client, Secret};
use deliver::Deliverer;
use job::{Idempotency, Job, JobId, NewJob, Outcome};
use running::Running;
use shared::{Phase, Shared, now};
use store::{Cancelled, Delivery, Filter, Inserted, JobEvent, JobStore};
use submission::STOPPING;
use telling::ending;

/// How jobs are kept.
#[derive(Clone, Debug)]
pub struct JobSettings {
    /// How long a job that is over can be asked for.
    pub ttl: Duration,
    /// Unfinished jobs of one model.
    pub backlog: usize,
}

/// The jobs of this server.
pub struct Jobs {
    shared: Arc<Shared>,
    /// Runners, and what looks after their jobs.
    tasks: Mutex<JoinSet<()>>,
    /// Goes on until the last end has been recorded.
    deliverer: Mutex<Option<JoinHandle<()>>>,
}

/// Who tells webhooks.
pub struct Webhooks {
    pub client: Client,
    pub secret: Option<Secret>,
}

/// How long putting back may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Jobs {
    /// Starts a runner for each model. Must be called within a runtime.
    pub fn start(
        store: Arc<dyn JobStore>,
        service: Arc<Service>,
        settings: JobSettings,
        webhooks: Webhooks,
        uploader: Uploader,
    ) -> Self {
        let shared = Arc::new(Shared {
            store,
            service,
            settings,
            uploader,
            running: Running::default(),
            stop: watch::Sender::new(Phase::Serving),
        });
        let mut tasks = JoinSet::new();
        for model in &shared.service.routes().models {
            tasks.spawn(runner::run(Arc::clone(&shared), Arc::clone(model)));
        }
        tasks.spawn(tend::keep_leases(Arc::clone(&shared)));
        tasks.spawn(tend::forget(Arc::clone(&shared)));
        let deliverer = Deliverer::new(Arc::clone(&shared.store), webhooks.client, webhooks.secret);
        let mut phase = shared.stop.subscribe();
        let deliverer = tokio::spawn(async move {
            let over = async { drop(phase.wait_for(|phase| *phase == Phase::Over).await) };
            deliverer.run(over).await;
        });
        Self {
            shared,
            tasks: Mutex::new(tasks),
            deliverer: Mutex::new(Some(deliverer)),
        }
    }

    /// Accepts a job. When this returns, it will run.
    ///
    /// # Errors
    /// Conflict where the key was sent with another body; queue full where the model has as many unfinished jobs as it
    /// may; not ready while the server drains, or its store is away.
    pub async fn submit(&self, route: &Route, submission: Submission) -> Result<Accepted, Error> {
        if self.shared.service.is_draining() {
            return Err(Error::new(Kind::NotReady, STOPPING));
        }
        let path = route.endpoint().paths.first().cloned().unwrap_or_default();
        let idempotency = match &submission.idempotency_key {
            Some(key) => Some(Idempotency {
                digest: submission.digest(&path).await?,
                key: key.clone(),
            }),
            None => None,
        };
        let job = NewJob {
            id: Uuid::now_v7(),
            model: route.model.card.name.to_string(),
            path,
            input: submission.input,
            webhook: submission.webhook,
            upload_webhook: submission.upload_webhook,
            idempotency,
            created: now(),
        };
        let queued = Job::queued(&job);
        match self.shared.store.insert(job, self.shared.settings.backlog).await? {
            Inserted::New => Ok(Accepted { job: queued, new: true }),
            Inserted::Known(job) => Ok(Accepted { job: *job, new: false }),
            Inserted::Conflict(sent) => Err(Error::new(
                Kind::Conflict,
                format!(
                    "the Idempotency-Key {:?} was sent before with another request",
                    sent.key
                ),
            )),
            Inserted::Full => Err(Error::new(
                Kind::QueueFull,
                format!(
                    "{} has {} unfinished jobs, as many as SERVER_JOB_BACKLOG allows; try again later",
                    queued.model, self.shared.settings.backlog
                ),
            )
            .with_retry_after(Duration::from_secs(5))),
        }
    }

    /// # Errors
    /// When the store is away; so for all below.
    pub async fn get(&self, id: JobId) -> Result<Option<Job>, Error> {
        Ok(self.shared.store.get(id).await?)
    }

    /// A page of jobs, newest first, without the bodies of inputs and answers.
    ///
    /// # Errors
    /// As [`Jobs::get`].
    pub async fn list(&self, filter: &Filter) -> Result<Vec<Job>, Error> {
        Ok(self.shared.store.list(filter).await?)
    }

    /// Ends a queued job at once and asks for the end of a running one; an ended one stays as it is.
    ///
    /// # Errors
    /// As [`Jobs::get`].
    pub async fn cancel(&self, id: JobId) -> Result<Option<Job>, Error> {
        let Some(job) = self.shared.store.get(id).await? else {
            return Ok(None);
        };
        let at = now();
        let delivery = ending(&job, &Outcome::Cancelled, at);
        let cancelled = self.shared.store.cancel(id, at, delivery).await?;
        Ok(match cancelled {
            Cancelled::Now(job) | Cancelled::Over(job) => Some(*job),
            Cancelled::Soon(job) => {
                self.shared.running.cancel(id);
                Some(*job)
            }
            Cancelled::Unknown => None,
        })
    }

    /// Events after the `after`th; waits for up to `patience` where there are none yet.
    ///
    /// # Errors
    /// As [`Jobs::get`].
    pub async fn events(&self, id: JobId, after: u64, patience: Duration) -> Result<Vec<(u64, JobEvent)>, Error> {
        Ok(self.shared.store.events(id, after, patience).await?)
    }

    /// What webhooks were told of a job, in order.
    ///
    /// # Errors
    /// As [`Jobs::get`].
    pub async fn deliveries(&self, id: JobId) -> Result<Vec<Delivery>, Error> {
        Ok(self.shared.store.deliveries(id).await?)
    }

    /// Deliveries that were given up, newest first.
    ///
    /// # Errors
    /// As [`Jobs::get`].
    pub async fn dead_letters(&self, before: Option<&str>, limit: usize) -> Result<Vec<Delivery>, Error> {
        Ok(self.shared.store.dead_letters(before, limit).await?)
    }

    /// Delivers a dead letter once more; false when there is none of this id.
    ///
    /// # Errors
    /// As [`Jobs::get`].
    pub async fn resend(&self, id: &str) -> Result<bool, Error> {
        Ok(self.shared.store.resend(id).await?)
    }

    /// Takes no more jobs, and waits until those under way have ended or been put back, up to `patience`. What is
    /// left is run again by whoever comes next.
    pub async fn stop(&self, patience: Duration) {
        let mut tasks = self.tasks.lock().await;
        for (phase, patience) in [(Phase::Finishing, patience), (Phase::GivingUp, LAST_WORDS)] {
            self.shared.stop.send_replace(phase);
            let all = async { while tasks.join_next().await.is_some() {} };
            if tokio::time::timeout(patience, all).await.is_ok() {
                break;
            }
        }
        tasks.abort_all();
        self.shared.stop.send_replace(Phase::Over);
        if let Some(deliverer) = self.deliverer.lock().await.take() {
            // It ends by itself, and a fault of its own has been logged.
            drop(deliverer.await);
        }
    }
}
