//! Wire types of zero-shot classification, with the texts and examples of its docs.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::super::text::{Texts, Truncated};
use crate::contract::Example;

/// Texts, and the labels they are sorted by.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sort {
    /// The text, or a list of texts.
    pub text: Texts,
    /// The labels, as a list or as one text with commas between them; at most 100.
    pub candidate_labels: Candidates,
    /// The sentence a label makes, with `{}` in the place of the label.
    #[serde(default = "defaults::hypothesis_template")]
    #[schema(default = "This example is {}.")]
    pub hypothesis_template: String,
    /// Whether several labels may fit: each is then scored for itself, else they share 1.
    #[serde(default)]
    #[schema(default = false)]
    pub multi_label: bool,
}

/// Labels, written in one of two ways.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Candidates {
    /// Labels with commas between them.
    Text(String),
    /// One entry each.
    List(Vec<String>),
}

impl Candidates {
    /// The labels one by one; blanks around those of a text do not count.
    pub fn all(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => text
                .split(',')
                .map(str::trim)
                .filter(|label| !label.is_empty())
                .collect(),
            Self::List(list) => list.iter().map(String::as_str).collect(),
        }
    }
}

/// Defaults of the transformers pipeline.
mod defaults {
    pub fn hypothesis_template() -> String {
        "This example is {}.".into()
    }
}

/// Labels of each text.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Sorted {
    /// All labels with their scores, best first: one list, or one for each text where a list of them was sent.
    pub results: Results,
    /// Texts that were longer than the model reads beside the hypothesis; absent when all were read whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub truncated: Option<Vec<Truncated>>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Results {
    /// Labels of the one text.
    One(Vec<Scored>),
    /// Labels of each text.
    Many(Vec<Vec<Scored>>),
}

/// A label and how well it fits.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Scored {
    /// The label, as it was sent.
    pub label: String,
    /// Its share of 1, or how well it fits by itself with `multi_label`.
    pub score: f32,
}

/// Requests that work when "Try it out" is pressed.
pub fn examples() -> Vec<Example> {
    vec![
        Example {
            summary: "One label fits best".into(),
            request: json!({
                "text": "My phone does not work, please send me a new one.",
                "candidate_labels": ["technology", "travel", "food"],
            }),
        },
        Example {
            summary: "Several labels may fit".into(),
            request: json!({
                "text": "The train from Paris was late again.",
                "candidate_labels": "travel, delay, music",
                "hypothesis_template": "This text is about {}.",
                "multi_label": true,
            }),
        },
    ]
}
