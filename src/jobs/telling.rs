//! What webhooks are told of a job, and by which id they know it again.

use jiff::Timestamp;

use super::job::{Job, Outcome, WebhookEvent};
use super::store::NewDelivery;
use super::view;

/// What a webhook is told of a job's end, where one wants to know.
pub fn ending(job: &Job, outcome: &Outcome, at: Timestamp) -> Option<NewDelivery> {
    let ended = Job {
        status: outcome.status(),
        finished: Some(at),
        outcome: Some(outcome.clone()),
        ..job.clone()
    };
    delivery(&ended, WebhookEvent::Completed, None, at)
}

/// A delivery about a job as it stands; `number` tells events of a run apart that come more than once.
pub fn delivery(job: &Job, event: WebhookEvent, number: Option<u32>, at: Timestamp) -> Option<NewDelivery> {
    let webhook = job.webhook.as_ref().filter(|hook| hook.events.contains(&event))?;
    // Another run counts anew, and what it tells is news.
    let number = number.map(|n| format!("_{}_{n}", job.attempts)).unwrap_or_default();
    Some(NewDelivery {
        id: format!("{}_{}{number}", job.id, event.name()),
        url: webhook.url.clone(),
        body: view::told(job, event, at),
        terminal: event == WebhookEvent::Completed,
        skippable: event == WebhookEvent::Progress,
    })
}
