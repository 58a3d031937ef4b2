//! What is told of jobs and of their webhooks. An address is told by its host alone: the rest may hold a token.

use serde::Serialize;
use url::Url;

use crate::jobs::job::Job;
use crate::jobs::store::{Delivery, DeliveryState};
use crate::jobs::{Detail, JobView};

/// A job with everything that is kept of it.
#[derive(Serialize)]
pub struct Whole {
    #[serde(flatten)]
    job: JobView,
    webhooks: Vec<WebhookView>,
}

impl Whole {
    pub fn of(job: &Job, deliveries: &[Delivery]) -> Self {
        Self {
            job: JobView::of(job, Detail::Whole),
            webhooks: deliveries.iter().map(WebhookView::of).collect(),
        }
    }
}

/// What came of telling a webhook of one event.
#[derive(Serialize)]
pub struct WebhookView {
    /// The `webhook-id` of every post.
    id: String,
    event: String,
    state: DeliveryState,
    /// Posts that were made.
    attempts: u32,
    /// The HTTP status of the last one.
    status: Option<u16>,
    error: Option<String>,
    /// When the next post is due, or the last one was made.
    at: String,
}

impl WebhookView {
    fn of(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id.clone(),
            // JOB_EVENT, or JOB_EVENT_NUMBER; an id of a job has no such mark.
            event: delivery.id.split('_').nth(1).unwrap_or_default().to_owned(),
            state: delivery.state,
            attempts: delivery.attempts,
            status: delivery.status,
            error: delivery.error.clone(),
            at: delivery.at.to_string(),
        }
    }
}

/// A delivery that was given up.
#[derive(Serialize)]
pub struct DeadLetter {
    job: String,
    host: Option<String>,
    created: String,
    #[serde(flatten)]
    webhook: WebhookView,
}

impl DeadLetter {
    pub fn of(delivery: &Delivery) -> Self {
        let url = Url::parse(&delivery.url).ok();
        Self {
            job: delivery.job.to_string(),
            host: url.and_then(|url| url.host_str().map(str::to_owned)),
            created: delivery.created.to_string(),
            webhook: WebhookView::of(delivery),
        }
    }
}

/// A page of jobs; `next` is the `before` of the following one.
#[derive(Serialize)]
pub struct Page {
    pub jobs: Vec<JobView>,
    pub next: Option<String>,
}

/// A page of dead letters.
#[derive(Serialize)]
pub struct DeadLetters {
    pub webhooks: Vec<DeadLetter>,
    pub next: Option<String>,
}

/// Cuts what was found at the limit, and names the last entry where more was found.
pub fn page<T>(mut found: Vec<T>, limit: usize, id: impl FnOnce(&T) -> String) -> (Vec<T>, Option<String>) {
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(id);
    (found, next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::job::{Answer, Input, Outcome, Status};
    use jiff::Timestamp;
    use serde_json::{Value, json};
    use uuid::Uuid;

    fn delivery(id: &str) -> Delivery {
        Delivery {
            id: format!("{id}_progress_1_2"),
            job: Uuid::nil(),
            url: "https://user:word@hooks.example.com/secret?token=x".to_owned(),
            body: "{}".into(),
            created: Timestamp::UNIX_EPOCH,
            state: DeliveryState::Dead,
            attempts: 12,
            at: Timestamp::UNIX_EPOCH,
            error: Some("the receiver answered 500".to_owned()),
            status: Some(500),
            terminal: true,
        }
    }

    fn job() -> Job {
        Job {
            id: Uuid::nil(),
            model: "m".to_owned(),
            path: "/m".to_owned(),
            status: Status::Succeeded,
            input: Input {
                body: r#"{ "x": 1 }"#.into(),
                ..Input::default()
            },
            webhook: None,
            upload_webhook: None,
            created: Timestamp::UNIX_EPOCH,
            started: None,
            finished: None,
            attempts: 1,
            losses: 0,
            interruptions: 0,
            progress: None,
            cancelling: false,
            outcome: Some(Outcome::Succeeded(Answer {
                content_type: "image/png".to_owned(),
                body: "abc".into(),
            })),
        }
    }

    #[test]
    fn a_job_is_told_with_its_bodies_and_its_webhooks() {
        let told = serde_json::to_value(Whole::of(&job(), &[delivery("0")])).unwrap();
        assert_eq!(told["input"], json!({"x": 1}));
        assert_eq!(told["output"], json!({"content_type": "image/png", "base64": "YWJj"}));
        let webhook = &told["webhooks"][0];
        assert_eq!(
            (&webhook["event"], &webhook["state"]),
            (&json!("progress"), &json!("dead"))
        );
    }

    #[test]
    fn an_address_is_told_by_its_host_alone() {
        let told: Value = serde_json::to_value(DeadLetter::of(&delivery("0"))).unwrap();
        assert_eq!(told["host"], "hooks.example.com");
        for secret in ["user", "word", "secret", "token"] {
            assert!(!told.to_string().contains(secret), "{told}");
        }
    }

    #[test]
    fn a_page_names_the_next_one_only_where_there_is_one() {
        let id = |n: &u32| n.to_string();
        assert_eq!(page(vec![3, 2, 1], 2, id), (vec![3, 2], Some("2".to_owned())));
        assert_eq!(page(vec![3, 2], 2, id), (vec![3, 2], None));
        assert_eq!(page(Vec::new(), 2, id), (vec![], None));
    }
}
