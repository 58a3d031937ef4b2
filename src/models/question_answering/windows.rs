//! Question and context as windows of tokens that fit the model.

use tokenizers::{Encoding, TruncationDirection};

use super::super::text::{Row, TextEncoder};
use super::endpoint::Question;
use crate::error::{Error, Fault};

/// The longest window of the transformers pipeline, in tokens.
const MAX_WINDOW: usize = 384;

/// How many tokens its windows share where a request does not say, in windows that are long enough.
const DOC_STRIDE: usize = 128;

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
    /// When the question or the stride leaves too little room for a context.
    pub fn windows(&self, request: &Question) -> Result<Vec<Window>, Error> {
        let question = self.encoder.raw(&request.question)?;
        let context = self.encoder.raw(&request.context)?;
        let whole = question.len() + context.len() + self.special;
        let encodings = if whole <= self.window {
            vec![self.joined(question, context)?]
        } else {
            let (room, stride) = self.room_and_stride(question.len(), request.doc_stride)?;
            let mut first = context;
            first.truncate(room, stride, TruncationDirection::Right);
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

    /// How many tokens of the context a window holds, and how many of them it shares with the next: fewer, or windows
    /// would not move.
    fn room_and_stride(&self, question: usize, asked: Option<usize>) -> Result<(usize, usize), Error> {
        let window = self.window;
        let room = window.saturating_sub(question + self.special);
        let stride = asked.unwrap_or_else(|| DOC_STRIDE.min(window / 2));
        if stride < room {
            return Ok((room, stride));
        }
        // Where nothing of the context fits, no stride helps, only a shorter question.
        let fault = if asked.is_some() && room > 0 {
            let message = format!(
                "is {stride}, but beside the question a window of {window} tokens holds {room} of the context, and \
                 windows must share fewer than they hold"
            );
            Fault::at(&["doc_stride"], message, "range")
        } else {
            let message = format!(
                "is {question} tokens long and leaves {room} of the model's {window} for the context, which must be \
                 more than doc_stride {stride}; shorten it"
            );
            Fault::at(&["question"], message, "too_long")
        };
        Err(Error::faults(vec![fault]))
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
