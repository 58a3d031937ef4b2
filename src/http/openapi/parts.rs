//! What operations are made of: schemas, headers, and the responses that protocols share.

use serde_json::{Value, json};
use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::response::{Response, ResponseBuilder, ResponsesBuilder};
use utoipa::openapi::schema::{Object, Schema};
use utoipa::openapi::{RefOr, Required};

use crate::service::ModelCard;

/// Where a schema refers to another one.
pub const COMPONENTS: &str = "#/components/schemas/";
pub const ERROR: &str = "Error";

pub fn about(model: &ModelCard) -> String {
    model
        .description
        .clone()
        .unwrap_or_else(|| format!("A {} model.", model.task))
}

/// An operation's name: the model's, and the path in letters that generated clients can use.
pub fn operation_id(model: &ModelCard, path: &str) -> String {
    let path = path.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    format!("{}{path}", model.name)
}

/// A header, or another part of a request, that may be left out.
pub fn parameter(place: ParameterIn, name: &str, description: &str, value: &Value) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema(value)))
}

/// The headers every call may carry.
pub fn call_headers() -> [ParameterBuilder; 2] {
    headers("Seconds the client waits at the most, queueing included.")
}

/// As [`call_headers`], where the time limit means something else.
pub fn headers(timeout: &str) -> [ParameterBuilder; 2] {
    let header = |name: &str, description: &str, kind: &str| {
        parameter(ParameterIn::Header, name, description, &json!({"type": kind}))
    };
    [
        header("x-request-timeout", timeout, "number"),
        header(
            "x-request-id",
            "An id for this request; one is made where none is sent.",
            "string",
        ),
    ]
}

/// A body of this schema.
pub fn content(value: &Value) -> Content {
    ContentBuilder::new().schema(Some(schema(value))).build()
}

pub fn example(summary: &str, value: Value) -> RefOr<Example> {
    RefOr::T(ExampleBuilder::new().summary(summary).value(Some(value)).build())
}

/// A response with the latency headers.
pub fn timed(response: ResponseBuilder) -> ResponseBuilder {
    let header = |kind: &str, text: &str| {
        HeaderBuilder::new()
            .schema(Some(schema(&json!({"type": kind}))))
            .description(Some(text))
            .build()
    };
    response
        .header("metrics-latency", header("number", "Seconds from admission to answer."))
        .header(
            "Server-Timing",
            header("string", "Milliseconds in the queue and in the run."),
        )
        .header("x-request-id", header("string", "The id of this request."))
}

/// Faults with an error body.
pub fn with_failures(mut responses: ResponsesBuilder, failures: &[(&str, &str)]) -> ResponsesBuilder {
    for (status, why) in failures {
        responses = responses.response(*status, failure(why).build());
    }
    responses
}

/// Refusals that pass, with the time to come back.
pub fn with_refusals(mut responses: ResponsesBuilder) -> ResponsesBuilder {
    for (status, why) in [
        (
            "503",
            "The model is not ready, its queue is full, or the server shuts down.",
        ),
        ("429", "The queue is full, where the server is set to say it so."),
    ] {
        responses = responses.response(status, later(why).build());
    }
    responses
}

/// A refusal with the time to come back.
pub fn later(why: &str) -> ResponseBuilder {
    let after = HeaderBuilder::new()
        .schema(Some(schema(&json!({"type": "integer"}))))
        .description(Some("Seconds to wait."));
    failure(why).header("Retry-After", after.build())
}

fn failure(why: &str) -> ResponseBuilder {
    let error = json!({"$ref": format!("{COMPONENTS}{ERROR}")});
    ResponseBuilder::from(Response::new(why)).content("application/json", content(&error))
}

pub fn error_schema() -> Value {
    json!({
        "type": "object",
        "description": "What went wrong, and what to do.",
        "required": ["error", "request_id"],
        "properties": {
            "error": {"type": "string"},
            "request_id": {"type": "string"},
            "detail": {
                "type": "array",
                "description": "Each fault of an invalid input.",
                "items": {
                    "type": "object",
                    "required": ["loc", "msg", "type"],
                    "properties": {
                        "loc": {"type": "array", "items": {"type": "string"}, "description": "Path from the body inwards."},
                        "msg": {"type": "string"},
                        "type": {"type": "string"},
                    },
                },
            },
        },
    })
}

/// Two models may have types of one name: each model's stand under its own.
pub fn component(model: &ModelCard, name: &str) -> String {
    format!("{}.{name}", model.name)
}

/// A schema with its references led to the model's own components.
pub fn renamed(model: &ModelCard, value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(
                |(key, inner)| match inner.as_str().and_then(|target| target.strip_prefix(COMPONENTS)) {
                    Some(name) if key == "$ref" => {
                        (key.clone(), format!("{COMPONENTS}{}", component(model, name)).into())
                    }
                    _ => (key.clone(), renamed(model, inner)),
                },
            )
            .collect(),
        Value::Array(list) => list.iter().map(|inner| renamed(model, inner)).collect(),
        other => other.clone(),
    }
}

/// A part that says nothing of its type would cost the whole schema: the builder has no such thing. It says all.
pub fn some_type(mut value: Value) -> Value {
    let says = ["type", "$ref", "anyOf", "oneOf", "allOf"];
    if value.is_object() && says.iter().all(|key| value.get(key).is_none()) {
        value["type"] = json!(["object", "array", "string", "number", "boolean", "null"]);
    }
    value
}

pub fn schema(value: &Value) -> RefOr<Schema> {
    serde_json::from_value(value.clone()).unwrap_or_else(|_| Object::new().into())
}
