//! A request as tokens and rules, or the fault that it has.

use tokenizers::Tokenizer;

use super::endpoint::{GenerationRequest, StopWords};
use crate::error::{Error, Fault};
use crate::models::generation::chat::ChatTemplate;
use crate::models::generation::config::GenerationConfig;
use crate::models::generation::processors::Processors;
use crate::models::generation::sampling::{Choice, Sampling};
use crate::models::generation::stop::StopStrings;
use crate::models::generation::writer::Line;

/// Tokens that are written where nobody says how many.
const NEW_TOKENS: usize = 256;
/// As transformers draws where nobody says otherwise.
const TOP_K: usize = 50;
/// Each is looked for at every token.
const MOST_STOPS: usize = 16;
/// Bytes of one of them. Every text of a request keeps them, and as much of its end as they are long.
const LONGEST_STOP: usize = 1024;

/// Reads requests. Shared by all replicas of a model.
pub struct Prompter {
    pub tokenizer: Tokenizer,
    pub chat: Option<ChatTemplate>,
    pub config: GenerationConfig,
}

/// A request that can be begun.
pub struct Prompt {
    pub ids: Vec<u32>,
    rules: Processors,
    sampling: Option<Sampling>,
    pub seed: Option<u64>,
    stop: StopStrings,
    pub sequences: usize,
}

impl Prompter {
    /// # Errors
    /// What is wrong with the request, with the field's path.
    pub fn read(&self, request: &GenerationRequest) -> Result<Prompt, Error> {
        let (field, ids) = self.ids(request)?;
        let limit = self.config.positions.unwrap_or(usize::MAX);
        if ids.len() >= limit {
            let message = format!(
                "is {} tokens long, and the model has {limit} positions for it and its answer together; shorten it",
                ids.len()
            );
            return Err(fault(field, message, "too_long"));
        }
        let sampling = self.sampling(request);
        if sampling.is_none() && request.num_return_sequences > 1 {
            let message = "is more than 1, but without drawing all texts are the same; set temperature";
            return Err(fault("num_return_sequences", message, "schema"));
        }
        let stops = request.stop.as_ref().map_or_else(|| Ok(Vec::new()), stops)?;
        let seed = sampling.map(|_| request.seed.unwrap_or_else(|| fastrand::u32(..).into()));
        let room = self.new_tokens(request, ids.len());
        Ok(Prompt {
            rules: self.rules(request, ids.len(), limit.min(ids.len().saturating_add(room))),
            sampling,
            seed,
            stop: StopStrings::new(stops),
            sequences: request.num_return_sequences,
            ids,
        })
    }

    /// The prompt's tokens, and the field they come from.
    fn ids(&self, request: &GenerationRequest) -> Result<(&'static str, Vec<u32>), Error> {
        let (field, text, special) = match (&request.prompt, &request.messages) {
            (Some(prompt), None) => ("prompt", prompt.clone(), true),
            (None, Some(messages)) => {
                let none = "needs a chat template, which the model has none of; send prompt";
                let template = self
                    .chat
                    .as_ref()
                    .ok_or_else(|| fault("messages", none, "unsupported"))?;
                let text = template
                    .render(messages)
                    .map_err(|e| fault("messages", e, "template"))?;
                // The template has written all special tokens itself.
                ("messages", text, false)
            }
            (Some(_), Some(_)) => return Err(fault("messages", "is sent beside prompt; send one of them", "schema")),
            (None, None) => return Err(fault("prompt", "is missing; send it or messages", "missing")),
        };
        let encoding = self.tokenizer.encode_fast(text.as_str(), special);
        let encoding = encoding.map_err(|e| Error::pipeline(format!("tokenizer: {e}")))?;
        let mut ids = encoding.get_ids().to_vec();
        if ids.is_empty() {
            ids.extend(self.config.bos);
        }
        if ids.is_empty() {
            let message = "is empty, and the model has no token to begin with; send some text";
            return Err(fault(field, message, "too_short"));
        }
        Ok((field, ids))
    }

    /// How tokens are drawn; `None` takes the most likely ones.
    fn sampling(&self, request: &GenerationRequest) -> Option<Sampling> {
        let asked = request.temperature.is_some() || request.top_k.is_some() || request.top_p.is_some();
        let drawn = request.temperature.map_or(asked || self.config.do_sample, |t| t > 0.0);
        drawn.then(|| Sampling {
            temperature: request.temperature.or(self.config.temperature).unwrap_or(1.0),
            top_k: request.top_k.or(self.config.top_k).unwrap_or(TOP_K),
            top_p: request.top_p.or(self.config.top_p).unwrap_or(1.0),
        })
    }

    fn new_tokens(&self, request: &GenerationRequest, prompt: usize) -> usize {
        let by_length = || self.config.max_length.map(|all| all.saturating_sub(prompt).max(1));
        let said = request.max_new_tokens.or(self.config.max_new_tokens);
        said.or_else(by_length).unwrap_or(NEW_TOKENS)
    }

    fn rules(&self, request: &GenerationRequest, prompt: usize, max_length: usize) -> Processors {
        let config = &self.config;
        let penalty = request.repetition_penalty.or(config.repetition_penalty);
        Processors {
            repetition_penalty: penalty.unwrap_or(1.0),
            no_repeat_ngram_size: config.no_repeat_ngram_size.unwrap_or(0),
            bad_words: config.bad_words.clone(),
            min_length: config.min_length.unwrap_or(0),
            eos: config.eos.clone(),
            forced_bos: config.forced_bos,
            forced_eos: config.forced_eos.clone(),
            max_length,
            suppressed: config.suppressed.clone(),
            suppressed_at_begin: config.suppressed_at_begin.clone(),
            prompt,
            renormalize: config.renormalize,
        }
    }
}

impl Prompt {
    /// One of the lines to write, each of which draws for itself.
    pub fn line(&self, index: usize, tokenizer: &Tokenizer) -> Line {
        let choice = match (self.sampling, self.seed) {
            (Some(sampling), Some(seed)) => Choice::drawn(sampling, seed, index),
            _ => Choice::Greedy,
        };
        let (rules, stop) = (self.rules.clone(), self.stop.clone());
        Line::new(&self.ids, &self.ids, rules, choice, stop, tokenizer)
    }
}

/// The stop strings, where they are within their bounds.
fn stops(asked: &StopWords) -> Result<Vec<String>, Error> {
    let words = asked.all();
    if words.len() > MOST_STOPS {
        let message = format!("has {} strings, expected {MOST_STOPS} at most", words.len());
        return Err(fault("stop", message, "schema"));
    }
    let Some(long) = words.iter().position(|word| word.len() > LONGEST_STOP) else {
        return Ok(words.to_vec());
    };
    let index = matches!(asked, StopWords::Many(_)).then(|| long.to_string());
    let path: Vec<String> = std::iter::once("stop".to_owned()).chain(index).collect();
    let message = format!("has {} bytes, expected {LONGEST_STOP} at most", words[long].len());
    Err(Error::faults(vec![Fault::at(&path, message, "schema")]))
}

fn fault(field: &str, message: impl Into<String>, kind: &'static str) -> Error {
    Error::faults(vec![Fault::at(&[field], message, kind)])
}
