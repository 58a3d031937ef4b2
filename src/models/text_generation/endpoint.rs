//! Wire types of text generation, with the texts and examples of its docs.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::contract::Example;
use crate::models::generation::FinishReason;
use crate::models::generation::chat::Message;

/// A prompt or a chat to go on from. What is left out is as the model's `generation_config.json` says.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerationRequest {
    /// The text to go on from. Either this or `messages`.
    #[schema(example = "Once upon a time")]
    pub prompt: Option<String>,
    /// A chat to answer, for models with a chat template. A last message of the assistant is gone on with.
    #[schema(min_items = 1)]
    pub messages: Option<Vec<ChatMessage>>,
    /// The most tokens to write; 256 where neither this nor the model says. The model's positions may end the text
    /// sooner.
    #[schema(minimum = 1)]
    pub max_new_tokens: Option<usize>,
    /// Above 0, tokens are drawn by their likelihood, and the higher it is the more even that gets; 0 always takes
    /// the most likely one. Naming `top_k` or `top_p` alone draws at 1.
    #[schema(minimum = 0, maximum = 100)]
    pub temperature: Option<f32>,
    /// Draws from so many of the most likely tokens; 0 from all. 50 where neither this nor the model says.
    #[schema(minimum = 0)]
    pub top_k: Option<usize>,
    /// Draws from the most likely tokens whose probabilities add up to this.
    #[schema(minimum = 0, maximum = 1)]
    pub top_p: Option<f32>,
    /// Above 1, tokens that are in the text or the prompt get less likely.
    #[schema(exclusive_minimum = 0, maximum = 100)]
    pub repetition_penalty: Option<f32>,
    /// The same seed draws the same text. Without one the answer tells the seed that was used.
    pub seed: Option<u64>,
    /// The text ends before the first of these; up to 16 of them, of at most 1024 bytes each.
    pub stop: Option<StopWords>,
    /// How many texts to draw.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 32, default = 1)]
    pub num_return_sequences: usize,
}

const fn one() -> usize {
    1
}

/// One message of a chat.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChatMessage {
    /// Who says it, in the words of the chat template: `system`, `user`, `assistant`.
    #[schema(min_length = 1, example = "user")]
    pub role: String,
    #[schema(example = "Who are you?")]
    pub content: String,
}

impl Message for ChatMessage {
    fn is_the_models(&self) -> bool {
        self.role == "assistant"
    }

    fn text(&self) -> &str {
        &self.content
    }
}

/// One stop string or a list of them.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum StopWords {
    One(String),
    Many(Vec<String>),
}

impl StopWords {
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Many(words) => words,
        }
    }
}

/// The text that was written, without the prompt and without the stop string.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct GeneratedText {
    /// The text; the first one where several were asked for.
    pub results: String,
    pub finish_reason: FinishReason,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of all texts, those that ended them included.
    pub generated_tokens: usize,
    /// Draws the same again; only where tokens were drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub seed: Option<u64>,
    /// All texts; only where `num_return_sequences` is more than 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sequences: Option<Vec<GeneratedSequence>>,
}

/// One of several texts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct GeneratedSequence {
    pub text: String,
    pub finish_reason: FinishReason,
    /// Tokens of this text, the one that ended it included.
    pub generated_tokens: usize,
}

/// Requests that work when "Try it out" is pressed.
pub fn examples() -> Vec<Example> {
    vec![
        Example {
            summary: "Go on from a text".into(),
            request: json!({"prompt": "Once upon a time", "max_new_tokens": 20}),
        },
        Example {
            summary: "Draw two texts".into(),
            request: json!({
                "prompt": "Once upon a time", "max_new_tokens": 20, "temperature": 0.8, "top_p": 0.95, "seed": 1,
                "num_return_sequences": 2,
            }),
        },
    ]
}
