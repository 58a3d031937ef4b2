//! A decoder graph with a cache, in each of the layouts exporters write: one graph that takes a past of any length,
//! a graph for the first step beside one for all others, or both in one with a switch.
//!
//! Reads which tensor stands for what from their names, and runs rows that stand at different positions together
//! where that changes no number.

mod feed;
mod layout;
mod logits;
mod port;

use std::rc::Rc;
use std::sync::Arc;

pub use layout::Layout;

use super::cache::{Align, Block, Seat, groups, joined};
use crate::backend::onnx::{OnnxModel, OnnxSession, Runtime};
use crate::error::Error;
use crate::pipeline::{Interrupt, ReplicaContext};
use crate::tensor::Tensor;
use feed::Feed;
use port::Port;

/// The files of a decoder, shared by the replicas.
pub struct DecoderFiles {
    pub first: Option<OnnxModel>,
    pub next: OnnxModel,
    pub layout: Arc<Layout>,
}

impl DecoderFiles {
    /// A decoder on the replica's device.
    ///
    /// # Errors
    /// When a graph cannot be loaded there.
    pub fn open(&self, runtime: &Runtime, context: &ReplicaContext) -> Result<Decoder, Error> {
        let first = self
            .first
            .as_ref()
            .map(|model| Stage::new(model.session(runtime, context)?));
        Ok(Decoder {
            first: first.transpose()?,
            next: Stage::new(self.next.session(runtime, context)?)?,
            layout: Arc::clone(&self.layout),
            mixes: false,
        })
    }
}

/// A graph, and what its inputs and outputs stand for.
struct Stage {
    session: OnnxSession,
    inputs: Vec<Port>,
    logits: usize,
    outputs: Vec<Option<Port>>,
}

impl Stage {
    fn new(session: OnnxSession) -> Result<Self, Error> {
        let input = |name: &str| {
            Port::of_input(name).ok_or_else(|| Error::pipeline(format!("the graph takes {name}, which is not known")))
        };
        let logits = session.output_names().position(|name| name == "logits");
        Ok(Self {
            inputs: session.input_names().map(input).collect::<Result<_, _>>()?,
            outputs: session.output_names().map(Port::of_output).collect(),
            logits: logits.ok_or_else(|| Error::pipeline("the graph gives no logits"))?,
            session,
        })
    }
}

/// A decoder on one device, owned by one replica.
pub struct Decoder {
    first: Option<Stage>,
    next: Stage,
    layout: Arc<Layout>,
    /// Whether rows of different lengths give the same together as alone.
    mixes: bool,
}

/// Steps of rows that join and leave between them.
pub trait Steps {
    /// Whether rows of different lengths share a run.
    fn mixes(&self) -> bool;

    /// Which rows step together.
    fn groups(&self, seats: &[&Seat], most: usize) -> Vec<Vec<usize>>;

    /// Gives each row its next token. Rows may be of different lengths only where [`Steps::groups`] put them together.
    ///
    /// # Errors
    /// When the run fails; the seats are as good as before.
    fn step(&mut self, seats: &[&Seat], tokens: &[u32]) -> Result<Stepped, Error>;
}

/// What a step gives of each row.
pub struct Stepped {
    /// Scores of the next token.
    pub logits: Vec<Vec<f32>>,
    pub seats: Vec<Seat>,
}

/// Tokens of all rows that one run of a prompt may take: the graph gives scores of every position, most of which
/// nobody reads, and a vocabulary has a hundred thousand of them.
const PROMPT_RUN: usize = 512;

impl Decoder {
    /// Reads prompts of one length, which rows then go on from. `source` has a row for each prompt.
    ///
    /// # Errors
    /// When a run fails.
    pub fn start(&mut self, prompts: &[&[u32]], source: &Rc<Block>) -> Result<Stepped, Error> {
        let length = prompts.first().map_or(0, |p| p.len());
        let (stage, merged) = match &mut self.first {
            Some(first) => (first, false),
            None => (&mut self.next, self.layout.merged),
        };
        let whole = merged || !stage.inputs.iter().any(|port| matches!(port, Port::Past(_)));
        if whole {
            return run(stage, &self.layout, prompts, None, source);
        }
        let piece = (PROMPT_RUN / prompts.len().max(1)).max(1);
        let blank = self
            .layout
            .past
            .iter()
            .map(|shape| shape.blank(prompts.len(), 0))
            .collect();
        let mut past = Rc::new(Block::new(blank, vec![0; prompts.len()], Align::End));
        let mut source = Rc::clone(source);
        let mut from = 0;
        loop {
            let to = (from + piece).min(length);
            let read: Vec<&[u32]> = prompts.iter().map(|p| &p[from..to]).collect();
            let stepped = run(stage, &self.layout, &read, Some(&past), &source)?;
            if to == length {
                return Ok(stepped);
            }
            past = joined(stepped.seats.iter().map(|s| &s.past));
            source = joined(stepped.seats.iter().map(|s| &s.source));
            from = to;
        }
    }

    /// Runs two rows of different lengths alone and together, once: where the numbers differ, since the graph counts
    /// positions by itself for one, only rows of one length will share a run.
    ///
    /// # Errors
    /// When the graph cannot run at all.
    pub fn try_mixing(&mut self) -> Result<(), Error> {
        let nothing = Rc::new(Block::new(Vec::new(), vec![0], Align::Start));
        let long = self.start(&[&[1, 2, 3, 4, 5, 6, 7]], &nothing)?;
        let short = self.start(&[&[3, 2, 1]], &nothing)?;
        let (long, short) = (&long.seats[0], &short.seats[0]);
        let alone = [self.step(&[long], &[1])?, self.step(&[short], &[1])?];
        let alone = [&alone[0].logits[0], &alone[1].logits[0]];
        // Some graphs refuse such rows outright, which is an answer too.
        let together = self.step(&[long, short], &[1, 1]);
        self.mixes = together.is_ok_and(|both| both.logits.iter().zip(alone).all(|(a, b)| alike(a, b)));
        if !self.mixes {
            tracing::info!("rows of different lengths do not share runs: the graph gives other numbers then");
        }
        Ok(())
    }

    /// Ends the run under way, whichever graph it is of.
    pub fn interrupts(&self) -> impl Iterator<Item = Arc<dyn Interrupt>> {
        self.first
            .iter()
            .chain([&self.next])
            .map(|stage| stage.session.interrupt())
    }
}

impl Steps for Decoder {
    fn mixes(&self) -> bool {
        self.mixes
    }

    fn groups(&self, seats: &[&Seat], most: usize) -> Vec<Vec<usize>> {
        let lengths: Vec<usize> = seats.iter().map(|s| s.length()).collect();
        groups(&lengths, self.mixes, most)
    }

    fn step(&mut self, seats: &[&Seat], tokens: &[u32]) -> Result<Stepped, Error> {
        let past = joined(seats.iter().map(|s| &s.past));
        let source = joined(seats.iter().map(|s| &s.source));
        let ids: Vec<&[u32]> = tokens.iter().map(std::slice::from_ref).collect();
        run(&mut self.next, &self.layout, &ids, Some(&past), &source)
    }
}

/// Ends runs of several sessions, of which one is under way.
pub struct Interrupts(pub Vec<Arc<dyn Interrupt>>);

impl Interrupt for Interrupts {
    fn interrupt(&self) {
        self.0.iter().for_each(|session| session.interrupt());
    }

    fn reset(&self) {
        self.0.iter().for_each(|session| session.reset());
    }
}

/// Far more than rounding and far less than a wrong position makes of scores.
const TOLERANCE: f32 = 2e-3;

fn alike(a: &[f32], b: &[f32]) -> bool {
    let scale = a.iter().fold(1.0f32, |max, score| max.max(score.abs()));
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= TOLERANCE * scale)
}

/// One run. Without a past it is the first step of a graph that has one of its own for it.
fn run(
    stage: &mut Stage,
    layout: &Layout,
    ids: &[&[u32]],
    past: Option<&Rc<Block>>,
    source: &Rc<Block>,
) -> Result<Stepped, Error> {
    let feed = Feed {
        layout,
        ids,
        past: past.map(|p| &**p),
        source,
    };
    let inputs: Vec<Tensor> = stage.inputs.iter().map(|port| feed.tensor(*port)).collect();
    // A step is what most runs are.
    let outputs = if feed.width() == 1 && past.is_some() {
        stage.session.run_typical(&inputs)?
    } else {
        stage.session.run(&inputs)?
    };
    let logits = logits::last(&outputs[stage.logits], ids.len())?;
    let find = |wanted: Port| {
        let place = stage.outputs.iter().position(|port| *port == Some(wanted));
        place.map(|place| outputs[place].clone())
    };
    let missing = || Error::pipeline("the graph gave no keys and values");
    let present = (0..layout.past.len()).map(|i| find(Port::Past(i)).ok_or_else(missing));
    let present: Vec<Tensor> = present.collect::<Result<_, _>>()?;
    let lengths: Vec<usize> = feed.lengths().map(|n| n + feed.width()).collect();
    let all = past.map_or(0, |p| p.positions()) + feed.width();
    let fits = |t: &Tensor| matches!(t.shape(), &[rows, _, positions, _] if rows == ids.len() && positions == all);
    if !present.iter().all(fits) {
        return Err(Error::pipeline(
            "the graph's keys and values do not have one position per token",
        ));
    }
    let grown = Rc::new(Block::new(present, lengths, Align::End));
    // Keys and values of the encoder's positions come with the first step and stay.
    let source = if layout.has_source() && source.tensors().len() == 1 {
        let keys = (0..layout.source.len()).map(|i| find(Port::Source(i)).ok_or_else(missing));
        let tensors = source.tensors().iter().cloned().map(Ok).chain(keys);
        let tensors: Vec<Tensor> = tensors.collect::<Result<_, _>>()?;
        Rc::new(Block::new(tensors, source.lengths().to_vec(), Align::Start))
    } else {
        Rc::clone(source)
    };
    let places = grown.places().zip(source.places());
    let seats = places.map(|(past, source)| Seat { past, source }).collect();
    Ok(Stepped { logits, seats })
}
