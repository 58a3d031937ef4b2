//! Runs a decoder for requests that join and leave between its steps.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use tokenizers::Tokenizer;

use super::endpoint::{GeneratedSequence, GeneratedText, GenerationRequest};
use super::prompt::{Prompt, Prompter};
use crate::error::Error;
use crate::models::generation::cache::{Align, Block, Seat};
use crate::models::generation::decoder::{Decoder, Interrupts};
use crate::models::generation::schedule::{self, Generator, Job};
use crate::models::generation::writer::{Kind, Writer, Written};
use crate::payload::Output;
use crate::pipeline::{Batch, Interrupt, Pipeline, Request};

pub struct TextGeneration {
    decoder: Decoder,
    prompter: Arc<Prompter>,
    max_batch_size: usize,
}

/// What an answer tells beside the texts.
pub struct Info {
    prompt_tokens: usize,
    seed: Option<u64>,
}

/// Prompts of one length may be read in one run; this many tokens at most, so that rows that are under way do not
/// wait long for those that join.
const TOGETHER: usize = 512;

impl TextGeneration {
    pub fn new(decoder: Decoder, prompter: Arc<Prompter>, max_batch_size: usize) -> Self {
        Self {
            decoder,
            prompter,
            max_batch_size: max_batch_size.max(1),
        }
    }

    /// Reads prompts of one length together.
    fn start(&mut self, ready: Vec<(Request, Prompt)>) -> Vec<Job<Info>> {
        let ids: Vec<&[u32]> = ready.iter().map(|(_, prompt)| prompt.ids.as_slice()).collect();
        let no_source = Rc::new(Block::new(Vec::new(), vec![0; ids.len()], Align::Start));
        let started = match self.decoder.start(&ids, &no_source) {
            Ok(started) => started,
            Err(error) => {
                for (mut request, _) in ready {
                    request.finish(Err(error.clone()));
                }
                return Vec::new();
            }
        };
        let given = started.logits.into_iter().zip(started.seats);
        let job = |((request, prompt), (logits, seat)): ((Request, Prompt), (Vec<f32>, Seat))| {
            let tokenizer = &self.prompter.tokenizer;
            let at_the_end = !request.is_stream();
            let lines = prompt.lines(tokenizer).into_iter();
            let lines = lines.map(|line| line.read_at_the_end(at_the_end));
            let writers = lines.map(|line| Writer::begin(Kind::Line(line), logits.clone(), seat.clone(), tokenizer));
            let info = Info {
                prompt_tokens: prompt.ids.len(),
                seed: prompt.seed,
            };
            Job::new(request, writers.collect(), info)
        };
        ready.into_iter().zip(given).map(job).collect()
    }
}

impl Generator for TextGeneration {
    type Info = Info;

    fn begin(&mut self, requests: Vec<Request>) -> Vec<Job<Info>> {
        let mut of_length: BTreeMap<usize, Vec<(Request, Prompt)>> = BTreeMap::new();
        for mut request in requests {
            let read = request.take_input().into_typed::<GenerationRequest>();
            match read.and_then(|read| self.prompter.read(&read)) {
                Ok(prompt) => of_length.entry(prompt.ids.len()).or_default().push((request, prompt)),
                Err(error) => request.finish(Err(error)),
            }
        }
        let mut jobs = Vec::new();
        for (length, mut ready) in of_length {
            let together = (TOGETHER / length).clamp(1, self.max_batch_size);
            while !ready.is_empty() {
                let rest = ready.split_off(together.min(ready.len()));
                jobs.extend(self.start(ready));
                ready = rest;
            }
        }
        jobs
    }

    fn decoder(&mut self) -> &mut Decoder {
        &mut self.decoder
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.prompter.tokenizer
    }

    fn interrupt(&self) -> Arc<dyn Interrupt> {
        Arc::new(Interrupts(self.decoder.interrupts().collect()))
    }

    fn answer(info: &Info, written: Vec<Written>) -> Result<Output, Error> {
        let first = written.first().ok_or_else(|| Error::pipeline("no text was written"))?;
        let sequence = |w: &Written| GeneratedSequence {
            text: w.text.clone(),
            finish_reason: w.finish_reason,
            generated_tokens: w.tokens,
        };
        Output::json(&GeneratedText {
            results: first.text.clone(),
            finish_reason: first.finish_reason,
            prompt_tokens: info.prompt_tokens,
            generated_tokens: written.iter().map(|w| w.tokens).sum(),
            seed: info.seed,
            sequences: (written.len() > 1).then(|| written.iter().map(sequence).collect()),
        })
    }
}

impl Pipeline for TextGeneration {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let most = self.max_batch_size;
        schedule::run(self, batch, most);
        Ok(())
    }

    fn compile(&mut self) -> Result<(), Error> {
        self.decoder.try_mixing()
    }
}
