//! Where jobs are kept, as the rest of the room sees it. Two engines stand behind it: SQLite for one server, Redis
//! for several that share the work.
//!
//! What every engine promises:
//! - An accepted job is on disk (SQLite), or as safe as the Redis keeps its data, before `insert` returns.
//! - A claimed job belongs to one server for the time of its lease. Who holds a lease that is over is told so, and what
//!   it then finishes is not recorded: a result is recorded once.
//! - The end of a job and the delivery that tells of it are recorded together or not at all.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::job::{Answer, Idempotency, Job, JobId, NewJob, Outcome, Status};
use crate::store::StoreError;

/// What became of a job that was to be accepted.
#[derive(Debug)]
pub enum Inserted {
    /// It is queued.
    New,
    /// Its idempotency key brought this job before.
    Known(Box<Job>),
    /// Its idempotency key belongs to another body.
    Conflict(Idempotency),
    /// The model has as many unfinished jobs as it may.
    Full,
}

/// Which jobs to list. Newest first.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub model: Option<String>,
    pub status: Option<Status>,
    /// Only jobs older than this one: the last of the page before.
    pub before: Option<JobId>,
    pub limit: usize,
}

/// A job that this server may run, for as long as it keeps the lease.
#[derive(Clone, Debug)]
pub struct Claim {
    pub lease: Lease,
    pub job: Job,
}

/// The right to run a job.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    pub job: JobId,
    pub model: String,
    /// [`Job::attempts`] of this run: a later run has a higher one.
    pub attempt: u32,
}

/// What became of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Yes,
    /// Yes, and somebody asked for the job's end.
    Cancelling,
    /// Another server has the job, or it is over.
    Lost,
}

/// Why a claimed job goes back into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// It did not run: the model was not ready, or the server stops. Counts as nothing.
    Unrun,
    /// Its replica died. Counts as a loss.
    Lost,
}

/// What a job that was to be cancelled is now.
#[derive(Debug)]
pub enum Cancelled {
    /// It was queued and is cancelled.
    Now(Box<Job>),
    /// It runs; its server is told.
    Soon(Box<Job>),
    /// It had ended before.
    Over(Box<Job>),
    Unknown,
}

/// What readers of a job's events see, numbered from 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "event", content = "data")]
pub enum JobEvent {
    /// The status changed.
    Status(Status),
    Progress(Value),
    /// A piece of the output of a pipeline that streams.
    Chunk(Value),
}

/// A webhook delivery under way or given up.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// `JOB_EVENT` or, of events that come more than once, `JOB_EVENT_RUN_NUMBER`: the `webhook-id` of every attempt.
    pub id: String,
    pub job: JobId,
    pub url: String,
    /// What is posted.
    pub body: bytes::Bytes,
    pub created: Timestamp,
    pub state: DeliveryState,
    /// Posts that were made.
    pub attempts: u32,
    /// When the next post is due, or the last one was made.
    pub at: Timestamp,
    /// What went wrong last.
    pub error: Option<String>,
    /// The HTTP status of the last post, if there was one.
    pub status: Option<u16>,
    /// Only the terminal event is posted again after a fault.
    pub terminal: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    Pending,
    Delivered,
    /// Given up; a dead letter, where it is the terminal event.
    Dead,
}

/// What came of a post.
#[derive(Clone, Debug)]
pub enum Posted {
    Delivered {
        status: u16,
    },
    /// To be posted again then.
    Again {
        at: Timestamp,
        status: Option<u16>,
        error: String,
    },
    Dead {
        status: Option<u16>,
        error: String,
    },
}

/// A delivery that is to be made.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    pub id: String,
    pub url: String,
    pub body: bytes::Bytes,
    pub terminal: bool,
    /// Left out while another one of the job waits: a receiver that is slow hears of some progress only, and of the end
    /// in time.
    pub skippable: bool,
}

/// How a job ended, and what is told of it.
#[derive(Clone, Debug)]
pub struct Ending {
    pub outcome: Outcome,
    pub at: Timestamp,
    pub delivery: Option<NewDelivery>,
}

/// Bytes of bodies after which a call brings no more jobs or deliveries; the next one does. Reading them holds up
/// others, and leases run meanwhile.
pub const MOST_BYTES: usize = 32 * 1024 * 1024;

#[async_trait]
pub trait JobStore: Send + Sync + 'static {
    /// Accepts a job. `most` is how many unfinished jobs its model may have.
    async fn insert(&self, job: NewJob, most: usize) -> Result<Inserted, StoreError>;

    async fn get(&self, id: JobId) -> Result<Option<Job>, StoreError>;

    /// A page of jobs: as many as there are up to the limit. Bodies of inputs and answers may be left empty. One that
    /// cannot be read is left out, and the log told of it.
    async fn list(&self, filter: &Filter) -> Result<Vec<Job>, StoreError>;

    /// Takes up to `most` jobs of a model, fewer where their bodies are many bytes ([`MOST_BYTES`]), oldest first, those
    /// of dead servers included: they stood before what waits now. Each is running from now on, which readers of its
    /// events are told, with `attempts` one higher. Jobs whose server died count an interruption, whether or not a
    /// replica had taken them up; one with as many as it may have is returned too, for the caller to fail. One that
    /// cannot be read is failed, and holds up nobody.
    async fn claim(&self, model: &str, most: usize) -> Result<Vec<Claim>, StoreError>;

    /// Waits until there may be jobs of the model to claim, or `patience` is over. Word that came since the last claim
    /// ends the wait at once. One waiter a model.
    async fn wait(&self, model: &str, patience: Duration);

    /// Renews leases. To be called at least every [`JobStore::lease_time`] ÷ 3.
    async fn keep(&self, leases: &[Lease]) -> Result<Vec<Kept>, StoreError>;

    /// How long a lease lasts without being renewed.
    fn lease_time(&self) -> Duration;

    /// Puts a job back into the queue. False when the lease is lost.
    async fn put_back(&self, lease: &Lease, why: Return) -> Result<bool, StoreError>;

    /// Records the end of a job, and what is to be told of it, once. False when the lease is lost, or the job is over.
    async fn finish(&self, lease: &Lease, ending: Ending) -> Result<bool, StoreError>;

    /// Ends a queued job at once, asks for the end of a running one. `delivery` is recorded with the former.
    async fn cancel(&self, id: JobId, at: Timestamp, delivery: Option<NewDelivery>) -> Result<Cancelled, StoreError>;

    /// Unfinished jobs of a model.
    async fn unfinished(&self, model: &str) -> Result<usize, StoreError>;

    /// Forgets jobs that ended before `before`, with their deliveries and events; returns how many. Not those of which
    /// somebody is still to be told.
    async fn forget(&self, before: Timestamp) -> Result<usize, StoreError>;

    /// Tells readers of a job's progress and pieces; progress is kept in the job as well. Statuses are left out, since
    /// the store tells each as it records it. Not worth waiting for a disk.
    async fn publish(&self, lease: &Lease, events: Vec<JobEvent>) -> Result<(), StoreError>;

    /// Events after the `after`th of a job; waits for up to `patience` when there are none yet. Of many only the last
    /// thousand are kept. Each change of status is one, the end of a job too: `claim`, `put_back`, `finish` and `cancel`
    /// add it.
    async fn events(&self, id: JobId, after: u64, patience: Duration) -> Result<Vec<(u64, JobEvent)>, StoreError>;

    /// Adds a delivery to those of a job: start and progress. Not where there is one of this id, or the lease is lost;
    /// a skippable one not where another one waits.
    async fn tell(&self, lease: &Lease, delivery: NewDelivery) -> Result<(), StoreError>;

    /// Takes up to `most` deliveries that are due, fewer where their bodies are many bytes ([`MOST_BYTES`]), for `lease`
    /// at most: the oldest unsettled one of each job.
    async fn due(&self, most: usize, lease: Duration) -> Result<Vec<Delivery>, StoreError>;

    /// Renews what [`JobStore::due`] gave, except where it was settled since: other servers leave it alone for `lease`
    /// more. Nothing to do for a store that one server alone has.
    async fn hold(&self, deliveries: &[Delivery], lease: Duration) -> Result<(), StoreError>;

    /// Waits until a delivery may be due, or `patience` is over.
    async fn wait_due(&self, patience: Duration);

    async fn settle(&self, delivery: &Delivery, posted: Posted) -> Result<(), StoreError>;

    /// Deliveries of a job, in order. Their bodies may be left empty.
    async fn deliveries(&self, job: JobId) -> Result<Vec<Delivery>, StoreError>;

    /// Dead letters, newest first; `before` is the id of the last of the page before. Their bodies may be left empty.
    async fn dead_letters(&self, before: Option<&str>, limit: usize) -> Result<Vec<Delivery>, StoreError>;

    /// Makes a dead letter due now, its posts counted anew. False when there is none of this id.
    async fn resend(&self, id: &str) -> Result<bool, StoreError>;
}

/// An answer without its body, for pages of many.
impl Answer {
    #[must_use]
    pub fn without_body(&self) -> Self {
        Self {
            content_type: self.content_type.clone(),
            body: bytes::Bytes::new(),
        }
    }
}
