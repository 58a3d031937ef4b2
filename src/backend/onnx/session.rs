//! What one replica runs a model with: tensors in, tensors out, and a way to end runs from another thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ort::session::{RunOptions, Session, SessionInputValue};

use super::convert;
use super::lanes::Lanes;
use super::model::Opener;
use crate::error::Error;
use crate::pipeline::Interrupt;
use crate::tensor::Tensor;

/// A model loaded on one device.
pub struct OnnxSession {
    session: Session,
    input_names: Vec<String>,
    output_names: Arc<[String]>,
    interrupt: Arc<Terminate>,
    /// For more sessions, where a replica has several threads on the CPU.
    opener: Option<Opener>,
    lanes: Option<Lanes>,
    learned: bool,
}

/// Runs that are made of one batch.
pub trait Runs {
    /// Inputs of the next run, one tensor each; `None` when there is none left.
    fn next(&mut self) -> Option<Vec<Tensor>>;

    /// What a run gave, which was the so-manieth that [`Runs::next`] told of. Runs may end in another order.
    fn done(&mut self, run: usize, outputs: Result<Vec<Tensor>, Error>);
}

/// What makes runs, one after another or several at once.
pub trait RunEach {
    /// How many go on at once.
    fn width(&self) -> usize;

    /// Makes all of them.
    fn run_each(&mut self, runs: &mut dyn Runs);

    /// Ends those under way, from any thread.
    fn interrupt(&self) -> Arc<dyn Interrupt>;

    /// Makes a typical run, and gets ready for others; also for several at once, where batches are `cut` into such.
    ///
    /// # Errors
    /// As [`OnnxSession::run`], [`OnnxSession::learn`] and [`OnnxSession::spread`].
    fn prepare(&mut self, inputs: &[Tensor], cut: bool) -> Result<Vec<Tensor>, Error>;
}

/// Ends runs between two of their nodes.
pub(super) struct Terminate(pub(super) RunOptions);

impl Interrupt for Terminate {
    fn interrupt(&self) {
        drop(self.0.terminate());
    }

    fn reset(&self) {
        drop(self.0.unterminate());
    }
}

/// To hand a run to another thread costs as much as a shorter run.
const SHORT: Duration = Duration::from_micros(100);
/// Runs that are timed, of each kind, as long as they take no longer than this together.
const TRIES: u32 = 5;
const TRYING: Duration = Duration::from_millis(200);

impl OnnxSession {
    pub(super) fn new(session: Session, opener: Option<Opener>) -> ort::Result<Self> {
        Ok(Self {
            input_names: session.inputs().iter().map(|i| i.name().to_owned()).collect(),
            output_names: session.outputs().iter().map(|o| o.name().to_owned()).collect(),
            session,
            interrupt: Arc::new(Terminate(RunOptions::new()?)),
            opener: opener.filter(|opener| opener.threads > 1),
            lanes: None,
            learned: false,
        })
    }

    /// Names of the inputs, in the order [`OnnxSession::run`] takes them.
    pub fn input_names(&self) -> impl Iterator<Item = &str> {
        self.input_names.iter().map(String::as_str)
    }

    /// Names of the outputs, in the order [`OnnxSession::run`] gives them.
    pub fn output_names(&self) -> impl Iterator<Item = &str> {
        self.output_names.iter().map(String::as_str)
    }

    /// Ends the runs that are under way, from any thread.
    pub fn interrupt(&self) -> Arc<dyn Interrupt> {
        Arc::clone(&self.interrupt) as Arc<dyn Interrupt>
    }

    /// Runs one tensor per input, in the order of the inputs; gives one per output.
    ///
    /// # Errors
    /// What ONNX Runtime reports: shapes that do not fit inside the graph, a run that was ended, no memory.
    pub fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        run(&mut self.session, &self.output_names, &self.interrupt, inputs)
    }

    /// As [`OnnxSession::run`], for a typical run: the first of them is learned from.
    ///
    /// # Errors
    /// As [`OnnxSession::run`] and [`OnnxSession::learn`].
    pub fn run_typical(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        if !std::mem::replace(&mut self.learned, true) {
            self.learn(inputs)?;
        }
        self.run(inputs)
    }

    /// Learns from a typical run how the replica's threads are used best by one. Threads inside of a run have to be
    /// woken for each of its nodes, so a model of many small nodes is faster with one.
    ///
    /// Gives how long a run takes with one thread, unless that is all the replica has.
    ///
    /// # Errors
    /// As [`OnnxSession::run`].
    pub fn learn(&mut self, inputs: &[Tensor]) -> Result<Option<Duration>, Error> {
        let Some(opener) = &self.opener else {
            return Ok(None);
        };
        let mut single = opener.open(1).map_err(|e| Error::pipeline(first_line(&e)))?;
        let (mut of_all, mut of_one) = (Duration::MAX, Duration::MAX);
        let started = Instant::now();
        // The first run of a session prepares it.
        for attempt in 0..=TRIES {
            for (session, best) in [(&mut self.session, &mut of_all), (&mut single, &mut of_one)] {
                let began = Instant::now();
                run(session, &self.output_names, &self.interrupt, inputs)?;
                if attempt > 0 {
                    *best = began.elapsed().min(*best);
                }
            }
            if attempt > 0 && started.elapsed() > TRYING {
                break;
            }
        }
        // All threads for a tenth of the time are a waste.
        if of_one <= of_all + of_all / 10 {
            self.session = single;
        }
        Ok(Some(of_one))
    }

    /// As [`OnnxSession::learn`], for a model whose batches may be cut into several runs: those go on at once from
    /// then on, with one thread each, where a run takes long enough.
    ///
    /// # Errors
    /// As [`OnnxSession::run`]; when the model cannot be loaded again, or the system gives no thread.
    pub fn spread(&mut self, inputs: &[Tensor]) -> Result<(), Error> {
        let time = self.learn(inputs)?;
        if let Some(opener) = self.opener.as_ref().filter(|_| time.is_some_and(|time| time >= SHORT)) {
            let lanes = Lanes::start(opener, &self.output_names, &self.interrupt);
            self.lanes = Some(lanes.map_err(|e| Error::pipeline(format!("no runs beside others: {e}")))?);
        }
        Ok(())
    }
}

impl RunEach for OnnxSession {
    fn width(&self) -> usize {
        self.lanes.as_ref().map_or(1, Lanes::width)
    }

    fn run_each(&mut self, runs: &mut dyn Runs) {
        let Some(first) = runs.next() else { return };
        let next = runs.next();
        // One alone is made here: nobody has to be woken for it.
        let mut next = match (&self.lanes, next) {
            (Some(lanes), Some(second)) => return lanes.run_each([first, second], runs),
            (_, next) => next,
        };
        runs.done(0, self.run(&first));
        let mut number = 1;
        while let Some(inputs) = next {
            runs.done(number, self.run(&inputs));
            number += 1;
            next = runs.next();
        }
    }

    fn interrupt(&self) -> Arc<dyn Interrupt> {
        Self::interrupt(self)
    }

    fn prepare(&mut self, inputs: &[Tensor], cut: bool) -> Result<Vec<Tensor>, Error> {
        let outputs = self.run(inputs)?;
        if cut {
            self.spread(inputs)?;
        } else {
            self.learn(inputs)?;
        }
        Ok(outputs)
    }
}

pub(super) fn run(
    session: &mut Session,
    output_names: &[String],
    interrupt: &Terminate,
    inputs: &[Tensor],
) -> Result<Vec<Tensor>, Error> {
    let mut run = || -> ort::Result<Vec<Tensor>> {
        let values = inputs
            .iter()
            .map(convert::input)
            .collect::<ort::Result<Vec<SessionInputValue<'_>>>>()?;
        let mut outputs = session.run_with_options(&values[..], &interrupt.0)?;
        let output = |name: &String| {
            let value = outputs.remove(name);
            value.ok_or_else(|| ort::Error::new(format!("output {name} is missing")))
        };
        output_names
            .iter()
            .map(output)
            .map(|value| convert::output(value?))
            .collect()
    };
    run().map_err(|e| Error::pipeline(format!("the model could not run: {}", first_line(&e))))
}

/// Later lines of the runtime's messages hold source paths of its build.
pub(super) fn first_line(error: &ort::Error) -> String {
    error.message().lines().next().unwrap_or("no message").to_owned()
}
