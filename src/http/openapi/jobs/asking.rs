//! What a model's own routes say of jobs: how a request asks for one, and what it is answered.

use serde_json::{Value, json};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::response::ResponseBuilder;

use super::super::parts::{content, parameter, schema};
use super::schemas::{status, time};

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

#[cfg(test)]
mod tests {
    use super::*;

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
