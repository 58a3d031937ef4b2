//! Continuous batching: between two steps finished and cancelled texts leave and waiting requests join, so a short
//! request never waits for a long one that was there before it.
//!
//! All rows that are under way step together. A request whose reader is slow is passed over until its chunks are
//! taken, and holds nobody else up.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokenizers::Tokenizer;

use super::Piece;
use super::cache::Seat;
use super::decoder::Decoder;
use super::writer::{Writer, Written};
use crate::error::Error;
use crate::payload::{Chunk, Output};
use crate::pipeline::{Batch, Interrupt, Request, SendError};

/// A task that writes texts.
pub trait Generator {
    /// What the task keeps of a request for its answer.
    type Info;

    /// Begins with these requests; what cannot be begun is answered with its fault.
    fn begin(&mut self, requests: Vec<Request>) -> Vec<Job<Self::Info>>;

    fn decoder(&mut self) -> &mut Decoder;

    fn tokenizer(&self) -> &Tokenizer;

    /// Ends the run under way.
    fn interrupt(&self) -> Arc<dyn Interrupt>;

    /// # Errors
    /// When the answer cannot be written.
    fn answer(info: &Self::Info, written: Vec<Written>) -> Result<Output, Error>;
}

/// A request and the texts that are written for it.
pub struct Job<I> {
    request: Request,
    writers: Vec<Writer>,
    info: I,
    /// Chunks that a slow reader has not taken yet.
    waiting: VecDeque<Chunk>,
}

impl<I> Job<I> {
    pub const fn new(request: Request, writers: Vec<Writer>, info: I) -> Self {
        Self {
            request,
            writers,
            info,
            waiting: VecDeque::new(),
        }
    }

    /// Rows of the next step.
    fn rows(&self) -> usize {
        self.writers.iter().map(|w| w.rows().len()).sum()
    }

    /// Emits what is new, and answers when all is written. False when the job is over.
    fn deliver<G: Generator<Info = I>>(&mut self) -> bool {
        if self.request.is_finished() || self.request.is_cancelled() {
            return false;
        }
        if self.request.is_stream()
            && let Err(error) = self.gather()
        {
            self.request.finish(Err(error));
            return false;
        }
        while let Some(chunk) = self.waiting.pop_front() {
            match self.request.emit(chunk) {
                Ok(()) => {}
                Err(SendError::Full(chunk)) => {
                    self.waiting.push_front(chunk);
                    self.writers.iter_mut().for_each(Writer::rest);
                    return true;
                }
                Err(SendError::Gone) => return false,
            }
        }
        if self.writers.iter().all(Writer::is_finished) {
            let written: Vec<Written> = self.writers.iter().filter_map(Writer::written).collect();
            self.request.finish(G::answer(&self.info, written));
        }
        !self.request.is_finished()
    }

    fn gather(&mut self) -> Result<(), Error> {
        for (index, writer) in self.writers.iter_mut().enumerate() {
            if let Some(text) = writer.fresh() {
                self.waiting.push_back(Chunk::json(&Piece { index, text })?);
            }
        }
        Ok(())
    }
}

/// How long to wait when every reader is slow.
const NAP: Duration = Duration::from_millis(2);

/// Serves a batch, and what joins it, until nothing is left. `most` rows run together.
pub fn run<G: Generator>(generator: &mut G, batch: &mut Batch, most: usize) {
    batch.control().set_interrupt(generator.interrupt());
    let mut jobs: Vec<Job<G::Info>> = Vec::new();
    loop {
        let arrived: Vec<Request> = batch.drain().collect();
        if !arrived.is_empty() {
            jobs.extend(generator.begin(arrived));
            jobs.retain_mut(Job::deliver::<G>);
        }
        if jobs.is_empty() {
            return;
        }
        match step(generator, &mut jobs, most) {
            Stepped::Some => {}
            Stepped::None => std::thread::sleep(NAP),
            // A run that was ended since nobody waited for it fails jobs that are gone already.
            Stepped::Failed(failed, error) => failed
                .iter()
                .for_each(|job| jobs[*job].request.finish(Err(error.clone()))),
        }
        jobs.retain_mut(Job::deliver::<G>);
        batch.admit_up_to(free(&jobs, most));
    }
}

/// Rows that may join. Those of slow readers take up no place in a step; what is kept for them has its bounds too.
fn free<I>(jobs: &[Job<I>], most: usize) -> usize {
    let all: usize = jobs.iter().map(Job::rows).sum();
    let slow: usize = jobs.iter().filter(|job| !job.waiting.is_empty()).map(Job::rows).sum();
    most.saturating_sub(all - slow)
        .min(most.saturating_mul(2).saturating_sub(all))
}

enum Stepped {
    Some,
    /// All readers are slow.
    None,
    /// A run failed that these jobs had rows in.
    Failed(Vec<usize>, Error),
}

/// One row of a step.
struct Place {
    job: usize,
    writer: usize,
    seat: Seat,
    token: u32,
}

/// Steps every row whose reader keeps up.
fn step<G: Generator>(generator: &mut G, jobs: &mut [Job<G::Info>], most: usize) -> Stepped {
    let mut places = Vec::new();
    for (job, at) in jobs.iter().enumerate().filter(|(_, job)| job.waiting.is_empty()) {
        for (writer, writing) in at.writers.iter().enumerate() {
            places.extend(writing.rows().map(|(seat, token)| Place {
                job,
                writer,
                seat: seat.clone(),
                token,
            }));
        }
    }
    if places.is_empty() {
        return Stepped::None;
    }
    let seats: Vec<&Seat> = places.iter().map(|p| &p.seat).collect();
    let mut given: Vec<Option<(Vec<f32>, Seat)>> = places.iter().map(|_| None).collect();
    for group in generator.decoder().groups(&seats, most) {
        let seats: Vec<&Seat> = group.iter().map(|i| seats[*i]).collect();
        let tokens: Vec<u32> = group.iter().map(|i| places[*i].token).collect();
        match generator.decoder().step(&seats, &tokens) {
            Ok(stepped) => {
                let rows = stepped.logits.into_iter().zip(stepped.seats);
                group.iter().zip(rows).for_each(|(i, row)| given[*i] = Some(row));
            }
            Err(error) => {
                let mut failed: Vec<usize> = group.iter().map(|i| places[*i].job).collect();
                failed.dedup();
                return Stepped::Failed(failed, error);
            }
        }
    }
    let mut rows = places.iter().zip(given).peekable();
    while let Some((first, _)) = rows.peek() {
        let (job, writer) = (first.job, first.writer);
        let (mut logits, mut seats) = (Vec::new(), Vec::new());
        while let Some((_, row)) = rows.next_if(|(place, _)| (place.job, place.writer) == (job, writer)) {
            let (scores, seat) = row.unwrap_or_else(|| unreachable!("every row is in a group"));
            logits.push(scores);
            seats.push(seat);
        }
        jobs[job].writers[writer].take(logits, seats, generator.tokenizer());
    }
    Stepped::Some
}
