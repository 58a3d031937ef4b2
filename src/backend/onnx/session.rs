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
    learned: Option<Learned>,
}

/// What a typical run told of the replica's threads.
struct Learned {
    /// A session with one thread, where that is as fast for such a run.
    single: Option<Session>,
    lanes: Option<Lanes>,
    /// Elements of the first input.
    size: usize,
    /// How long such a run takes with all threads inside of it, and with one.
    of_all: Duration,
    of_one: Duration,
}

/// Runs that are made of one batch.
pub trait Runs {
    /// Inputs of the next run, one tensor each; `None` when there is none left.
    fn next(&mut self) -> Option<Vec<Tensor>>;

    /// What a run gave, by its number among those that [`Runs::next`] told of. Runs may end in another order.
    fn done(&mut self, run: usize, outputs: Result<Vec<Tensor>, Error>);
}

/// What makes runs, one after another or several at once.
pub trait RunEach {
    /// Into how many runs at once so many rows are best cut.
    fn width(&self, rows: usize) -> usize;

    /// Makes all of them, so many at once.
    fn run_each(&mut self, runs: &mut dyn Runs, width: usize);

    /// Ends those under way, from any thread.
    fn interrupt(&self) -> Arc<dyn Interrupt>;

    /// Makes a typical run of one row, and gets ready for others; also for several at once, where batches are `cut`
    /// into such.
    ///
    /// # Errors
    /// As [`OnnxSession::run`].
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
/// Runs so many times as large have more to share out among threads than the typical one (of a DistilBERT with 4 layers
/// of 128, rows of 44 tokens gained nothing by a second thread one at a time, and a tenth by 8).
const LARGER: usize = 16;

impl OnnxSession {
    pub(super) fn new(session: Session, opener: Option<Opener>) -> ort::Result<Self> {
        Ok(Self {
            input_names: session.inputs().iter().map(|i| i.name().to_owned()).collect(),
            output_names: session.outputs().iter().map(|o| o.name().to_owned()).collect(),
            session,
            interrupt: Arc::new(Terminate(RunOptions::new()?)),
            opener: opener.filter(|opener| opener.threads > 1),
            learned: None,
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
        let single = self.learned.as_mut().and_then(|learned| {
            let small = size(inputs) <= learned.size.saturating_mul(LARGER);
            learned.single.as_mut().filter(|_| small)
        });
        let session = single.unwrap_or(&mut self.session);
        run(session, &self.output_names, &self.interrupt, inputs)
    }

    /// As [`OnnxSession::run`], for a typical run: the first of them is learned from.
    ///
    /// # Errors
    /// As [`OnnxSession::run`].
    pub fn run_typical(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        if self.learned.is_none() {
            self.learn(inputs, false)?;
        }
        self.run(inputs)
    }

    /// Learns from a typical run how the replica's threads are used best. Threads inside of a run have to be woken for
    /// each of its nodes, so a model of many small nodes is faster with one; and where batches are `cut` into several
    /// runs, those go on at once, each with one thread, if they take long enough.
    fn learn(&mut self, inputs: &[Tensor], cut: bool) -> Result<(), Error> {
        let Some(opener) = &self.opener else {
            return Ok(());
        };
        let mut single = match opener.open(1) {
            Ok(single) => single,
            Err(error) => {
                tracing::warn!("runs are not tried with one thread: {}", first_line(&error));
                return Ok(());
            }
        };
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
        let lanes = (cut && of_one >= SHORT).then(|| Lanes::start(opener, &self.output_names, &self.interrupt));
        let lanes = lanes.and_then(|started| {
            let told = |error: &String| tracing::warn!("batches are not spread over the threads of a replica: {error}");
            started.inspect_err(told).ok()
        });
        self.learned = Some(Learned {
            // All threads for a tenth of the time are a waste.
            single: (of_one <= of_all + of_all / 10).then_some(single),
            lanes,
            size: size(inputs),
            of_all,
            of_one,
        });
        Ok(())
    }
}

impl RunEach for OnnxSession {
    fn width(&self, rows: usize) -> usize {
        let Some((learned, lanes)) = self
            .learned
            .as_ref()
            .and_then(|l| l.lanes.as_ref().map(|lanes| (l, lanes)))
        else {
            return 1;
        };
        let width = lanes.width().min(rows);
        // A row of a lane has one thread, and all of them together may be faster with all.
        let times = |n: usize, time: Duration| time.saturating_mul(u32::try_from(n).unwrap_or(u32::MAX));
        let together = times(rows, learned.of_all.min(learned.of_one));
        let spread = times(rows.div_ceil(width.max(1)), learned.of_one);
        if spread < together { width } else { 1 }
    }

    fn run_each(&mut self, runs: &mut dyn Runs, width: usize) {
        let lanes = self.learned.as_ref().and_then(|learned| learned.lanes.as_ref());
        if let Some(lanes) = lanes.filter(|_| width > 1) {
            return lanes.run_each(runs);
        }
        let mut number = 0;
        while let Some(inputs) = runs.next() {
            let outputs = self.run(&inputs);
            // The memory of joined rows is free for the next run.
            drop(inputs);
            runs.done(number, outputs);
            number += 1;
        }
    }

    fn interrupt(&self) -> Arc<dyn Interrupt> {
        Self::interrupt(self)
    }

    fn prepare(&mut self, inputs: &[Tensor], cut: bool) -> Result<Vec<Tensor>, Error> {
        let outputs = self.run(inputs)?;
        self.learn(inputs, cut)?;
        Ok(outputs)
    }
}

/// What the work of a run grows with.
fn size(inputs: &[Tensor]) -> usize {
    inputs.first().map_or(0, Tensor::len)
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
