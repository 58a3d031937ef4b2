//! What `tokenizer_config.json` and `special_tokens_map.json` say of a tokenizer beside `tokenizer.json`.

use std::path::Path;

use serde_json::{Map, Value};

/// Special tokens by their roles, and how texts are cut and written out again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenizerFacts {
    pub mask_token: Option<String>,
    pub pad_token: Option<String>,
    pub unk_token: Option<String>,
    /// Too long texts lose their beginning.
    pub truncates_left: bool,
    /// Spaces before punctuation are taken out of texts made from tokens.
    pub cleans_up: bool,
}

impl TokenizerFacts {
    /// What is not told counts as not there.
    pub fn read(folder: &Path) -> Self {
        let read = |name: &str| -> Map<String, Value> {
            let text = std::fs::read(folder.join(name)).unwrap_or_default();
            serde_json::from_slice(&text).unwrap_or_default()
        };
        Self::of(&read("tokenizer_config.json"), &read("special_tokens_map.json"))
    }

    fn of(config: &Map<String, Value>, special: &Map<String, Value>) -> Self {
        let token = |role: &str| [config, special].into_iter().find_map(|map| token_text(map.get(role)?));
        Self {
            mask_token: token("mask_token"),
            pad_token: token("pad_token"),
            unk_token: token("unk_token"),
            truncates_left: config.get("truncation_side").and_then(Value::as_str) == Some("left"),
            cleans_up: config.get("clean_up_tokenization_spaces") == Some(&Value::Bool(true)),
        }
    }
}

/// A token is written as its text, or as an object that holds it.
fn token_text(value: &Value) -> Option<String> {
    let text = value.get("content").unwrap_or(value);
    text.as_str().map(str::to_owned)
}

/// Takes out the spaces that tokenizers of English leave before punctuation and contractions, as the transformers
/// library does where the folder asks for it.
pub fn cleaned_up(text: &str) -> String {
    const REPLACED: [(&str, &str); 10] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    let replace = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
    REPLACED.iter().fold(text.to_owned(), replace)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            _ => unreachable!("tests give objects"),
        }
    }

    #[test]
    fn tokens_are_texts_or_objects_in_either_file() {
        let config = map(json!({"mask_token": {"content": "<mask>", "lstrip": true}, "truncation_side": "left"}));
        let special = map(json!({"mask_token": "[MASK]", "unk_token": "[UNK]"}));
        let facts = TokenizerFacts::of(&config, &special);
        assert_eq!(facts.mask_token.as_deref(), Some("<mask>"));
        assert_eq!(facts.unk_token.as_deref(), Some("[UNK]"));
        assert_eq!(facts.pad_token, None);
        assert!(facts.truncates_left && !facts.cleans_up);
    }

    #[test]
    fn spaces_before_punctuation_go() {
        assert_eq!(cleaned_up("it 's here , is n't it ?"), "it's here, isn't it?");
    }
}
