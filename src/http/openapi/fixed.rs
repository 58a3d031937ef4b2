//! Routes that are there whichever models are: status, health, and those of earlier servers.

use serde_json::json;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, PathItem};
use utoipa::openapi::response::{ResponseBuilder, ResponsesBuilder};

use super::parts::{content, later};

pub const TAG: &str = "health";
pub const ABOUT: &str = "Is the server up, ready, alive";

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

pub fn items() -> Vec<(String, PathItem)> {
    let own = STATUS_ROUTES.iter().map(|(path, summary, statuses)| {
        let item = PathItem::new(HttpMethod::Get, status_operation(summary, statuses));
        ((*path).to_owned(), item)
    });
    own.chain(earlier()).collect()
}

fn status_operation(summary: &str, statuses: &[&str]) -> Operation {
    let any = content(&json!({"type": "object"}));
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
        .tag(TAG)
        .summary(Some(summary))
        .responses(responses.build())
        .build()
}

/// What Potassium and Banana answered.
fn earlier() -> Vec<(String, PathItem)> {
    let operation = |summary: &str, properties: serde_json::Value, may_refuse: bool| {
        let body = content(&json!({"type": "object", "properties": properties}));
        let answer = ResponseBuilder::new().description("The answer.");
        let mut responses = ResponsesBuilder::new().response("200", answer.content("application/json", body).build());
        if may_refuse {
            responses = responses.response("503", later("Not every model is ready.").build());
        }
        OperationBuilder::new()
            .tag(TAG)
            .summary(Some(summary))
            .responses(responses.build())
            .build()
    };
    let millis = || json!({"type": "integer", "description": "Milliseconds."});
    let load = json!({
        "gpu_available": {"type": "boolean"},
        "sequence_number": {"type": "integer"},
        "idle_time": millis(),
        "inference_time": millis(),
    });
    let status = operation("How busy the server is, as Potassium tells it", load, false);
    let warm = operation("Whether the server is warm", json!({"warm": {"type": "boolean"}}), true);
    let health = operation(
        "Whether the server is healthy, as Banana asks",
        json!({"state": {"type": "string"}, "gpu": {"type": "boolean"}}),
        true,
    );
    let items = vec![
        ("/_k/status", PathItem::new(HttpMethod::Get, status.clone())),
        ("/__status__", PathItem::new(HttpMethod::Get, status)),
        (
            "/_k/warmup",
            PathItem::from_http_methods([HttpMethod::Get, HttpMethod::Post], warm),
        ),
        ("/healthcheck", PathItem::new(HttpMethod::Get, health)),
    ];
    items.into_iter().map(|(path, item)| (path.to_owned(), item)).collect()
}
