//! What is read of a Hugging Face `config.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The keys that tasks need; others are passed over.
///
/// A value of another type than expected counts as absent: exporters write `null`, -1 and lists where the library
/// documents a number, and none of them should keep a folder from being served.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct HfConfig {
    #[serde(default, deserialize_with = "lenient")]
    pub architectures: Vec<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub model_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub pad_token_id: Option<u32>,
    /// The longest sequence the model has positions for; [`HfConfig::positions`] tells how many of them are free.
    #[serde(default, deserialize_with = "lenient")]
    pub max_position_embeddings: Option<usize>,
    /// `regression`, `single_label_classification` or `multi_label_classification`.
    #[serde(default, deserialize_with = "lenient")]
    pub problem_type: Option<String>,
    /// Keys are numbers written as strings.
    #[serde(default, deserialize_with = "lenient")]
    pub id2label: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "lenient")]
    pub label2id: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "lenient")]
    pub num_labels: Option<usize>,
}

/// Model types whose positions are counted on from the one after the padding token's id.
const COUNTED_FROM_PADDING: [&str; 16] = [
    "camembert",
    "data2vec-text",
    "esm",
    "ibert",
    "layoutlmv3",
    "lilt",
    "longformer",
    "luke",
    "markuplm",
    "mluke",
    "mpnet",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
];

impl HfConfig {
    /// Reads the file; `None` when there is none.
    ///
    /// # Errors
    /// When the file is there and cannot be read as JSON of the expected shape.
    pub fn read(folder: &Path) -> Result<Option<Self>, String> {
        let text = match std::fs::read(folder.join("config.json")) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(format!("config.json cannot be read: {e}")),
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|e| format!("config.json is not what it should be: {e}"))
    }

    /// The longest sequence, in tokens.
    pub fn positions(&self) -> Option<usize> {
        let all = self.max_position_embeddings?;
        let kind = self.model_type.as_deref().unwrap_or_default();
        if !COUNTED_FROM_PADDING.contains(&kind) {
            return Some(all);
        }
        let padding = usize::try_from(self.pad_token_id.unwrap_or(1)).unwrap_or(1);
        Some(all.saturating_sub(padding + 1))
    }

    /// How many labels a classifier tells apart; the library's default is two.
    pub fn label_count(&self) -> usize {
        match self.id2label.len() {
            0 => self.num_labels.unwrap_or(2),
            n => n,
        }
    }

    /// The name of a label; one that has none is named as the library names it.
    pub fn label(&self, id: usize) -> String {
        match self.id2label.get(&id.to_string()) {
            Some(Value::String(name)) => name.clone(),
            Some(other) => other.to_string(),
            None => format!("LABEL_{id}"),
        }
    }

    /// Labels with their ids, from `label2id`, else from `id2label`.
    pub fn label_ids(&self) -> Vec<(String, usize)> {
        let number = |id: &Value| id.as_u64().and_then(|id| usize::try_from(id).ok());
        let mut ids: Vec<_> = self
            .label2id
            .iter()
            .filter_map(|(label, id)| Some((label.clone(), number(id)?)))
            .collect();
        if ids.is_empty() {
            let label = |id: &String| id.parse::<usize>().ok().map(|id| (self.label(id), id));
            ids = self.id2label.keys().filter_map(label).collect();
        }
        ids.sort_by_key(|(_, id)| *id);
        ids
    }
}

fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> HfConfig {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_value_of_another_type_counts_as_absent() {
        let odd =
            config(r#"{"architectures": null, "pad_token_id": -1, "max_position_embeddings": [1], "id2label": 3}"#);
        assert!(odd.architectures.is_empty());
        assert_eq!((odd.pad_token_id, odd.positions()), (None, None));
        assert_eq!((odd.label_count(), odd.label(1)), (2, "LABEL_1".to_owned()));
    }

    #[test]
    fn labels_are_named_by_the_file() {
        let read = config(r#"{"id2label": {"0": "no", "1": "yes", "2": 7}, "label2id": {"no": 0, "yes": 1}}"#);
        assert_eq!(read.label_count(), 3);
        assert_eq!(
            (read.label(1), read.label(2), read.label(3)),
            ("yes".into(), "7".into(), "LABEL_3".into())
        );
        assert_eq!(read.label_ids(), [("no".to_owned(), 0), ("yes".to_owned(), 1)]);
        let one_way = config(r#"{"id2label": {"0": "no", "1": "yes"}}"#);
        assert_eq!(one_way.label_ids(), read.label_ids());
    }

    #[test]
    fn positions_before_the_padding_token_are_not_free() {
        let positions = |kind: &str| {
            config(&format!(
                r#"{{"model_type": "{kind}", "max_position_embeddings": 514, "pad_token_id": 1}}"#
            ))
            .positions()
        };
        assert_eq!(positions("bert"), Some(514));
        assert_eq!(positions("roberta"), Some(512));
    }
}
