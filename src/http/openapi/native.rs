//! `POST` on a model's own paths, and where its requests become jobs.

use serde_json::{Value, json};
use utoipa::openapi::Required;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{ResponseBuilder, ResponsesBuilder};

use super::jobs;
use super::parts::{
    about, call_headers, content, example, headers, later, operation_id, renamed, schema, timed, with_failures,
    with_refusals,
};
use crate::contract::Contract;
use crate::http::kserve_v1::declares;
use crate::service::{Endpoint, ModelCard};

pub fn item(model: &ModelCard, endpoint: &Endpoint, path: &str) -> PathItem {
    let mut operation = OperationBuilder::new()
        .tag(&*model.name)
        .operation_id(Some(operation_id(model, path)))
        .summary(Some(summary(model, endpoint)))
        .description(Some(about(model)))
        .parameters(Some(call_headers()));
    let mut responses = responses(model, endpoint);
    if endpoint.takes_jobs() {
        operation = operation.parameter(jobs::prefer()).parameter(jobs::idempotency_key());
        responses = with_failures(responses.response("202", jobs::accepted().build()), &[OTHER_REQUEST]);
    }
    let input = renamed(model, &endpoint.contract.input.root);
    let operation = operation
        .request_body(Some(request_body(&endpoint.contract, &input)))
        .responses(responses.build());
    let verbs = endpoint.manner.verbs.iter().filter_map(|verb| method(verb));
    PathItem::from_http_methods(verbs, operation.build())
}

/// The same request at the path where it becomes a job.
pub fn background(model: &ModelCard, endpoint: &Endpoint, path: &str) -> PathItem {
    let text = "The answer comes at once, before the model runs; the result is at `/jobs/ID`.";
    let contract = &endpoint.contract;
    let input = jobs::with_fields(renamed(model, &contract.input.root), |name| {
        declares(&contract.input, name)
    });
    let responses = ResponsesBuilder::new().response("202", jobs::accepted().build());
    let responses = with_failures(
        responses,
        &[
            ("400", "The body is not JSON, or raw bytes fit no shape."),
            OTHER_REQUEST,
            ("413", "The body is larger than the server takes."),
            ("415", "The body's media type is not taken."),
            (
                "422",
                "The input breaks the contract, or an address is refused; `detail` has the path of each fault.",
            ),
            ("500", "The job cannot be kept."),
            jobs::NO_JOBS,
        ],
    );
    let away = "The model has as many unfinished jobs as it may, the store of jobs is away, or the server shuts down.";
    let full = "The model has as many unfinished jobs as it may, where the server is set to say it so.";
    let responses = responses
        .response("503", later(away).build())
        .response("429", later(full).build());
    let operation = OperationBuilder::new()
        .tag(&*model.name)
        .operation_id(Some(operation_id(model, path)))
        .summary(Some(format!("{}, as a background job", summary(model, endpoint))))
        .description(Some(text))
        .parameters(Some(headers(
            "Seconds one run of the job may take, from when it is handed to its model.",
        )))
        .parameter(jobs::idempotency_key())
        .request_body(Some(request_body(contract, &input)))
        .responses(responses.build());
    PathItem::new(HttpMethod::Post, operation.build())
}

const OTHER_REQUEST: (&str, &str) = ("409", "The `Idempotency-Key` was sent before with another request.");

fn summary(model: &ModelCard, endpoint: &Endpoint) -> String {
    let own = endpoint.summary.clone();
    own.unwrap_or_else(|| format!("Run {}", model.name))
}

fn method(verb: &str) -> Option<HttpMethod> {
    Some(match verb {
        "GET" => HttpMethod::Get,
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => return None,
    })
}

fn request_body(contract: &Contract, input: &Value) -> RequestBody {
    let mut json = ContentBuilder::new().schema(Some(schema(input)));
    for (i, shown) in contract.examples.iter().enumerate() {
        let shown = example(&shown.summary, shown.request.clone());
        json = json.examples_from_iter([(format!("example{}", i + 1), shown)]);
    }
    let mut body = RequestBodyBuilder::new()
        .required(Some(Required::True))
        .content("application/json", json.build());
    for media in contract.bodies.media {
        let raw = json!({"type": "string", "format": "binary", "description": contract.bodies.about});
        body = body.content(*media, content(&raw));
    }
    body.build()
}

fn responses(model: &ModelCard, endpoint: &Endpoint) -> ResponsesBuilder {
    let contract = &endpoint.contract;
    let mut answer = if endpoint.manner.background {
        let started = json!({"type": "boolean", "const": true});
        let body = json!({"type": "object", "properties": {"success": started, "started": started}});
        let text = "The request is queued; its answer goes nowhere.";
        ResponseBuilder::new()
            .description(text)
            .content("application/json", content(&body))
    } else {
        timed(ResponseBuilder::new().description("The answer."))
            .content("application/json", content(&renamed(model, &contract.output.root)))
    };
    if contract.streams {
        let events = json!({"type": "string", "description": "One `data:` line for each chunk."});
        answer = answer.content("text/event-stream", content(&events));
    }
    for media in &contract.media {
        answer = answer.content(media, content(&json!({"type": "string", "format": "binary"})));
    }
    let mut responses = ResponsesBuilder::new().response("200", answer.build());
    if endpoint.manner.shaped {
        let text = "What the pipeline's author answers, with a status, headers and media type of his own.";
        let any = content(&json!({"type": "string", "format": "binary"}));
        responses = responses.response(
            "default",
            ResponseBuilder::new().description(text).content("*/*", any).build(),
        );
    }
    with_refusals(with_failures(
        responses,
        &[
            ("400", "The body is not JSON, or raw bytes fit no shape."),
            ("406", "`Accept` names nothing this model gives."),
            ("413", "The body is larger than the server takes."),
            ("415", "The body's media type is not taken."),
            (
                "422",
                "The input breaks the contract; `detail` has the path of each fault.",
            ),
            ("500", "The pipeline failed, or its replica was lost."),
            ("504", "No answer within the deadline."),
        ],
    ))
}
