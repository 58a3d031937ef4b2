//! What a folder says of how its model writes: `generation_config.json`, older `config.json`s, and what these hold
//! for single tasks.

use std::path::Path;

use serde_json::{Map, Value};

use super::beam::EarlyStopping;

/// Defaults of a model. A request's own values go before them.
#[derive(Clone, Debug, Default)]
pub struct GenerationConfig {
    pub bos: Option<u32>,
    pub eos: Vec<u32>,
    pub pad: Option<u32>,
    /// What a decoder with an encoder begins with.
    pub decoder_start: Option<u32>,
    pub forced_bos: Option<u32>,
    pub forced_eos: Vec<u32>,
    pub bad_words: Vec<Vec<u32>>,
    pub suppressed: Vec<u32>,
    pub suppressed_at_begin: Vec<u32>,
    pub max_length: Option<usize>,
    pub max_new_tokens: Option<usize>,
    pub min_length: Option<usize>,
    pub num_beams: Option<usize>,
    pub length_penalty: Option<f64>,
    pub early_stopping: Option<EarlyStopping>,
    pub no_repeat_ngram_size: Option<usize>,
    pub repetition_penalty: Option<f32>,
    pub renormalize: bool,
    pub do_sample: bool,
    pub temperature: Option<f32>,
    pub top_k: Option<usize>,
    pub top_p: Option<f32>,
    /// Text that goes before every source, as the model was trained with it.
    pub prefix: Option<String>,
    /// The longest sequence the model has positions for.
    pub positions: Option<usize>,
    /// `n_positions`: what a model was trained with, though its positions, being relative, may not end there.
    pub trained_positions: Option<usize>,
}

/// Tokens that a task falls back on where `generation_config.json` does not name them.
const TOKENS: [&str; 4] = ["bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id"];

impl GenerationConfig {
    /// Reads the folder's files. `task` is the name under which `config.json` may hold defaults of its own;
    /// `positions` are the keys of the model's number of positions.
    ///
    /// # Errors
    /// When a file is there and is not a JSON object, or has defaults for translations of other languages alone.
    pub fn read(folder: &Path, task: &str, positions: &[&str]) -> Result<Self, String> {
        let model = object(folder, "config.json")?.unwrap_or_default();
        let defaults = object(folder, "generation_config.json")?;
        let own = own(&model, task)?;
        Ok(Self::of(&model, defaults, own, positions))
    }

    fn of(
        model: &Map<String, Value>,
        defaults: Option<Map<String, Value>>,
        own: Option<&Map<String, Value>>,
        positions: &[&str],
    ) -> Self {
        // Before there was a file of its own, all this stood in the model's configuration.
        let mut all = defaults.unwrap_or_else(|| model.clone());
        for key in TOKENS {
            if let (true, Some(value)) = (all.get(key).is_none_or(Value::is_null), model.get(key)) {
                all.insert(key.to_owned(), value.clone());
            }
        }
        let mut prefix = model.get("prefix").cloned();
        if let Some(own) = own {
            prefix = own.get("prefix").cloned().or(prefix);
            all.extend(own.clone());
        }
        let get = |key: &str| all.get(key).unwrap_or(&Value::Null);
        Self {
            bos: id(get("bos_token_id")),
            eos: ids(get("eos_token_id")),
            pad: id(get("pad_token_id")),
            decoder_start: id(get("decoder_start_token_id")).or_else(|| id(get("bos_token_id"))),
            forced_bos: id(get("forced_bos_token_id")),
            forced_eos: ids(get("forced_eos_token_id")),
            bad_words: get("bad_words_ids")
                .as_array()
                .map_or_else(Vec::new, |words| words.iter().map(ids).collect()),
            suppressed: ids(get("suppress_tokens")),
            suppressed_at_begin: ids(get("begin_suppress_tokens")),
            max_length: count(get("max_length")),
            max_new_tokens: count(get("max_new_tokens")),
            min_length: count(get("min_length")),
            num_beams: count(get("num_beams")).filter(|n| *n > 0),
            length_penalty: get("length_penalty").as_f64(),
            early_stopping: early_stopping(get("early_stopping")),
            no_repeat_ngram_size: count(get("no_repeat_ngram_size")),
            repetition_penalty: number(get("repetition_penalty")).filter(|p| *p > 0.0),
            renormalize: get("renormalize_logits").as_bool().unwrap_or(false),
            do_sample: get("do_sample").as_bool().unwrap_or(false),
            temperature: number(get("temperature")).filter(|t| *t > 0.0),
            top_k: count(get("top_k")),
            top_p: number(get("top_p")),
            prefix: prefix.and_then(|p| p.as_str().map(str::to_owned)),
            positions: positions.iter().filter_map(|key| count(model.get(*key)?)).min(),
            trained_positions: model.get("n_positions").and_then(count),
        }
    }
}

/// What `config.json` holds for a task. Models of several languages have defaults for each pair of them; of those, the
/// first are the reference's where nobody names a pair.
fn own<'a>(model: &'a Map<String, Value>, task: &str) -> Result<Option<&'a Map<String, Value>>, String> {
    let Some(all) = model.get("task_specific_params").and_then(Value::as_object) else {
        return Ok(None);
    };
    if let Some(own) = all.get(task) {
        return Ok(own.as_object());
    }
    let of_pairs = all.iter().filter(|(key, _)| key.starts_with("translation_"));
    let pairs: Vec<(&str, &Value)> = of_pairs.map(|(key, own)| (key.as_str(), own)).collect();
    let Some((first, own)) = pairs.first().filter(|_| task.starts_with("translation")) else {
        return Ok(None);
    };
    let known = pairs.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", ");
    if task != "translation" {
        return Err(format!(
            "config.json has no defaults for {task}; task_specific_params has {known}"
        ));
    }
    if pairs.len() > 1 {
        tracing::warn!("config.json has {known}; {first} is served, and task in model.toml names another of them");
    }
    Ok(own.as_object())
}

fn object(folder: &Path, name: &str) -> Result<Option<Map<String, Value>>, String> {
    let text = match std::fs::read(folder.join(name)) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(format!("{name} cannot be read: {e}")),
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|e| format!("{name} is not what it should be: {e}"))
}

/// A token; some files write "none" as -1.
fn id(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|n| u32::try_from(n).ok())
}

/// One token or a list of them.
fn ids(value: &Value) -> Vec<u32> {
    match value {
        Value::Array(list) => list.iter().filter_map(id).collect(),
        one => id(one).into_iter().collect(),
    }
}

fn count(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|n| usize::try_from(n).ok())
}

fn number(value: &Value) -> Option<f32> {
    #[allow(clippy::cast_possible_truncation, reason = "scores have 32 bits")]
    value.as_f64().map(|n| n as f32)
}

fn early_stopping(value: &Value) -> Option<EarlyStopping> {
    match value {
        Value::Bool(true) => Some(EarlyStopping::Yes),
        Value::Bool(false) => Some(EarlyStopping::No),
        Value::String(word) if word == "never" => Some(EarlyStopping::Never),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(model: Value, defaults: Option<Value>, task: &str) -> GenerationConfig {
        let map = |value: Value| value.as_object().cloned().unwrap();
        let model = map(model);
        GenerationConfig::of(&model, defaults.map(map), own(&model, task).unwrap(), &["n_positions"])
    }

    #[test]
    fn tokens_come_one_or_many_and_none_may_be_minus_one() {
        let config = read(
            json!({"eos_token_id": [1, 2], "pad_token_id": -1, "forced_eos_token_id": 2, "n_positions": 64}),
            None,
            "",
        );
        assert_eq!((config.eos, config.pad, config.forced_eos), (vec![1, 2], None, vec![2]));
        assert_eq!((config.positions, config.trained_positions), (Some(64), Some(64)));
    }

    #[test]
    fn a_file_of_its_own_goes_before_the_models_configuration() {
        let model = json!({"eos_token_id": 1, "bos_token_id": 0, "num_beams": 5});
        let old = read(model.clone(), None, "");
        assert_eq!(old.num_beams, Some(5));
        let new = read(model, Some(json!({"eos_token_id": 7, "early_stopping": "never"})), "");
        assert_eq!((new.eos, new.bos, new.num_beams), (vec![7], Some(0), None));
        assert_eq!(new.early_stopping, Some(EarlyStopping::Never));
        assert_eq!(new.decoder_start, Some(0));
    }

    #[test]
    fn a_task_may_have_defaults_and_a_prefix_of_its_own() {
        let model = json!({
            "prefix": "do: ", "decoder_start_token_id": 3,
            "task_specific_params": {"summarization": {"prefix": "summarize: ", "num_beams": 4, "max_length": 200}},
        });
        let summary = read(model.clone(), Some(json!({"max_length": 20})), "summarization");
        assert_eq!(
            (summary.prefix.as_deref(), summary.num_beams),
            (Some("summarize: "), Some(4))
        );
        assert_eq!((summary.max_length, summary.decoder_start), (Some(200), Some(3)));
        let other = read(model, Some(json!({"max_length": 20})), "translation");
        assert_eq!((other.prefix.as_deref(), other.max_length), (Some("do: "), Some(20)));
    }

    #[test]
    fn of_several_pairs_of_languages_the_one_that_is_named_counts_else_the_first() {
        let model = json!({"task_specific_params": {
            "summarization": {"prefix": "summarize: "},
            "translation_en_to_fr": {"prefix": "to French: ", "max_length": 300},
            "translation_en_to_de": {"prefix": "to German: "},
        }});
        let prefix = |task: &str| read(model.clone(), None, task).prefix;
        assert_eq!(prefix("translation_en_to_de").as_deref(), Some("to German: "));
        assert_eq!(prefix("translation").as_deref(), Some("to French: "));
        assert_eq!(read(model.clone(), None, "translation").max_length, Some(300));
        assert_eq!(prefix("summarization").as_deref(), Some("summarize: "));
        assert_eq!(prefix("text2text-generation"), None);
        assert_eq!(
            own(model.as_object().unwrap(), "translation_en_to_ro").unwrap_err(),
            "config.json has no defaults for translation_en_to_ro; task_specific_params has translation_en_to_fr, \
             translation_en_to_de"
        );
        // Where there are none at all, the model has one pair, whatever it is named.
        let none = json!({"task_specific_params": {"summarization": {}}});
        assert_eq!(own(none.as_object().unwrap(), "translation_en_to_de"), Ok(None));
    }
}
