//! Wire types of text to text, with the texts and examples of its docs.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::contract::Example;
use crate::models::generation::FinishReason;
use crate::models::text::{Texts, Truncated};

/// Texts to summarise, translate or rewrite. What is left out is as the model's configuration says.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Text2TextRequest {
    /// One text or a list of them. Either this or `documents`. Of a text the model reads as many tokens as its
    /// tokenizer or its configuration says, 512 where neither does.
    pub text: Option<Texts>,
    /// One document or a list of them.
    pub documents: Option<Texts>,
    /// The most tokens of an answer, the one it begins with included; 256 where neither this nor the model says. At
    /// most as many as the model has positions; where these do not end, 4096 or what the model's configuration says.
    #[schema(minimum = 2)]
    pub max_length: Option<usize>,
    /// The least tokens of an answer, the one it begins with included.
    #[schema(minimum = 0)]
    pub min_length: Option<usize>,
    /// How many answers are followed at once to find the best one; 1 takes the most likely token each time, and
    /// streams. Texts times beams are 1024 at most.
    #[schema(minimum = 1, maximum = 32)]
    pub num_beams: Option<usize>,
    /// Beams only: above 0 long answers are favoured, below 0 short ones.
    #[schema(minimum = -100, maximum = 100)]
    pub length_penalty: Option<f64>,
    /// No sequence of so many tokens comes twice in an answer; 0 allows all.
    #[schema(minimum = 0)]
    pub no_repeat_ngram_size: Option<usize>,
}

/// The answers, in the form the texts came: one or a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WrittenTexts {
    pub results: Answers,
    /// What is to be told of each answer.
    pub details: Vec<AnswerDetail>,
    /// Texts that were longer than the model reads, and of which the end was left away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub truncated: Option<Vec<Truncated>>,
}

/// One answer or a list of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Answers {
    One(String),
    Many(Vec<String>),
}

/// How an answer came about.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AnswerDetail {
    pub finish_reason: FinishReason,
    /// Tokens of the text that were read.
    pub input_tokens: usize,
    /// Tokens of the answer, the one that ended it included.
    pub generated_tokens: usize,
    /// Beams only: the sum of the tokens' log-probabilities over their number to the power of `length_penalty`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub score: Option<f32>,
}

/// Requests that work when "Try it out" is pressed.
pub fn examples(task: &str) -> Vec<Example> {
    let example = |summary: &str, request: Value| Example {
        summary: summary.into(),
        request,
    };
    if task == "summarization" {
        return vec![example(
            "Two documents",
            json!({
                "documents": ["The lamp was lit at dusk and burned all night.", "The ship came in with the tide."],
                "max_length": 40, "num_beams": 2,
            }),
        )];
    }
    vec![
        example(
            "One text",
            json!({"text": "The lamp was lit at dusk.", "max_length": 40}),
        ),
        example(
            "With four beams",
            json!({"text": "The lamp was lit at dusk.", "max_length": 40, "num_beams": 4, "length_penalty": 1.0}),
        ),
    ]
}
