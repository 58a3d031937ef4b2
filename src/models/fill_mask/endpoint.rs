//! Wire types of masked words, with the texts and examples of its docs.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::super::text::{Texts, Truncated};
use crate::contract::Example;

/// Texts with words that are to be found.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    /// The text, or a list of texts, each with the model's mask token in at least one place.
    pub text: Texts,
    /// How many tokens to give for each mask, best first.
    #[serde(default = "defaults::top_k")]
    #[schema(minimum = 1, maximum = 1000, default = 5)]
    pub top_k: usize,
}

/// Defaults of the transformers pipeline.
mod defaults {
    pub const fn top_k() -> usize {
        5
    }
}

/// Tokens for the masks of each text.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Filled {
    /// Tokens with their scores, best first: one list for a text with one mask, a list for each mask where there are
    /// several, and all that for each text where a list of them was sent.
    pub results: Results,
    /// Texts that were longer than the model reads; absent when all were read whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub truncated: Option<Vec<Truncated>>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Results {
    /// Of the one text.
    One(Masks),
    /// Of each text.
    Many(Vec<Masks>),
}

/// Tokens for the masks of one text.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Masks {
    /// For its only mask.
    One(Vec<Candidate>),
    /// For each mask, as if the others stayed.
    Several(Vec<Vec<Candidate>>),
}

/// A token in the place of a mask.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Candidate {
    /// The token's share of 1.
    pub score: f32,
    /// The token's id.
    pub token: u32,
    /// The token as text.
    pub token_str: String,
    /// The text with the token in the place of the mask.
    pub sequence: String,
}

/// Requests that work when "Try it out" is pressed.
pub fn examples(mask: &str) -> Vec<Example> {
    vec![
        Example {
            summary: "One word".into(),
            request: json!({"text": format!("The train was {mask} again.")}),
        },
        Example {
            summary: "Two texts".into(),
            request: json!({
                "text": [format!("Anna lives in {mask}."), format!("The garden is {mask}.")],
                "top_k": 3,
            }),
        },
    ]
}
