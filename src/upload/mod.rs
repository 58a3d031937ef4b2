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
use key::{Origin, key};

/// Hashing more than this takes long enough for others to notice.
const HEAVY: usize = 1024 * 1024;
/// Runs before the last one whose files are looked for. A job loses no more servers than that.
const EARLIER: u32 = 16;

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
    /// The run whose files they are; `None` for those of a request.
    pub run: Option<JobRun>,
    /// Where the request wants its files posted; goes before the store.
    pub webhook: Option<String>,
    /// Whether the body of a response that its author shaped is a file, too: where nobody waits for that response.
    pub responses: bool,
    /// When the work on the request began.
    pub started: Instant,
}

/// A run of a job. Its keys follow from this alone, so that a later run knows what an earlier one may have left behind;
/// and no two runs have the same, since a server that was given up may still be at it.
#[derive(Clone, Debug)]
pub struct JobRun {
    pub job: String,
    /// Counted from 1.
    pub number: u32,
    /// When the job was accepted.
    pub accepted: Timestamp,
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
        } else if let Some(run) = &wish.run {
            uploads.remove(&left_behind(&uploads, &wish.model, run, &files)).await;
        }
    });
    told.await
        .unwrap_or_else(|_| Err(Error::pipeline("the upload of the files broke off")))
}

/// Stores one file after the other; gives their records as JSON. `keys` are those that may be there now.
async fn store_each(uploads: &Uploads, files: &Files, wish: &Wish, keys: &mut Vec<Path>) -> Result<Vec<String>, Error> {
    let origin = match &wish.run {
        Some(run) => run.origin(&wish.model, run.number),
        None => Origin {
            model: &wish.model,
            id: Uuid::now_v7().to_string(),
            at: Timestamp::now(),
        },
    };
    let mut records = Vec::with_capacity(files.files().len());
    for (number, file) in files.files().iter().enumerate() {
        let key = key(uploads.prefix(), &origin, number, file);
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

/// The keys under which earlier runs of a job had these files, if their servers died before the end was recorded. What
/// such a run answered is known to nobody.
fn left_behind(uploads: &Uploads, model: &str, run: &JobRun, files: &Files) -> Vec<Path> {
    let earlier = run.number.saturating_sub(EARLIER).max(1)..run.number;
    let mut keys = Vec::new();
    for number in earlier {
        let origin = run.origin(model, number);
        let numbered = files.files().iter().enumerate();
        keys.extend(numbered.map(|(i, file)| key(uploads.prefix(), &origin, i, file)));
    }
    keys
}

impl JobRun {
    /// Where the files of the run of this number come from.
    fn origin<'a>(&self, model: &'a str, number: u32) -> Origin<'a> {
        Origin {
            model,
            id: format!("{}-{number}", self.job),
            at: self.accepted,
        }
    }
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
