//! `GET /jobs/ID/events`: what happens to a job, as server-sent events.
//!
//! `status`, `progress` and `chunk` carry the number by which a reader that comes back goes on (`Last-Event-ID`);
//! `completed`, the last, carries the job. A reader that has seen it and comes back gets 204, which is how the HTML
//! standard tells an `EventSource` to come no more.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::error::Error;
use crate::http::exchange::decoding;
use crate::jobs::job::{Job, JobId, Status};
use crate::jobs::store::JobEvent;
use crate::jobs::{Detail, JobView, Jobs};
use crate::service::Service;

const LAST_EVENT_ID: &str = "last-event-id";
/// The id of the last event of every job.
const END: &str = "end";
/// How long one look for events may wait: a server that stops ends its streams within this time.
const LOOK: Duration = Duration::from_secs(1);
/// So many looks without an event, and a comment is sent: proxies close connections that are silent for long.
const KEEP_ALIVE: u32 = 15;

/// Streams what there is of a job's events, and what comes, until the job is over.
pub fn respond(jobs: Arc<Jobs>, service: Arc<Service>, job: Job, headers: &HeaderMap) -> Response<Body> {
    let seen = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
    let over = job.status.is_over();
    if over && seen == Some(END) {
        return StatusCode::NO_CONTENT.into_response();
    }
    let reader = Reader {
        jobs,
        service,
        id: job.id,
        after: seen.and_then(|id| id.parse().ok()).unwrap_or(0),
        told: None,
        quiet: 0,
        ended: over.then(|| Box::new(job)),
    };
    let body = stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        let (text, more) = reader.next().await;
        Some((Ok::<_, Infallible>(text), more.then_some(reader)))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// One client that reads the events of one job.
struct Reader {
    jobs: Arc<Jobs>,
    service: Arc<Service>,
    id: JobId,
    /// The number of the last event that was sent.
    after: u64,
    /// The status the client knows of.
    told: Option<Status>,
    /// Looks in a row that found nothing.
    quiet: u32,
    /// The job, once it is over. Events that were published before its end go out before it.
    ended: Option<Box<Job>>,
}

impl Reader {
    /// What is to be sent next, and whether more follows.
    async fn next(&mut self) -> (Bytes, bool) {
        if self.after == 0 && self.told.is_none() {
            // Every job began so, and a client that waits long sees that it is heard.
            self.told = Some(Status::Queued);
            return (status(None, Status::Queued), true);
        }
        loop {
            let began = Instant::now();
            let patience = if self.ended.is_some() || self.heard_of_end() {
                Duration::ZERO
            } else {
                LOOK
            };
            let found = match self.jobs.events(self.id, self.after, patience).await {
                Ok(found) => found,
                Err(error) => return (fault(&error), false),
            };
            if !found.is_empty() {
                self.quiet = 0;
                let text = self.written(found);
                if !text.is_empty() {
                    return (text, true);
                }
                continue;
            }
            if let Some(job) = &self.ended {
                return (decoding(job.size(), || completed(job)), false);
            }
            // A client that has been told of the end gets the job, too.
            if self.service.is_draining() && !self.heard_of_end() {
                // The client comes back with the number of what it has, and finds another server or this one anew.
                return (Bytes::new(), false);
            }
            self.quiet += 1;
            if self.is_to_look() {
                match self.jobs.get(self.id).await {
                    Ok(Some(job)) if job.status.is_over() => {
                        self.ended = Some(Box::new(job));
                        continue;
                    }
                    // No end after all: one does not wait for it without a pause.
                    Ok(Some(_)) => self.told = self.told.filter(|told| !told.is_over()),
                    Ok(None) => return (Bytes::new(), false),
                    Err(error) => return (fault(&error), false),
                }
            }
            if self.quiet.is_multiple_of(KEEP_ALIVE) {
                return (Bytes::from_static(b":\n\n"), true);
            }
            if !self.heard_of_end() {
                // A store may have nothing to wait for where it knows no events of a job.
                tokio::time::sleep_until(began + LOOK).await;
            }
        }
    }

    /// Whether it is time to look at the job itself. Its end is an event, after which it is there at once; should that
    /// have been lost, the job is looked at all the same, ever less often, since that reads its bodies.
    fn is_to_look(&self) -> bool {
        self.heard_of_end() || self.quiet.is_power_of_two() || self.quiet.is_multiple_of(KEEP_ALIVE)
    }

    fn heard_of_end(&self) -> bool {
        self.told.is_some_and(Status::is_over)
    }

    /// Events as text. The same status twice in a row is told once.
    fn written(&mut self, events: Vec<(u64, JobEvent)>) -> Bytes {
        let mut text = Vec::new();
        for (number, event) in events {
            self.after = number;
            match event {
                JobEvent::Status(new) if self.told == Some(new) => {}
                JobEvent::Status(new) => {
                    self.told = Some(new);
                    text.extend_from_slice(&status(Some(number), new));
                }
                JobEvent::Progress(value) => text.extend_from_slice(&valued("progress", number, &value)),
                JobEvent::Chunk(value) => text.extend_from_slice(&valued("chunk", number, &value)),
            }
        }
        text.into()
    }
}

fn status(number: Option<u64>, status: Status) -> Bytes {
    let data = json!({"status": status.name()}).to_string();
    let id = number.map(|number| number.to_string());
    frame("status", id.as_deref(), data.as_bytes())
}

fn valued(event: &str, number: u64, value: &Value) -> Bytes {
    frame(event, Some(&number.to_string()), value.to_string().as_bytes())
}

fn completed(job: &Job) -> Bytes {
    let data = serde_json::to_vec(&JobView::of(job, Detail::Outcome)).unwrap_or_default();
    frame("completed", Some(END), &data)
}

fn fault(error: &Error) -> Bytes {
    frame("error", None, json!({"error": error.message()}).to_string().as_bytes())
}

/// One event. An answer may be JSON on several lines, by whichever end of line: each gets its own field.
fn frame(event: &str, id: Option<&str>, data: &[u8]) -> Bytes {
    let mut text = Vec::with_capacity(data.len() + 64);
    let mut line = |name: &str, value: &[u8]| {
        for part in [name.as_bytes(), b": ", value, b"\n"] {
            text.extend_from_slice(part);
        }
    };
    line("event", event.as_bytes());
    if let Some(id) = id {
        line("id", id.as_bytes());
    }
    for part in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
        line("data", part);
    }
    text.push(b'\n');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_its_name_its_number_and_its_data() {
        assert_eq!(
            status(Some(3), Status::Running),
            "event: status\nid: 3\ndata: {\"status\":\"running\"}\n\n"
        );
        assert_eq!(
            valued("chunk", 4, &json!("a\nb")),
            "event: chunk\nid: 4\ndata: \"a\\nb\"\n\n"
        );
        assert_eq!(
            frame("completed", None, b"{\n\"a\":\r\n1}"),
            "event: completed\ndata: {\ndata: \"a\":\ndata: \ndata: 1}\n\n"
        );
    }
}
