//! Wire types of question answering, with the texts and examples of its docs.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::contract::Example;

/// A question and the text that holds its answer.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names, reason = "the names are the wire's")]
pub struct Question {
    /// What is asked, in plain words.
    #[schema(min_length = 1, example = "What is his name?")]
    pub question: String,
    /// The text the answer is taken from. Long texts are read in overlapping windows, 4096 at most.
    #[schema(min_length = 1, example = "Her name is Ann. His name is Bernard.")]
    pub context: String,
    /// How many answers to give, best first.
    #[serde(default = "defaults::top_k")]
    #[schema(minimum = 1, maximum = 100, default = 1)]
    pub top_k: usize,
    /// The longest answer, in tokens.
    #[serde(default = "defaults::max_answer_len")]
    #[schema(minimum = 1, maximum = 512, default = 15)]
    pub max_answer_len: usize,
    /// How many tokens two windows of a long context share; left out, it is 128, or half a window where that is less.
    /// The more they share, the more of them a context makes.
    #[schema(minimum = 0, maximum = 512)]
    pub doc_stride: Option<usize>,
}

/// Defaults of the transformers pipeline.
mod defaults {
    pub const fn top_k() -> usize {
        1
    }

    pub const fn max_answer_len() -> usize {
        15
    }
}

/// The best answer, and the others where more than one was asked for.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Answer {
    /// The best answer, as it stands in the context.
    pub results: String,
    /// How sure the model is of it. Windows that overlap on the answer add up, so it can exceed 1.
    pub score: f64,
    /// Where the answer begins in the context, in characters (Unicode code points).
    pub start: usize,
    /// Where it ends: the position after its last character.
    pub end: usize,
    /// All answers, best first; only where `top_k` is more than 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub answers: Option<Vec<Span>>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Span {
    /// The answer's text.
    pub answer: String,
    /// How sure the model is of it.
    pub score: f64,
    /// Where it begins in the context, in characters.
    pub start: usize,
    /// The position after its last character.
    pub end: usize,
}

impl Answer {
    /// From answers that are sorted, best first; none means an empty answer with score 0.
    pub fn new(spans: Vec<Span>, top_k: usize) -> Self {
        let best = spans.first().cloned().unwrap_or(Span {
            answer: String::new(),
            score: 0.0,
            start: 0,
            end: 0,
        });
        let answers = (top_k > 1).then_some(spans);
        Self {
            results: best.answer,
            score: best.score,
            start: best.start,
            end: best.end,
            answers,
        }
    }
}

/// Requests that work when "Try it out" is pressed.
pub fn examples() -> Vec<Example> {
    vec![Example {
        summary: "Two people in one text".into(),
        request: json!({"question": "What is his name?", "context": "Her name is Ann. His name is Bernard."}),
    }]
}
