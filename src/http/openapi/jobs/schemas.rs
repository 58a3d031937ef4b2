//! The schemas of jobs and of what webhooks were told.

use serde_json::{Value, json};

use super::super::parts::{COMPONENTS, some_type};
use crate::jobs::job::Status;

/// The names of the schemas that several routes share.
pub const JOB: &str = "Job";
pub const WEBHOOK: &str = "WebhookDelivery";

/// The schemas by name.
pub fn components() -> [(&'static str, Value); 2] {
    [(JOB, job()), (WEBHOOK, webhook())]
}

/// A reference to one of them.
pub fn reference(name: &str) -> Value {
    json!({"$ref": format!("{COMPONENTS}{name}")})
}

/// A page of a list, newest first.
pub fn page(key: &str, name: &str) -> Value {
    let next =
        json!({"type": ["string", "null"], "description": "The `before` of the next page; null on the last one."});
    json!({
        "type": "object",
        "required": [key, "next"],
        "properties": {key: {"type": "array", "items": reference(name)}, "next": next},
    })
}

pub fn status() -> Value {
    json!({"type": "string", "enum": Status::ALL.map(Status::name)})
}

pub fn time(text: &str) -> Value {
    json!({"type": "string", "format": "date-time", "description": text})
}

fn time_or_null(text: &str) -> Value {
    json!({"type": ["string", "null"], "format": "date-time", "description": text})
}

fn job() -> Value {
    let any = |text: &str| some_type(json!({"description": text}));
    json!({
        "type": "object",
        "description": "A background job. A body that is no JSON is `{\"content_type\", \"base64\"}`.",
        "required": ["id", "model", "path", "status", "created", "started", "finished", "attempts"],
        "properties": {
            "id": {"type": "string", "format": "uuid", "description": "Ids sort by the time of acceptance."},
            "model": {"type": "string"},
            "path": {"type": "string", "description": "The endpoint the job is for."},
            "status": status(),
            "input": any("What was sent; not in lists."),
            "output": any("The model's answer, once the job succeeded; not in lists."),
            "error": {
                "type": "object",
                "description": "Why the job failed.",
                "required": ["type", "message"],
                "properties": {
                    "type": {"type": "string"},
                    "message": {"type": "string"},
                    "detail": {"type": "array", "items": {"type": "object"}},
                },
            },
            "progress": any("What the pipeline last said of its progress."),
            "created": time("When the job was accepted."),
            "started": time_or_null("When its last run began."),
            "finished": time_or_null("When it ended."),
            "attempts": {
                "type": "integer",
                "description": "Runs that were begun: more than one where a replica or a server died.",
            },
            "cancelling": {"type": "boolean", "description": "Its end was asked for and has not come yet."},
            "webhooks": {
                "type": "array",
                "description": "What its webhook was told; not in lists.",
                "items": reference(WEBHOOK),
            },
        },
    })
}

fn webhook() -> Value {
    json!({
        "type": "object",
        "description": "What came of telling a webhook of one event.",
        "required": ["id", "event", "state", "attempts", "status", "error", "at"],
        "properties": {
            "id": {"type": "string", "description": "The `webhook-id` of every post."},
            "event": {"type": "string", "enum": ["start", "progress", "completed"]},
            "state": {"type": "string", "enum": ["pending", "delivered", "dead"]},
            "attempts": {"type": "integer", "description": "Posts that were made."},
            "status": {"type": ["integer", "null"], "description": "The HTTP status of the last post."},
            "error": {"type": ["string", "null"], "description": "What went wrong last."},
            "at": time("When the next post is due, or the last one was made."),
            "job": {"type": "string", "format": "uuid", "description": "In the list of dead letters."},
            "host": {"type": ["string", "null"], "description": "Whom it is for; in the list of dead letters."},
            "created": time("When the event came about; in the list of dead letters."),
        },
    })
}

#[cfg(test)]
mod tests {
    use utoipa::openapi::RefOr;
    use utoipa::openapi::schema::Schema;

    use super::*;
    use crate::error::Kind;
    use crate::http::openapi::parts::schema;
    use crate::jobs::job::{Failure, Input, Job, Outcome};
    use crate::jobs::{Detail, JobView};

    #[test]
    fn the_schema_of_a_job_has_every_field_that_is_told() {
        let job = Job {
            id: uuid::Uuid::nil(),
            model: "m".to_owned(),
            path: "/m".to_owned(),
            status: Status::Running,
            input: Input {
                body: "{}".into(),
                ..Input::default()
            },
            webhook: None,
            upload_webhook: None,
            created: jiff::Timestamp::UNIX_EPOCH,
            started: None,
            finished: None,
            attempts: 1,
            losses: 0,
            interruptions: 0,
            progress: Some(json!(0.5)),
            cancelling: true,
            outcome: Some(Outcome::Failed(Failure::new(Kind::PipelineFailed, "x"))),
        };
        let told = serde_json::to_value(JobView::of(&job, Detail::Whole)).unwrap();
        let schema = super::job();
        for name in told.as_object().unwrap().keys() {
            assert!(schema["properties"].get(name).is_some(), "{name}");
        }
        for name in schema["required"].as_array().unwrap() {
            assert!(told.get(name.as_str().unwrap()).is_some(), "{name}");
        }
    }

    #[test]
    fn no_schema_is_lost_on_its_way_into_the_document() {
        for (name, value) in components() {
            let RefOr::T(Schema::Object(object)) = schema(&value) else {
                panic!("{name} is no object");
            };
            let told = value["properties"].as_object().unwrap().len();
            assert_eq!(object.properties.len(), told, "{name}");
        }
    }
}
