//! Files that pipelines answer with, brought to where clients can fetch them: an object store (`SERVER_UPLOAD_URL`), or
//! an address that the request names (`upload_webhook`). The answer then carries where they are.
//!
//! A leaf beside `webhook`, whose client it posts with. Knows neither jobs nor HTTP routes.

mod key;
mod links;
mod store;
mod webhook;

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use jiff::Timestamp;
use object_store::path::Path;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use uuid::Uuid;

pub use store::Uploads;
pub use webhook::TIMES;

use crate::error::{Error, Fault};
use crate::payload::{FileOutput, Files, Output};
use crate::webhook::Client;

/// Hashing more than this takes long enough for others to notice.
const HEAVY: usize = 1024 * 1024;

/// Brings files away. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Uploader {
    uploads: Option<Arc<Uploads>>,
    client: Client,
}

/// What is to become of the files of one answer.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Keys begin with the model's name.
    pub model: Arc<str>,
    /// What no other run has, and no client gives: keys are made of it. Of a job: its id and the number of the run. One
    /// is made where there is none.
    pub id: Option<String>,
    /// Where the request wants its files posted; goes before the store.
    pub webhook: Option<String>,
    /// Whether the body of a response that its author shaped is a file, too: where nobody waits for that response.
    pub responses: bool,
    /// When the work on the request began.
    pub started: Instant,
}

/// What an answer says of a file that was uploaded.
#[derive(Serialize)]
struct Record<'a> {
    url: String,
    key: &'a str,
    /// In bytes.
    size: usize,
    content_type: &'a str,
    /// In hexadecimal digits.
    sha256: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
}

impl Uploader {
    /// `client` posts to the addresses that requests name; [`TIMES`] suits it.
    pub fn new(uploads: Option<Uploads>, client: Client) -> Self {
        Self {
            uploads: uploads.map(Arc::new),
            client,
        }
    }

    /// Looks at the address a request wants its files posted to.
    ///
    /// # Errors
    /// Invalid input, with the field and what is wrong with it.
    pub fn check(&self, upload_webhook: &str) -> Result<(), Error> {
        self.client
            .check(upload_webhook)
            .map(drop)
            .map_err(|refused| Error::faults(vec![Fault::at(&["upload_webhook"], refused.to_string(), "url")]))
    }

    /// Brings the files of an output away and puts in their place where they are. An output without files, and one of
    /// which nobody wants that, is given back as it is.
    ///
    /// # Errors
    /// When a file could not be brought away, with the reason. Nothing of the answer is left behind then.
    pub async fn deliver(&self, output: Output, wish: Wish) -> Result<Output, Error> {
        if wish.webhook.is_none() && self.uploads.is_none() {
            return Ok(output);
        }
        let files = match files_of(output, wish.responses) {
            Ok(files) if files.files().is_empty() => return Ok(Output::Files(files)),
            Ok(files) => files,
            Err(output) => return Ok(output),
        };
        if let Some(webhook) = &wish.webhook {
            return self.post(webhook, &files, wish.started).await;
        }
        match &self.uploads {
            Some(uploads) => store_all(Arc::clone(uploads), files, wish).await,
            None => Ok(Output::Files(files)),
        }
    }

    async fn post(&self, webhook: &str, files: &Files, started: Instant) -> Result<Output, Error> {
        let told = |why: String| Error::pipeline(format!("the files could not be uploaded: upload_webhook {why}"));
        let url = self
            .client
            .check(webhook)
            .map_err(|refused| told(refused.to_string()))?;
        let urls = webhook::post(&self.client, &url, files.files()).await.map_err(told)?;
        Ok(Output::Json(webhook::answer(files, &urls, started.elapsed()).into()))
    }
}

/// The files of an output, or the output again.
fn files_of(output: Output, responses: bool) -> Result<Files, Output> {
    let unnamed = |content_type: String, bytes: Bytes| {
        Files::one(FileOutput {
            name: String::new(),
            content_type,
            bytes,
        })
    };
    match output {
        Output::Files(files) => Ok(files),
        Output::Media { content_type, bytes } => Ok(unnamed(content_type, bytes)),
        Output::Response { head, body } if responses && (200..300).contains(&head.status) => {
            match head.media.clone().filter(|media| !is_text(media)) {
                Some(media) if !body.is_empty() => Ok(unnamed(media, body)),
                _ => Err(Output::Response { head, body }),
            }
        }
        other => Err(other),
    }
}

/// Whether a body of this type is for reading where it stands.
fn is_text(media: &str) -> bool {
    let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.is_empty() || essence.starts_with("text/") || essence == "application/json" || essence.ends_with("+json")
}

/// Stores the files in a task of its own: one that is under way is neither broken off nor forgotten when nobody waits
/// for the answer any more.
async fn store_all(uploads: Arc<Uploads>, files: Files, wish: Wish) -> Result<Output, Error> {
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let mut keys = Vec::new();
        let stored = store_each(&uploads, &files, &wish, &mut keys).await;
        let failed = stored.is_err();
        let result = stored.map(|records| Output::Json(files.written(&records)));
        // What belongs to no answer, or to one that nobody gets, is no good to anybody.
        if tell.send(result).is_err() || failed {
            uploads.remove(&keys).await;
        }
    });
    told.await
        .unwrap_or_else(|_| Err(Error::pipeline("the upload of the files broke off")))
}

/// Stores one file after the other; gives their records as JSON. `keys` are those that may be there now.
async fn store_each(uploads: &Uploads, files: &Files, wish: &Wish, keys: &mut Vec<Path>) -> Result<Vec<String>, Error> {
    let made = wish.id.is_none().then(|| Uuid::now_v7().to_string());
    let origin = key::Origin {
        model: &wish.model,
        id: wish.id.as_deref().or(made.as_deref()).unwrap_or_default(),
        at: Timestamp::now(),
    };
    let mut records = Vec::with_capacity(files.files().len());
    for (number, file) in files.files().iter().enumerate() {
        let key = key::key(uploads.prefix(), &origin, number, file);
        // Before it is sent: what broke off may have arrived all the same.
        keys.push(key.clone());
        uploads.put(&key, file).await.map_err(|error| {
            tracing::warn!("{key} could not be uploaded: {error}");
            let why = store::in_short(&error);
            Error::pipeline(format!("the files could not be uploaded: {why}"))
        })?;
        let record = Record {
            url: uploads.link(&key).await,
            key: key.as_ref(),
            size: file.bytes.len(),
            content_type: &file.content_type,
            sha256: sha256(file.bytes.clone()).await,
            name: &file.name,
        };
        records.push(serde_json::to_string(&record).unwrap_or_default());
    }
    Ok(records)
}

async fn sha256(bytes: Bytes) -> String {
    if bytes.len() < HEAVY {
        return hex(&Sha256::digest(&bytes));
    }
    let hashed = tokio::task::spawn_blocking(move || hex(&Sha256::digest(&bytes)));
    hashed.await.unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests;
