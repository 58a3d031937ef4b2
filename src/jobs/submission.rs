//! A job as a client asks for it, and what tells one request from another that was sent under the same key.

use sha2::{Digest, Sha256};

use super::job::{Input, Job, Webhook};
use crate::error::{Error, Fault, Kind};

/// A job that is to be accepted, as a client sent it.
pub struct Submission {
    pub input: Input,
    pub webhook: Option<Webhook>,
    pub upload_webhook: Option<String>,
    /// The client's own name for this job.
    pub idempotency_key: Option<String>,
}

/// Hashing more than this takes long enough for others to notice.
const HEAVY: usize = 1024 * 1024;
/// What a client hears that comes too late.
pub const STOPPING: &str = "the server is shutting down; send the job to another instance";

impl Submission {
    /// What a key stands for: of all that the request says of its job.
    pub async fn digest(&self, path: &str) -> Result<[u8; 32], Error> {
        if self.input.body.len() < HEAVY {
            let upload_webhook = self.upload_webhook.as_deref();
            return Ok(digest(path, &self.input, self.webhook.as_ref(), upload_webhook));
        }
        let (path, input) = (path.to_owned(), self.input.clone());
        let (webhook, upload_webhook) = (self.webhook.clone(), self.upload_webhook.clone());
        let hash = move || digest(&path, &input, webhook.as_ref(), upload_webhook.as_deref());
        let hashed = tokio::task::spawn_blocking(hash).await;
        hashed.map_err(|_| Error::new(Kind::NotReady, STOPPING))
    }
}

/// A job that was accepted, now or before.
pub struct Accepted {
    pub job: Job,
    /// False where the key of the submission had brought this job before.
    pub new: bool,
}

/// The same key with another webhook is another request, too, and so is one whose body is to be read as something else.
fn digest(path: &str, input: &Input, webhook: Option<&Webhook>, upload_webhook: Option<&str>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let query = input.about.query.as_deref().unwrap_or_default();
    // None for JSON, under whichever name it came.
    let media = input.about.content_type.as_deref().unwrap_or_default();
    let url = webhook.map_or("", |hook| hook.url.as_str());
    let events = webhook.iter().flat_map(|hook| &hook.events);
    let events: Vec<&str> = events.map(|event| event.name()).collect();
    let (events, upload) = (events.join(","), upload_webhook.unwrap_or_default());
    for part in [path, query, media, url, events.as_str(), upload] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.update(&input.body);
    hash.finalize().into()
}

/// A fault of a field of a submission.
pub fn field_fault(field: &str, message: impl Into<String>) -> Error {
    Error::faults(vec![Fault::at(&[field], message, "value")])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::job::WebhookEvent;
    use crate::payload::About;

    #[test]
    fn all_that_a_request_says_of_its_job_tells_it_from_others() {
        let input = |media: Option<&str>, query: Option<&str>, body: &'static str| Input {
            body: body.into(),
            about: About {
                content_type: media.map(str::to_owned),
                query: query.map(str::to_owned),
                ..About::default()
            },
        };
        let hook = |url: &str| Webhook {
            url: url.to_owned(),
            events: vec![WebhookEvent::Completed],
        };
        let first = digest("/m", &input(None, None, "x"), None, None);
        assert_eq!(digest("/m", &input(None, None, "x"), None, None), first);
        let others = [
            digest("/n", &input(None, None, "x"), None, None),
            digest("/m", &input(None, None, "y"), None, None),
            digest("/m", &input(Some("image/png"), None, "x"), None, None),
            digest("/m", &input(Some("image/webp"), None, "x"), None, None),
            digest("/m", &input(None, Some("image/png"), "x"), None, None),
            digest("/m", &input(None, None, "x"), Some(&hook("u")), None),
            digest("/m", &input(None, None, "x"), None, Some("u")),
        ];
        for (i, one) in others.iter().enumerate() {
            assert!(*one != first && !others[..i].contains(one), "{i}");
        }
    }
}
