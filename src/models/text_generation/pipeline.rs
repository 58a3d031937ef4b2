//! Runs a decoder for requests that join and leave between its steps.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use tokenizers::Tokenizer;

use super::endpoint::{GeneratedSequence, GeneratedText, GenerationRequest};
use super::prompt::{Prompt, Prompter};
use crate::error::Error;
use crate::models::generation::cache::{Align, Block, Seat, apart};
use crate::models::generation::decoder::{Decoder, Interrupts};
use crate::models::generation::schedule::{self, Asked, Generator};
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

/// One of the texts after a prompt.
pub struct Text {
    after: Rc<Shared>,
    index: usize,
    at_the_end: bool,
}

/// Scores and seat of the token after a prompt.
type Begun = (Vec<f32>, Seat);

/// A prompt that is read once, before the first of its texts; it is kept for those that begin later.
struct Shared {
    prompt: Prompt,
    begun: RefCell<Option<Result<Begun, Error>>>,
}

impl Shared {
    /// Leaves the block that the prompt shares with others, which are not to be kept as long as its texts wait.
    fn rest(&self) {
        if let Some(Ok((_, seat))) = self.begun.borrow_mut().as_mut()
            && let Some(own) = apart(std::slice::from_ref(seat)).pop()
        {
            *seat = own;
        }
    }
}

impl Text {
    fn writer(&self, tokenizer: &Tokenizer) -> Result<Writer, Error> {
        let (logits, seat) = match &*self.after.begun.borrow() {
            Some(begun) => begun.clone()?,
            None => return Err(Error::pipeline("the prompt was not read")),
        };
        let line = self.after.prompt.line(self.index, tokenizer);
        let kind = Kind::Line(line.read_at_the_end(self.at_the_end));
        Ok(Writer::begin(kind, logits, seat, tokenizer))
    }
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
    fn start(&mut self, prompts: &[Rc<Shared>]) {
        let ids: Vec<&[u32]> = prompts.iter().map(|shared| shared.prompt.ids.as_slice()).collect();
        let no_source = Rc::new(Block::new(Vec::new(), vec![0; ids.len()], Align::Start));
        match self.decoder.start(&ids, &no_source) {
            Ok(started) => {
                let given = started.logits.into_iter().zip(started.seats);
                for (shared, begun) in prompts.iter().zip(given) {
                    shared.begun.replace(Some(Ok(begun)));
                }
            }
            Err(error) => {
                for shared in prompts {
                    shared.begun.replace(Some(Err(error.clone())));
                }
            }
        }
    }
}

impl Generator for TextGeneration {
    type Info = Info;
    type Text = Text;
    type Decoder = Decoder;

    fn read(&mut self, request: &mut Request) -> Result<Asked<Info, Text>, Error> {
        let asked = request.take_input().into_typed::<GenerationRequest>()?;
        let prompt = self.prompter.read(&asked)?;
        let info = Info {
            prompt_tokens: prompt.ids.len(),
            seed: prompt.seed,
        };
        let (sequences, at_the_end) = (prompt.sequences, !request.is_stream());
        let after = Rc::new(Shared {
            prompt,
            begun: RefCell::new(None),
        });
        let text = |index| Text {
            after: Rc::clone(&after),
            index,
            at_the_end,
        };
        Ok(Asked {
            info,
            texts: (0..sequences).map(text).collect(),
            rows: 1,
        })
    }

    fn begin(&mut self, texts: Vec<Text>) -> Vec<Result<Writer, Error>> {
        // The first text of a prompt begins before the others of it.
        let first = texts.iter().filter(|text| text.index == 0);
        let fresh: Vec<Rc<Shared>> = first.map(|text| Rc::clone(&text.after)).collect();
        let mut of_length: BTreeMap<usize, Vec<Rc<Shared>>> = BTreeMap::new();
        for shared in &fresh {
            let length = shared.prompt.ids.len();
            of_length.entry(length).or_default().push(Rc::clone(shared));
        }
        for (length, prompts) in of_length {
            let together = (TOGETHER / length).clamp(1, self.max_batch_size);
            prompts.chunks(together).for_each(|prompts| self.start(prompts));
        }
        let tokenizer = &self.prompter.tokenizer;
        let begun = texts.iter().map(|text| text.writer(tokenizer)).collect();
        drop(texts);
        // Held here and by texts that wait.
        fresh
            .iter()
            .filter(|shared| Rc::strong_count(shared) > 1)
            .for_each(|shared| shared.rest());
        begun
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
            generated_tokens: w.ids.len(),
        };
        Output::json(&GeneratedText {
            results: first.text.clone(),
            finish_reason: first.finish_reason,
            prompt_tokens: info.prompt_tokens,
            generated_tokens: written.iter().map(|w| w.ids.len()).sum(),
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
