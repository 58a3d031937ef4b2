//! A background job: what was asked, how far it is, what came of it.
//!
//! States go one way: queued → running → succeeded, failed or cancelled. A job whose replica or server died while it
//! ran is queued again.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::error::{Error, Fault, Kind};
pub use crate::payload::About;

/// Ids are UUIDs of version 7 (RFC 9562): they sort by the time they were made at.
pub type JobId = Uuid;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl Status {
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word that wires and stores have for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether nothing changes any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// A request as it was sent, without the fields that are the job's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    pub body: Bytes,
    pub about: About,
}

impl Input {
    /// How long the client lets a run take.
    pub fn timeout(&self) -> Option<Duration> {
        self.about.timeout_ms.map(Duration::from_millis)
    }
}

/// Who is told of a job, and of what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    pub url: String,
    pub events: Vec<WebhookEvent>,
}

/// What a webhook may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookEvent {
    /// A run begins.
    Start,
    /// The pipeline reported progress.
    Progress,
    /// The job is over, however it ended.
    Completed,
}

impl WebhookEvent {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Progress => "progress",
            Self::Completed => "completed",
        }
    }
}

/// A key by which a client sends a request again without making a second job of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    pub key: String,
    /// SHA-256 of all that the request says of its job: the same key with another digest is a mistake of the client.
    pub digest: [u8; 32],
}

/// A job that is to be accepted.
#[derive(Clone, Debug)]
pub struct NewJob {
    pub id: JobId,
    pub model: String,
    /// The endpoint's canonical path.
    pub path: String,
    pub input: Input,
    pub webhook: Option<Webhook>,
    /// Where files of the output are posted.
    pub upload_webhook: Option<String>,
    pub idempotency: Option<Idempotency>,
    pub created: Timestamp,
}

/// A job as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub id: JobId,
    pub model: String,
    pub path: String,
    pub status: Status,
    /// Kept until the job is forgotten.
    pub input: Input,
    pub webhook: Option<Webhook>,
    pub upload_webhook: Option<String>,
    pub created: Timestamp,
    /// When the last run began.
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
    /// Runs that were begun.
    pub attempts: u32,
    /// Runs whose replica died.
    pub losses: u32,
    /// Runs that ended with their server.
    pub interruptions: u32,
    /// What the pipeline last said of its progress.
    pub progress: Option<Value>,
    /// Somebody asked for its end while it ran.
    pub cancelling: bool,
    pub outcome: Option<Outcome>,
}

impl Job {
    /// A job that has just been accepted.
    pub fn queued(new: &NewJob) -> Self {
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

    /// Bytes of its input and its output.
    pub fn size(&self) -> usize {
        let output = match &self.outcome {
            Some(Outcome::Succeeded(answer)) => answer.body.len(),
            Some(Outcome::Failed(_) | Outcome::Cancelled) | None => 0,
        };
        self.input.body.len() + output
    }
}

/// What came of a job that is over.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Succeeded(Answer),
    Failed(Failure),
    Cancelled,
}

impl Outcome {
    pub const fn status(&self) -> Status {
        match self {
            Self::Succeeded(_) => Status::Succeeded,
            Self::Failed(_) => Status::Failed,
            Self::Cancelled => Status::Cancelled,
        }
    }
}

/// The output of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `application/json` for a JSON document.
    pub content_type: String,
    pub body: Bytes,
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The word of [`Kind::name`].
    #[serde(rename = "type")]
    pub kind: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<Fault>,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind().name().to_owned(),
            message: error.message().to_owned(),
            detail: error.detail().to_vec(),
        }
    }
}

impl Failure {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind: kind.name().to_owned(),
            message: message.into(),
            detail: Vec::new(),
        }
    }
}

/// Replicas a job may cost before it is given up: what kills three of them would kill the next.
pub const MOST_LOSSES: u32 = 3;

/// Servers a job may go down with before it is given up. More than losses of replicas, since most servers die of
/// something else than the job that happened to run; not without end, since a crash of native code takes the server
/// with it.
pub const MOST_INTERRUPTIONS: u32 = 10;
