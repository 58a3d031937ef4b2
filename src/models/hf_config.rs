//! What is read of a Hugging Face `config.json`.

use std::path::Path;

use serde::Deserialize;

/// The keys that tasks need; others are passed over.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct HfConfig {
    #[serde(default)]
    pub architectures: Vec<String>,
    pub pad_token_id: Option<u32>,
    /// The longest sequence the model has positions for.
    pub max_position_embeddings: Option<usize>,
}

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
}
