//! Background jobs: accepted at once, run when interactive requests leave room, never lost.
//!
//! A job is on disk before its client is told of it. Each model has a runner, which takes jobs in the order they came
//! and submits them as any request, behind those of clients that wait. What a store promises is said in [`store`];
//! everything else here may die at any moment and be begun again.

pub mod deliver;
pub mod embedded;
pub mod job;
pub mod redis;
mod run;
mod runner;
mod running;
pub mod store;
mod tend;
mod view;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex, watch};
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

pub use run::decode;
pub use view::{Detail, JobView, Media};

use crate::error::{Error, Fault, Kind};
use crate::service::{Route, Service};
use crate::upload::Uploader;
use crate::webhook::{Client, Secret};
use deliver::Deliverer;
use job::{Idempotency, Input, Job, JobId, NewJob, Outcome, Status, Webhook, WebhookEvent};
use running::Running;
use sha2::{Digest, Sha256};
use store::{Cancelled, Delivery, Filter, Inserted, JobEvent, JobStore, NewDelivery};

/// How jobs are kept.
#[derive(Clone, Debug)]
pub struct JobSettings {
    /// How long a job that is over can be asked for.
    pub ttl: Duration,
    /// Unfinished jobs of one model.
    pub backlog: usize,
}

/// A job that is to be accepted, as a client sent it.
pub struct Submission {
    pub input: Input,
    pub webhook: Option<Webhook>,
    pub upload_webhook: Option<String>,
    /// The client's own name for this job.
    pub idempotency_key: Option<String>,
}

/// Hashing more than this takes long enough for others to notice.
const HEAVY: usize = 1024 * 1024;
const STOPPING: &str = "the server is shutting down; send the job to another instance";

impl Submission {
    async fn digest(&self, path: &str) -> Result<[u8; 32], Error> {
        if self.input.body.len() < HEAVY {
            let upload_webhook = self.upload_webhook.as_deref();
            return Ok(digest(path, &self.input, self.webhook.as_ref(), upload_webhook));
        }
        let (path, input) = (path.to_owned(), self.input.clone());
        let (webhook, upload_webhook) = (self.webhook.clone(), self.upload_webhook.clone());
        let hash = move || digest(&path, &input, webhook.as_ref(), upload_webhook.as_deref());
        let hashed = tokio::task::spawn_blocking(hash).await;
        hashed.map_err(|_| Error::new(Kind::NotReady, STOPPING))
    }
}

/// A job that was accepted, now or before.
pub struct Accepted {
    pub job: Job,
    /// False where the key of the submission had brought this job before.
    pub new: bool,
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

/// What runners, the keeper of leases and the front share.
struct Shared {
    store: Arc<dyn JobStore>,
    service: Arc<Service>,
    settings: JobSettings,
    /// Brings files of answers where they are wanted.
    uploader: Uploader,
    running: Running,
    stop: watch::Sender<Phase>,
}

/// How far the server is with its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// Runners take no more jobs; what runs may end.
    Finishing,
    /// What still runs is put back.
    GivingUp,
    /// Nothing is recorded any more.
    Over,
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

impl Shared {
    fn phase(&self) -> Phase {
        *self.stop.borrow()
    }

    fn is_giving_up(&self) -> bool {
        self.phase() >= Phase::GivingUp
    }

    /// Waits for something, but not past the moment when the server begins to stop.
    async fn or_stop<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        let mut phase = self.stop.subscribe();
        tokio::select! {
            done = what => Some(done),
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => None,
        }
    }

    /// Waits for a while, but not past that moment.
    async fn pause(&self, time: Duration) {
        self.or_stop(tokio::time::sleep(time)).await;
    }
}

/// Wall-clock time, as stores keep it: to the millisecond.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// Of all that a request says of its job: the same key with another webhook is another request, too.
fn digest(path: &str, input: &Input, webhook: Option<&Webhook>, upload_webhook: Option<&str>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let query = input.about.query.as_deref().unwrap_or_default();
    let url = webhook.map_or("", |hook| hook.url.as_str());
    let events = webhook.iter().flat_map(|hook| &hook.events);
    let events: Vec<&str> = events.map(|event| event.name()).collect();
    let (events, upload) = (events.join(","), upload_webhook.unwrap_or_default());
    for part in [path, query, url, events.as_str(), upload] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.update(&input.body);
    hash.finalize().into()
}

/// What a webhook is told of a job's end, where one wants to know.
fn ending(job: &Job, outcome: &Outcome, at: Timestamp) -> Option<NewDelivery> {
    let ended = Job {
        status: outcome.status(),
        finished: Some(at),
        outcome: Some(outcome.clone()),
        ..job.clone()
    };
    delivery(&ended, WebhookEvent::Completed, None, at)
}

/// A delivery about a job as it stands; `number` tells events of a run apart that come more than once.
fn delivery(job: &Job, event: WebhookEvent, number: Option<u32>, at: Timestamp) -> Option<NewDelivery> {
    let webhook = job.webhook.as_ref().filter(|hook| hook.events.contains(&event))?;
    // Another run counts anew, and what it tells is news.
    let number = number.map(|n| format!("_{}_{n}", job.attempts)).unwrap_or_default();
    Some(NewDelivery {
        id: format!("{}_{}{number}", job.id, event.name()),
        url: webhook.url.clone(),
        body: view::told(job, event, at),
        terminal: event == WebhookEvent::Completed,
        skippable: event == WebhookEvent::Progress,
    })
}

impl Job {
    /// A job that has just been accepted.
    fn queued(new: &NewJob) -> Self {
        Self {
            id: new.id,
            model: new.model.clone(),
            path: new.path.clone(),
            status: Status::Queued,
            input: new.input.clone(),
            webhook: new.webhook.clone(),
            upload_webhook: new.upload_webhook.clone(),
            created: new.created,
            started: None,
            finished: None,
            attempts: 0,
            losses: 0,
            interruptions: 0,
            progress: None,
            cancelling: false,
            outcome: None,
        }
    }
}

/// A fault of a field of a submission.
pub fn field_fault(field: &str, message: impl Into<String>) -> Error {
    Error::faults(vec![Fault::at(&[field], message, "value")])
}
