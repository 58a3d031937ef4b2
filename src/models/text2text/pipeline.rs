//! Runs encoder and decoder for requests that join and leave between the decoder's steps.
//!
//! A decoder of this kind has no mask over its own positions, so rows step together when they are of one length:
//! those that began together, and those that happen to be as long.

use std::rc::Rc;
use std::sync::Arc;

use tokenizers::Tokenizer;

use super::encoder::Encoder;
use super::endpoint::{AnswerDetail, Answers, Text2TextRequest, WrittenTexts};
use super::source::{Reader, Source, Work};
use crate::error::Error;
use crate::models::generation::cache::Seat;
use crate::models::generation::decoder::{Decoder, Interrupts};
use crate::models::generation::schedule::{self, Generator, Job};
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

    /// The first steps of all sources of these requests; a failure is that of the requests it concerns.
    fn start_all(&mut self, ready: &[(Request, Work)]) -> Vec<Vec<Result<Begun, Error>>> {
        let lost = || Err(Error::pipeline("the source was not read"));
        let mut begun: Vec<Vec<Result<Begun, Error>>> = ready
            .iter()
            .map(|(_, work)| work.sources.iter().map(|_| lost()).collect())
            .collect();
        let all = |(i, (_, work)): (usize, &(Request, Work))| (0..work.sources.len()).map(move |j| (i, j));
        let mut places: Vec<(usize, usize)> = ready.iter().enumerate().flat_map(all).collect();
        let ids = |place: &(usize, usize)| ready[place.0].1.sources[place.1].ids.as_slice();
        // Sources of like length share a run, so that little of it is padding.
        places.sort_by_key(|place| ids(place).len());
        for run in places.chunks(self.max_batch_size) {
            let sources: Vec<&[u32]> = run.iter().map(ids).collect();
            match self.start(&sources) {
                Ok(started) => run
                    .iter()
                    .zip(started)
                    .for_each(|((i, j), row)| begun[*i][*j] = Ok(row)),
                Err(error) => run.iter().for_each(|(i, j)| begun[*i][*j] = Err(error.clone())),
            }
        }
        begun
    }

    fn job(&self, mut request: Request, work: &Work, begun: Vec<Result<Begun, Error>>) -> Option<Job<Info>> {
        let tokenizer = &self.reader.tokenizer;
        let at_the_end = !request.is_stream();
        let writer = |begun: Result<Begun, Error>| {
            begun.map(|(logits, seat)| Writer::begin(self.reader.writer(work, at_the_end), logits, seat, tokenizer))
        };
        match begun.into_iter().map(writer).collect::<Result<Vec<_>, _>>() {
            Ok(writers) => {
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
                Some(Job::new(request, writers, info))
            }
            Err(error) => {
                request.finish(Err(error));
                None
            }
        }
    }
}

impl Generator for Text2Text {
    type Info = Info;

    fn begin(&mut self, requests: Vec<Request>) -> Vec<Job<Info>> {
        let mut ready = Vec::new();
        for mut request in requests {
            let read = request.take_input().into_typed::<Text2TextRequest>();
            match read.and_then(|read| self.reader.read(&read)) {
                Ok(work) => ready.push((request, work)),
                Err(error) => request.finish(Err(error)),
            }
        }
        let begun = self.start_all(&ready);
        let both = ready.into_iter().zip(begun);
        both.filter_map(|((request, work), begun)| self.job(request, &work, begun))
            .collect()
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
            generated_tokens: w.tokens,
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
