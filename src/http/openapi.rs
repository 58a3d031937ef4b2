//! The OpenAPI document of exactly the models that are served, built with utoipa from their contracts.

use serde_json::{Value, json};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder, ResponsesBuilder};
use utoipa::openapi::schema::{ComponentsBuilder, Object, Schema};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, RefOr, Required};

use crate::contract::{Contract, OCTET_STREAM};
use crate::service::{Endpoint, ModelCard};

/// Where a schema refers to another one.
const COMPONENTS: &str = "#/components/schemas/";
const ERROR: &str = "Error";

/// The document.
pub fn document<'a>(models: impl IntoIterator<Item = &'a ModelCard>) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut components = ComponentsBuilder::new().schema(ERROR, schema(&error_schema()));
    let mut tags = Vec::new();
    for model in models {
        tags.push(
            TagBuilder::new()
                .name(&*model.name)
                .description(Some(about(model)))
                .build(),
        );
        for endpoint in &model.endpoints {
            for part in [&endpoint.contract.input, &endpoint.contract.output] {
                for (name, value) in &part.components {
                    components = components.schema(component(model, name), schema(&renamed(model, value)));
                }
            }
            for path in &endpoint.paths {
                paths = paths.path(path, PathItem::new(HttpMethod::Post, operation(model, endpoint, path)));
            }
        }
    }
    for (path, summary, statuses) in STATUS_ROUTES {
        paths = paths.path(
            path,
            PathItem::new(HttpMethod::Get, status_operation(summary, statuses)),
        );
    }
    tags.push(
        TagBuilder::new()
            .name(HEALTH)
            .description(Some("Is the server up, ready, alive"))
            .build(),
    );
    let info = InfoBuilder::new()
        .title("Hostler")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("The models this server is configured to serve."));
    OpenApiBuilder::new()
        .info(info.build())
        .paths(paths.build())
        .components(Some(components.build()))
        .tags(Some(tags))
        .build()
}

const HEALTH: &str = "health";
const STATUS_ROUTES: [(&str, &str, &[&str]); 6] = [
    ("/", "The models, their states and replicas", &["200"]),
    ("/health/startup", "Whether the server has started", &["200"]),
    (
        "/health/readiness",
        "Whether every configured model has a ready replica",
        &["200", "503"],
    ),
    (
        "/health/liveness",
        "Whether a restart would mend something: 503 if so",
        &["200", "503"],
    ),
    ("/v2/health/live", "Liveness of the Open Inference Protocol", &["200"]),
    (
        "/v2/health/ready",
        "Readiness of the Open Inference Protocol",
        &["200", "503"],
    ),
];

fn status_operation(summary: &str, statuses: &[&str]) -> utoipa::openapi::path::Operation {
    let any = ContentBuilder::new()
        .schema(Some(schema(&json!({"type": "object"}))))
        .build();
    let mut responses = ResponsesBuilder::new();
    for status in statuses {
        let told = if *status == "200" {
            "Yes."
        } else {
            "No; the body says why."
        };
        let response = ResponseBuilder::new()
            .description(told)
            .content("application/json", any.clone())
            .build();
        responses = responses.response(*status, response);
    }
    OperationBuilder::new()
        .tag(HEALTH)
        .summary(Some(summary))
        .responses(responses.build())
        .build()
}

fn about(model: &ModelCard) -> String {
    model
        .description
        .clone()
        .unwrap_or_else(|| format!("A {} model.", model.task))
}

fn operation(model: &ModelCard, endpoint: &Endpoint, path: &str) -> utoipa::openapi::path::Operation {
    let contract = &endpoint.contract;
    let id = format!(
        "{}{}",
        model.name,
        path.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
    );
    let timeout = header_parameter(
        "x-request-timeout",
        "Seconds the client waits at the most, queueing included.",
        "number",
    );
    let request_id = header_parameter(
        "x-request-id",
        "An id for this request; one is made where none is sent.",
        "string",
    );
    OperationBuilder::new()
        .tag(&*model.name)
        .operation_id(Some(id))
        .summary(Some(format!("Run {}", model.name)))
        .description(Some(about(model)))
        .parameter(timeout)
        .parameter(request_id)
        .request_body(Some(request_body(model, contract)))
        .responses(responses(model, contract).build())
        .build()
}

fn header_parameter(name: &str, description: &str, kind: &str) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema(&json!({"type": kind}))))
}

fn request_body(model: &ModelCard, contract: &Contract) -> utoipa::openapi::request_body::RequestBody {
    let mut content = ContentBuilder::new().schema(Some(schema(&renamed(model, &contract.input.root))));
    for (i, example) in contract.examples.iter().enumerate() {
        let shown = ExampleBuilder::new()
            .summary(&example.summary)
            .value(Some(example.request.clone()))
            .build();
        content = content.examples_from_iter([(format!("example{}", i + 1), RefOr::T(shown))]);
    }
    let mut body = RequestBodyBuilder::new()
        .required(Some(Required::True))
        .content("application/json", content.build());
    if contract.takes_raw() {
        let raw = json!({"type": "string", "format": "binary", "description": RAW_BODY});
        body = body.content(OCTET_STREAM, ContentBuilder::new().schema(Some(schema(&raw))).build());
    }
    body.build()
}

const RAW_BODY: &str = "The little-endian elements of the only input in C order. The batch axis is one; one further \
dynamic axis follows from the length.";

fn responses(model: &ModelCard, contract: &Contract) -> ResponsesBuilder {
    let json = ContentBuilder::new()
        .schema(Some(schema(&renamed(model, &contract.output.root))))
        .build();
    let mut answer = timed(ResponseBuilder::new().description("The answer.")).content("application/json", json);
    if contract.streams {
        let events = schema(&json!({"type": "string", "description": "One `data:` line for each chunk."}));
        answer = answer.content("text/event-stream", ContentBuilder::new().schema(Some(events)).build());
    }
    for media in &contract.media {
        let file = schema(&json!({"type": "string", "format": "binary"}));
        answer = answer.content(media, ContentBuilder::new().schema(Some(file)).build());
    }
    let mut responses = ResponsesBuilder::new().response("200", answer.build());
    for (status, why) in [
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
    ] {
        responses = responses.response(status, failure(why).build());
    }
    for (status, why) in [
        (
            "503",
            "The model is not ready, its queue is full, or the server shuts down.",
        ),
        ("429", "The queue is full, where the server is set to say it so."),
    ] {
        let after = HeaderBuilder::new()
            .schema(Some(schema(&json!({"type": "integer"}))))
            .description(Some("Seconds to wait."));
        responses = responses.response(status, failure(why).header("Retry-After", after.build()).build());
    }
    responses
}

fn timed(response: ResponseBuilder) -> ResponseBuilder {
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

fn failure(why: &str) -> ResponseBuilder {
    let error = schema(&json!({"$ref": format!("{COMPONENTS}{ERROR}")}));
    let content = ContentBuilder::new().schema(Some(error)).build();
    ResponseBuilder::from(Response::new(why)).content("application/json", content)
}

fn error_schema() -> Value {
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
fn component(model: &ModelCard, name: &str) -> String {
    format!("{}.{name}", model.name)
}

/// A schema with its references led to the model's own components.
fn renamed(model: &ModelCard, value: &Value) -> Value {
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

fn schema(value: &Value) -> RefOr<Schema> {
    serde_json::from_value(value.clone()).unwrap_or_else(|_| Object::new().into())
}
