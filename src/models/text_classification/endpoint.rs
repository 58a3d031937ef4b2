//! Wire types of text classification, with the texts and examples of its docs.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::super::text::{Texts, Truncated};
use crate::contract::Example;

/// Texts to classify.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Classify {
    /// The text, or a list of texts.
    pub text: Texts,
    /// What each text is paired with, for models that judge pairs; as many as there are texts.
    pub text_pair: Option<Texts>,
    /// How many labels to give, best first; `null` gives all of them.
    #[serde(default = "defaults::top_k")]
    #[schema(minimum = 1, default = 1)]
    pub top_k: Option<usize>,
}

/// Defaults of the transformers pipeline.
mod defaults {
    #[allow(clippy::unnecessary_wraps, reason = "the type of the field")]
    pub const fn top_k() -> Option<usize> {
        Some(1)
    }
}

/// Labels of each text.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Classified {
    /// Labels with their scores, best first: one list, or one for each text where a list of them was sent.
    pub results: Labels,
    /// Texts that were longer than the model reads; absent when all were read whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub truncated: Option<Vec<Truncated>>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Labels {
    /// Labels of the one text.
    One(Vec<Label>),
    /// Labels of each text.
    Many(Vec<Vec<Label>>),
}

/// A label and how well it fits.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Label {
    /// The label, as the model's config names it.
    pub label: String,
    /// Its share of 1; for models of several labels at once, from 0 to 1 each; for regression, the value itself.
    pub score: f32,
}

/// Requests that work when "Try it out" is pressed.
pub fn examples() -> Vec<Example> {
    vec![
        Example {
            summary: "One text".into(),
            request: json!({"text": "This is a lovely garden."}),
        },
        Example {
            summary: "Two texts, with all labels".into(),
            request: json!({"text": ["This is a lovely garden.", "The train is late again."], "top_k": null}),
        },
    ]
}
