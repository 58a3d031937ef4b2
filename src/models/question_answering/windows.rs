//! Question and context as windows of tokens that fit the model.

use tokenizers::{Encoding, TruncationDirection};

use super::super::text::{Row, TextEncoder};
use super::endpoint::Question;
use crate::error::{Error, Fault};

/// The longest window of the transformers pipeline, in tokens.
const MAX_WINDOW: usize = 384;

/// How many tokens its windows share where a request does not say, in windows that are long enough.
const DOC_STRIDE: usize = 128;

/// Each is a row that is to be run, and is kept, with its scores, until the last one has: some 12 kB of tokens. At the
/// usual stride so many are a long novel.
const MOST_WINDOWS: usize = 4096;

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
    /// When the question or the stride leaves too little room for a context, or cuts it into too many windows.
    pub fn windows(&self, request: &Question) -> Result<Vec<Window>, Error> {
        let question = self.encoder.raw(&request.question)?;
        let context = self.encoder.raw(&request.context)?;
        let whole = question.len() + context.len() + self.special;
        if whole <= self.window {
            return Ok(vec![self.window(question, context)?]);
        }
        let (room, stride) = self.room_and_stride(question.len(), request.doc_stride)?;
        bounded(context.len(), room, stride)?;
        let mut first = context;
        first.truncate(room, stride, TruncationDirection::Right);
        let rest = first.take_overflowing();
        let parts = std::iter::once(first).chain(rest);
        parts.map(|part| self.window(question.clone(), part)).collect()
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

    /// The pair with its special tokens.
    fn window(&self, question: Encoding, context: Encoding) -> Result<Window, Error> {
        let context_tokens = context.len();
        let encoding = self.encoder.joined(question, Some(context))?;
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
        Ok(Window {
            ids: ids.to_vec(),
            type_ids: encoding.get_type_ids().to_vec(),
            allowed,
            chars,
        })
    }
}

/// How many windows a context of more than one makes.
const fn count(tokens: usize, room: usize, stride: usize) -> usize {
    1 + tokens.saturating_sub(room).div_ceil(room - stride)
}

/// # Errors
/// When a context makes more windows than are read.
fn bounded(tokens: usize, room: usize, stride: usize) -> Result<(), Error> {
    let windows = count(tokens, room, stride);
    if windows <= MOST_WINDOWS {
        return Ok(());
    }
    let remedy = if stride == 0 {
        "send a shorter context"
    } else {
        "send a smaller doc_stride or a shorter context"
    };
    let message = format!(
        "is {tokens} tokens long and makes {windows} windows of {room} tokens at doc_stride {stride}; at most \
         {MOST_WINDOWS} are read: {remedy}"
    );
    Err(Error::faults(vec![Fault::at(&["context"], message, "too_long")]))
}

#[cfg(test)]
mod tests {
    use tokenizers::Token;

    use super::*;

    #[test]
    fn windows_are_counted_as_they_are_cut() {
        for (tokens, room, stride) in [
            (11, 10, 9),
            (11, 10, 0),
            (30, 10, 0),
            (31, 10, 0),
            (100, 10, 9),
            (97, 12, 5),
        ] {
            let all = (0..tokens).map(|n| Token::new(0, "a".into(), (n, n + 1))).collect();
            let mut first = Encoding::from_tokens(all, 0);
            first.truncate(room, stride, TruncationDirection::Right);
            let cut = 1 + first.take_overflowing().len();
            assert_eq!(count(tokens, room, stride), cut, "{tokens} {room} {stride}");
        }
    }

    #[test]
    fn more_windows_than_are_read_are_refused_before_they_are_cut() {
        let most = MOST_WINDOWS + 377;
        bounded(most, 378, 377).unwrap();
        let error = bounded(most + 1, 378, 377).unwrap_err();
        assert_eq!(error.detail()[0].loc, ["body", "context"]);
        assert_eq!(
            error.message(),
            "body.context: is 4474 tokens long and makes 4097 windows of 378 tokens at doc_stride 377; at most 4096 \
             are read: send a smaller doc_stride or a shorter context"
        );
        let error = bounded(378 * MOST_WINDOWS + 1, 378, 0).unwrap_err();
        assert!(error.message().ends_with(": send a shorter context"), "{error}");
    }
}
