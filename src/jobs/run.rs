//! One run of a job, from its claim to what is recorded of it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;

use super::job::{
    Answer, Failure, Input, Job, MOST_INTERRUPTIONS, MOST_LOSSES, Outcome, Status, WebhookEvent, timeout,
};
use super::running::Calls;
use super::store::{Claim, Ending, JobEvent, Lease, Return};
use super::{Phase, Shared, delivery, ending, now};
use crate::contract::Contract;
use crate::error::{Error, Kind};
use crate::payload::{Chunk, Output, Payload, Raw, whole};
use crate::pipeline::{Event, Final};
use crate::service::{Call, Pending, Route};
use crate::upload::Wish;
use crate::worker::Priority;

/// Chunks that may wait until they are published.
const BUFFER: usize = 256;
/// Chunks that are published together at most.
const TOGETHER: usize = 64;
/// No webhook hears of progress more often.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// After a model or the store could not take something.
const RETRY: Duration = Duration::from_millis(500);

pub struct Run<'a> {
    shared: &'a Shared,
    lease: Lease,
    job: Job,
    calls: &'a Calls,
    began: Instant,
}

/// What came of a run.
enum Ended {
    /// To be recorded.
    With(Outcome),
    /// The replica died.
    Lost,
    /// Nothing ran.
    Unrun,
    /// Somebody else has the job.
    Forget,
}

impl<'a> Run<'a> {
    pub fn new(shared: &'a Shared, claim: Claim, calls: &'a Calls) -> Self {
        Self {
            shared,
            lease: claim.lease,
            job: claim.job,
            calls,
            began: Instant::now(),
        }
    }

    /// Runs the job and records what came of it.
    pub async fn complete(mut self) {
        let ended = self.run().await;
        match ended {
            Ended::With(outcome) => self.record(outcome).await,
            Ended::Lost => self.put_back(Return::Lost).await,
            Ended::Unrun => {
                self.put_back(Return::Unrun).await;
                self.shared.pause(RETRY).await;
            }
            Ended::Forget => {
                tracing::warn!(job = %self.job.id, "the lease of a job was lost; what its run gave is dropped");
            }
        }
    }

    async fn run(&mut self) -> Ended {
        if self.job.cancelling {
            return Ended::With(Outcome::Cancelled);
        }
        if self.job.interruptions >= MOST_INTERRUPTIONS {
            let told = format!("its server died {MOST_INTERRUPTIONS} times while it ran; it is not tried again");
            return Ended::With(failed(Kind::ReplicaLost, told));
        }
        let Ok(route) = self.shared.service.find(&self.job.path) else {
            let told = format!("{} is not served any more", self.job.path);
            return Ended::With(failed(Kind::NotFound, told));
        };
        let pending = match self.submit(&route) {
            Ok(pending) => pending,
            Err(error) if matches!(error.kind(), Kind::QueueFull | Kind::NotReady) => return Ended::Unrun,
            Err(error) => return Ended::With(Outcome::Failed(Failure::from(&error))),
        };
        self.publish(vec![JobEvent::Status(Status::Running)]).await;
        self.tell(WebhookEvent::Start, None).await;
        let mut phase = self.shared.stop.subscribe();
        tokio::select! {
            ended = self.read(&route, pending) => ended,
            () = self.calls.cancel.notified() => Ended::With(Outcome::Cancelled),
            () = self.calls.lost.notified() => Ended::Forget,
            // Ended by the server and not by the job: it counts as nothing.
            _ = phase.wait_for(|phase| *phase >= Phase::GivingUp) => Ended::Unrun,
        }
    }

    fn submit(&self, route: &Route) -> Result<Pending, Error> {
        let input = decode(route.contract(), &self.job.input)?;
        let call = Call {
            id: Some(self.job.input.about.request_id.as_str().into()),
            timeout: timeout(&self.job.input.about),
            priority: Priority::Job {
                // Who died with others beside it is tried by itself: it may have been the one that killed them.
                alone: self.job.losses > 0,
            },
            stream_buffer: Some(BUFFER),
        };
        self.shared.service.submit(route, input, call)
    }

    /// Reads what the pipeline gives until its last word.
    async fn read(&self, route: &Route, mut pending: Pending) -> Ended {
        let (mut chunks, mut fresh) = (Vec::new(), Vec::new());
        let (mut told, mut number) = (Instant::now(), 0);
        while let Some(event) = pending.next().await {
            match event {
                Event::Chunk(Chunk::Progress(text)) => {
                    let progress: Value = serde_json::from_slice(&text).unwrap_or_default();
                    fresh.push(JobEvent::Progress(progress.clone()));
                    if number == 0 || told.elapsed() >= TELL_EVERY {
                        (told, number) = (Instant::now(), number + 1);
                        self.tell(WebhookEvent::Progress, Some((number, progress))).await;
                    }
                }
                Event::Chunk(chunk) => {
                    fresh.extend(shown(&chunk));
                    chunks.push(chunk);
                }
                Event::Final(Final { result, .. }) => {
                    self.publish(std::mem::take(&mut fresh)).await;
                    let output = result.map(|output| whole(output, &chunks));
                    let output = match output {
                        Ok(output) => self.bring_files_away(output).await,
                        Err(error) => Err(error),
                    };
                    return self.ended(route.contract(), output);
                }
            }
            // What came while the last ones were published goes out together.
            while fresh.len() < TOGETHER
                && let Some(Event::Chunk(chunk)) = pending.try_next()
            {
                match chunk {
                    Chunk::Progress(text) => {
                        fresh.push(JobEvent::Progress(serde_json::from_slice(&text).unwrap_or_default()));
                    }
                    chunk => {
                        fresh.extend(shown(&chunk));
                        chunks.push(chunk);
                    }
                }
            }
            self.publish(std::mem::take(&mut fresh)).await;
        }
        Ended::Lost
    }

    async fn bring_files_away(&self, output: Output) -> Result<Output, Error> {
        let wish = Wish {
            model: self.job.model.as_str().into(),
            // A server that was given up may still be at it: no two runs write one key.
            id: Some(format!("{}-{}", self.job.id, self.lease.attempt)),
            webhook: self.job.upload_webhook.clone(),
            responses: true,
            started: self.began,
        };
        self.shared.uploader.deliver(output, wish).await
    }

    fn ended(&self, contract: &Contract, result: Result<Output, Error>) -> Ended {
        match result.and_then(|output| answer(contract, output)) {
            Ok(answer) => Ended::With(Outcome::Succeeded(answer)),
            Err(error) => match error.kind() {
                Kind::ReplicaLost if self.job.losses + 1 < MOST_LOSSES => Ended::Lost,
                Kind::ReplicaLost => Ended::With(failed(
                    Kind::ReplicaLost,
                    format!("it ended its replica {MOST_LOSSES} times, and is not tried again"),
                )),
                Kind::NotReady | Kind::QueueFull => Ended::Unrun,
                _ => Ended::With(Outcome::Failed(Failure::from(&error))),
            },
        }
    }

    /// Records the end, as often as it takes: a job whose end is not recorded would run again.
    async fn record(&self, outcome: Outcome) {
        let mut tried = false;
        loop {
            let at = now();
            let delivery = ending(&self.job, &outcome, at);
            let ending = Ending {
                outcome: outcome.clone(),
                at,
                delivery,
            };
            match self.shared.store.finish(&self.lease, ending).await {
                Ok(true) => return,
                // Its answer may be all that was lost of a try before.
                Ok(false) if tried => {
                    tracing::info!(job = %self.job.id, "the end of a job is recorded: by a try before, or somebody else");
                    return;
                }
                Ok(false) => {
                    tracing::warn!(job = %self.job.id, "a job was ended by somebody else; this result is dropped");
                    return;
                }
                Err(error) => {
                    tried = true;
                    tracing::warn!(job = %self.job.id, "the end of a job could not be recorded: {error}");
                }
            }
            if self.shared.is_giving_up() {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn put_back(&self, why: Return) {
        loop {
            match self.shared.store.put_back(&self.lease, why).await {
                Ok(_) => return,
                Err(error) => tracing::warn!(job = %self.job.id, "a job could not be put back: {error}"),
            }
            if self.shared.is_giving_up() {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Readers of events miss some rather than that the job waits for them.
    async fn publish(&self, events: Vec<JobEvent>) {
        if events.is_empty() {
            return;
        }
        if let Err(error) = self.shared.store.publish(&self.lease, events).await {
            tracing::debug!(job = %self.job.id, "events of a job were not published: {error}");
        }
    }

    async fn tell(&self, event: WebhookEvent, progress: Option<(u32, Value)>) {
        let (number, progress) = progress.map_or((None, None), |(n, value)| (Some(n), Some(value)));
        let job = || Job {
            progress,
            ..self.job.clone()
        };
        let wanted = self
            .job
            .webhook
            .as_ref()
            .is_some_and(|hook| hook.events.contains(&event));
        let Some(told) = wanted.then(|| delivery(&job(), event, number, now())).flatten() else {
            return;
        };
        if let Err(error) = self.shared.store.tell(&self.lease, told).await {
            tracing::debug!(job = %self.job.id, "a webhook is not told of {}: {error}", event.name());
        }
    }
}

fn failed(kind: Kind, message: String) -> Outcome {
    Outcome::Failed(Failure::new(kind, message))
}

/// Decodes the input as the front does with that of an interactive request.
///
/// # Errors
/// What the contract says against it.
pub fn decode(contract: &Contract, input: &Input) -> Result<Payload, Error> {
    let about = &input.about;
    let media = about.content_type.as_ref().filter(|sent| contract.bodies.take(sent));
    let mut payload = match media {
        Some(media) => contract.decode_media(Raw {
            body: input.body.clone(),
            content_type: Some(media.clone()),
            query: about.query.clone(),
            ..Raw::default()
        })?,
        None => contract.decode_body(input.body.clone())?,
    };
    if let Payload::Raw(raw) = &mut payload
        && raw.told
    {
        raw.content_type.clone_from(&about.content_type);
        raw.query.clone_from(&about.query);
        raw.headers.clone_from(&about.headers);
        raw.accept.clone_from(&about.accept);
    }
    Ok(payload)
}

/// A chunk as readers of events see it.
fn shown(chunk: &Chunk) -> Option<JobEvent> {
    match chunk {
        Chunk::Json(text) => serde_json::from_slice(text).ok().map(JobEvent::Chunk),
        Chunk::Bytes(bytes) => Some(JobEvent::Chunk(String::from_utf8_lossy(bytes).into_owned().into())),
        Chunk::Head(_) | Chunk::Progress(_) => None,
    }
}

/// The longest part of an author's own error body that is kept.
const KEPT: usize = 2000;

fn answer(contract: &Contract, output: Output) -> Result<Answer, Error> {
    let (content_type, body): (String, Bytes) = match output {
        Output::Media { content_type, bytes } => (content_type, bytes),
        Output::Files(files) => match files.only() {
            Some(file) => (file.content_type.clone(), file.bytes.clone()),
            None => (JSON.to_owned(), files.to_json()),
        },
        Output::Response { head, body } if head.status >= 400 => {
            let text: String = String::from_utf8_lossy(&body).chars().take(KEPT).collect();
            return Err(Error::pipeline(format!(
                "the pipeline answered {}: {text}",
                head.status
            )));
        }
        Output::Response { head, body } => (head.media.unwrap_or_default(), body),
        output => (JSON.to_owned(), contract.encode(output)?),
    };
    Ok(Answer { content_type, body })
}

const JSON: &str = "application/json";
