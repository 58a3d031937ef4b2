//! The routes of KServe V1: `:predict` and `:generate` of each model, and what lists the models.

use serde_json::{Value, json};
use utoipa::openapi::Required;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{ResponseBuilder, ResponsesBuilder};

use super::parts::{
    call_headers, content, example, later, operation_id, renamed, schema, some_type, timed, with_failures,
    with_refusals,
};
use crate::contract::Contract;
use crate::http::kserve_v1::declares;
use crate::http::lines::JSON_LINES;
use crate::service::{Endpoint, ModelCard};

pub const TAG: &str = "KServe V1";
pub const ABOUT: &str = "The same models for clients of KServe's first protocol and of TensorFlow Serving";

/// The verbs of one model.
pub fn items(model: &ModelCard) -> Vec<(String, PathItem)> {
    let Some(first) = model.endpoints.first() else {
        return Vec::new();
    };
    let named = |e: &&Endpoint| e.paths.iter().any(|path| path.ends_with("/generate"));
    let generate = model.endpoints.iter().find(named).unwrap_or(first);
    let mut items = vec![item(model, &first.contract, "predict")];
    if generate.contract.streams {
        items.push(item(model, &generate.contract, "generate"));
    }
    items
}

/// What is told of the models.
pub fn lists() -> Vec<(String, PathItem)> {
    let model = json!({
        "type": "object",
        "required": ["id", "object"],
        "properties": {
            "id": {"type": "string"}, "object": {"type": "string"},
            "created": {"type": "integer"}, "owned_by": {"type": "string"},
        },
    });
    let mut one = model.clone();
    one["properties"]["name"] = json!({"type": "string"});
    one["properties"]["ready"] = json!({"type": "boolean"});
    let list = json!({
        "type": "object",
        "required": ["object", "data", "models"],
        "properties": {
            "object": {"type": "string"},
            "data": {"type": "array", "items": model},
            "models": {"type": "array", "items": {"type": "string"}},
        },
    });
    let yes = |told: &str, body: &Value| {
        let response = ResponseBuilder::new().description(told);
        ResponsesBuilder::new().response("200", response.content("application/json", content(body)).build())
    };
    let listing = OperationBuilder::new()
        .tag(TAG)
        .summary(Some("The models, for clients of KServe V1 and of OpenAI's interface"))
        .responses(yes("The models that are served.", &list).build());
    let name = ParameterBuilder::new()
        .name("model")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(schema(&json!({"type": "string"}))));
    let ready = with_failures(
        yes("It is ready.", &one),
        &[("404", "No model of that name is served.")],
    );
    let ready = ready.response("503", later("It is not ready.").build());
    let asking = OperationBuilder::new()
        .tag(TAG)
        .summary(Some("Whether a model is ready"))
        .parameter(name)
        .responses(ready.build());
    vec![
        ("/v1/models".to_owned(), PathItem::new(HttpMethod::Get, listing.build())),
        (
            "/v1/models/{model}".to_owned(),
            PathItem::new(HttpMethod::Get, asking.build()),
        ),
    ]
}

fn item(model: &ModelCard, contract: &Contract, verb: &str) -> (String, PathItem) {
    let path = format!("/v1/models/{}:{verb}", model.name);
    let generate = verb == "generate";
    let operation = OperationBuilder::new()
        .tag(TAG)
        .operation_id(Some(operation_id(model, &path)))
        .summary(Some(if generate {
            format!("Stream from {}", model.name)
        } else {
            format!("Run {}", model.name)
        }))
        .parameters(Some(call_headers()))
        .request_body(Some(request_body(model, contract, generate)))
        .responses(responses(model, contract, generate).build());
    (path, PathItem::new(HttpMethod::Post, operation.build()))
}

fn request_body(model: &ModelCard, contract: &Contract, generate: bool) -> RequestBody {
    let own = some_type(renamed(model, &contract.input.root));
    let list = |items: &Value| json!({"type": "array", "items": items});
    let form = |key: &str, value: Value| json!({"type": "object", "required": [key], "properties": {key: value}});
    let tensors = contract.signature().is_some();
    let body = if generate {
        own
    } else if tensors {
        let rows = json!({"type": "array", "items": some_type(json!({})), "description": INSTANCES});
        let mut columns = some_type(json!({}));
        columns["description"] = INPUTS.into();
        json!({"anyOf": [form("instances", rows), form("inputs", columns)]})
    } else {
        json!({"anyOf": [own.clone(), form("instances", list(&own)), form("inputs", own)]})
    };
    let mut json = ContentBuilder::new().schema(Some(schema(&body)));
    for (i, shown) in contract.examples.iter().enumerate() {
        let request = shown.request.clone();
        let mut add = |name: String, request: Value| {
            let taken = std::mem::take(&mut json);
            json = taken.examples_from_iter([(name, example(&shown.summary, request))]);
        };
        if tensors {
            add(format!("example{}", i + 1), json!({"inputs": request}));
            continue;
        }
        if !generate && !declares(&contract.input, "instances") {
            add(format!("instances{}", i + 1), json!({"instances": [request.clone()]}));
        }
        add(format!("example{}", i + 1), request);
    }
    RequestBodyBuilder::new()
        .required(Some(Required::True))
        .content("application/json", json.build())
        .build()
}

const INSTANCES: &str = "One entry a row: the row itself where the model has one input, else an object with a row of \
each.";
const INPUTS: &str = "Whole tensors, batch axis included: an object with one field per input, or the only input \
itself.";

fn responses(model: &ModelCard, contract: &Contract, generate: bool) -> ResponsesBuilder {
    let mut answer = timed(ResponseBuilder::new().description("The answer."));
    if !generate {
        let predictions = json!({"type": "object", "required": ["predictions"], "properties": {
            "predictions": some_type(json!({})),
        }});
        let body = if contract.signature().is_some() {
            predictions
        } else {
            json!({"anyOf": [some_type(renamed(model, &contract.output.root)), predictions]})
        };
        answer = answer.content("application/json", content(&body));
    }
    if generate || contract.streams {
        let lines = json!({"type": "string", "description": "A line `{\"id\":N,\"data\":…}` for each chunk."});
        answer = answer.content(JSON_LINES, content(&lines));
    }
    let responses = ResponsesBuilder::new().response("200", answer.build());
    with_refusals(with_failures(
        responses,
        &[
            ("400", "The body is not JSON, has neither form, or breaks the contract."),
            ("413", "The body is larger than the server takes."),
            ("415", "The body's media type is not taken."),
            ("500", "The pipeline failed, or its replica was lost."),
            (
                "501",
                "The model has no such form: its outputs have no row for each instance.",
            ),
            ("504", "No answer within the deadline."),
        ],
    ))
}
