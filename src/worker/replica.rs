//! A replica's thread: builds its pipeline, gathers batches, runs them, and starts over after a failure.
//!
//! A panic of the pipeline fails the batch it was in, at once, and nothing else.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::backoff::{CRASH_LOOP, backoff};
use super::gather::{BatchPolicy, Joining, gather};
use super::intake::{Intake, Taken};
use super::status::{Board, ReplicaState};
use crate::device::{CudaBinding, Device, cuda};
use crate::error::{Error, Kind};
use crate::pipeline::{Batch, Build, Pipeline, ReplicaContext, Request, RunControl, Wake};

/// All a replica's thread needs; it shares nothing else with the group.
pub struct Replica {
    pub context: ReplicaContext,
    pub build: Arc<dyn Build>,
    pub policy: BatchPolicy,
    pub intake: Intake,
    pub board: Arc<Board>,
    pub control: Arc<RunControl>,
    /// Set by the supervisor when it gives this thread up: another one has taken its place.
    pub given_up: Arc<AtomicBool>,
}

/// A run that takes no longer than this is cheaper than a thread's wake-up.
const SHORT: Duration = Duration::from_micros(100);

/// Why serving ended.
enum Ended {
    Stopped,
    Failed(String),
}

impl Replica {
    /// Runs until the queue is stopped, or this thread is given up.
    pub fn run(mut self) {
        self.context.wake = Wake::for_this_thread();
        let cell = self.board.cell(self.context.replica);
        let span = tracing::info_span!("replica", model = %self.context.model, replica = self.context.replica);
        let _entered = span.enter();
        while !self.intake.is_stopped() {
            cell.set(ReplicaState::Loading);
            let ended = match self.build() {
                Ok((mut pipeline, _binding)) => {
                    self.board.ready(self.context.replica);
                    tracing::debug!(device = %self.context.device, "replica ready");
                    let ended = self.serve(pipeline.as_mut());
                    // A pipeline that panicked may panic again while it is torn down.
                    drop(catch_unwind(AssertUnwindSafe(|| drop(pipeline))));
                    ended
                }
                Err(error) => Ended::Failed(error.to_string()),
            };
            if self.given_up.load(Ordering::Acquire) {
                return;
            }
            let Ended::Failed(message) = ended else { break };
            let failures = cell.failed(&message);
            let wait = backoff(failures, fastrand::f64());
            let millis = wait.as_millis();
            if failures >= CRASH_LOOP {
                tracing::error!(failures, "crash loop: {message}; next try in {millis} ms");
            } else {
                tracing::warn!(failures, "replica failed: {message}; next try in {millis} ms");
            }
            if self.board.all_crash() {
                self.refuse_waiting(&message);
            }
            if self.intake.stopped_within(wait) {
                break;
            }
        }
        cell.set(ReplicaState::Stopped);
    }

    /// The pipeline, and the hold on its GPU that must outlive it.
    fn build(&self) -> Result<(Box<dyn Pipeline>, Option<CudaBinding>), Error> {
        let cell = self.board.cell(self.context.replica);
        let built = catch_unwind(AssertUnwindSafe(|| {
            let binding = match self.context.device {
                Device::Cuda(ordinal) => Some(cuda::bind_thread(ordinal).map_err(|e| Error::pipeline(e.to_string()))?),
                Device::Cpu | Device::Ipu(_) => None,
            };
            let mut pipeline = self.build.build(&self.context)?;
            cell.set(ReplicaState::Compiling);
            pipeline.compile()?;
            Ok((pipeline, binding))
        }));
        built.unwrap_or_else(|panic| {
            tracing::error!("panic while the pipeline was built: {}", text(&*panic));
            Err(Error::pipeline(
                "the pipeline panicked while it was built; the log has the details",
            ))
        })
    }

    fn serve(&self, pipeline: &mut dyn Pipeline) -> Ended {
        let mut short = false;
        loop {
            self.intake.look(short);
            let first = match self.intake.take(&self.context.wake) {
                Taken::Request(first) => Some(first),
                Taken::Stopped => return Ended::Stopped,
                Taken::TimedOut => None,
            };
            if let Err(error) = pipeline.check() {
                // Nothing has been done for it yet: another replica answers it, or this one when it is back.
                first.into_iter().for_each(|first| self.intake.give_back(first.request));
                self.intake.end_turn();
                return Ended::Failed(error.to_string());
            }
            let Some(first) = first else { continue };
            let requests = gather(first, self.policy, &self.intake);
            if requests.is_empty() {
                self.intake.end_turn();
                continue;
            }
            let began = Instant::now();
            let outcome = self.run_batch(pipeline, requests);
            self.intake.end_turn();
            short = began.elapsed() <= SHORT;
            if self.given_up.load(Ordering::Acquire) {
                return Ended::Stopped;
            }
            if let Err(message) = outcome {
                return Ended::Failed(message);
            }
        }
    }

    /// Runs one batch. An error means the pipeline panicked or was lost, and must be built anew.
    fn run_batch(&self, pipeline: &mut dyn Pipeline, mut requests: Vec<Request>) -> Result<(), String> {
        let now = Instant::now();
        requests.iter_mut().for_each(|r| r.start(now));
        let source = Box::new(Joining {
            intake: self.intake.clone(),
            max_size: self.policy.max_size,
        });
        let control = Arc::clone(&self.control);
        let mut batch = Batch::with_source(requests, self.policy.max_size, source, control);
        let outcome = catch_unwind(AssertUnwindSafe(|| pipeline.run(&mut batch)));
        self.control.end();
        if batch.has_progressed() {
            self.board.cell(self.context.replica).succeeded();
        }
        match outcome {
            Ok(Ok(())) => {
                self.board.cell(self.context.replica).succeeded();
                fail_rest(&mut batch, || {
                    Error::pipeline("the pipeline returned without an answer to this request")
                });
                Ok(())
            }
            Ok(Err(error)) => {
                fail_rest(&mut batch, || error.clone());
                if error.kind() == Kind::ReplicaLost {
                    return Err(error.to_string());
                }
                tracing::warn!("pipeline failed: {error}");
                Ok(())
            }
            Err(panic) => {
                // The panic's text is for the log; a client learns what it can act on.
                tracing::error!("panic of the pipeline: {}", text(&*panic));
                let answer = "the pipeline panicked while it worked on this request; the replica is being restarted";
                fail_rest(&mut batch, || Error::new(Kind::ReplicaLost, answer));
                Err("the pipeline panicked; the log has the details".to_owned())
            }
        }
    }

    /// No replica is left to answer what waits: it fails now and not at a time-out.
    fn refuse_waiting(&self, message: &str) {
        while let Some(mut request) = self.intake.try_take() {
            request.finish(Err(Error::new(Kind::NotReady, format!("the model failed: {message}"))));
        }
    }
}

fn fail_rest(batch: &mut Batch, error: impl Fn() -> Error) {
    for request in batch.iter_mut().filter(|r| !r.is_finished()) {
        request.finish(Err(error()));
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
