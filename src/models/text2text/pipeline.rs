//! Runs encoder and decoder for requests that join and leave between the decoder's steps.
//!
//! A decoder of this kind has no mask over its own positions, so rows step together when they are of one length:
//! those that began together, and those that happen to be as long.

use std::rc::Rc;
use std::sync::Arc;

use tokenizers::Tokenizer;

use super::encoder::Encoder;
use super::endpoint::{AnswerDetail, Answers, Text2TextRequest, WrittenTexts};
use super::source::{Manner, Reader, Source};
use crate::error::Error;
use crate::models::generation::cache::Seat;
use crate::models::generation::decoder::{Decoder, Interrupts, Steps};
use crate::models::generation::schedule::{self, Asked, Generator};
use crate::models::generation::writer::{Writer, Written};
use crate::models::one_or_many::in_form;
use crate::models::text::Truncated;
use crate::payload::Output;
use crate::pipeline::{Batch, Interrupt, Pipeline, Request};

pub struct Text2Text {
    encoder: Encoder,
    decoder: Decoder,
    reader: Arc<Reader>,
    max_batch_size: usize,
}

/// What an answer tells of its sources.
pub struct Info {
    /// Tokens that were read of each source.
    read: Vec<usize>,
    /// Sources whose end was cut off.
    truncated: Vec<Truncated>,
    listed: bool,
}

/// A text to be written of a source.
pub struct Text {
    ids: Vec<u32>,
    manner: Rc<Manner>,
    at_the_end: bool,
}

/// Scores and seat of a source's first step.
type Begun = (Vec<f32>, Seat);

impl Text2Text {
    pub fn new(encoder: Encoder, decoder: Decoder, reader: Arc<Reader>, max_batch_size: usize) -> Self {
        Self {
            encoder,
            decoder,
            reader,
            max_batch_size: max_batch_size.max(1),
        }
    }

    /// Reads sources together and takes the decoder's first step of each.
    fn start(&mut self, sources: &[&[u32]]) -> Result<Vec<Begun>, Error> {
        let states = Rc::new(self.encoder.run(sources)?);
        let start = [self.reader.start()];
        let prompts = vec![&start[..]; sources.len()];
        let started = self.decoder.start(&prompts, &states)?;
        Ok(started.logits.into_iter().zip(started.seats).collect())
    }

    /// The first steps of these sources; a failure is that of those it concerns.
    fn start_all(&mut self, sources: &[&[u32]]) -> Vec<Result<Begun, Error>> {
        let lost = || Err(Error::pipeline("the source was not read"));
        let mut begun: Vec<Result<Begun, Error>> = sources.iter().map(|_| lost()).collect();
        let mut order: Vec<usize> = (0..sources.len()).collect();
        // Sources of like length share a run, so that little of it is padding.
        order.sort_by_key(|place| sources[*place].len());
        for run in order.chunks(self.max_batch_size) {
            let together: Vec<&[u32]> = run.iter().map(|place| sources[*place]).collect();
            match self.start(&together) {
                Ok(started) => run.iter().zip(started).for_each(|(place, row)| begun[*place] = Ok(row)),
                Err(error) => run.iter().for_each(|place| begun[*place] = Err(error.clone())),
            }
        }
        begun
    }
}

impl Generator for Text2Text {
    type Info = Info;
    type Text = Text;
    type Decoder = Decoder;

    fn read(&mut self, request: &mut Request) -> Result<Asked<Info, Text>, Error> {
        let asked = request.take_input().into_typed::<Text2TextRequest>()?;
        let work = self.reader.read(&asked)?;
        let cut = |(text, source): (usize, &Source)| Truncated {
            text,
            tokens: source.whole,
            kept: source.ids.len(),
        };
        let cut = work.sources.iter().enumerate().map(cut).filter(|t| t.tokens > t.kept);
        let info = Info {
            read: work.sources.iter().map(|s| s.ids.len()).collect(),
            truncated: cut.collect(),
            listed: work.listed,
        };
        let (manner, at_the_end) = (Rc::new(work.manner), !request.is_stream());
        let rows = manner.rows();
        let text = |source: Source| Text {
            ids: source.ids,
            manner: Rc::clone(&manner),
            at_the_end,
        };
        Ok(Asked {
            info,
            texts: work.sources.into_iter().map(text).collect(),
            rows,
        })
    }

    fn length(text: &Text) -> usize {
        text.ids.len()
    }

    fn begin(&mut self, texts: Vec<Text>) -> Vec<Result<Writer, Error>> {
        let sources: Vec<&[u32]> = texts.iter().map(|text| text.ids.as_slice()).collect();
        let begun = self.start_all(&sources);
        let (reader, tokenizer) = (&self.reader, &self.reader.tokenizer);
        let writer = |(text, begun): (&Text, Result<Begun, Error>)| -> Result<Writer, Error> {
            let (logits, seat) = begun?;
            let kind = reader.writer(&text.manner, text.at_the_end);
            Ok(Writer::begin(kind, logits, seat, tokenizer))
        };
        texts.iter().zip(begun).map(writer).collect()
    }

    fn decoder(&mut self) -> &mut Decoder {
        &mut self.decoder
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.reader.tokenizer
    }

    fn interrupt(&self) -> Arc<dyn Interrupt> {
        let encoder = self.encoder.session().interrupt();
        Arc::new(Interrupts(self.decoder.interrupts().chain([encoder]).collect()))
    }

    fn answer(info: &Info, written: Vec<Written>) -> Result<Output, Error> {
        let detail = |(w, read): (&Written, &usize)| AnswerDetail {
            finish_reason: w.finish_reason,
            input_tokens: *read,
            generated_tokens: w.ids.len(),
            score: w.score,
        };
        let details = written.iter().zip(&info.read).map(detail).collect();
        let texts = written.into_iter().map(|w| w.text).collect();
        let results = in_form(texts, info.listed, Answers::One, Answers::Many);
        Output::json(&WrittenTexts {
            results,
            details,
            truncated: (!info.truncated.is_empty()).then(|| info.truncated.clone()),
        })
    }
}

impl Pipeline for Text2Text {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let most = self.max_batch_size;
        schedule::run(self, batch, most);
        Ok(())
    }

    fn compile(&mut self) -> Result<(), Error> {
        let begun = self.start(&[&[1, 2, 3]])?;
        let (_, seat) = begun
            .first()
            .ok_or_else(|| Error::pipeline("the decoder gave nothing"))?;
        self.decoder.step(&[seat], &[1]).map(drop)
    }
}
