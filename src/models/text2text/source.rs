//! A request as sources and rules, or the fault that it has.

use tokenizers::{PostProcessor, Tokenizer, TruncationDirection};

use super::endpoint::Text2TextRequest;
use crate::error::{Error, Fault};
use crate::models::generation::beam::{BeamOptions, BeamSearch, EarlyStopping};
use crate::models::generation::config::GenerationConfig;
use crate::models::generation::processors::Processors;
use crate::models::generation::sampling::Choice;
use crate::models::generation::stop::StopStrings;
use crate::models::generation::writer::{Beams, Kind, Line};
use crate::models::tokenizer::FolderTokenizer;

/// Tokens of an answer where nobody says how many.
const LENGTH: usize = 256;
/// Texts of a request times beams: each is a row that is to be stepped, and texts are kept until all are written.
const MOST_ROWS: usize = 1024;

/// Reads requests. Shared by all replicas of a model.
pub struct Reader {
    pub tokenizer: Tokenizer,
    config: GenerationConfig,
    /// What the decoder begins with.
    start: u32,
    /// The longest source, special tokens included.
    limit: usize,
}

/// A request that can be begun.
pub struct Work {
    pub sources: Vec<Source>,
    /// Whether the request brought a list.
    pub listed: bool,
    pub manner: Manner,
}

/// How the texts of a request are written.
pub struct Manner {
    rules: Processors,
    beams: BeamOptions,
}

impl Manner {
    /// Rows that a text takes up.
    pub fn rows(&self) -> usize {
        self.beams.beams.max(1)
    }
}

/// What the encoder reads.
pub struct Source {
    pub ids: Vec<u32>,
    /// Tokens of the whole text, special ones included; more than there are here when its end was cut off.
    pub whole: usize,
}

impl Reader {
    /// # Errors
    /// When the folder does not say what the decoder begins with.
    pub fn new(folder: FolderTokenizer, config: GenerationConfig) -> Result<Self, String> {
        let start = config
            .decoder_start
            .ok_or("generation_config.json and config.json name no decoder_start_token_id")?;
        let limit = folder.max_length.into_iter().chain(config.positions).min();
        Ok(Self {
            tokenizer: folder.tokenizer,
            config,
            start,
            limit: limit.unwrap_or(usize::MAX),
        })
    }

    /// What fills up a short source among longer ones.
    pub fn pad(&self) -> u32 {
        self.config.pad.unwrap_or(0)
    }

    /// What the decoder begins with.
    pub const fn start(&self) -> u32 {
        self.start
    }

    /// # Errors
    /// What is wrong with the request, with the field's path.
    pub fn read(&self, request: &Text2TextRequest) -> Result<Work, Error> {
        let (field, texts) = match (&request.text, &request.documents) {
            (Some(texts), None) => ("text", texts),
            (None, Some(texts)) => ("documents", texts),
            (Some(_), Some(_)) => return Err(fault(&["documents"], "is sent beside text; send one of them", "schema")),
            (None, None) => return Err(fault(&["text"], "is missing; send it or documents", "missing")),
        };
        texts.check(field)?;
        let beams = request.num_beams.or(self.config.num_beams).unwrap_or(1);
        let count = texts.all().len();
        if count.saturating_mul(beams) > MOST_ROWS {
            let message =
                format!("is {beams} for {count} texts, at most {MOST_ROWS} beams are followed; send several requests");
            return Err(fault(&["num_beams"], message, "length"));
        }
        let max_length = self.max_length(request)?;
        let min_length = request.min_length.or(self.config.min_length).unwrap_or(0);
        if request.min_length.is_some() && min_length > max_length {
            let message = format!("is {min_length}, which is more than max_length {max_length}");
            return Err(fault(&["min_length"], message, "schema"));
        }
        let source = |(i, text): (usize, &String)| self.source(text, || texts.path(field, i));
        let sources = texts.all().iter().enumerate().map(source);
        Ok(Work {
            sources: sources.collect::<Result<_, _>>()?,
            listed: texts.is_list(),
            manner: Manner {
                rules: self.rules(request, min_length, max_length),
                beams: BeamOptions {
                    beams,
                    length_penalty: request.length_penalty.or(self.config.length_penalty).unwrap_or(1.0),
                    early_stopping: self.config.early_stopping.unwrap_or(EarlyStopping::No),
                    max_length,
                    eos: self.config.eos.clone(),
                },
            },
        })
    }

    fn max_length(&self, request: &Text2TextRequest) -> Result<usize, Error> {
        let positions = self.config.positions.unwrap_or(usize::MAX);
        if let Some(asked) = request.max_length {
            if asked > positions {
                let message = format!("is {asked}, and the model has {positions} positions");
                return Err(fault(&["max_length"], message, "too_long"));
            }
            return Ok(asked);
        }
        let by_tokens = self.config.max_new_tokens.map(|n| n.saturating_add(1));
        Ok(by_tokens
            .or(self.config.max_length)
            .unwrap_or(LENGTH)
            .clamp(2, positions.max(2)))
    }

    /// A text's tokens, its end cut off where it is longer than the model takes.
    fn source(&self, text: &str, path: impl Fn() -> Vec<String>) -> Result<Source, Error> {
        let failed = |e: tokenizers::Error| Error::pipeline(format!("tokenizer: {e}"));
        let prefixed = match &self.config.prefix {
            Some(prefix) => format!("{prefix}{text}"),
            None => text.to_owned(),
        };
        let mut encoding = self.tokenizer.encode_fast(prefixed, false).map_err(failed)?;
        let added = self.tokenizer.get_post_processor().map_or(0, |p| p.added_tokens(false));
        let room = self.limit.saturating_sub(added);
        let whole = encoding.len() + added;
        if encoding.len() > room {
            encoding.truncate(room, 0, TruncationDirection::Right);
        }
        let encoding = self.tokenizer.post_process(encoding, None, true).map_err(failed)?;
        let ids = encoding.get_ids().to_vec();
        if ids.is_empty() {
            let message = "has no token that the model can read; send some text";
            return Err(fault(&path(), message, "too_short"));
        }
        Ok(Source { ids, whole })
    }

    fn rules(&self, request: &Text2TextRequest, min_length: usize, max_length: usize) -> Processors {
        let config = &self.config;
        let size = request.no_repeat_ngram_size.or(config.no_repeat_ngram_size);
        Processors {
            repetition_penalty: config.repetition_penalty.unwrap_or(1.0),
            no_repeat_ngram_size: size.unwrap_or(0),
            bad_words: config.bad_words.clone(),
            min_length,
            eos: config.eos.clone(),
            forced_bos: config.forced_bos,
            forced_eos: config.forced_eos.clone(),
            max_length,
            suppressed: config.suppressed.clone(),
            suppressed_at_begin: config.suppressed_at_begin.clone(),
            prompt: 1,
            renormalize: config.renormalize,
        }
    }

    /// What writes the answer to one source.
    pub fn writer(&self, manner: &Manner, at_the_end: bool) -> Kind {
        let (prompt, rules) = ([self.start], manner.rules.clone());
        if manner.beams.beams > 1 {
            return Kind::Beams(Beams::new(BeamSearch::new(manner.beams.clone(), &prompt), rules));
        }
        let stop = StopStrings::default();
        let line = Line::new(&prompt, &[], rules, Choice::Greedy, stop, &self.tokenizer);
        Kind::Line(line.read_at_the_end(at_the_end))
    }
}

fn fault<S: AsRef<str>>(path: &[S], message: impl Into<String>, kind: &'static str) -> Error {
    Error::faults(vec![Fault::at(path, message, kind)])
}
