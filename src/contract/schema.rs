//! A JSON Schema and its validator: lists every fault of a value, with its path.

use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use serde_json::{Value, json};
use utoipa::openapi::{RefOr, schema::Schema as ApiSchema};
use utoipa::{PartialSchema, ToSchema};

use crate::error::Fault;

/// A JSON Schema document. Named parts stand under `components.schemas`, where OpenAPI expects them.
#[derive(Debug)]
pub struct Schema {
    /// The schema of the value itself.
    pub root: Value,
    /// Schemas that `root` refers to as `#/components/schemas/NAME`.
    pub components: Vec<(String, Value)>,
    validator: LazyLock<Option<jsonschema::Validator>, Compile>,
}

type Compile = Box<dyn FnOnce() -> Option<jsonschema::Validator> + Send + Sync>;

impl Schema {
    pub fn new(root: Value, components: Vec<(String, Value)>) -> Self {
        let document = with_components(&root, &components);
        // Compiled on the first fault: the way of a valid request does not pass here.
        let compile: Compile = Box::new(move || jsonschema::validator_for(&document).ok());
        Self {
            root,
            components,
            validator: LazyLock::new(compile),
        }
    }

    /// Anything at all.
    pub fn any() -> Self {
        Self::new(json!({}), Vec::new())
    }

    /// A self-contained JSON Schema whose named parts stand under `$defs`, where validators of other languages put
    /// them.
    pub fn from_definitions(schema: &Value) -> Self {
        let mut root = moved(schema);
        let parts = match &mut root {
            Value::Object(map) => map.shift_remove("$defs"),
            _ => None,
        };
        let components = match parts {
            Some(Value::Object(parts)) => parts.into_iter().collect(),
            _ => Vec::new(),
        };
        Self::new(root, components)
    }

    /// The schema that a type's derive describes.
    pub fn of<T: ToSchema + PartialSchema>() -> Self {
        let mut named: Vec<(String, RefOr<ApiSchema>)> = Vec::new();
        T::schemas(&mut named);
        named.sort_by(|a, b| a.0.cmp(&b.0));
        named.dedup_by(|a, b| a.0 == b.0);
        let value = |schema: &RefOr<ApiSchema>| serde_json::to_value(schema).unwrap_or_else(|_| json!({}));
        let components = named
            .iter()
            .map(|(name, schema)| (name.clone(), value(schema)))
            .collect();
        Self::new(value(&T::schema()), components)
    }

    /// Whether the schema says more than a static type can: bounds, lengths, patterns, choices.
    pub fn is_constrained(&self) -> bool {
        self.components
            .iter()
            .map(|(_, schema)| schema)
            .chain([&self.root])
            .any(has_constraint)
    }

    /// Every place where `value` breaks the schema.
    pub fn faults(&self, value: &Value) -> Vec<Fault> {
        let Some(validator) = self.validator.as_ref() else {
            return Vec::new();
        };
        validator
            .iter_errors(value)
            .map(|error| {
                let path = error.instance_path().to_string();
                let mut loc: Vec<_> = path.split('/').skip(1).map(unescape).collect();
                if let ValidationErrorKind::Required { property } = error.kind() {
                    // The fault is where the value is not.
                    loc.push(property.as_str().unwrap_or_default().to_owned());
                    return Fault::at(&loc, "is required", "missing");
                }
                Fault::at(&loc, error.to_string(), "schema")
            })
            .collect()
    }
}

/// Keywords of JSON Schema's validation vocabulary that no Rust type enforces.
const CONSTRAINTS: [&str; 11] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
];

/// A copy whose references lead to OpenAPI's place for named parts.
fn moved(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let entry = |(key, inner): (&String, &Value)| {
                let name = inner.as_str().and_then(|target| target.strip_prefix("#/$defs/"));
                let inner = match name {
                    Some(name) if key == "$ref" => format!("#/components/schemas/{name}").into(),
                    _ => moved(inner),
                };
                (key.clone(), inner)
            };
            map.iter().map(entry).collect()
        }
        Value::Array(list) => list.iter().map(moved).collect(),
        other => other.clone(),
    }
}

fn has_constraint(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map
            .iter()
            .any(|(key, value)| CONSTRAINTS.contains(&key.as_str()) || has_constraint(value)),
        Value::Array(list) => list.iter().any(has_constraint),
        _ => false,
    }
}

/// JSON Pointer writes `~1` for `/` and `~0` for `~` (RFC 6901).
fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

fn with_components(root: &Value, components: &[(String, Value)]) -> Value {
    let mut document = root.clone();
    if let (Value::Object(map), false) = (&mut document, components.is_empty()) {
        let schemas: serde_json::Map<_, _> = components.iter().cloned().collect();
        map.insert("components".into(), json!({ "schemas": schemas }));
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(ToSchema)]
    #[allow(dead_code, reason = "only its schema is looked at")]
    struct Inner {
        #[schema(minimum = 1)]
        count: u32,
    }

    #[derive(ToSchema)]
    #[allow(dead_code, reason = "only its schema is looked at")]
    struct Outer {
        text: String,
        inner: Vec<Inner>,
    }

    #[test]
    fn definitions_become_components() {
        let schema = Schema::from_definitions(&json!({
            "type": "array", "items": {"$ref": "#/$defs/Item"},
            "$defs": {"Item": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Item"}, "n": {"type": "integer"}}}},
        }));
        assert_eq!(schema.root["items"]["$ref"], "#/components/schemas/Item");
        assert!(schema.root.get("$defs").is_none());
        assert!(schema.faults(&json!([{"n": 1, "next": {"n": 2}}])).is_empty());
        assert_eq!(
            schema.faults(&json!([{"next": {"n": "two"}}]))[0].loc,
            ["body", "0", "next", "n"]
        );
    }

    #[test]
    fn every_fault_is_listed_with_its_path() {
        let schema = Schema::of::<Outer>();
        assert!(schema.faults(&json!({"text": "a", "inner": [{"count": 1}]})).is_empty());
        let faults = schema.faults(&json!({"inner": [{"count": 1}, {"count": 0}]}));
        let places: Vec<_> = faults.iter().map(|f| f.loc.join(".")).collect();
        assert_eq!(places.len(), 2, "{faults:?}");
        assert!(places.contains(&"body.text".to_owned()), "{places:?}");
        assert!(places.contains(&"body.inner.1.count".to_owned()));
    }
}
