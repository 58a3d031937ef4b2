//! One run of a job, from its claim to what is recorded of it.

mod answer;
mod given;
mod record;

use std::time::Instant;

use serde_json::Value;

use super::job::{Failure, Job, MOST_INTERRUPTIONS, MOST_LOSSES, Outcome, WebhookEvent};
use super::running::Calls;
use super::shared::{Phase, Shared, now};
use super::store::{Claim, JobEvent, Lease, Return};
use super::telling::delivery;
use crate::error::{Error, Kind};
use crate::payload::Output;
use crate::pipeline::{Event, Final};
use crate::service::{Call, Pending, Route, decoding};
use crate::upload::{JobRun, Wish};
use crate::worker::Priority;
use answer::answer;
use given::Given;
use record::RETRY;

pub use record::put_back;

/// Chunks that may wait until they are published.
const BUFFER: usize = 256;

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
        let (body, about) = (self.job.input.body.clone(), self.job.input.about.clone());
        let input = decoding(body.len(), || route.contract().decode_request(body, about))?;
        let call = Call {
            id: Some(self.job.input.about.request_id.as_str().into()),
            timeout: self.job.input.timeout(),
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
        let mut given = Given::nothing(self);
        while let Some(event) = pending.next().await {
            match event {
                Event::Chunk(chunk) => given.take(chunk).await,
                Event::Final(Final { result, .. }) => {
                    given.publish().await;
                    let output = match result {
                        Ok(output) => given.whole(output),
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
            while given.has_room()
                && let Some(Event::Chunk(chunk)) = pending.try_next()
            {
                given.take(chunk).await;
            }
            given.publish().await;
        }
        Ended::Lost
    }

    async fn bring_files_away(&self, output: Output, started: Instant) -> Result<Output, Error> {
        let wish = Wish {
            model: self.job.model.as_str().into(),
            run: Some(JobRun {
                job: self.job.id.to_string(),
                number: self.lease.attempt,
                accepted: self.job.created,
            }),
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

fn poison() -> Outcome {
    let told = format!("it ended its replica {MOST_LOSSES} times, and is not tried again");
    failed(Kind::ReplicaLost, told)
}
