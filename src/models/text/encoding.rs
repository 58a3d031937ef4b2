//! Texts and pairs of texts as tokens that fit the model.

use tokenizers::{
    Decoder, Encoding, ModelWrapper, PostProcessor, PostProcessorWrapper, TruncationDirection, TruncationParams,
    TruncationStrategy, truncate_encodings,
};

use super::super::tokenizer::{FolderTokenizer, Tokenizer};
use super::super::{HfConfig, Source};
use super::batch::{Row, fixed_length};
use super::special::{TokenizerFacts, cleaned_up};
use crate::error::Error;

/// Tokenises texts, and makes texts of tokens again. Shared by all replicas of a model.
pub struct TextEncoder {
    /// Without its post-processor: that one moves offsets (past leading spaces, in byte-level vocabularies), so it
    /// must be applied once, to what is left after cutting.
    tokenizer: Tokenizer,
    processor: Option<PostProcessorWrapper>,
    facts: TokenizerFacts,
    /// The longest sequence, special tokens included.
    limit: Option<usize>,
    pad: u32,
}

/// Which text of a pair gives way when both are too long for the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The longer one, then both.
    Longest,
    /// The first one, however short it becomes.
    First,
}

/// Why a text has no tokens.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The second text of a pair leaves nothing of the first.
    #[error("is {second} tokens long and leaves no room for the text: the model reads {limit}")]
    NoRoom { second: usize, limit: usize },
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::Tokenizer(_) => Self::pipeline(error.to_string()),
            EncodeError::NoRoom { .. } => Self::invalid(error.to_string()),
        }
    }
}

impl From<tokenizers::Error> for EncodeError {
    fn from(error: tokenizers::Error) -> Self {
        Self::Tokenizer(error.to_string())
    }
}

/// One sequence of tokens, and what it was made from.
pub struct Encoded {
    /// Which of the request's texts it is, from 0.
    pub text: usize,
    pub encoding: Encoding,
    /// Tokens of the whole text, special ones included; more than there are here when it was cut.
    pub whole: usize,
}

impl Row for Encoded {
    fn ids(&self) -> &[u32] {
        self.encoding.get_ids()
    }

    fn type_ids(&self) -> &[u32] {
        self.encoding.get_type_ids()
    }
}

impl TextEncoder {
    /// # Errors
    /// A sentence that names the file and what is wrong with it.
    pub fn read(source: &Source<'_>) -> Result<Self, String> {
        let read = FolderTokenizer::read(source.folder)?;
        let facts = TokenizerFacts::read(source.folder);
        let mut tokenizer = read.tokenizer;
        let processor = tokenizer.get_post_processor().cloned();
        tokenizer.with_post_processor(None::<PostProcessorWrapper>);
        let positions = source.config.and_then(HfConfig::positions);
        let fixed = fixed_length(&source.graph.signature);
        let pad = facts
            .pad_token
            .as_deref()
            .and_then(|token| tokenizer.token_to_id(token));
        Ok(Self {
            limit: read.max_length.into_iter().chain(positions).chain(fixed).min(),
            pad: pad.or(source.config.and_then(|c| c.pad_token_id)).unwrap_or(0),
            tokenizer,
            processor,
            facts,
        })
    }

    /// The longest sequence, special tokens included.
    pub const fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Makes sequences no longer than this.
    pub fn limit_to(&mut self, tokens: Option<usize>) {
        self.limit = self.limit.into_iter().chain(tokens).min();
    }

    /// The token that fills sequences up to the length of their batch.
    pub const fn pad(&self) -> u32 {
        self.pad
    }

    pub const fn facts(&self) -> &TokenizerFacts {
        &self.facts
    }

    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// The token of an id, as it stands in the vocabulary.
    pub fn token(&self, id: u32) -> String {
        self.tokenizer.id_to_token(id).unwrap_or_default()
    }

    /// Special tokens that are put around a text, or around a pair.
    pub fn special_tokens(&self, pair: bool) -> usize {
        self.processor.as_ref().map_or(0, |p| p.added_tokens(pair))
    }

    /// Whether the vocabulary marks tokens that continue a word, as WordPiece does.
    pub fn marks_subwords(&self) -> bool {
        match self.tokenizer.get_model() {
            ModelWrapper::WordPiece(model) => !model.continuing_subword_prefix.is_empty(),
            ModelWrapper::BPE(model) => model.continuing_subword_prefix.as_ref().is_some_and(|p| !p.is_empty()),
            ModelWrapper::WordLevel(_) | ModelWrapper::Unigram(_) => false,
        }
    }

    /// The tokens of a text alone: no special ones, nothing cut. Offsets count characters.
    ///
    /// # Errors
    /// What the tokenizer reports.
    pub fn raw(&self, text: &str) -> Result<Encoding, EncodeError> {
        Ok(self.tokenizer.encode_char_offsets(text, false)?)
    }

    /// Raw tokens of a text, or of a pair, with the special ones in their places.
    ///
    /// # Errors
    /// What the tokenizer reports.
    pub fn joined(&self, first: Encoding, second: Option<Encoding>) -> Result<Encoding, EncodeError> {
        Ok(match &self.processor {
            Some(processor) => processor.process(first, second, true)?,
            None => self.tokenizer.post_process(first, second, true)?,
        })
    }

    /// A text, or a pair, as the model reads it. `text` is its place in the request.
    ///
    /// # Errors
    /// [`EncodeError::NoRoom`] only with [`Cut::First`].
    pub fn encode(&self, text: usize, first: &str, second: Option<&str>, cut: Cut) -> Result<Encoded, EncodeError> {
        let first = self.raw(first)?;
        let second = second.map(|text| self.raw(text)).transpose()?;
        let special = self.special_tokens(second.is_some());
        let whole = first.len() + second.as_ref().map_or(0, Encoding::len) + special;
        let (mut first, mut second) = match self.limit.filter(|limit| whole > *limit) {
            None => (first, second),
            Some(limit) => {
                let room = limit.saturating_sub(special);
                let taken = second.as_ref().map_or(0, Encoding::len);
                if cut == Cut::First && taken >= room {
                    return Err(EncodeError::NoRoom { second: taken, limit });
                }
                let params = TruncationParams {
                    max_length: room,
                    stride: 0,
                    strategy: match cut {
                        Cut::Longest => TruncationStrategy::LongestFirst,
                        Cut::First => TruncationStrategy::OnlyFirst,
                    },
                    direction: if self.facts.truncates_left {
                        TruncationDirection::Left
                    } else {
                        TruncationDirection::Right
                    },
                };
                truncate_encodings(first, second, &params)?
            }
        };
        // What was cut off would be given special tokens of its own.
        drop(first.take_overflowing());
        drop(second.as_mut().map(Encoding::take_overflowing));
        let encoding = self.joined(first, second)?;
        Ok(Encoded { text, encoding, whole })
    }

    /// The text of tokens, as the transformers library writes it.
    ///
    /// # Errors
    /// What the tokenizer's decoder reports.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, EncodeError> {
        let text = self.tokenizer.decode(ids, skip_special)?;
        Ok(if self.facts.cleans_up { cleaned_up(&text) } else { text })
    }

    /// Tokens, as they stand in the vocabulary, put together to a text.
    ///
    /// # Errors
    /// What the tokenizer's decoder reports.
    pub fn text_of(&self, tokens: Vec<String>) -> Result<String, EncodeError> {
        match self.tokenizer.get_decoder() {
            Some(decoder) => Ok(decoder.decode(tokens)?),
            None => Ok(tokens.join(" ")),
        }
    }
}
