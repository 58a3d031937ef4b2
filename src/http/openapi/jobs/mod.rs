//! Background jobs: the routes at `/jobs`, and what each model's own routes say of them.

mod asking;
mod schemas;

use serde_json::{Value, json};
use utoipa::openapi::Required;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::response::{ResponseBuilder, ResponsesBuilder};

pub use asking::{accepted, idempotency_key, prefer, with_fields};
pub use schemas::components;

use super::parts::{content, later, parameter, with_failures};
use crate::http::jobs::{LIMIT, MOST};
use schemas::{JOB, WEBHOOK, page, reference, status};

pub const TAG: &str = "jobs";
pub const ABOUT: &str = "Work that outlives its request: state, progress, output, webhooks";

/// What every route of jobs answers where none are kept.
pub const NO_JOBS: (&str, &str) = ("501", "This server keeps no jobs.");
const UNKNOWN: (&str, &str) = ("404", "There is no such job, or no longer.");
const WRONG_QUERY: (&str, &str) = ("422", "A parameter is unknown or wrong; `detail` names it.");

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

fn good(status: &str, text: &str, body: &Value) -> ResponsesBuilder {
    let response = ResponseBuilder::new().description(text);
    ResponsesBuilder::new().response(status, response.content("application/json", content(body)).build())
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
