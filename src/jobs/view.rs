//! A job as clients and webhooks read it.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::job::{Failure, Job, Outcome, WebhookEvent};
use crate::contract::{OCTET_STREAM, essence};

/// How much of a job is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// All of it.
    Whole,
    /// All but the input.
    Outcome,
    /// Neither input nor output.
    Summary,
}

/// A background job.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobView {
    /// A UUID; ids sort by the time jobs were accepted at.
    #[schema(format = "uuid")]
    pub id: String,
    pub model: String,
    /// The endpoint the job is for.
    pub path: String,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    pub status: &'static str,
    /// What was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    pub input: Option<Media>,
    /// The model's answer, once the job succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    pub output: Option<Media>,
    /// Why the job failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    pub error: Option<Failure>,
    /// What the pipeline last said of its progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    pub progress: Option<serde_json::Value>,
    /// When the job was accepted (RFC 3339).
    #[schema(format = DateTime)]
    pub created: String,
    /// When its last run began.
    #[schema(format = DateTime)]
    pub started: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    pub finished: Option<String>,
    /// Runs that were begun: more than one where a replica or a server died.
    pub attempts: u32,
    /// Somebody asked for the job's end, and it has not ended yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cancelling: bool,
}

/// A body: JSON as it is, anything else in base64.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Media {
    Json(Box<RawValue>),
    Other { content_type: String, base64: String },
}

impl Media {
    /// A body of a media type.
    pub fn of(content_type: &str, body: &Bytes) -> Self {
        let json = content_type.is_empty() || content_type.split(';').next().is_some_and(is_json);
        let text = json.then(|| std::str::from_utf8(body).ok()).flatten();
        let raw = text.and_then(|text| serde_json::from_str::<Box<RawValue>>(text).ok());
        let media = Some(content_type).filter(|media| !media.is_empty());
        raw.map_or_else(
            || Self::Other {
                content_type: media.unwrap_or(OCTET_STREAM).to_owned(),
                base64: BASE64_STANDARD.encode(body),
            },
            Self::Json,
        )
    }
}

/// What tools send for JSON by themselves.
const READ_AS_JSON: [&str; 3] = ["application/x-www-form-urlencoded", "text/plain", "text/json"];

fn is_json(essence: &str) -> bool {
    let essence = essence.trim();
    essence.eq_ignore_ascii_case("application/json") || essence.ends_with("+json")
}

impl JobView {
    pub fn of(job: &Job, detail: Detail) -> Self {
        let shown = detail != Detail::Summary;
        let input = (detail == Detail::Whole).then(|| {
            let sent = job.input.about.content_type.as_deref().unwrap_or_default();
            let read_as_json = READ_AS_JSON.contains(&&*essence(sent));
            Media::of(if read_as_json { "" } else { sent }, &job.input.body)
        });
        let (output, error) = match &job.outcome {
            Some(Outcome::Succeeded(answer)) if shown => (Some(Media::of(&answer.content_type, &answer.body)), None),
            Some(Outcome::Failed(failure)) => (None, Some(failure.clone())),
            Some(Outcome::Succeeded(_) | Outcome::Cancelled) | None => (None, None),
        };
        Self {
            id: job.id.to_string(),
            model: job.model.clone(),
            path: job.path.clone(),
            status: job.status.name(),
            input,
            output,
            error,
            progress: job.progress.clone(),
            created: job.created.to_string(),
            started: job.started.map(|at| at.to_string()),
            finished: job.finished.map(|at| at.to_string()),
            attempts: job.attempts,
            cancelling: job.cancelling && !job.status.is_over(),
        }
    }
}

/// What a webhook is told, as JSON.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: Cow<'a, str>,
    timestamp: String,
    data: JobView,
}

/// The body of a webhook about a job.
pub fn told(job: &Job, event: WebhookEvent, at: Timestamp) -> Bytes {
    let told = Told {
        kind: format!("job.{}", event.name()).into(),
        timestamp: at.to_string(),
        data: JobView::of(job, Detail::Outcome),
    };
    // Strings, numbers and JSON that was read as such: nothing that cannot be written.
    serde_json::to_vec(&told).unwrap_or_default().into()
}
