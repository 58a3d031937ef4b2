//! Background jobs: the routes at `/jobs`, and what each model's own routes say of them.

use serde_json::{Value, json};
use utoipa::openapi::Required;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::response::{ResponseBuilder, ResponsesBuilder};

use super::parts::{COMPONENTS, content, later, parameter, schema, some_type, with_failures};
use crate::http::jobs::{LIMIT, MOST};
use crate::jobs::job::Status;

pub const TAG: &str = "jobs";
pub const ABOUT: &str = "Work that outlives its request: state, progress, output, webhooks";
/// The names of the schemas that several routes share.
pub const JOB: &str = "Job";
pub const WEBHOOK: &str = "WebhookDelivery";

/// Every route below `/jobs`.
pub fn items() -> Vec<(String, PathItem)> {
    vec![
        item(HttpMethod::Get, "/jobs", list()),
        item(
            HttpMethod::Get,
            "/jobs/{id}",
            whole("A job, with all that is kept of it", "The job."),
        ),
        item(HttpMethod::Get, "/jobs/{id}/output", output()),
        item(
            HttpMethod::Post,
            "/jobs/{id}/cancel",
            whole(
                "End a job",
                "The job: cancelled if it was queued, soon to be (`cancelling`) if it runs, else as it is.",
            ),
        ),
        item(HttpMethod::Get, "/jobs/{id}/events", events()),
        item(HttpMethod::Get, "/jobs/webhooks/dead", dead_letters()),
        item(HttpMethod::Post, "/jobs/webhooks/{id}/resend", resend()),
    ]
}

/// The headers by which a request asks for a job.
pub fn prefer() -> ParameterBuilder {
    let text = "`respond-async` makes the request a background job (RFC 7240): it is answered at once, with 202. It may \
                then have the fields that it may have at `/background`.";
    parameter(ParameterIn::Header, "Prefer", text, &json!({"type": "string"}))
}

pub fn idempotency_key() -> ParameterBuilder {
    let text =
        "The client's own name for a job, printable ASCII. Sent again with the same request it brings the same job.";
    let value = json!({"type": "string", "minLength": 1, "maxLength": 255});
    parameter(ParameterIn::Header, "Idempotency-Key", text, &value)
}

/// What a request that becomes a job is answered.
pub fn accepted() -> ResponseBuilder {
    let body = json!({
        "type": "object",
        "required": ["success", "id", "status", "created"],
        "properties": {
            "success": {"type": "boolean", "const": true},
            "id": {"type": "string", "format": "uuid"},
            "status": status(),
            "created": time("When the job was accepted."),
        },
    });
    let header = |text: &str| {
        HeaderBuilder::new()
            .schema(Some(schema(&json!({"type": "string"}))))
            .description(Some(text))
            .build()
    };
    ResponseBuilder::new()
        .description("The job is kept, and will run.")
        .header("Location", header("Where the job is: `/jobs/ID`."))
        .header(
            "Preference-Applied",
            header("`respond-async`, where `Prefer` asked for it."),
        )
        .header(
            "Idempotent-Replayed",
            header("`true` where the key had brought this job before."),
        )
        .content("application/json", content(&body))
}

/// The schema of an object with the fields that a job's request may have beside the model's own; `is_models` knows the
/// names that are its own. Schemas of something else than an object are left as they are.
pub fn with_fields(mut input: Value, is_models: impl Fn(&str) -> bool) -> Value {
    if !input.is_object() {
        return input;
    }
    let mut own = json!({
        "webhook": {"type": "string", "format": "uri", "description": "Where the end of the job is posted."},
        "webhook_events": {
            "type": "array",
            "items": {"type": "string", "enum": ["start", "progress", "completed"]},
            "default": ["completed"],
            "description": "What the webhook is told.",
        },
        "upload_webhook": {"type": "string", "format": "uri", "description": "Where files of the output are posted."},
    });
    if let Value::Object(own) = &mut own {
        own.retain(|name, _| !is_models(name));
    }
    if let (Some(Value::Object(fields)), Value::Object(own)) = (input.get_mut("properties"), &mut own) {
        fields.append(own);
        return input;
    }
    let says = |key: &str| input.get(key).is_some();
    if says("$ref") {
        return json!({"allOf": [input, {"type": "object", "properties": own}]});
    }
    if input["type"] == "object" || !["type", "anyOf", "oneOf", "allOf", "enum"].into_iter().any(says) {
        input["type"] = json!("object");
        input["properties"] = own;
    }
    input
}

/// The schemas by name.
pub fn components() -> [(&'static str, Value); 2] {
    [(JOB, job()), (WEBHOOK, webhook())]
}

fn item(method: HttpMethod, path: &str, operation: OperationBuilder) -> (String, PathItem) {
    (path.to_owned(), PathItem::new(method, operation.tag(TAG).build()))
}

fn operation(summary: &str, responses: ResponsesBuilder, failures: &[(&str, &str)]) -> OperationBuilder {
    let failures = [failures, &[("500", "What is kept of the job cannot be read."), NO_JOBS]].concat();
    let responses = with_failures(responses, &failures).response("503", later("The store of jobs is away.").build());
    OperationBuilder::new()
        .summary(Some(summary))
        .responses(responses.build())
}

/// What every route of jobs answers where none are kept.
pub const NO_JOBS: (&str, &str) = ("501", "This server keeps no jobs.");
const UNKNOWN: (&str, &str) = ("404", "There is no such job, or no longer.");

fn good(status: &str, text: &str, body: &Value) -> ResponsesBuilder {
    let response = ResponseBuilder::new().description(text);
    ResponsesBuilder::new().response(status, response.content("application/json", content(body)).build())
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("{COMPONENTS}{name}")})
}

fn id(what: &str) -> ParameterBuilder {
    parameter(ParameterIn::Path, "id", what, &json!({"type": "string"})).required(Required::True)
}

fn limit() -> ParameterBuilder {
    let value = json!({"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT});
    parameter(ParameterIn::Query, "limit", "Entries of a page.", &value)
}

fn before() -> ParameterBuilder {
    let text = "The `next` of the page before.";
    parameter(ParameterIn::Query, "before", text, &json!({"type": "string"}))
}

fn page(key: &str, name: &str) -> Value {
    let next =
        json!({"type": ["string", "null"], "description": "The `before` of the next page; null on the last one."});
    json!({
        "type": "object",
        "required": [key, "next"],
        "properties": {key: {"type": "array", "items": reference(name)}, "next": next},
    })
}

const WRONG_QUERY: (&str, &str) = ("422", "A parameter is unknown or wrong; `detail` names it.");

fn list() -> OperationBuilder {
    let text = "Jobs without input and output, newest first.";
    operation("The jobs", good("200", text, &page("jobs", JOB)), &[WRONG_QUERY])
        .parameter(parameter(
            ParameterIn::Query,
            "model",
            "Only jobs of this model.",
            &json!({"type": "string"}),
        ))
        .parameter(parameter(
            ParameterIn::Query,
            "status",
            "Only jobs that stand so.",
            &status(),
        ))
        .parameter(limit())
        .parameter(before())
}

fn whole(summary: &str, text: &str) -> OperationBuilder {
    operation(summary, good("200", text, &reference(JOB)), &[UNKNOWN]).parameter(id("The job."))
}

fn output() -> OperationBuilder {
    let any = content(&json!({"type": "string", "format": "binary"}));
    let answer = ResponseBuilder::new().description("The answer, with its media type.");
    let responses = ResponsesBuilder::new().response("200", answer.content("*/*", any).build());
    let none = (
        "404",
        "There is no such job, or it has no output (yet); the error says its status.",
    );
    operation("The output of a job as the model gave it", responses, &[none]).parameter(id("The job."))
}

fn events() -> OperationBuilder {
    let text = "`status`, `progress` and `chunk` as they come, each with an `id`; `completed`, the last, has the job.";
    let stream = content(&json!({"type": "string", "description": text}));
    let streamed = ResponseBuilder::new().description("The events, until the job is over.");
    let over = ResponseBuilder::new().description("All has been seen: `Last-Event-ID` was `end`.");
    let responses = ResponsesBuilder::new()
        .response("200", streamed.content("text/event-stream", stream).build())
        .response("204", over.build());
    let last = parameter(
        ParameterIn::Header,
        "Last-Event-ID",
        "The `id` of the last event that was seen; the stream goes on after it.",
        &json!({"type": "string"}),
    );
    operation("The events of a job", responses, &[UNKNOWN])
        .parameter(id("The job."))
        .parameter(last)
}

fn dead_letters() -> OperationBuilder {
    let text = "Webhooks of ended jobs that were given up, newest first.";
    operation(
        "Webhooks that were given up",
        good("200", text, &page("webhooks", WEBHOOK)),
        &[WRONG_QUERY],
    )
    .parameter(limit())
    .parameter(before())
}

fn resend() -> OperationBuilder {
    let body = json!({
        "type": "object",
        "properties": {"success": {"type": "boolean", "const": true}, "id": {"type": "string"}},
    });
    let unknown = ("404", "No webhook of this id was given up.");
    operation(
        "Post a webhook again",
        good("202", "It is posted soon.", &body),
        &[unknown],
    )
    .parameter(id("The webhook."))
}

fn status() -> Value {
    json!({"type": "string", "enum": Status::ALL.map(Status::name)})
}

fn time(text: &str) -> Value {
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

    #[test]
    fn the_fields_of_a_job_stand_beside_the_models_own() {
        let input = json!({"type": "object", "properties": {"webhook": {"type": "integer"}}});
        let told = with_fields(input, |name| name == "webhook");
        assert_eq!(told["properties"]["webhook"]["type"], "integer");
        assert_eq!(told["properties"]["upload_webhook"]["type"], "string");
        for open in [json!({}), json!({"type": "object", "additionalProperties": true})] {
            let told = with_fields(open, |_| false);
            assert_eq!(
                (&told["type"], &told["properties"]["webhook"]["type"]),
                (&json!("object"), &json!("string"))
            );
        }
        let reference = json!({"$ref": "#/components/schemas/Question"});
        let told = with_fields(reference.clone(), |name| name == "webhook");
        assert_eq!(told["allOf"][0], reference);
        let own = told["allOf"][1]["properties"].as_object().unwrap();
        assert_eq!(own.keys().collect::<Vec<_>>(), ["webhook_events", "upload_webhook"]);
        let other = json!({"type": "array", "items": {"type": "string"}});
        assert_eq!(with_fields(other.clone(), |_| false), other);
    }
}
