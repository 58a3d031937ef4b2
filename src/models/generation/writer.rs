//! Texts under way: what a step gives of each row becomes tokens, and tokens become text.

use tokenizers::Tokenizer;

use super::FinishReason;
use super::beam::{BeamSearch, log_probabilities};
use super::cache::{Seat, apart};
use super::detokenize::Detokenizer;
use super::processors::Processors;
use super::sampling::Choice;
use super::stop::StopStrings;

/// A text that grows by the token that is chosen at each step.
pub struct Line {
    /// The prompt and what was written.
    ids: Vec<u32>,
    rules: Processors,
    choice: Choice,
    detokenizer: Detokenizer,
    stop: StopStrings,
    text: String,
    /// Bytes of the text that have been told.
    told: usize,
    finish: Option<FinishReason>,
    /// Whether the text is read while it is written.
    read: bool,
}

/// The best text of a search with several beams.
pub struct Beams {
    search: BeamSearch,
    rules: Processors,
    written: Option<Written>,
}

/// A finished text.
#[derive(Clone, Debug)]
pub struct Written {
    pub text: String,
    pub finish_reason: FinishReason,
    /// Tokens after the prompt, the one that ended the text included.
    pub ids: Vec<u32>,
    /// The sum of log-probabilities over the length to the power of the penalty; beams only.
    pub score: Option<f32>,
}

impl Line {
    /// A line after a prompt. `context` is the part of the prompt that stands before the text in the same language:
    /// all of it, or nothing after the token that a decoder begins with.
    pub fn new(
        prompt: &[u32],
        context: &[u32],
        rules: Processors,
        choice: Choice,
        stop: StopStrings,
        tokenizer: &Tokenizer,
    ) -> Self {
        Self {
            ids: prompt.to_vec(),
            rules,
            choice,
            detokenizer: Detokenizer::new(tokenizer, context),
            stop,
            text: String::new(),
            told: 0,
            finish: None,
            read: true,
        }
    }

    /// Nobody reads the text before it is finished: it is decoded once, and not at each token. Stop strings do read.
    #[must_use]
    pub fn read_at_the_end(mut self, at_the_end: bool) -> Self {
        self.read = !(at_the_end && self.stop.is_empty());
        self
    }

    fn take(&mut self, mut logits: Vec<f32>, tokenizer: &Tokenizer) {
        self.rules.apply(&self.ids, &mut logits);
        let token = self.choice.pick(&logits);
        self.ids.push(token);
        if self.read {
            let piece = self.detokenizer.push(tokenizer, token);
            self.text.push_str(&self.stop.push(&piece));
        } else {
            self.detokenizer.hold(token);
        }
        self.finish = if self.stop.hit() || self.rules.eos.contains(&token) {
            Some(FinishReason::Stop)
        } else if self.ids.len() >= self.rules.max_length {
            Some(FinishReason::Length)
        } else {
            None
        };
        if self.finish.is_some() && !self.stop.hit() {
            let rest = self.detokenizer.finish(tokenizer);
            self.text.push_str(&self.stop.push(&rest));
            self.text.push_str(&self.stop.finish());
        }
    }
}

impl Beams {
    pub fn new(search: BeamSearch, rules: Processors) -> Self {
        Self {
            search,
            rules,
            written: None,
        }
    }
}

/// A text under way, with the rows that it takes up.
pub struct Writer {
    kind: Kind,
    /// One for each row.
    seats: Vec<Seat>,
    /// The last token of each row.
    tokens: Vec<u32>,
}

/// How a text comes about.
pub enum Kind {
    Line(Line),
    Beams(Beams),
}

impl Writer {
    /// Begins with what the first step gave.
    pub fn begin(kind: Kind, logits: Vec<f32>, seat: Seat, tokenizer: &Tokenizer) -> Self {
        let rows = match &kind {
            Kind::Line(_) => 1,
            Kind::Beams(beams) => beams.search.beams(),
        };
        let mut writer = Self {
            kind,
            seats: Vec::new(),
            tokens: Vec::new(),
        };
        // All beams begin alike.
        writer.take(vec![logits; rows], vec![seat; rows], tokenizer);
        writer
    }

    /// Rows that are to be stepped, with the token that each goes on from; none once the text is finished.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (&Seat, u32)> {
        self.seats.iter().zip(self.tokens.iter().copied())
    }

    /// Takes what a step gave of each row.
    pub fn take(&mut self, logits: Vec<Vec<f32>>, seats: Vec<Seat>, tokenizer: &Tokenizer) {
        match &mut self.kind {
            Kind::Line(line) => {
                for logits in logits {
                    line.take(logits, tokenizer);
                }
                self.tokens = line.ids.last().copied().into_iter().collect();
                self.seats = seats;
            }
            Kind::Beams(beams) => {
                let scores = logits.into_iter().enumerate().map(|(beam, logits)| {
                    let mut scores = log_probabilities(logits);
                    beams.rules.apply(beams.search.ids(beam), &mut scores);
                    scores
                });
                let scores: Vec<Vec<f32>> = scores.collect();
                let steps = beams.search.step(&scores);
                let seat = |(seat, step): (&Seat, &super::beam::Step)| seat.with_past_of(&seats[step.beam]);
                self.seats = seats.iter().zip(&steps).map(seat).collect();
                self.tokens = steps.iter().map(|step| step.token).collect();
                if beams.search.is_over() {
                    beams.written = Some(beams.best(tokenizer));
                }
            }
        }
        if self.is_finished() {
            // The cache of what is finished is let go at once.
            self.seats.clear();
            self.tokens.clear();
        }
    }

    /// Leaves the blocks that the rows share with others, which are not to be kept as long as these rows wait.
    pub fn rest(&mut self) {
        self.seats = apart(&self.seats);
    }

    pub const fn is_finished(&self) -> bool {
        match &self.kind {
            Kind::Line(line) => line.finish.is_some(),
            Kind::Beams(beams) => beams.written.is_some(),
        }
    }

    /// Text that has not been told yet. Beams tell nothing before they are finished: any of them may still win.
    pub fn fresh(&mut self) -> Option<&str> {
        match &mut self.kind {
            Kind::Line(line) if line.told < line.text.len() => {
                let from = std::mem::replace(&mut line.told, line.text.len());
                Some(&line.text[from..])
            }
            Kind::Line(_) | Kind::Beams(_) => None,
        }
    }

    /// The text as far as it is written.
    pub fn written(&self) -> Option<Written> {
        match &self.kind {
            Kind::Line(line) => Some(Written {
                text: line.text.clone(),
                finish_reason: line.finish?,
                ids: line.ids[line.rules.prompt..].to_vec(),
                score: None,
            }),
            Kind::Beams(beams) => beams.written.clone(),
        }
    }
}

impl Beams {
    fn best(&self, tokenizer: &Tokenizer) -> Written {
        let best = self.search.best();
        let ids = best.ids.get(self.rules.prompt..).unwrap_or_default();
        let ended = ids.last().is_some_and(|token| self.rules.eos.contains(token));
        Written {
            text: tokenizer.decode(ids, true).unwrap_or_default(),
            finish_reason: if ended {
                FinishReason::Stop
            } else {
                FinishReason::Length
            },
            ids: ids.to_vec(),
            score: Some(best.score),
        }
    }
}
