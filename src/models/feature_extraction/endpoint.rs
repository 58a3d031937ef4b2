//! Wire types of feature extraction, with the texts and examples of its docs.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::super::text::{Texts, Truncated};
use crate::contract::Example;

/// Texts that become vectors.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Embed {
    /// The text, or a list of texts.
    pub text: Texts,
    /// How the vectors of tokens become one; left out, it is what the model's folder says, else `mean`.
    pub pooling: Option<Pooling>,
    /// Whether vectors are made of length 1; left out, it is what the model's folder says.
    pub normalize: Option<bool>,
}

/// Ways to make one vector of those of the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// That of the first token.
    Cls,
    /// None: the vectors of all tokens, special ones included.
    None,
}

/// Vectors of each text.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Embedded {
    /// The text's vector, or the vectors of its tokens; one of these for each text where a list of them was sent.
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
    One(Features),
    /// Of each text.
    Many(Vec<Features>),
}

/// What became of one text.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Features {
    /// One vector.
    Vector(Vec<f32>),
    /// A vector for each token.
    Tokens(Vec<Vec<f32>>),
}

/// Requests that work when "Try it out" is pressed.
pub fn examples() -> Vec<Example> {
    vec![
        Example {
            summary: "Two texts".into(),
            request: json!({"text": ["The train is late.", "We missed the concert."]}),
        },
        Example {
            summary: "A vector for each token".into(),
            request: json!({"text": "The train is late.", "pooling": "none"}),
        },
    ]
}
