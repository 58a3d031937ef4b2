//! Question and context as windows of tokens that fit the model.

use tokenizers::{Encoding, TruncationDirection, TruncationParams, TruncationStrategy};

use super::super::text::{Row, TextEncoder};
use super::endpoint::Question;
use crate::error::{Error, Fault};

/// The longest window of the transformers pipeline, in tokens.
const MAX_WINDOW: usize = 384;

/// Tokenises requests. Shared by all replicas of a model.
pub struct Windower {
    encoder: TextEncoder,
    window: usize,
    special: usize,
    /// The id of the token that classifies a sequence; its place is 0.
    cls: Option<u32>,
}

/// One window: what the model reads, and where its tokens stand in the context.
pub struct Window {
    pub ids: Vec<u32>,
    pub type_ids: Vec<u32>,
    /// Whether a token may be in an answer.
    pub allowed: Vec<bool>,
    /// Characters of the context that a token covers, aligned to whole words.
    pub chars: Vec<(usize, usize)>,
}

impl Row for Window {
    fn ids(&self) -> &[u32] {
        &self.ids
    }

    fn type_ids(&self) -> &[u32] {
        &self.type_ids
    }
}

impl Windower {
    pub fn new(encoder: TextEncoder) -> Self {
        let cls = ["[CLS]", "<s>"].iter().find_map(|token| encoder.token_id(token));
        Self {
            window: encoder.limit().unwrap_or(MAX_WINDOW).min(MAX_WINDOW),
            special: encoder.special_tokens(true),
            encoder,
            cls,
        }
    }

    /// The token that fills windows up to the length of their batch.
    pub const fn pad(&self) -> u32 {
        self.encoder.pad()
    }

    /// The windows of a request, at least one.
    ///
    /// # Errors
    /// When the question leaves too little room for a context.
    pub fn windows(&self, request: &Question) -> Result<Vec<Window>, Error> {
        let question = self.encoder.raw(&request.question)?;
        let context = self.encoder.raw(&request.context)?;
        let whole = question.len() + context.len() + self.special;
        let encodings = if whole <= self.window {
            vec![self.joined(question, context)?]
        } else {
            let room = self.window.saturating_sub(question.len() + self.special);
            let stride = request.doc_stride.min(self.window / 2);
            if room <= stride {
                let message = format!(
                    "is {} tokens long and leaves {room} of the model's {} for the context, which must be more than \
                     doc_stride {stride}; shorten it",
                    question.len(),
                    self.window
                );
                return Err(Error::faults(vec![Fault::at(&["question"], message, "too_long")]));
            }
            let params = TruncationParams {
                max_length: room,
                stride,
                strategy: TruncationStrategy::OnlyFirst,
                direction: TruncationDirection::Right,
            };
            let mut first = context;
            first.truncate(params.max_length, params.stride, params.direction);
            let rest = first.take_overflowing();
            let parts = std::iter::once(first).chain(rest);
            parts
                .map(|part| self.joined(question.clone(), part))
                .collect::<Result<_, _>>()?
        };
        Ok(encodings
            .iter()
            .map(|(encoding, tokens)| self.window(encoding, *tokens))
            .collect())
    }

    /// The pair with its special tokens, and how many tokens of it are the context's.
    fn joined(&self, question: Encoding, context: Encoding) -> Result<(Encoding, usize), Error> {
        let tokens = context.len();
        Ok((self.encoder.joined(question, Some(context))?, tokens))
    }

    fn window(&self, encoding: &Encoding, context_tokens: usize) -> Window {
        let ids = encoding.get_ids();
        // The context stands last, before the special tokens that close the pair.
        let closing = encoding
            .get_special_tokens_mask()
            .iter()
            .rev()
            .take_while(|m| **m == 1)
            .count();
        let end = ids.len() - closing;
        let begin = end.saturating_sub(context_tokens);
        let in_context: Vec<bool> = (0..ids.len()).map(|i| (begin..end).contains(&i)).collect();
        // The reference lets the classification token take part in the softmax and strikes it out afterwards.
        let allowed = ids
            .iter()
            .zip(&in_context)
            .map(|(id, context)| *context || Some(*id) == self.cls)
            .collect();
        let words = encoding.get_word_ids();
        let offsets = encoding.get_offsets();
        // Tokens of a word stand side by side, so one pass forth and one back find where it begins and ends.
        let same = |a: usize, b: usize| in_context[a] && in_context[b] && words[a].is_some() && words[a] == words[b];
        let mut chars = offsets.to_vec();
        for i in 1..ids.len() {
            if same(i - 1, i) {
                chars[i].0 = chars[i - 1].0;
            }
        }
        for i in (1..ids.len()).rev() {
            if same(i - 1, i) {
                chars[i - 1].1 = chars[i].1;
            }
        }
        Window {
            ids: ids.to_vec(),
            type_ids: encoding.get_type_ids().to_vec(),
            allowed,
            chars,
        }
    }
}
