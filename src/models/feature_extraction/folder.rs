//! What a folder of the sentence-transformers library says beside the model: its modules, its pooling, its limits.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::pooling::Mode;

/// How texts become vectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sentence {
    /// Where the folder says it.
    modes: Option<Vec<Mode>>,
    /// Whether vectors are made of length 1.
    pub normalizes: bool,
    /// Modules that work on vectors, and of which only the graph has the weights.
    pub others: Vec<String>,
    pub max_length: Option<usize>,
    lowercases: bool,
    /// Blanks around texts are taken away.
    strips: bool,
    /// Stands before every text.
    prompt: String,
}

/// An entry of `modules.json`.
#[derive(Deserialize)]
struct Module {
    /// A folder, empty for the model's own.
    #[serde(default)]
    path: String,
    /// A class, with dots between the parts of its path.
    #[serde(rename = "type")]
    class: String,
}

/// `sentence_bert_config.json`.
#[derive(Default, Deserialize)]
struct Limits {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

/// `config_sentence_transformers.json`.
#[derive(Default, Deserialize)]
struct Prompts {
    #[serde(default)]
    prompts: std::collections::BTreeMap<String, Option<String>>,
    default_prompt_name: Option<String>,
}

/// `1_Pooling/config.json`: one key a mode in most files, one key for all in later ones.
#[derive(Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools, reason = "the keys are the file's")]
struct PoolingConfig {
    pooling_mode: Option<Modes>,
    pooling_mode_cls_token: bool,
    pooling_mode_max_tokens: bool,
    pooling_mode_mean_tokens: bool,
    pooling_mode_mean_sqrt_len_tokens: bool,
    pooling_mode_weightedmean_tokens: bool,
    pooling_mode_lasttoken: bool,
    include_prompt: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Modes {
    One(Mode),
    Several(Vec<Mode>),
}

impl Default for PoolingConfig {
    fn default() -> Self {
        Self {
            pooling_mode: None,
            pooling_mode_cls_token: false,
            pooling_mode_max_tokens: false,
            pooling_mode_mean_tokens: false,
            pooling_mode_mean_sqrt_len_tokens: false,
            pooling_mode_weightedmean_tokens: false,
            pooling_mode_lasttoken: false,
            include_prompt: true,
        }
    }
}

impl PoolingConfig {
    fn modes(&self) -> Vec<Mode> {
        match &self.pooling_mode {
            Some(Modes::One(mode)) => return vec![*mode],
            Some(Modes::Several(modes)) if !modes.is_empty() => return modes.clone(),
            _ => {}
        }
        let named = [
            (self.pooling_mode_cls_token, Mode::Cls),
            (self.pooling_mode_max_tokens, Mode::Max),
            (self.pooling_mode_mean_tokens, Mode::Mean),
            (self.pooling_mode_mean_sqrt_len_tokens, Mode::MeanSqrtLength),
            (self.pooling_mode_weightedmean_tokens, Mode::WeightedMean),
            (self.pooling_mode_lasttoken, Mode::Last),
        ];
        let modes: Vec<Mode> = named.into_iter().filter(|(on, _)| *on).map(|(_, mode)| mode).collect();
        if modes.is_empty() { vec![Mode::Mean] } else { modes }
    }
}

impl Sentence {
    /// # Errors
    /// A sentence that names the file and what is wrong with it.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let modules: Option<Vec<Module>> = json(folder, "modules.json")?;
        let strips = modules.is_some();
        let mut sentence = Self {
            strips,
            ..Self::default()
        };
        let mut pooling = "1_Pooling".to_owned();
        for module in modules.unwrap_or_default() {
            match module.class.rsplit('.').next().unwrap_or_default() {
                "Transformer" => {}
                "Pooling" => pooling = module.path,
                "Normalize" => sentence.normalizes = true,
                other => sentence.others.push(other.to_owned()),
            }
        }
        let pooling: Option<PoolingConfig> = json(folder, &format!("{pooling}/config.json"))?;
        let limits: Limits = json(folder, "sentence_bert_config.json")?.unwrap_or_default();
        sentence.max_length = limits.max_seq_length;
        sentence.lowercases = limits.do_lower_case;
        let prompts: Prompts = json(folder, "config_sentence_transformers.json")?.unwrap_or_default();
        let prompt = prompts
            .default_prompt_name
            .and_then(|name| prompts.prompts.get(&name)?.clone());
        sentence.prompt = prompt.unwrap_or_default();
        if let Some(pooling) = pooling {
            if !pooling.include_prompt && !sentence.prompt.is_empty() {
                return Err(
                    "1_Pooling/config.json leaves the default prompt out of the pooling (include_prompt), which this \
                     server does not"
                        .into(),
                );
            }
            sentence.modes = Some(pooling.modes());
        }
        Ok(sentence)
    }

    /// The pooling the folder asks for.
    pub fn told_modes(&self) -> Option<&[Mode]> {
        self.modes.as_deref()
    }

    /// The pooling of requests that do not say: the folder's, else the mean, as the library has it.
    pub fn modes(&self) -> &[Mode] {
        self.told_modes().unwrap_or(&[Mode::Mean])
    }

    /// A text as it is tokenised.
    pub fn prepared(&self, text: &str) -> String {
        let whole = format!("{}{text}", self.prompt);
        // Four separators of old count as blanks in Python.
        let blank = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
        let kept = if self.strips { whole.trim_matches(blank) } else { &whole };
        if self.lowercases {
            kept.to_lowercase()
        } else {
            kept.to_owned()
        }
    }
}

/// A file that may be there.
fn json<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>, String> {
    match std::fs::read(folder.join(name)) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|e| format!("{name} is not what it should be: {e}")),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(format!("{name} cannot be read: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("1_Pooling")).unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn a_folder_that_says_nothing_has_the_mean() {
        let read = Sentence::read(folder(&[]).path()).unwrap();
        assert_eq!((&read, read.modes()), (&Sentence::default(), &[Mode::Mean][..]));
    }

    #[test]
    fn modules_pooling_limits_and_prompt_are_read() {
        let modules = r#"[{"path": "", "type": "sentence_transformers.models.Transformer"},
            {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"path": "2_Dense", "type": "sentence_transformers.models.Dense"},
            {"path": "3_Normalize", "type": "sentence_transformers.models.Normalize"}]"#;
        let dir = folder(&[
            ("modules.json", modules),
            (
                "1_Pooling/config.json",
                r#"{"word_embedding_dimension": 8, "pooling_mode_cls_token": true, "pooling_mode_max_tokens": true}"#,
            ),
            (
                "sentence_bert_config.json",
                r#"{"max_seq_length": 128, "do_lower_case": true}"#,
            ),
            (
                "config_sentence_transformers.json",
                r#"{"prompts": {"query": "Query: "}, "default_prompt_name": "query"}"#,
            ),
        ]);
        let read = Sentence::read(dir.path()).unwrap();
        assert_eq!(read.modes(), [Mode::Cls, Mode::Max]);
        assert_eq!((read.normalizes, read.max_length), (true, Some(128)));
        assert_eq!(read.others, ["Dense"]);
        assert_eq!(read.prepared("  Late \n"), "query:   late");
    }

    #[test]
    fn later_files_name_their_modes_in_one_key() {
        let modes =
            |text: &str| Sentence::read(folder(&[("1_Pooling/config.json", text)]).path()).map(|s| s.modes().to_vec());
        assert_eq!(modes(r#"{"pooling_mode": "lasttoken"}"#), Ok(vec![Mode::Last]));
        let two = r#"{"pooling_mode": ["mean", "mean_sqrt_len_tokens"]}"#;
        assert_eq!(modes(two), Ok(vec![Mode::Mean, Mode::MeanSqrtLength]));
        assert!(modes("[").unwrap_err().starts_with("1_Pooling/config.json is not"));
    }
}
