//! The tokenizer of a Hugging Face folder.

use std::path::Path;

use serde::Deserialize;
pub use tokenizers::Tokenizer;

/// What cuts up the source, as exporters of MarianMT write it.
const MARIAN_SOURCE: &str = "source.spm";

/// The tokenizer and the length it is meant for.
pub struct FolderTokenizer {
    pub tokenizer: Tokenizer,
    /// `model_max_length` of `tokenizer_config.json`; tokens, special ones included.
    pub max_length: Option<usize>,
}

#[derive(Deserialize)]
struct TokenizerConfig {
    /// Written as a float of 1e30 by some exporters, for "no limit".
    model_max_length: Option<f64>,
}

impl FolderTokenizer {
    /// Reads `tokenizer.json` and, where it is there, `tokenizer_config.json`.
    ///
    /// # Errors
    /// A sentence that names the file and what is wrong with it.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let file = folder.join("tokenizer.json");
        if !file.is_file() {
            let remedy = if folder.join(MARIAN_SOURCE).is_file() {
                "transformers has no fast tokenizer for MarianMT; scripts/marian_tokenizer.py makes the file from \
                 source.spm and vocab.json"
            } else {
                "save_pretrained of the model's fast tokenizer writes it"
            };
            return Err(format!("tokenizer.json is missing; {remedy}"));
        }
        let mut tokenizer = Tokenizer::from_file(&file).map_err(|e| format!("tokenizer.json cannot be used: {e}"))?;
        // Requests decide; what the file says about cutting and padding was for training.
        tokenizer
            .with_truncation(None)
            .map_err(|e| format!("tokenizer.json cannot be used: {e}"))?;
        tokenizer.with_padding(None);
        let max_length = std::fs::read(folder.join("tokenizer_config.json"))
            .ok()
            .and_then(|text| serde_json::from_slice::<TokenizerConfig>(&text).ok())
            .and_then(|config| config.model_max_length)
            .filter(|n| (1.0..1e9).contains(n))
            .map(|n| {
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "checked just above"
                )]
                let n = n as usize;
                n
            });
        Ok(Self { tokenizer, max_length })
    }
}
