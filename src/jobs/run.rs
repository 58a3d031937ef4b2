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
use crate::service::{Call, Pending, Route, decoding};
use crate::store::StoreError;
use crate::upload::Wish;
use crate::worker::Priority;

/// Chunks that may wait until they are published.
const BUFFER: usize = 256;
/// Chunks that are published together at most.
const TOGETHER: usize = 64;
/// No webhook hears of progress more often.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// After a model or the store could not take something. Doubled each time up to [`LONGEST_RETRY`].
const RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(8);
/// A store that is away comes back. One that refuses something this often will not have it.
const REFUSALS: u32 = 3;

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
    /// The replica died, or what the run needs was away.
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
            Ended::Lost => put_back(self.shared, &self.lease, Return::Lost).await,
            Ended::Unrun => {
                put_back(self.shared, &self.lease, Return::Unrun).await;
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
        if self.job.losses >= MOST_LOSSES {
            return Ended::With(poison());
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
        let input = &self.job.input;
        let input = decoding(input.body.len(), || decode(route.contract(), input))?;
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
                    let output = match result {
                        Ok(output) => whole(output, &chunks),
                        Err(error) => return self.failed(&error, pending.begun().is_some()),
                    };
                    let began = pending.begun().unwrap_or(self.began);
                    let output = self.bring_files_away(output, began).await;
                    return match output.and_then(|output| answer(route.contract(), output)) {
                        Ok(answer) => Ended::With(Outcome::Succeeded(answer)),
                        Err(error) => Ended::With(Outcome::Failed(Failure::from(&error))),
                    };
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

    async fn bring_files_away(&self, output: Output, started: Instant) -> Result<Output, Error> {
        let wish = Wish {
            model: self.job.model.as_str().into(),
            // A server that was given up may still be at it: no two runs write one key.
            id: Some(format!("{}-{}", self.job.id, self.lease.attempt)),
            webhook: self.job.upload_webhook.clone(),
            responses: true,
            started,
        };
        self.shared.uploader.deliver(output, wish).await
    }

    /// What an error of a run means for its job. `begun`: a replica had taken it up.
    fn failed(&self, error: &Error, begun: bool) -> Ended {
        let is_last = self.job.losses + 1 >= MOST_LOSSES;
        match error.kind() {
            // Whoever stops the server may stop what it started, too.
            Kind::ReplicaLost if self.shared.phase() != Phase::Serving => Ended::Unrun,
            Kind::ReplicaLost if is_last => Ended::With(poison()),
            Kind::ReplicaLost => Ended::Lost,
            // The model took it back before it ran.
            Kind::NotReady | Kind::QueueFull if !begun => Ended::Unrun,
            // Said by the model's own code: what it needs is away, the store for one. Tried again, and not for ever.
            Kind::NotReady | Kind::QueueFull if !is_last => Ended::Lost,
            Kind::Deadline => Ended::With(failed(
                Kind::Deadline,
                "its run took longer than the model's request_timeout or the request's x-request-timeout allows".into(),
            )),
            _ => Ended::With(Outcome::Failed(Failure::from(error))),
        }
    }

    async fn record(&self, outcome: Outcome) {
        let Err(error) = self.finish(&outcome).await else {
            return;
        };
        if self.shared.is_giving_up() {
            return;
        }
        // Too long for the store, for one: that would be so after each further run.
        let told = format!("what came of it cannot be kept: {error}");
        if self.finish(&failed(Kind::PipelineFailed, told)).await.is_err() {
            tracing::error!(job = %self.job.id, "a job is left as it is: the store takes no end of it");
        }
    }

    /// Records an end, as often as it takes: a job whose end is not recorded would run again.
    ///
    /// # Errors
    /// What the store says against it, unless it is only away; or the server stops.
    async fn finish(&self, outcome: &Outcome) -> Result<(), StoreError> {
        let (mut tries, mut unsure) = (Tries::default(), false);
        loop {
            let at = now();
            let size = match outcome {
                Outcome::Succeeded(answer) => answer.body.len(),
                Outcome::Failed(_) | Outcome::Cancelled => 0,
            };
            let ending = Ending {
                outcome: outcome.clone(),
                at,
                delivery: decoding(size, || ending(&self.job, outcome, at)),
            };
            let error = match self.shared.store.finish(&self.lease, ending).await {
                Ok(true) => return Ok(()),
                // Its answer may be all that was lost of a try before.
                Ok(false) if unsure => {
                    tracing::info!(job = %self.job.id, "the end of a job is recorded: by a try before, or somebody else");
                    return Ok(());
                }
                Ok(false) => {
                    tracing::warn!(job = %self.job.id, "a job was ended before; this result is dropped");
                    return Ok(());
                }
                Err(error) => error,
            };
            unsure = true;
            if !tries.again(self.shared, &self.lease, &error).await {
                return Err(error);
            }
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

/// Puts a job back into the queue, as often as it takes.
pub async fn put_back(shared: &Shared, lease: &Lease, why: Return) {
    let mut tries = Tries::default();
    while let Err(error) = shared.store.put_back(lease, why).await {
        if !tries.again(shared, lease, &error).await {
            return;
        }
    }
}

/// Tries to write something to a store that did not take it.
#[derive(Default)]
struct Tries {
    made: u32,
    refused: u32,
}

impl Tries {
    /// Waits before another try; false where there is to be none: the server stops, or the store will not have it.
    async fn again(&mut self, shared: &Shared, lease: &Lease, error: &StoreError) -> bool {
        if self.made == 0 {
            tracing::warn!(job = %lease.job, "what became of a job could not be recorded yet: {error}");
        }
        self.made += 1;
        self.refused += u32::from(!matches!(error, StoreError::Away(_)));
        if shared.is_giving_up() || self.refused >= REFUSALS {
            return false;
        }
        let pause = RETRY.saturating_mul(1 << (self.made - 1).min(4)).min(LONGEST_RETRY);
        let mut phase = shared.stop.subscribe();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // For one last try.
            _ = phase.wait_for(|phase| *phase >= Phase::GivingUp) => {}
        }
        true
    }
}

fn failed(kind: Kind, message: String) -> Outcome {
    Outcome::Failed(Failure::new(kind, message))
}

fn poison() -> Outcome {
    let told = format!("it ended its replica {MOST_LOSSES} times, and is not tried again");
    failed(Kind::ReplicaLost, told)
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
