//! Jobs, ends and deliveries, as tests of stores want them.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::jobs::job::{About, Answer, Input, NewJob, Outcome, Webhook, WebhookEvent};
use crate::jobs::store::{Delivery, Ending, NewDelivery, Posted};

pub const MODEL: &str = "digits";
pub const OTHER: &str = "letters";

/// Far more than anything here takes, and far less than for ever.
pub const LONG: Duration = Duration::from_secs(20);
/// Longer than [`LONG`]: what lasts so long does not end within a test.
pub const MINUTE: Duration = Duration::from_secs(60);

/// To the millisecond, which every store keeps.
pub fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap()
}

pub fn new_job(model: &str) -> NewJob {
    NewJob {
        id: Uuid::now_v7(),
        model: model.to_owned(),
        path: format!("/{model}"),
        input: Input {
            body: Bytes::from_static(b"{\"x\":1}"),
            about: About {
                content_type: Some("application/json".into()),
                timeout_ms: Some(5000),
                request_id: "r-1".into(),
                ..About::default()
            },
        },
        webhook: Some(Webhook {
            url: "http://example.com/hook".into(),
            events: vec![WebhookEvent::Start, WebhookEvent::Completed],
        }),
        upload_webhook: Some("http://example.com/upload".into()),
        idempotency: None,
        created: now(),
    }
}

/// Progress is what a store may leave out.
pub fn delivery(id: &str, terminal: bool) -> NewDelivery {
    NewDelivery {
        id: id.to_owned(),
        url: "http://example.com/hook".into(),
        body: Bytes::from(format!("{{\"id\":{id:?}}}")),
        terminal,
        skippable: id.contains("progress"),
    }
}

pub fn answer() -> Outcome {
    Outcome::Succeeded(Answer {
        content_type: "application/json".into(),
        body: Bytes::from_static(b"{\"results\":1}"),
    })
}

/// An end that lies ahead.
pub fn ending(outcome: Outcome) -> Ending {
    Ending {
        outcome,
        at: Timestamp::from_second(2_000_000_000).unwrap(),
        delivery: None,
    }
}

/// An end now, and what is told of it.
pub fn succeeded(delivery: Option<NewDelivery>) -> Ending {
    Ending {
        outcome: answer(),
        at: now(),
        delivery,
    }
}

pub fn dead(status: Option<u16>, error: &str) -> Posted {
    Posted::Dead {
        status,
        error: error.to_owned(),
    }
}

pub fn ids(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.id.as_str()).collect()
}

/// Asks until there is an answer.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let answered = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, answered)
        .await
        .unwrap_or_else(|_| panic!("not within {LONG:?}: {what}"))
}
