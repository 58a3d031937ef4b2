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
/// The most tokens of an answer that may be asked for where the model's positions do not end and it does not say more
/// itself: each is a step, and a place in a cache.
const LONGEST: usize = 4096;
/// The most tokens of a source where neither tokenizer nor model says: attention grows with their square.
const SOURCE: usize = 512;
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
        let told = folder.max_length.into_iter().chain(config.positions).min();
        let limit = told.or(config.trained_positions).unwrap_or(SOURCE);
        Ok(Self {
            tokenizer: folder.tokenizer,
            config,
            start,
            limit,
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
        let by_tokens = self.config.max_new_tokens.map(|n| n.saturating_add(1));
        let own = by_tokens.or(self.config.max_length);
        let most = self.config.positions.unwrap_or_else(|| LONGEST.max(own.unwrap_or(0)));
        match request.max_length {
            Some(asked) if asked > most => {
                let message = match self.config.positions {
                    Some(positions) => format!("is {asked}, and the model has {positions} positions"),
                    None => format!("is {asked}, and at most {most} tokens are written"),
                };
                Err(fault(&["max_length"], message, "too_long"))
            }
            Some(asked) => Ok(asked),
            None => Ok(own.unwrap_or(LENGTH).clamp(2, most.max(2))),
        }
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Every word is a token.
    const TOKENIZER: &str = r#"{
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"a": 0, "<unk>": 1}, "unk_token": "<unk>"}
    }"#;

    fn reader(max_length: Option<usize>, config: GenerationConfig) -> Reader {
        let tokenizer: Tokenizer = TOKENIZER.parse().unwrap();
        let config = GenerationConfig {
            decoder_start: Some(0),
            ..config
        };
        Reader::new(FolderTokenizer { tokenizer, max_length }, config).unwrap()
    }

    fn read(reader: &Reader, request: Value) -> Result<Work, Error> {
        reader.read(&serde_json::from_value(request).unwrap())
    }

    #[test]
    fn a_source_is_cut_also_where_nothing_says_how_long_it_may_be() {
        let (ends, trained) = (
            GenerationConfig {
                positions: Some(40),
                ..GenerationConfig::default()
            },
            GenerationConfig {
                trained_positions: Some(64),
                ..GenerationConfig::default()
            },
        );
        for (tokenizer, config, kept) in [
            (None, GenerationConfig::default(), SOURCE),
            (None, trained.clone(), 64),
            (Some(90), trained, 90),
            (Some(50), ends.clone(), 40),
            (None, ends, 40),
        ] {
            let reader = reader(tokenizer, config);
            let work = read(&reader, json!({"text": ["a", "a ".repeat(600)]})).unwrap();
            let lengths: Vec<(usize, usize)> = work.sources.iter().map(|s| (s.ids.len(), s.whole)).collect();
            assert_eq!(lengths, [(1, 1), (kept, 600)]);
        }
    }

    #[test]
    fn an_answer_has_a_longest_length() {
        let of = |config: &GenerationConfig, asked: Value| {
            let read = read(&reader(None, config.clone()), json!({"text": "a", "max_length": asked}));
            let length = read.map(|work| work.manner.beams.max_length);
            length.map_err(|error| error.detail()[0].loc.clone())
        };
        let told = Err(vec!["body".to_owned(), "max_length".to_owned()]);
        let plain = GenerationConfig::default();
        assert_eq!(of(&plain, Value::Null), Ok(LENGTH));
        assert_eq!(of(&plain, json!(LONGEST)), Ok(LONGEST));
        assert_eq!(of(&plain, json!(LONGEST + 1)), told);
        let long = GenerationConfig {
            max_length: Some(9000),
            ..GenerationConfig::default()
        };
        assert_eq!(of(&long, Value::Null), Ok(9000));
        assert_eq!(of(&long, json!(9001)), told);
        let ends = GenerationConfig {
            positions: Some(64),
            ..long
        };
        assert_eq!(of(&ends, Value::Null), Ok(64));
        assert_eq!(of(&ends, json!(65)), told);
    }
}
