//! A pipeline whose work is done by a child process.
//!
//! The replica's thread owns the child: it sends calls, reads answers, notices the child's end at once, and has it
//! replaced. What the child does with a call is not known here.

mod calls;
mod limits;
mod spec;
mod succession;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use spec::{Order, RemoteSpec};

use super::process::{Process, Stage};
use crate::error::Error;
use crate::payload::{Chunk, Output};
use crate::pipeline::{Batch, Pipeline, ReplicaContext, Request};

/// How often calls under way are looked at for clients that left and time that passed.
const TICK: Duration = Duration::from_millis(20);
/// A run of calls done one after the other takes in waiting requests for so long; then the replica's loop has its turn.
const RUN: Duration = Duration::from_millis(100);

/// A call under way.
struct Call {
    number: u32,
    request: Request,
    sent: Instant,
    implicit_batch: bool,
    /// Nobody waits for it, and the child has been told.
    cancelled: bool,
    backlog: VecDeque<Chunk>,
}

/// A call that is answered and whose reader is behind: the rest goes out as it has room.
struct Parting {
    call: Call,
    output: Result<Output, Error>,
}

/// The parent's side of a replica in a child process.
pub struct Remote {
    spec: RemoteSpec,
    context: ReplicaContext,
    process: Process,
    /// Takes over when it is ready.
    successor: Option<Process>,
    /// By slot.
    calls: Vec<Option<Call>>,
    under_way: usize,
    parting: Vec<Parting>,
    last_number: u32,
    answered: u64,
    replace_at: Option<u64>,
    last_answer: Instant,
    looked: Instant,
    unwanted_since: Option<Instant>,
    /// Smoothed time of a call.
    pace: Duration,
}

impl Remote {
    /// Starts the child and waits until it is loaded. To be called on the replica's own thread.
    ///
    /// # Errors
    /// What the child says, or how it ended.
    pub fn start(spec: RemoteSpec, context: &ReplicaContext) -> Result<Self, Error> {
        let mut process = spec.start(context)?;
        process.reach(Stage::Loaded, process.started() + spec.start_timeout)?;
        let now = Instant::now();
        Ok(Self {
            context: context.clone(),
            calls: (0..spec.hello.window.max(1)).map(|_| None).collect(),
            under_way: 0,
            parting: Vec::new(),
            last_number: 0,
            answered: 0,
            replace_at: spec.max_requests,
            last_answer: now,
            looked: now,
            unwanted_since: None,
            pace: Duration::MAX,
            successor: None,
            process,
            spec,
        })
    }

    /// The child's process id.
    pub fn process_id(&self) -> u32 {
        self.process.child.id()
    }

    fn serve(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let began = Instant::now();
        self.send(batch.drain().collect())?;
        while self.under_way > 0 || !self.parting.is_empty() {
            let before = self.answered;
            let stepped = self.step();
            if self.answered > before {
                batch.progress();
            }
            stepped?;
            let room = self.room();
            if room > 0 && self.takes_in(began) && batch.admit_up_to(room) > 0 {
                self.send(batch.drain().collect())?;
            }
        }
        Ok(())
    }

    /// Whether requests may still join the run that began then.
    fn takes_in(&self, began: Instant) -> bool {
        // Among calls that are answered as they get done, one may be long: the others need not wait for its end. Only
        // a successor can take over no sooner than all calls are answered.
        let goes_on = self.spec.order == Order::Concurrent && !self.has_answered_enough();
        goes_on || began.elapsed() < RUN
    }

    /// Waits for what the child says, and takes all of it.
    fn step(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let mut frame = self.process.next(now + TICK)?;
        while let Some(arrived) = frame {
            self.take(arrived)?;
            frame = self.process.buffered()?;
        }
        if now.duration_since(self.looked) >= TICK {
            self.looked = now;
            self.look_after_calls(now)?;
        }
        Ok(())
    }

    fn fail_all(&mut self, error: &Error) {
        let parting = self.parting.drain(..).map(|parting| parting.call);
        for mut call in self.calls.iter_mut().filter_map(Option::take).chain(parting) {
            call.request.finish(Err(error.clone()));
        }
        self.under_way = 0;
    }
}

impl Pipeline for Remote {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        batch.control().ends_by_itself();
        self.succeed();
        let ended = self.serve(batch);
        if let Err(error) = &ended {
            self.fail_all(error);
        }
        ended
    }

    fn compile(&mut self) -> Result<(), Error> {
        let end = self.process.started() + self.spec.start_timeout;
        self.process.reach(Stage::Ready, end)
    }

    fn check(&mut self) -> Result<(), Error> {
        if self.process.child.has_ended() {
            return Err(self.process.lost("while it waited for work"));
        }
        Ok(())
    }
}
