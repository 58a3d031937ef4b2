//! A pipeline whose work is done by a child process.
//!
//! The replica's thread owns the child: it sends calls, reads answers, notices the child's end at once, and has it
//! replaced. What the child does with a call is not known here.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use super::child::Launch;
use super::frame::{Frame, Head, Kind as FrameKind};
use super::message::Hello;
use super::process::{Process, Stage};
use super::translate;
use crate::contract::Signature;
use crate::error::{Error, Kind};
use crate::payload::{Chunk, Payload, Tensors};
use crate::pipeline::{Batch, Pipeline, ReplicaContext, Request, SendError};
use crate::store::Store;

/// In which order a child works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One call after the other, in the order they were sent.
    OneByOne,
    /// All calls sent together are one run.
    Batch,
    /// Several calls under way, answered as they get done.
    Concurrent,
}

/// What a remote pipeline is made from.
#[derive(Clone, Debug)]
pub struct RemoteSpec {
    pub hello: Hello,
    pub launch: Launch,
    /// What the child may ask for keys and values.
    pub store: Option<Store>,
    pub order: Order,
    /// For pipelines of tensors: names, dtypes and order of the outputs.
    pub signature: Option<Signature>,
    /// How long loading and compiling may take together.
    pub start_timeout: Duration,
    /// How long one call may take before the child is killed.
    pub call_timeout: Duration,
    /// A child whose calls nobody waits for any more is killed after so long; never where it costs more to start
    /// anew than to let it finish.
    pub patience: Option<Duration>,
    /// After so many answers the child is replaced, without a gap.
    pub max_requests: Option<u64>,
}

/// How often calls under way are looked at for clients that left and time that passed.
const TICK: Duration = Duration::from_millis(20);
/// A run takes in waiting requests for so long; then the replica's loop has its turn.
const RUN: Duration = Duration::from_millis(100);
/// Calls that take no longer than this are sent ahead, so that the child need not wait for a round trip.
const QUICK: Duration = Duration::from_millis(1);
/// Chunks that are kept for a slow reader while other calls go on.
const BACKLOG: usize = 1024;

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
        let store = spec.store.as_ref();
        let mut process = Process::start(&spec.launch, &spec.hello, store, context, context.wake.clone())?;
        process.reach(Stage::Loaded, process.started() + spec.start_timeout)?;
        let now = Instant::now();
        Ok(Self {
            context: context.clone(),
            calls: (0..spec.hello.window.max(1)).map(|_| None).collect(),
            under_way: 0,
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
        while self.under_way > 0 {
            let before = self.answered;
            let stepped = self.step();
            if self.answered > before {
                batch.progress();
            }
            stepped?;
            let room = self.room();
            if room > 0 && began.elapsed() < RUN && batch.admit_up_to(room) > 0 {
                self.send(batch.drain().collect())?;
            }
        }
        Ok(())
    }

    /// How many more calls may be sent now.
    fn room(&self) -> usize {
        let window = match self.spec.order {
            Order::Batch => 0,
            Order::Concurrent => self.calls.len(),
            Order::OneByOne if self.pace <= QUICK => self.calls.len(),
            Order::OneByOne => 1,
        };
        window.saturating_sub(self.under_way)
    }

    fn send(&mut self, requests: Vec<Request>) -> Result<(), Error> {
        let count = requests.len();
        for (i, mut request) in requests.into_iter().enumerate() {
            let Some(slot) = self.calls.iter().position(Option::is_none) else {
                request.finish(Err(Error::pipeline("more calls than the replica's process takes")));
                continue;
            };
            let input = request.take_input();
            self.last_number = self.last_number.wrapping_add(1).max(1);
            let mut head = Head::process(FrameKind::Call);
            head.slot = u16::try_from(slot).unwrap_or(u16::MAX);
            head.call = self.last_number;
            if self.spec.order == Order::Batch {
                head.flags = translate::more(i + 1 == count);
            }
            let sent = translate::send(&mut self.process, head, &request, &input, self.spec.signature.as_ref());
            match sent {
                Ok(()) => {}
                // A batch whose last call does not come would be waited for without end.
                Err(error) if error.kind() == ErrorKind::InvalidInput && self.spec.order != Order::Batch => {
                    request.finish(Err(Error::pipeline(error.to_string())));
                    continue;
                }
                Err(_) => {
                    let lost = self.process.lost("before it took this request");
                    request.finish(Err(lost.clone()));
                    return Err(lost);
                }
            }
            self.under_way += 1;
            self.calls[slot] = Some(Call {
                number: self.last_number,
                request,
                sent: Instant::now(),
                implicit_batch: matches!(
                    input,
                    Payload::Tensors(Tensors {
                        implicit_batch: true,
                        ..
                    })
                ),
                cancelled: false,
                backlog: VecDeque::new(),
            });
        }
        let flushed = self.process.channel.flush();
        flushed.map_err(|_| self.process.lost("before it took this request"))
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

    fn take(&mut self, mut frame: Frame) -> Result<(), Error> {
        let place = usize::from(frame.head.slot);
        let known = self.calls.get(place).and_then(Option::as_ref);
        if known.is_none_or(|call| call.number != frame.head.call) {
            // A thread of the author's may report on a call that was answered in the same moment.
            if frame.head.kind == FrameKind::Chunk && matches!(translate::chunk(&frame), Ok(Chunk::Progress(_))) {
                return Ok(());
            }
            let lost = self.process.lost("after it had answered what was not asked");
            return Err(lost);
        }
        match frame.head.kind {
            FrameKind::Answer => {
                self.process.settle(&mut frame);
                self.answer(place, &frame);
                Ok(())
            }
            FrameKind::Chunk => self.chunk(place, &frame),
            _ => Err(self.process.lost("after it had sent a message out of order")),
        }
    }

    fn answer(&mut self, place: usize, frame: &Frame) {
        let Some(mut call) = self.calls[place].take() else {
            return;
        };
        self.under_way -= 1;
        self.answered += 1;
        let now = Instant::now();
        let took = now.saturating_duration_since(call.sent.max(self.last_answer));
        self.last_answer = now;
        self.pace = if self.pace == Duration::MAX {
            took
        } else {
            (self.pace * 7 + took) / 8
        };
        while let Some(chunk) = call.backlog.pop_front() {
            if call.request.emit_blocking(chunk).is_err() {
                break;
            }
        }
        let signature = self.spec.signature.as_ref();
        let output = translate::answer(&self.process, frame, signature, call.implicit_batch);
        call.request.finish(output);
    }

    fn chunk(&mut self, place: usize, frame: &Frame) -> Result<(), Error> {
        let chunk = translate::chunk(frame)?;
        let alone = self.spec.order != Order::Concurrent;
        let Some(call) = self.calls[place].as_mut().filter(|c| !c.cancelled) else {
            return Ok(());
        };
        let gone = if matches!(chunk, Chunk::Progress(_)) {
            // Nobody waits until it can be told: the next report says more.
            call.request.emit(chunk) == Err(SendError::Gone)
        } else if alone {
            // The child works on this call and on no other: a slow reader holds up nobody else.
            call.request.emit_blocking(chunk).is_err()
        } else {
            call.backlog.push_back(chunk);
            drain(call) || call.backlog.len() > BACKLOG
        };
        if gone {
            return self.cancel(place);
        }
        Ok(())
    }

    /// Tells the child that nobody waits for a call any more.
    fn cancel(&mut self, place: usize) -> Result<(), Error> {
        let Some(call) = self.calls[place].as_mut() else {
            return Ok(());
        };
        call.cancelled = true;
        let mut head = Head::process(FrameKind::Cancel);
        head.slot = u16::try_from(place).unwrap_or(u16::MAX);
        head.call = call.number;
        let sent = self.process.channel.send(head, &[], &[], None);
        let sent = sent.and_then(|()| self.process.channel.flush());
        sent.map_err(|_| self.process.lost("while it was serving"))
    }

    fn look_after_calls(&mut self, now: Instant) -> Result<(), Error> {
        for place in 0..self.calls.len() {
            let Some(call) = self.calls[place].as_mut() else {
                continue;
            };
            if !call.cancelled && !call.backlog.is_empty() {
                drain(call);
            }
            if !call.cancelled && call.request.is_cancelled() {
                self.cancel(place)?;
            }
        }
        self.end_overdue(now)?;
        self.end_unwanted(now)
    }

    /// Kills a child one of whose calls takes too long.
    fn end_overdue(&mut self, now: Instant) -> Result<(), Error> {
        // Of calls done one after the other only the first unanswered is being worked on.
        let since = |call: &Call| match self.spec.order {
            Order::OneByOne => call.sent.max(self.last_answer),
            Order::Batch | Order::Concurrent => call.sent,
        };
        let limit = self.spec.call_timeout;
        let late = |call: &Call| now.saturating_duration_since(since(call)) >= limit;
        let first = self.calls.iter().flatten().min_by_key(|call| call.number);
        let overdue = match self.spec.order {
            Order::OneByOne => first.filter(|call| late(call)).map(|call| call.number),
            Order::Batch | Order::Concurrent => self.calls.iter().flatten().find(|c| late(c)).map(|c| c.number),
        };
        let Some(number) = overdue else { return Ok(()) };
        self.process.child.kill();
        let seconds = limit.as_secs_f64();
        let told =
            format!("the call took longer than {seconds} s (call_timeout); its process was killed and starts again");
        let late = self.calls.iter_mut().flatten().find(|call| call.number == number);
        if let Some(call) = late {
            call.request.finish(Err(Error::new(Kind::Deadline, told)));
        }
        let told = format!("a call took longer than {seconds} s (call_timeout) and the replica's process was killed");
        Err(Error::new(Kind::ReplicaLost, told))
    }

    /// Kills a child that works on nothing anybody waits for, where that is wanted.
    fn end_unwanted(&mut self, now: Instant) -> Result<(), Error> {
        let Some(patience) = self.spec.patience else {
            return Ok(());
        };
        if self.calls.iter().flatten().any(|call| !call.cancelled) {
            self.unwanted_since = None;
            return Ok(());
        }
        let since = *self.unwanted_since.get_or_insert(now);
        if now.duration_since(since) < patience {
            return Ok(());
        }
        self.unwanted_since = None;
        self.process.child.kill();
        Err(Error::new(
            Kind::ReplicaLost,
            "the run outlived everybody who waited for it and was killed",
        ))
    }

    fn fail_all(&mut self, error: &Error) {
        for call in &mut self.calls {
            if let Some(mut call) = call.take() {
                call.request.finish(Err(error.clone()));
            }
        }
        self.under_way = 0;
    }

    /// Starts a successor when it is time, and lets it take over when it is ready. Between runs.
    fn succeed(&mut self) {
        if let Some(next) = &mut self.successor {
            match next.is_ready() {
                Ok(false) if next.started().elapsed() < self.spec.start_timeout => {}
                Ok(true) => {
                    if let Some(next) = self.successor.take() {
                        retire(std::mem::replace(&mut self.process, next));
                        self.answered = 0;
                        self.replace_at = self.spec.max_requests;
                        tracing::debug!("the replica's process was replaced after max_requests");
                    }
                }
                Ok(false) => self.postpone("it took too long to get ready"),
                Err(error) => self.postpone(error.message().to_owned().as_str()),
            }
            return;
        }
        if self.replace_at.is_some_and(|at| self.answered >= at) {
            match Process::start(
                &self.spec.launch,
                &self.spec.hello,
                self.spec.store.as_ref(),
                &self.context,
                self.context.wake.clone(),
            ) {
                Ok(next) => self.successor = Some(next),
                Err(error) => self.postpone(error.message().to_owned().as_str()),
            }
        }
    }

    /// The process at hand goes on for as many requests again.
    fn postpone(&mut self, why: &str) {
        tracing::warn!("the process that was to replace this one after max_requests failed: {why}");
        self.successor = None;
        self.replace_at = self.spec.max_requests.map(|n| self.answered + n);
    }
}

/// Lets a process end beside the work: its farewell may take a while.
fn retire(process: Process) {
    // Without a thread it is dropped, and so ended, here and now.
    drop(
        std::thread::Builder::new()
            .name("retire".to_owned())
            .spawn(move || drop(process)),
    );
}

/// Emits what a slow reader has room for now; true when it is gone.
fn drain(call: &mut Call) -> bool {
    while let Some(chunk) = call.backlog.pop_front() {
        match call.request.emit(chunk) {
            Ok(()) => {}
            Err(SendError::Full(chunk)) => {
                call.backlog.push_front(chunk);
                return false;
            }
            Err(SendError::Gone) => return true,
        }
    }
    false
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
