//! Continuous batching: between two steps finished and cancelled texts leave and waiting ones join, so a short
//! request never waits for a long one that was there before it.
//!
//! All rows that are under way step together, and there are no more of them than run together: of a request that asks
//! for many texts the rest waits in line. A request whose reader is slow is passed over until its chunks are taken, and
//! holds nobody else up.

#[cfg(test)]
mod tests;
mod turns;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokenizers::Tokenizer;

use super::Piece;
use super::cache::Seat;
use super::decoder::Steps;
use super::writer::{Writer, Written};
use crate::error::Error;
use crate::payload::{Chunk, Output};
use crate::pipeline::{Batch, Interrupt, Request, SendError};
use turns::{Standing, Turns};

/// A task that writes texts.
pub trait Generator {
    /// What the task keeps of a request for its answer.
    type Info;
    /// A text that has not begun.
    type Text;
    type Decoder: Steps;

    /// The texts that a request asks for.
    ///
    /// # Errors
    /// What is wrong with the request.
    fn read(&mut self, request: &mut Request) -> Result<Asked<Self::Info, Self::Text>, Error>;

    /// Texts of like length begin together, so that little of a run is padding.
    fn length(_text: &Self::Text) -> usize {
        0
    }

    /// Begins texts, of one or of several requests; tells of each, in their order, why it cannot be begun.
    fn begin(&mut self, texts: Vec<Self::Text>) -> Vec<Result<Writer, Error>>;

    fn decoder(&mut self) -> &mut Self::Decoder;

    fn tokenizer(&self) -> &Tokenizer;

    /// Ends the run under way.
    fn interrupt(&self) -> Arc<dyn Interrupt>;

    /// # Errors
    /// When the answer cannot be written.
    fn answer(info: &Self::Info, written: Vec<Written>) -> Result<Output, Error>;
}

/// What a request asks for.
pub struct Asked<I, T> {
    pub info: I,
    /// In the order of the answer.
    pub texts: Vec<T>,
    /// Rows that each of them takes up.
    pub rows: usize,
}

/// A request and the texts that are written for it.
struct Job<G: Generator> {
    request: Request,
    info: G::Info,
    /// Texts that have not begun, each with its number in the request.
    line: VecDeque<(usize, G::Text)>,
    /// Rows that each of them will take up.
    each: usize,
    /// Texts that have begun, each with its number.
    writers: Vec<(usize, Writer)>,
    /// Chunks that a slow reader has not taken yet.
    waiting: VecDeque<Chunk>,
}

impl<G: Generator> Job<G> {
    fn new(request: Request, asked: Asked<G::Info, G::Text>) -> Self {
        let mut line: Vec<(usize, G::Text)> = asked.texts.into_iter().enumerate().collect();
        line.sort_by_key(|(_, text)| G::length(text));
        Self {
            request,
            info: asked.info,
            line: line.into(),
            each: asked.rows.max(1),
            writers: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    fn standing(&self) -> Standing {
        Standing {
            rows: self.writers.iter().map(|(_, w)| w.rows().len()).sum(),
            left: self.line.len(),
            each: self.each,
            begun: !self.writers.is_empty(),
            slow: !self.waiting.is_empty(),
        }
    }

    /// Emits what is new, and answers when all is written. False when the job is over.
    fn deliver(&mut self) -> bool {
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
                    self.writers.iter_mut().for_each(|(_, writer)| writer.rest());
                    return true;
                }
                Err(SendError::Gone) => return false,
            }
        }
        if self.line.is_empty() && self.writers.iter().all(|(_, writer)| writer.is_finished()) {
            self.writers.sort_by_key(|(number, _)| *number);
            let written: Vec<Written> = self.writers.iter().filter_map(|(_, w)| w.written()).collect();
            self.request.finish(G::answer(&self.info, written));
        }
        !self.request.is_finished()
    }

    fn gather(&mut self) -> Result<(), Error> {
        for (number, writer) in &mut self.writers {
            let index = *number;
            if let Some(text) = writer.fresh() {
                self.waiting.push_back(Chunk::json(&Piece { index, text })?);
            }
        }
        Ok(())
    }
}

/// How long to wait when every reader is slow.
const NAP: Duration = Duration::from_millis(2);

/// Serves a batch, and what joins it, until nothing is left. At most `most` rows are under way and run together.
pub fn run<G: Generator>(generator: &mut G, batch: &mut Batch, most: usize) {
    batch.control().set_interrupt(generator.interrupt());
    let mixes = generator.decoder().mixes();
    let turns = Turns { most, mixes };
    let mut jobs: Vec<Job<G>> = Vec::new();
    loop {
        for mut request in batch.drain() {
            match generator.read(&mut request) {
                Ok(asked) => jobs.push(Job::new(request, asked)),
                Err(error) => request.finish(Err(error)),
            }
        }
        let begun = begin(generator, &mut jobs, turns);
        if begun {
            jobs.retain_mut(Job::deliver);
        }
        if jobs.is_empty() {
            return;
        }
        match step(generator, &mut jobs, most) {
            Stepped::Some => {}
            // What began may be finished already.
            Stepped::None if begun => {}
            Stepped::None => std::thread::sleep(NAP),
            // A run that was ended since nobody waited for it fails jobs that are gone already.
            Stepped::Failed(failed, error) => failed
                .iter()
                .for_each(|job| jobs[*job].request.finish(Err(error.clone()))),
        }
        jobs.retain_mut(Job::deliver);
        batch.admit_up_to(turns.joining(&standings(&jobs)));
    }
}

fn standings<G: Generator>(jobs: &[Job<G>]) -> Vec<Standing> {
    jobs.iter().map(Job::standing).collect()
}

/// Begins the texts whose turn it is. False when there is none.
fn begin<G: Generator>(generator: &mut G, jobs: &mut [Job<G>], turns: Turns) -> bool {
    let chosen = turns.choose(standings(jobs));
    let (mut places, mut texts) = (Vec::new(), Vec::new());
    for job in chosen {
        if let Some((number, text)) = jobs[job].line.pop_front() {
            places.push((job, number));
            texts.push(text);
        }
    }
    if texts.is_empty() {
        return false;
    }
    for ((job, number), begun) in places.into_iter().zip(generator.begin(texts)) {
        match begun {
            Ok(writer) => jobs[job].writers.push((number, writer)),
            Err(error) => jobs[job].request.finish(Err(error)),
        }
    }
    true
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
fn step<G: Generator>(generator: &mut G, jobs: &mut [Job<G>], most: usize) -> Stepped {
    let mut places = Vec::new();
    for (job, at) in jobs.iter().enumerate().filter(|(_, job)| job.waiting.is_empty()) {
        for (writer, (_, writing)) in at.writers.iter().enumerate() {
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
        jobs[job].writers[writer].1.take(logits, seats, generator.tokenizer());
    }
    Stepped::Some
}
