//! Wire types of token classification, with the texts and examples of its docs.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::super::text::{Texts, Truncated};
use crate::contract::Example;

/// Texts whose tokens are labelled.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// The text, or a list of texts.
    pub text: Texts,
    /// How tokens are put together to words and entities.
    #[serde(default)]
    #[schema(default = "none")]
    pub aggregation_strategy: Aggregation,
}

/// Ways to make words and entities of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Aggregation {
    /// Each token for itself.
    #[default]
    None,
    /// Tokens of one label that follow each other.
    Simple,
    /// As `simple`, and a word has the label of its first token.
    First,
    /// As `simple`, and a word has the label that is highest on average over its tokens.
    Average,
    /// As `simple`, and a word has the label of its surest token.
    Max,
}

/// Entities of each text.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Tagged {
    /// Entities in the order of the text: one list, or one for each text where a list of them was sent. What the
    /// model labels `O` is left out.
    pub results: Entities,
    /// Texts that were longer than the model reads; absent when all were read whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub truncated: Option<Vec<Truncated>>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Entities {
    /// Entities of the one text.
    One(Vec<Entity>),
    /// Entities of each text.
    Many(Vec<Vec<Entity>>),
}

/// A labelled piece of a text.
#[allow(clippy::struct_field_names, reason = "the names are the reference program's")]
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Entity {
    /// The token's label, where tokens are not put together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub entity: Option<String>,
    /// The label without the prefix that tells beginning from continuation, where tokens are put together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub entity_group: Option<String>,
    /// How sure the model is of the label.
    pub score: f32,
    /// The token's place, the special ones counted; only where tokens are not put together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub index: Option<usize>,
    /// The token as it stands in the vocabulary, or the text made of the tokens.
    pub word: String,
    /// Where it begins in the text, in characters (Unicode code points).
    pub start: usize,
    /// The position after its last character.
    pub end: usize,
}

/// Requests that work when "Try it out" is pressed.
pub fn examples() -> Vec<Example> {
    vec![
        Example {
            summary: "Entities of a text".into(),
            request: json!({
                "text": "Maria Silva works for Acme Corporation in Berlin.",
                "aggregation_strategy": "simple",
            }),
        },
        Example {
            summary: "Every token".into(),
            request: json!({"text": "Thomas lives in Geneva."}),
        },
    ]
}
